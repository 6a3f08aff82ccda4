"""The JSON API: what is read, what is refused, and how it is said."""

from typing import Any

import msgspec
import pytest

from clickstream.collect.model import Reason, Refused
from tests.unit.collect.sent import NOON, event, intake, post, take


def refused(body: Any, **options: Any) -> list[Refused]:
    return intake(**options).take(post(body)).refused


def refusal(**fields: Any) -> tuple[Reason, str]:
    [one] = refused(event(**fields))
    return one.reason, one.detail


def test_an_event_with_all_its_fields() -> None:
    sent = event(
        site="shop",
        visitor="v",
        session="s",
        page="p",
        referrer="https://search.example/?q=a",
        time=NOON - 5_000,
        sent=NOON - 1_000,
        stream="v",
        sequence=7,
        new_session=True,
        language="de-AT",
        viewport=[1280, 720.5],
        screen=[1920, 1080],
        properties={"sku": "A-42", "price": 19.99, "new": True, "none": None},
        source="tag",
    )
    found = take(sent)
    assert (found.id, found.event, found.url, found.site) == ("e1", "pageview", sent["url"], "shop")
    assert (found.visitor, found.session, found.page, found.new_session) == ("v", "s", "p", True)
    assert (found.time, found.received_at) == (NOON - 4_000, NOON)
    assert (found.created_at, found.sent_at) == (NOON - 5_000, NOON - 1_000)
    assert (found.stream, found.sequence, found.source) == ("v", 7, "tag")
    assert found.referrer == "https://search.example/?q=a"
    assert (found.language, found.viewport_width, found.viewport_height) == ("de-AT", 1280, 720)
    assert (found.screen_width, found.screen_height) == (1920, 1080)
    assert found.properties == sent["properties"]


def test_what_is_not_told_is_null() -> None:
    found = take(event())
    assert (found.visitor, found.session, found.page, found.sequence, found.viewport_width) == (None,) * 5
    assert (found.site, found.source, found.properties, found.time) == ("shop.example", "json", {}, NOON)
    nothing = dict.fromkeys(("site", "visitor", "session", "page", "referrer", "time", "stream", "properties"))
    assert take(event(**nothing)) == found


def test_one_bad_event_of_a_batch_is_refused_alone() -> None:
    batch = [event(id=str(number)) for number in range(20)]
    batch[3] = {"id": "3", "event": "pageview"}
    taken = intake().take(post(batch))
    assert [one.event and one.event.id for one in taken.events] == [str(number) for number in range(20) if number != 3]
    [bad] = taken.refused
    assert (bad.reason, bad.detail, bad.index) == (Reason.NOT_AN_EVENT, "url: missing", 3)
    assert msgspec.json.decode(bad.value) == {"id": "3", "event": "pageview"}, "and nothing of the others"


@pytest.mark.parametrize(
    ("fields", "reason", "detail"),
    [
        ({"id": 5}, Reason.NOT_AN_EVENT, "id: not of its type"),
        ({"id": ""}, Reason.NOT_AN_EVENT, "id: empty"),
        ({"id": "i" * 65}, Reason.TOO_LARGE, "id: more than 64 characters"),
        ({"event": "e" * 101}, Reason.TOO_LARGE, "event: more than 100 characters"),
        ({"event": "a\nb"}, Reason.NOT_AN_EVENT, "event: a control character"),
        ({"visitor": "a\0b"}, Reason.NOT_AN_EVENT, "visitor: a control character"),
        ({"session": "s" * 65}, Reason.TOO_LARGE, "session: more than 64 characters"),
        ({"url": "/relative"}, Reason.BAD_URL, "url: not an absolute address with a host"),
        ({"url": "javascript:alert(1)"}, Reason.BAD_URL, "url: not an absolute address with a host"),
        ({"url": "https://"}, Reason.BAD_URL, "url: not an absolute address with a host"),
        ({"url": "https://shop.example/\0"}, Reason.BAD_URL, "url: not an absolute address with a host"),
        ({"url": "https://shop.example/" + "a" * 4_096}, Reason.TOO_LARGE, "url: more than 4096 characters"),
        ({"referrer": "https://x.example/" + "a" * 4_096}, Reason.TOO_LARGE, "referrer: more than 4096 characters"),
        ({"sequence": -1}, Reason.NOT_AN_EVENT, "sequence: not a number from 0 to 2**53 - 1"),
        ({"sequence": 2**53}, Reason.NOT_AN_EVENT, "sequence: not a number from 0 to 2**53 - 1"),
        ({"sequence": 1.5}, Reason.NOT_AN_EVENT, "sequence: not of its type"),
        ({"time": -1}, Reason.NOT_AN_EVENT, "time: not a number of milliseconds since 1970"),
        ({"time": 10**300}, Reason.NOT_AN_EVENT, "time: not a number of milliseconds since 1970"),
        ({"sent": 1e300}, Reason.NOT_AN_EVENT, "sent: not a number of milliseconds since 1970"),
        ({"time": "2026-11-28"}, Reason.NOT_AN_EVENT, "time: not of its type"),
        ({"viewport": [1, 2, 3]}, Reason.NOT_AN_EVENT, "viewport: not of its type"),
        ({"source": "divolte"}, Reason.NOT_AN_EVENT, "source: not of its type"),
        ({"bot": "no"}, Reason.NOT_AN_EVENT, "bot: there is no such field"),
        ({"properties": []}, Reason.NOT_AN_EVENT, "properties: not of its type"),
        ({"properties": {str(n): n for n in range(101)}}, Reason.TOO_MANY, "properties: more than 100"),
        ({"properties": {"a": list(range(100))}}, Reason.TOO_MANY, "properties: more than 100"),
        ({"properties": {"a": {"b": {"c": {"d": {}}}}}}, Reason.TOO_MANY, "properties: more than 4 levels"),
        ({"properties": {"a": "x" * 4_097}}, Reason.TOO_LARGE, "properties: a text of more than 4096 characters"),
        ({"properties": {"x" * 101: 1}}, Reason.TOO_LARGE, "properties: a name of more than 100 characters"),
        ({"properties": {"a": "x\0"}}, Reason.NOT_AN_EVENT, "properties: a NUL character"),
        ({"properties": {"a\0": 1}}, Reason.NOT_AN_EVENT, "properties: a NUL character"),
        ({"properties": {"a": 10**400}}, Reason.NOT_AN_EVENT, "properties: a number beyond 64 bits"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], reason: Reason, detail: str) -> None:
    assert refusal(**fields) == (reason, detail)


@pytest.mark.parametrize("name", ["<script>", "bob@example.com", "X", "a" * 31, "ünder", "a b"])
def test_a_name_that_could_be_anything_is_not_said_again(name: str) -> None:
    assert refusal(**{name: 1}) == (Reason.NOT_AN_EVENT, "a field that does not exist")


@pytest.mark.parametrize("fields", [{"properties": {"a": {"b": {"c": [1]}}}}, {"properties": {"a": "x" * 4_096}}])
def test_what_just_fits(fields: dict[str, Any]) -> None:
    assert take(event(**fields)).properties == fields["properties"]


@pytest.mark.parametrize(
    "body", [b"", b"no", b'{"id": "a"', b"[{}", b'{"id": NaN}', b"\xff", b"[1,]", b"{} x", b'{"a": Infinity}']
)
def test_what_is_no_json_is_one_refusal(body: bytes) -> None:
    taken = intake().take(post(body))
    assert taken.events == []
    assert taken.refused == [Refused(Reason.NOT_JSON, "the body is not JSON", body)]


@pytest.mark.parametrize("body", [b"5", b'"text"', b"null", b"{}", b"[[]]", b"[null]"])
def test_json_that_is_no_event(body: bytes) -> None:
    [one] = refused(body)
    assert one.reason == Reason.NOT_AN_EVENT


def test_no_events_are_nothing() -> None:
    taken = intake().take(post(b" [ ] "))
    assert (taken.events, taken.refused) == ([], [])


def test_an_event_with_text_that_is_no_utf8_is_refused_alone() -> None:
    good, bad = msgspec.json.encode(event()), msgspec.json.encode(event(site="X")).replace(b"X", b"\xff\xfe")
    taken = intake().take(post(b"[" + good + b"," + bad + b"]"))
    assert len(taken.events) == 1
    assert [(one.reason, one.index, one.value) for one in taken.refused] == [(Reason.NOT_JSON, 1, bad)]


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (rb"\ud83d\ude00", "\U0001f600"),
        (rb"cut \ud83d", "cut �"),
        (rb"\ude00 cut", "� cut"),
        (rb"\ud83d\ud83d\ude00", "�\U0001f600"),
        (rb"\uD83Dx", "�x"),
        (rb"\\ud83d", "\\ud83d"),
        (rb"\\\ud83d", "\\�"),
    ],
)
def test_half_of_a_surrogate_pair_becomes_the_replacement_character(escaped: bytes, text: str) -> None:
    body = msgspec.json.encode(event(properties={"title": "HERE"})).replace(b"HERE", escaped)
    assert take(body).properties == {"title": text}
    assert take(b"[" + body + b"]").properties == {"title": text}


def test_of_a_key_that_comes_twice_the_last_value_counts() -> None:
    assert (
        take(b'{"id":"a","event":"x","event":"y","url":"https://a.example/","properties":{"k":1,"k":2}}').event == "y"
    )


@pytest.mark.parametrize(("number", "stored"), [(2**63 - 1, 2**63 - 1), (2**63, 2.0**63), (-(2**63) - 1, -(2.0**63))])
def test_whole_numbers_beyond_64_bits_are_what_they_were_in_javascript(number: int, stored: float) -> None:
    found = take(event(properties={"n": number, "l": [number]})).properties
    assert found == {"n": stored, "l": [stored]}
    assert type(found["n"]) is type(stored)


def test_a_number_that_is_none_refuses_its_event() -> None:
    body = msgspec.json.encode([event(), event(properties={"n": 7})]).replace(b'{"n":7}', b'{"n":1e999}')
    taken = intake().take(post(body))
    assert len(taken.events) == 1
    assert [(one.reason, one.detail) for one in taken.refused] == [(Reason.NOT_AN_EVENT, "properties: not of its type")]


@pytest.mark.parametrize("depth", [300, 60_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    body = msgspec.json.encode(event(properties={"a": 7})).replace(b'{"a":7}', b'{"a":' + deep + b"}")
    for sent in (body, b"[" + body + b"]", deep):
        [one] = refused(sent)
        assert one.reason in (Reason.TOO_MANY, Reason.TOO_LARGE, Reason.NOT_AN_EVENT)


def test_too_many_events_are_one_refusal() -> None:
    assert len(intake().take(post([event()] * 500)).events) == 500
    body = msgspec.json.encode([event()] * 501)
    assert refused(body) == [Refused(Reason.TOO_MANY, "more than 500 events", body)]
    assert len(refused(b"[" + b"0," * 50_000 + b"0]")) == 1


def test_an_event_that_is_too_large_is_refused_alone() -> None:
    large = event(properties={str(number): "x" * 4_000 for number in range(20)})
    taken = intake().take(post([event(), large, event()]))
    assert len(taken.events) == 2
    assert [(one.reason, one.detail, one.index) for one in taken.refused] == [
        (Reason.TOO_LARGE, "more than 65536 bytes", 1)
    ]


@pytest.mark.parametrize("told", [[0, 5], [-1, 5], [1e9, 5], [100_001, 1]])
def test_a_size_that_nobody_has_is_null(told: list[float]) -> None:
    found = take(event(viewport=told, screen=told))
    assert (found.viewport_width, found.viewport_height, found.screen_width) == (None, None, None)


@pytest.mark.parametrize("secret", ["hunter2", "SECRET-VALUE"])
def test_nothing_of_what_was_sent_is_in_the_details(secret: str) -> None:
    bad = [
        event(id={secret: secret}),
        event(properties={secret: "x" * 5_000}),
        event(url=secret),
        event(site=secret * 100),
        {secret: secret},
        {**event(), secret.upper(): 1},
        secret,
    ]
    assert not [one.detail for one in refused(bad) if secret in one.detail]
    assert len(refused(bad)) == len(bad)
