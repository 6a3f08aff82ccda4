"""Nothing that is sent raises an exception, takes long, or becomes a record that cannot be read."""

import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.collect.intake import Intake, IntakeOptions
from clickstream.collect.model import Request
from clickstream.collect.protocols.divolte.answers import image_status, json_status
from clickstream.collect.protocols.model import SentEvent
from clickstream.records import WebClick, WebEvent, decode
from tests.support import PATIENCE
from tests.unit.collect.avro import avro
from tests.unit.collect.divolte import encoder
from tests.unit.collect.sent import NOON, PEER

Test = Callable[..., None]

LONG = 30_000  # examples of a run that takes minutes
AVRO, IN_AVRO = avro("web-event")
INTAKE = Intake(IntakeOptions(trusted=(f"{PEER}/32",), sessions=64))

ANY_TEXT = st.text(st.characters() | st.sampled_from("\0\x01\x02\udc80�\U0001f600"), max_size=30) | st.text("ab\udc80")
HEADERS = st.dictionaries(
    st.sampled_from(
        ("user-agent", "referer", "x-forwarded-for", "forwarded", "sec-purpose", "if-none-match", "content-type")
    ),
    ANY_TEXT | st.text('10.2:f[]",;= for\\', max_size=60),
)
URLS = st.sampled_from(("https://shop.example/a?utm_source=b", "http://u:p@[::1]:80/#")) | ANY_TEXT.map(
    "https://".__add__
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT
)
VALUES = st.recursive(LEAVES, lambda own: st.lists(own, max_size=4) | st.dictionaries(ANY_TEXT, own, max_size=4))
GOOD = {
    **{"id": "e1", "event": "pageview", "url": "https://shop.example/", "visitor": "v", "session": "s", "page": "p"},
    **{"referrer": "https://a.example/", "time": NOON, "sent": NOON, "stream": "v", "sequence": 1, "source": "tag"},
    **{"language": "de", "viewport": [1, 2], "screen": [3, 4], "properties": {"a": 1}, "cookieless": False},
}
FIELDS = ANY_TEXT | st.booleans() | st.integers(0, NOON) | URLS | VALUES | st.dictionaries(ANY_TEXT, VALUES)
EVENTS = st.dictionaries(st.sampled_from(SentEvent.__struct_fields__), FIELDS, max_size=2).map(GOOD.__or__)
JSON = (EVENTS | st.lists(EVENTS | VALUES, max_size=4)).map(lambda value: _json(value))
QUERIES = st.text(st.sampled_from('psvencflruwhijktx=&%+0123456789:;!~"(a)ü\udc80\0'), max_size=80)
DIVOLTE = st.dictionaries(st.sampled_from("psvencflruwhijktx"), ANY_TEXT, max_size=3).map(
    lambda changed: _query(encoder.event(**changed))
)
MINCODES = st.text("sdjtfn(a.)o!~01ü\0", max_size=40).map(lambda text: _query(encoder.event(u=text)))
PIXELS = st.dictionaries(
    st.sampled_from(("id", "event", "url", "site", "visitor", "referrer", "x")), ANY_TEXT | URLS
).map(lambda told: _query([("url", "https://shop.example/"), *told.items()]))


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _query(told: list[tuple[str, str]]) -> str:
    return encoder.query([(name, value.encode("utf-8", "replace").decode()) for name, value in told])


@st.composite
def damaged(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    """With some bytes changed, left out or said twice."""
    body = draw(bodies)
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2, 3)))):
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=3)) + body[at + draw(st.integers(-4, 4)) if at > 4 else at :]
    return body


def check(path: str, query: str, headers: dict[str, str], body: bytes = b"") -> None:
    request = Request("GET", path, query, headers, PEER, NOON, body)
    begun = time.process_time()
    taken = INTAKE.take(request)
    assert time.process_time() - begun < 2 * PATIENCE
    assert len(taken.events) + len(taken.refused) <= 500
    for outgoing in taken.events:
        event: WebEvent = decode(outgoing.records[0].value, WebEvent)
        assert event == outgoing.event
        assert decode(AVRO.to_json(IN_AVRO.encode(outgoing.records[0].value or b"")), WebEvent) == event
        assert event.id
        assert NOON - 86_400_000 <= event.time <= NOON
        for click in outgoing.records[1:]:
            decode(click.value, WebClick)
    for refused in taken.refused:
        assert refused.value in (body, query.encode("utf-8", "replace")) or len(refused.value) <= len(body) + len(query)
        assert refused.detail.isascii()
    assert image_status(headers) in (200, 304)
    assert json_status(request) in (204, 400, 415)


def _json_api(body: bytes, headers: dict[str, str]) -> None:
    check("/e", "", headers, body)


def _pixel(query: str, headers: dict[str, str]) -> None:
    check("/e.gif", query, headers)


def _divolte(query: str, headers: dict[str, str]) -> None:
    check("/csc-event", query, headers)


def _divolte_json(body: bytes, query: str, headers: dict[str, str]) -> None:
    check("/json-source", f"p={encoder.PARTY}{query}", headers, body)


APP = {
    **{"session_id": encoder.SESSION, "event_id": "e", "is_new_party": True, "is_new_session": True},
    **{"client_timestamp_iso": "2026-11-28T11:59:55Z", "event_type": "a", "parameters": {}},
}
APPS = st.dictionaries(st.sampled_from(tuple(APP)), FIELDS, max_size=2).map(lambda changed: _json({**APP, **changed}))

CASES: dict[str, Test] = {
    "json": given(damaged(JSON), HEADERS)(_json_api),
    "pixel": given(PIXELS | QUERIES, HEADERS)(_pixel),
    "divolte": given(DIVOLTE | MINCODES | QUERIES, HEADERS)(_divolte),
    "divolte, json": given(damaged(APPS), st.sampled_from(("", "&p=x", "%00")), HEADERS)(_divolte_json),
}


@pytest.mark.parametrize("case", CASES)
def test_anything(case: str) -> None:
    CASES[case]()


@pytest.mark.slow
@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("case", CASES)
def test_anything_for_minutes(case: str) -> None:
    settings(max_examples=LONG)(CASES[case])()


@pytest.mark.parametrize(
    ("path", "query", "body"),
    [
        ("/e", "", b"[" * 250_000),
        ("/e", "", b'{"a":' * 50_000),
        ("/e", "", b"[" + b"{}," * 80_000 + b"{}]"),
        ("/e", "", b'"' + rb"\ud800" * 40_000 + b'"'),
        ("/e", "", b'[{"id":"' + b"\\" * 250_000),
        ("/e", "", b'{"id":' + b"9" * 250_000 + b"}"),
        ("/e", "", msgspec.json.encode([{"id": "a", "event": "b", "url": "http://" + "@" * 4_000}] * 60)),
        ("/e.gif", "&" * 200_000, b""),
        ("/e.gif", "url=" + "%" * 200_000, b""),
        ("/e.gif", "url=http://" + "%20" * 60_000, b""),
        ("/csc-event", "u=" + "(a!" * 60_000, b""),
        ("/csc-event", _query(encoder.event(u="(a!" * 60_000)), b""),
        ("/csc-event", _query(encoder.event(u="s" + "~" * 60_001)), b""),
        ("/csc-event", _query(encoder.event(p="0:" + "1" * 100_000)), b""),
    ],
)
def test_what_is_large_takes_no_longer_than_it_is_large(path: str, query: str, body: bytes) -> None:
    begun = time.process_time()
    check(path, query, {}, body)
    assert time.process_time() - begun < 1 * PATIENCE
