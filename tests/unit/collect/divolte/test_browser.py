"""What Divolte's page tag sends, as events of ours."""

from collections.abc import Sequence

import mmh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.collect.intake import Intake
from clickstream.collect.model import Reason, Refused, Taken
from clickstream.collect.protocols.divolte.duplicates import Seen
from tests.unit.collect.divolte.encoder import PAGE, PARTY, SESSION, base36, event, mincode, murmur3, query
from tests.unit.collect.sent import NOON, get, intake, only

# What the tag of Divolte 0.9 sent for `divolte.signal('addToBasket', {...})` in a browser.
FROM_THE_TAG = (
    "p=0%3Amx1p9jbv%3A1DDjfEkSk2~AhwDzNleFtyklTwlO_xbx&s=0%3Amx1p9jbv%3A0qy26jaqan9ScWW2nQVzI6HgRaoxqJa0"
    "&v=0%3AvMVlw7NFIbgn7hoRuHtwCYX67djfiViK&e=0%3AvMVlw7NFIbgn7hoRuHtwCYX67djfiViK1&c=mx1p9jc1&n=f&f=f"
    "&l=https%3A%2F%2Fshop.example%2F%C3%A4%3Fx%3D1%26utm_source%3Dnews%23frag"
    "&r=https%3A%2F%2Fwww.google.com%2F%3Fq%3D%C3%A4&i=1hc&j=sw&k=1.i&w=zk&h=k0&t=addToBasket"
    "&u=(ssku!A~~42~!!jprice!19.99!dcount!3!jbig!1e%2B21!dneg!-10!alist!d1!nsx!ntf().(nested!(a!sb!%C3%BC!))"
    "sdate!1970-01-01T00%3A00%3A00.000Z!jtiny!1e-7!dmax!2gosa7pa2gv!sempty!!)&x=-so43ow"
)


def take(told: Sequence[tuple[str, str]], one: Intake | None = None) -> Taken:
    return (one or intake()).take(get("/csc-event", query(told)))


def test_an_event_of_the_tag_itself() -> None:
    found = only(intake().take(get("/csc-event", FROM_THE_TAG)))
    assert (found.event, found.source, found.corrupt) == ("addToBasket", "divolte", False)
    assert found.visitor == "0:mx1p9jbv:1DDjfEkSk2~AhwDzNleFtyklTwlO_xbx"
    assert (found.id, found.page) == ("0:vMVlw7NFIbgn7hoRuHtwCYX67djfiViK1", "0:vMVlw7NFIbgn7hoRuHtwCYX67djfiViK")
    assert found.url == "https://shop.example/ä?x=1&utm_source=news#frag"
    assert (found.viewport_width, found.viewport_height) == (1280, 720)
    assert (found.screen_width, found.screen_height) == (1920, 1040)
    assert (found.referrer, found.campaign_source) == ("https://www.google.com/?q=ä", "news")
    assert found.properties == {
        **{"sku": "A~42!", "price": 19.99, "count": 3, "big": 1e21, "neg": -36},
        **{"list": [1, None, "x", None, True, False, {}], "nested": {"a": {"b": "ü"}}},
        **{"date": "1970-01-01T00:00:00.000Z", "tiny": 1e-7, "max": 2**53 - 1, "empty": ""},
    }


def test_a_page_view_is_one_of_ours() -> None:
    taken = take(event())
    found = only(taken)
    assert (found.event, found.visitor, found.session, found.page, found.id) == (
        *("pageview", PARTY, SESSION, PAGE),
        PAGE + "0",
    )
    assert (found.new_session, found.corrupt, found.duplicate) == (True, False, False)
    assert (found.created_at, found.sent_at, found.time) == (NOON - 5_000, None, NOON - 5_000)
    assert (found.site, found.referrer_class, found.properties) == ("shop.example", "search", {})
    assert [record.topic for record in taken.events[0].records] == ["web-events", "clickstream"]


@pytest.mark.parametrize(("flag", "new"), [("t", True), ("f", False), ("x", False)])
def test_the_first_event_of_a_session(flag: str, new: bool) -> None:
    assert only(take(event(f=flag))).new_session is new


@pytest.mark.parametrize("name", [None, ""])
def test_an_event_without_a_type(name: str | None) -> None:
    assert only(take(event(t=name))).event == "event"


@pytest.mark.parametrize("value", ["term", 42, [1], True])
def test_parameters_that_are_no_object(value: object) -> None:
    assert only(take(event(u=mincode(value)))).properties == {"value": value}


def test_no_parameters() -> None:
    assert only(take(event(u=mincode(None)))).properties == {}


# --- what proxies and scanners do to it


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_checksum_is_that_of_all_parameters(url: str, name: str) -> None:
    told = [("l", "https://a.example/" + url), *event(l=None, t="x" + name.replace("\0", "").strip())]
    with_checksum = get("/csc-event", query(told))
    taken = intake().take(with_checksum)
    assert all(one.event is not None and not one.event.corrupt for one in taken.events)


@given(st.binary(max_size=50))
def test_the_encoders_hash_is_murmurs(data: bytes) -> None:
    assert murmur3(data) == mmh3.hash(data)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("x=", "y="),
        lambda text: text.rpartition("&")[0],
        lambda text: text.rpartition("&")[0] + "&x=",
        lambda text: text.rpartition("&")[0] + "&x=zz~",
        lambda text: text.replace("shop.example", "shop.invalid"),
        lambda text: text + "&utm=1",
        lambda text: text[: text.index("&r=")],
    ],
)
def test_what_was_changed_on_its_way_is_marked(change: object) -> None:
    assert callable(change)
    taken = intake().take(get("/csc-event", change(query(event()))))
    assert only(taken).corrupt
    assert [record.topic for record in taken.events[0].records] == ["web-events"], "no web click of what may be wrong"


def test_a_name_that_comes_twice_is_no_change() -> None:
    found = only(take([*event(), ("t", "second"), ("a", "1"), ("a", "2")]))
    assert (found.event, found.corrupt) == ("pageview", False)


def test_what_comes_again_is_marked_and_kept() -> None:
    one = intake()
    first, again, other = take(event(), one), take(event(), one), take(event(e=PAGE + "1"), one)
    assert [only(taken).duplicate for taken in (first, again, other)] == [False, True, False]
    assert first.events[0].id is not None
    assert again.events[0].id is None, "it is not dropped for its id"
    assert [record.topic for record in again.events[0].records] == ["web-events"]


def test_the_memory_of_what_was_seen_is_bounded() -> None:
    seen = Seen(slots=4)
    assert [seen.before(str(number)) for number in range(100)] == [False] * 100
    assert seen.before("99")
    assert Seen().before("a", "bc") is Seen().before("ab", "c") is False
    once = Seen()
    once.before("a", "bc")
    assert not once.before("ab", "c")


# --- what is refused: the answer is an image all the same


@pytest.mark.parametrize(
    ("changed", "reason", "detail"),
    [
        ({"p": None}, Reason.MISSING, "p, the party id: missing"),
        ({"s": None}, Reason.MISSING, "s, the session id: missing"),
        ({"v": None}, Reason.MISSING, "v, the page view id: missing"),
        ({"e": None}, Reason.MISSING, "e, the event id: missing"),
        ({"n": None}, Reason.MISSING, "n, the new party: missing"),
        ({"f": None}, Reason.MISSING, "f, the first in session: missing"),
        ({"c": None}, Reason.MISSING, "c, the client's time: missing"),
        ({"c": "ü"}, Reason.BAD_NUMBER, "c, the client's time: not a number in base 36"),
        ({"c": "-1"}, Reason.NOT_AN_EVENT, "time: not a number of milliseconds since 1970"),
        ({"p": "me"}, Reason.NOT_AN_EVENT, "p, the party id: not 0:TIMESTAMP:ID"),
        ({"s": "1:1:x"}, Reason.NOT_AN_EVENT, "s, the session id: not 0:TIMESTAMP:ID"),
        ({"l": "about:blank"}, Reason.BAD_URL, "url: not an absolute address with a host"),
        ({"e": "e" * 65}, Reason.TOO_LARGE, "id: more than 64 characters"),
        ({"u": mincode({"a": "x" * 4_097})}, Reason.TOO_LARGE, "properties: a text of more than 4096 characters"),
    ],
)
def test_what_is_refused(changed: dict[str, str | None], reason: Reason, detail: str) -> None:
    sent = query(event(**changed))
    assert intake().take(get("/csc-event", sent)).refused == [Refused(reason, detail, sent.encode())]


def test_parameters_that_cannot_be_read_are_refused_alone() -> None:
    taken = take(event(u="(sa!"))
    assert [one.event and one.event.properties for one in taken.events] == [{}]
    assert [(one.reason, one.value) for one in taken.refused] == [(Reason.BAD_PARAMETERS, b"(sa!")]


@pytest.mark.parametrize(("name", "value"), [("w", "1.i"), ("h", ""), ("w", None), ("h", base36(10**9))])
def test_a_size_that_is_no_number_is_null(name: str, value: str | None) -> None:
    found = only(take(event(**{name: value})))
    assert (found.viewport_width, found.viewport_height, found.screen_width) == (None, None, 1920)


def test_without_a_location_it_happened_nowhere() -> None:
    found = only(take(event(l=None)))
    assert (found.url, found.site) == ("", "")
