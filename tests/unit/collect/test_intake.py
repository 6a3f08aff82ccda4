"""From a request to records: who, where, when, from where, with what."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from clickstream.collect.enrichment import LONGEST_KNOWN, Enrichment
from clickstream.collect.intake import Intake, IntakeOptions
from clickstream.collect.model import Outgoing, Request
from clickstream.collect.protocols.model import Reading, SentEvent
from clickstream.collect.visitors.salts import Salts
from clickstream.collect.visitors.sessions import Sessions
from clickstream.enrich.places import UNKNOWN, Place
from clickstream.errors import ConfigError
from clickstream.records import WebClick, WebEvent, decode
from tests.unit.collect.divolte import test_app as app
from tests.unit.collect.sent import CHROME, DAY, MINUTE, NOON, PEER, SHOP, event, get, intake, only, post, take
from tests.unit.enrich.test_places import GERMANY, database

ENDPOINTS = {
    "json": post([event(visitor="v")]),
    "pixel": get("/e.gif", {"url": SHOP}),
    "divolte": get("/csc-event", "p=0:1:a&s=0:1:b&v=c&e=d&n=t&f=t&c=1"),
    "divolte, json": app.request(app.EXAMPLE),
}
HEADLESS = CHROME.replace("Chrome", "HeadlessChrome")


def outgoing(request: Any, **options: Any) -> Outgoing:
    [one] = intake(**options).take(request).events
    return one


def click(one: Outgoing) -> WebClick:
    value: WebClick = decode(one.records[1].value, WebClick)
    return value


def test_the_record_is_the_event_by_its_visitor() -> None:
    one = outgoing(post(event(visitor="v", event="scroll")))
    [record] = one.records
    assert (record.topic, record.key, record.headers) == ("web-events", b"v", None)
    assert decode(record.value, WebEvent) == one.event


def test_the_same_id_of_another_site_is_another_event() -> None:
    ids = [outgoing(post(event(id="1", site=site))).id for site in ("a", "b", "a")]
    assert ids[0] == ids[2] != ids[1]


def test_every_field_has_its_place(tmp_path: Path) -> None:
    """What is said is another thing for each field, but for those that say yes or no."""
    page = SHOP + "?utm_source=s&utm_medium=m&utm_campaign=c&utm_term=t&utm_content=o"
    told = {"visitor": "v", "session": "n", "page": "p", "stream": "w", "sequence": 7, "source": "tag"}
    sizes = {"language": "de", "viewport": [1, 2], "screen": [3, 4], "properties": {"a": 1}}
    times = {"time": NOON - 9_000, "sent": NOON - 5_000}
    sent = event(url=page, site="site", referrer="https://www.google.com/", new_session=True, **told, **sizes, **times)
    one = take(sent, geo_db=str(database(tmp_path / "places.mmdb", {}, GERMANY)), address="full")
    assert msgspec.structs.asdict(one) == {
        **{"id": "e1", "event": "pageview", "site": "site", "url": page, "visitor": "v", "session": "n", "page": "p"},
        **{"time": NOON - 4_000, "received_at": NOON, "created_at": NOON - 9_000, "sent_at": NOON - 5_000},
        **{"stream": "w", "sequence": 7, "source": "tag", "cookieless": False, "new_session": True},
        **{"duplicate": False, "corrupt": False, "referrer": "https://www.google.com/", "referrer_class": "campaign"},
        **{"campaign_source": "s", "campaign_medium": "m", "campaign": "c", "campaign_term": "t"},
        **{"campaign_content": "o", "agent": CHROME, "browser": "Chrome", "os": "Windows", "device": "desktop"},
        **{"bot": None, "address": PEER, "country": "DE", "city": "Berlin", "language": "de"},
        **{"viewport_width": 1, "viewport_height": 2, "screen_width": 3, "screen_height": 4, "properties": {"a": 1}},
    }


def test_without_a_visitor_it_has_no_key() -> None:
    assert outgoing(post(event())).records[0].key is None


def test_a_page_view_of_a_person_is_a_web_click_too() -> None:
    sent = event(visitor="v", url=SHOP + "?a=b c", referrer="https://a.example/", time=NOON - 1_000, sent=NOON)
    one = outgoing(post(sent))
    assert [record.topic for record in one.records] == ["web-events", "clickstream"]
    assert one.records[1].key == b"203.0.113.0"
    assert click(one) == WebClick(
        ip="203.0.113.0",
        userid=click(one).userid,
        remote_user=None,
        time="28/Nov/2026:11:59:59 +0000",
        time_ms=NOON - 1_000,
        request="GET /products/42?a=b%20c HTTP/1.1",
        status=200,
        bytes=0,
        referrer="https://a.example/",
        agent=CHROME,
    )


def test_the_number_of_a_visitor_is_always_the_same_and_has_31_bits() -> None:
    numbers = {click(outgoing(post(event(visitor=f"visitor {n % 100}")))).userid for n in range(200)}
    assert len(numbers) == 100
    assert all(number is not None and 0 <= number < 2**31 for number in numbers)
    assert click(outgoing(post(event()))).userid is None


@pytest.mark.parametrize(
    "request_",
    [
        post(event(event="scroll")),
        post(event(), headers={"user-agent": "curl/8.0"}),
        post(event(webdriver=True)),
        get("/e.gif", {"url": SHOP}, headers={"sec-purpose": "prefetch"}),
    ],
)
def test_nothing_else_is_a_web_click(request_: Any) -> None:
    assert [record.topic for record in outgoing(request_).records] == ["web-events"]


def test_clicks_can_be_turned_off_and_topics_be_others() -> None:
    assert [record.topic for record in outgoing(post(event()), clicks_topic=None).records] == ["web-events"]
    named = outgoing(post(event()), events_topic="e", clicks_topic="c").records
    assert [record.topic for record in named] == ["e", "c"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("header", ["sec-gpc", "dnt"])
def test_who_opts_out_leaves_nothing(endpoint: str, header: str, tmp_path: Path) -> None:
    one = intake(state_dir=str(tmp_path))
    request = ENDPOINTS[endpoint]
    for value in ("1", " 1 ", "1, 1", "0, 1"):
        taken = one.take(_with(request, {header: value}))
        assert (taken.opted_out, taken.events, taken.refused, taken.address) == (True, [], [], None)
    assert list(tmp_path.glob("sessions-*")) == []
    for value in ("0", "", "null", "11"):
        assert one.take(_with(request, {header: value})).events


def _with(request: Request, headers: dict[str, str]) -> Request:
    return replace(request, headers={**request.headers, **headers})


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (post(event()), None),
        (post(event(), headers={"user-agent": "Googlebot/2.1"}), "list"),
        (post(event(), headers={"user-agent": ""}), "empty"),
        (post(event(), headers={"user-agent": HEADLESS}), "headless"),
        (post(event(webdriver=True)), "webdriver"),
        (post(event(webdriver=True), headers={"user-agent": HEADLESS}), "headless"),
        (get("/e.gif", {"url": SHOP}, headers={"sec-purpose": "prefetch;prerender"}), "prefetch"),
        (get("/e.gif", {"url": SHOP}, headers={"purpose": "prefetch"}), "prefetch"),
        (get("/e.gif", {"url": SHOP}, headers={"x-moz": "prefetch"}), "prefetch"),
        (get("/csc-event", ENDPOINTS["divolte"].query, headers={"sec-purpose": "prefetch"}), "prefetch"),
        # A tag runs in a page that is shown, or says when it will be: what it sends it sends for itself.
        (post(event(), headers={"sec-purpose": "prefetch"}), None),
    ],
)
def test_why_it_is_no_person(request_: Any, reason: str | None) -> None:
    found = outgoing(request_).event
    assert found is not None
    assert found.bot == reason


def test_what_the_agent_says() -> None:
    found = take(event())
    assert (found.agent, found.browser, found.os, found.device) == (CHROME, "Chrome", "Windows", "desktop")
    nothing = only(intake().take(post(event(), headers={"user-agent": "\udc80" + "x" * 5_000})))
    assert nothing.agent is not None
    assert (len(nothing.agent), nothing.browser, nothing.os) == (1_000, None, None)
    assert nothing.agent.startswith("?x")


def test_the_address_is_looked_up_before_it_is_truncated(tmp_path: Path) -> None:
    path = str(database(tmp_path / "places.mmdb", {}, GERMANY))
    found = only(intake(geo_db=path).take(post(event())))
    assert (found.address, found.country, found.city) == ("203.0.113.0", "DE", "Berlin")
    full = only(intake(geo_db=path, address="full").take(post(event())))
    assert full.address == PEER


def test_a_place_is_that_of_the_full_address() -> None:
    asked: list[str] = []

    def place(address: str) -> Place:
        asked.append(address)
        return UNKNOWN

    enrichment = Enrichment(Salts(None), Sessions(None, 8), place)
    [found] = enrichment.events(post(b""), Reading([SentEvent(id="e1", event="a", url=SHOP)]), PEER)
    assert (asked, found.address) == ([PEER], "203.0.113.0")


def test_no_address_is_none_however_addresses_are_stored() -> None:
    assert [only(intake(address=how).take(post(event(), peer=""))).address for how in ("truncated", "full")] == [
        None
    ] * 2


def test_each_agent_at_each_address_is_told_by_itself() -> None:
    one = intake()
    agents, peers = ("Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0", "curl/8"), (PEER, "198.51.100.7")
    sent = [(agent, peer) for agent in agents for peer in peers]
    found = [only(one.take(post(event(), peer=peer, headers={"user-agent": agent}))) for agent, peer in sent * 2]
    shown = {PEER: "203.0.113.0", "198.51.100.7": "198.51.100.0"}
    assert [(event.agent, event.address) for event in found] == [(agent, shown[peer]) for agent, peer in sent * 2]


def test_what_is_shown_of_an_address_is_always_truncated() -> None:
    assert intake(address="full").take(post(event())).address == "203.0.113.0"


def test_the_client_is_behind_trusted_proxies() -> None:
    one = intake(trusted=("203.0.113.0/24",))
    request = post(event(), headers={"x-forwarded-for": "192.0.2.1, 198.51.100.7"})
    assert one.client(request) == "198.51.100.7"
    assert only(one.take(request)).address == "198.51.100.0"


def test_a_driven_browser_makes_no_robots_of_the_other_events() -> None:
    found = intake().take(post([event(webdriver=True), event(), event(webdriver=True)])).events
    assert [None if one.event is None else one.event.bot for one in found] == ["webdriver", None, "webdriver"]


def test_no_address_is_none() -> None:
    one = outgoing(post(event(), peer="unix:"))
    assert one.event is not None
    assert (one.event.address, one.event.country) == (None, None)
    assert click(one).ip == "0.0.0.0"


def test_user_and_password_are_in_no_record() -> None:
    one = outgoing(post(event(url="https://ann:secret@shop.example/", referrer="https://bob:secret@a.example/")))
    assert one.event is not None
    assert (one.event.url, one.event.referrer) == ("https://shop.example/", "https://a.example/")
    assert not [record for record in one.records if b"secret" in (record.value or b"")]


def test_a_referrer_that_is_no_address_is_of_no_class() -> None:
    found = take(event(referrer="somewhere"))
    assert (found.referrer, found.referrer_class) == (None, None)
    assert take(event(referrer="")).referrer_class == "direct"


def test_a_campaign() -> None:
    found = take(event(url=SHOP + "?utm_source=news&utm_medium=mail&utm_campaign=may&utm_term=a+b&utm_content=top"))
    assert (found.campaign_source, found.campaign_medium, found.campaign) == ("news", "mail", "may")
    assert (found.campaign_term, found.campaign_content, found.referrer_class) == ("a b", "top", "campaign")


@pytest.mark.parametrize("path", ["", "x" * LONGEST_KNOWN], ids=["short", "long"])
def test_each_event_of_a_request_has_its_own_page(path: str) -> None:
    page = f"{SHOP}/{path}"
    told = [
        event(url=page),
        event(url=page, site="a.example", referrer="https://a.example/"),
        event(url=page, referrer="https://a.example/"),
        event(url=page, referrer="https://www.google.com/"),
        event(url=page, referrer="nowhere"),
        event(url=f"{page}?utm_source=news"),
        event(url=page, site="a.example"),
    ]
    found = [one.event for one in intake().take(post([*told, *told])).events if one.event is not None]
    assert [(one.site, one.referrer_class, one.campaign_source) for one in found] == 2 * [
        ("shop.example", "direct", None),
        ("a.example", "internal", None),
        ("shop.example", "link", None),
        ("shop.example", "search", None),
        ("shop.example", None, None),
        ("shop.example", "campaign", "news"),
        ("a.example", "direct", None),
    ]
    assert [one.url for one in found] == [one["url"] for one in told] * 2
    assert [one.referrer for one in found[:5]] == [
        None,
        "https://a.example/",
        "https://a.example/",
        "https://www.google.com/",
        None,
    ]


# --- who it is


def test_a_cookieless_visitor_is_the_same_for_a_day_a_site_an_address_and_an_agent() -> None:
    one = intake()

    def visitor(at: int = NOON, **fields: Any) -> str | None:
        headers = {"user-agent": fields.pop("agent", CHROME)}
        peer = fields.pop("peer", PEER)
        sent = event(cookieless=True, **fields)
        return only(one.take(post(sent, at=at, peer=peer, headers=headers))).visitor

    first = visitor()
    assert first == visitor(at=NOON + MINUTE)
    others = [visitor(site="b"), visitor(peer="203.0.113.78"), visitor(agent=HEADLESS), visitor(at=NOON + DAY)]
    assert len({first, *others}) == 5


def test_a_cookieless_event_has_nothing_of_the_ids_that_it_brings() -> None:
    found = take(event(cookieless=True, visitor="told", session="told", new_session=False))
    assert found.visitor != "told"
    assert found.session != "told"
    assert (found.cookieless, found.new_session) == (True, True)


def test_sessions_of_those_who_bring_none() -> None:
    one = intake()
    at = [NOON, NOON + 29 * MINUTE, NOON + 58 * MINUTE, NOON + 88 * MINUTE + 1]
    found = [only(one.take(post(event(visitor="v"), at=now))) for now in at]
    assert [each.new_session for each in found] == [True, False, False, True]
    assert len({each.session for each in found}) == 2
    other_site = only(one.take(post(event(visitor="v", site="other"), at=at[-1])))
    assert other_site.new_session


def test_a_session_that_is_brought_is_kept() -> None:
    found = take(event(visitor="v", session="s"))
    assert (found.session, found.new_session) == ("s", False)


def test_a_visit_over_midnight_is_one_session_of_two_daily_visitors() -> None:
    one = intake()
    midnight = NOON + DAY // 2
    at = [midnight - 5 * MINUTE, midnight - 1, midnight, midnight + 10 * MINUTE, midnight + 39 * MINUTE]
    found = [only(one.take(post(event(cookieless=True), at=now))) for now in at]
    assert len({each.session for each in found}) == 1
    assert [each.new_session for each in found] == [True, False, False, False, False]
    assert len({each.visitor for each in found}) == 2


def test_a_visit_that_ended_before_midnight_does_not_go_on() -> None:
    one = intake()
    midnight = NOON + DAY // 2
    at = [midnight - 25 * MINUTE, midnight + 6 * MINUTE]
    found = [only(one.take(post(event(cookieless=True), at=now))) for now in at]
    assert [each.new_session for each in found] == [True, True]


def test_two_workers_and_a_restart_share_visitors_and_sessions(tmp_path: Path) -> None:
    sent = post(event(cookieless=True))
    workers = [intake(state_dir=str(tmp_path)) for _ in range(2)]
    found = [only(one.take(sent)) for one in workers]
    for one in workers:
        one.close()
    found.append(only(intake(state_dir=str(tmp_path)).take(sent)))
    assert len({each.visitor for each in found}) == len({each.session for each in found}) == 1
    assert [each.new_session for each in found] == [True, False, False]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())


def test_nothing_of_a_visitor_is_in_the_files(tmp_path: Path) -> None:
    one = intake(state_dir=str(tmp_path))
    one.take(post(event(visitor="known-visitor")))
    one.take(post(event(cookieless=True)))
    one.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert [text for text in (b"known-visitor", PEER.encode(), b"shop.example", b"Chrome") if text in stored] == []


def test_what_is_too_old_is_deleted_without_a_request(tmp_path: Path) -> None:
    one = intake(state_dir=str(tmp_path))
    one.take(post(event(cookieless=True)))
    before = json.loads((tmp_path / "salts.json").read_text())
    one.maintain(NOON + DAY)
    assert json.loads((tmp_path / "salts.json").read_text()).items() > before.items()
    assert len(list(tmp_path.glob("sessions-*"))) == 2
    one.maintain(NOON + DAY + DAY // 2)
    assert not json.loads((tmp_path / "salts.json").read_text()).keys() & before.keys()
    assert not list(tmp_path.glob(f"sessions-{NOON // DAY}-*"))


# --- its options


def test_options_go_through_json() -> None:
    options = IntakeOptions(trusted=("10.0.0.0/8",), state_dir="/tmp/x", address="full")
    assert msgspec.json.decode(msgspec.json.encode(options), type=IntakeOptions) == options


def test_options_that_cannot_be_are_said_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for options in ({"trusted": ("x",)}, {"geo_db": str(tmp_path / "none")}, {"state_dir": str(tmp_path / "file")}):
        with pytest.raises(ConfigError):
            Intake(IntakeOptions(**options))


@pytest.mark.parametrize("endpoint", ["divolte", "divolte, json"])
def test_what_nobody_took_is_no_duplicate_when_it_comes_again(endpoint: str) -> None:
    taking = intake()
    failed = taking.take(ENDPOINTS[endpoint])
    taking.not_stored(failed)
    again = taking.take(ENDPOINTS[endpoint])
    third = taking.take(ENDPOINTS[endpoint])
    taking.not_stored(third)
    marked = [one.events[0].event for one in (failed, again, third, taking.take(ENDPOINTS[endpoint]))]
    assert [one and one.duplicate for one in marked] == [False, False, True, True]
