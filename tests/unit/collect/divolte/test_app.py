"""What applications send to a JSON source of Divolte's; the examples are its documentation's."""

from typing import Any

import msgspec
import pytest

from clickstream.collect.model import Reason, Request, Taken
from clickstream.collect.protocols.divolte.answers import ETAG, HEADERS, image_status, json_status
from tests.unit.collect.divolte.encoder import PARTY, SESSION
from tests.unit.collect.sent import CHROME, NOON, PEER, intake, only

EXAMPLE: dict[str, Any] = {
    "session_id": SESSION,
    "event_id": "AruZ~Em0WNlAnbyzVmwM~GR0cMb6Xl9r",
    "is_new_party": True,
    "is_new_session": True,
    "client_timestamp_iso": "2026-11-28T13:59:55.412+02:00",
    "event_type": "newUser",
    "parameters": {"channel": "google"},
}


def request(body: Any, query: str = f"p={PARTY}", content: str = "application/json") -> Request:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Request("POST", "/json-source", query, {"user-agent": CHROME, "content-type": content}, PEER, NOON, raw)


def take(**changed: Any) -> Taken:
    return intake().take(request({**EXAMPLE, **changed}))


def test_the_documentations_example() -> None:
    found = only(take())
    assert (found.event, found.visitor, found.session, found.id) == ("newUser", PARTY, SESSION, EXAMPLE["event_id"])
    assert (found.new_session, found.source, found.properties) == (True, "divolte", {"channel": "google"})
    assert (found.created_at, found.time) == (NOON - 4_588, NOON - 4_588)
    assert (found.url, found.site, found.page, found.referrer) == ("", "", None, None)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-11-28T11:59:55Z", -5_000),
        ("2026-11-28T11:59:55", -5_000),
        ("2026-11-28T11:59:55.5", -4_500),
        ("2026-11-28T11:59:55.123456789Z", -4_877),
        ("2026-11-28T11:59Z", -60_000),
        ("2026-11-28T12:59:55+01", -5_000),
        ("2026-11-28T06:29:55-05:30", -5_000),
    ],
)
def test_times(text: str, ms: int) -> None:
    assert only(take(client_timestamp_iso=text)).created_at == NOON + ms


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-11-28", "20261128T115955Z", "2026-11-28 11:59:55Z", "2026-13-01T00:00:00Z", "2026-W48-6T1"],
)
def test_what_is_no_time(text: str) -> None:
    [refused] = take(client_timestamp_iso=text).refused
    assert (refused.reason, refused.detail) == (Reason.NOT_AN_EVENT, "client_timestamp_iso: not an ISO 8601 time")


@pytest.mark.parametrize("name", ["session_id", "event_id", "is_new_party", "is_new_session", "client_timestamp_iso"])
def test_what_must_be_there(name: str) -> None:
    body = {key: value for key, value in EXAMPLE.items() if key != name}
    [refused] = intake().take(request(body)).refused
    assert (refused.reason, refused.detail) == (Reason.NOT_AN_EVENT, f"{name}: missing")


@pytest.mark.parametrize(("parameters", "found"), [(None, {}), ([1], {"value": [1]}), ("a", {"value": "a"})])
def test_parameters_may_be_anything(parameters: Any, found: dict[str, Any]) -> None:
    assert only(take(parameters=parameters)).properties == found


def test_what_may_be_left_out() -> None:
    body = {key: value for key, value in EXAMPLE.items() if key not in ("event_type", "parameters")}
    found = only(intake().take(request(body)))
    assert (found.event, found.properties) == ("event", {})


@pytest.mark.parametrize(
    ("body", "query", "reason"),
    [
        (b"no", f"p={PARTY}", Reason.NOT_JSON),
        (b"", f"p={PARTY}", Reason.NOT_JSON),
        ([EXAMPLE], f"p={PARTY}", Reason.NOT_AN_EVENT),
        (EXAMPLE, "", Reason.MISSING),
        (EXAMPLE, "p=me", Reason.MISSING),
        ({**EXAMPLE, "session_id": "s"}, f"p={PARTY}", Reason.NOT_AN_EVENT),
        ({**EXAMPLE, "more": 1}, f"p={PARTY}", Reason.NOT_AN_EVENT),
        ({**EXAMPLE, "is_new_party": "true"}, f"p={PARTY}", Reason.NOT_AN_EVENT),
        ({**EXAMPLE, "parameters": "x" * 70_000}, f"p={PARTY}", Reason.TOO_LARGE),
        (b'{"parameters":' + b"[" * 30_000 + b"]" * 30_000 + b"}", f"p={PARTY}", Reason.TOO_MANY),
    ],
)
def test_what_is_refused(body: Any, query: str, reason: Reason) -> None:
    [refused] = intake().take(request(body, query)).refused
    assert refused.reason == reason


def test_what_comes_again_is_marked() -> None:
    one = intake()
    assert [only(one.take(request(EXAMPLE))).duplicate for _ in range(2)] == [False, True]


# --- how it is answered


@pytest.mark.parametrize(
    ("one", "status"),
    [
        (request(EXAMPLE), 204),
        (request(b"no json"), 204),
        (request(EXAMPLE, content="Application/JSON; charset=utf-8"), 204),
        (request(EXAMPLE, content="text/plain"), 415),
        (request(b""), 400),
        (request(EXAMPLE, ""), 400),
        (request(EXAMPLE, "p=me"), 400),
    ],
)
def test_answers_to_the_json_source(one: Request, status: int) -> None:
    assert json_status(one) == status


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (None, 200),
        ("", 200),
        ('"other"', 200),
        (ETAG, 304),
        (f"W/{ETAG}", 304),
        (f'"other", {ETAG}', 304),
        ("*", 304),
        ("x," * 100_000 + ETAG, 200),
    ],
)
def test_answers_with_the_image(asked: str | None, status: int) -> None:
    assert image_status({} if asked is None else {"if-none-match": asked}) == status
    assert dict(HEADERS)["etag"] == ETAG
