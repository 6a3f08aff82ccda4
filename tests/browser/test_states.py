"""Every state has its own words: a silent topic does not look like a broken connection."""

import time
from typing import Any

from tests.browser import peoplestates, states
from tests.browser.conftest import READY, Open, Opened
from tests.browser.fakeserver import FakeServer

NETWORK = ["ERR_CONNECTION_REFUSED", "WebSocket connection", "ERR_CONNECTION_RESET"]


def test_before_anything_came_it_says_that_it_connects_and_not_that_there_is_nothing(
    open_page: Open, server: FakeServer
) -> None:
    server.muted = True
    tab = open_page(ready=False)
    tab.wait_text(".strip", "Connecting")
    assert "connecting" in tab.text(".fig")
    assert "Nothing yet" not in tab.text("main")
    server.muted = False
    tab.wait_text(".strip", "407 Proxy authentication required")


def test_an_alert_and_the_watermark_are_in_the_strip(open_page: Open) -> None:
    tab = open_page()
    assert "16 times in a minute, over the limit of 5 since" in tab.text(".strip")
    assert "Final until" in tab.text(".strip .until")
    assert "5 s behind" in tab.text(".strip .until")
    assert tab.text(".foot .state") == "Live"


def test_without_clicks_it_says_which_commands_make_some(open_page: Open, server: FakeServer) -> None:
    server.states |= {"overview": states.empty, "frame": states.empty_frame}
    tab = open_page()
    assert "No clicks yet" in tab.text(".notices")
    assert "clickstream generate web" in tab.text(".notices")
    assert "nothing to count yet" in tab.text(".strip")
    server.states |= {"overview": states.overview, "frame": states.frame}
    tab.wait_for(lambda: not tab.page.locator(".notices").inner_text(), "it fills by itself")


def test_a_quiet_topic_is_connected_and_says_since_when(open_page: Open, server: FakeServer) -> None:
    server.states["overview"] = states.quiet
    tab = open_page()
    assert "Quiet: the last click came at" in tab.text(".traffic header")
    assert tab.text(".foot .state") == "Live"


def test_filters_that_nothing_fits_can_be_dropped(open_page: Open, server: FakeServer) -> None:
    server.states["overview"] = lambda params, now: (
        states.filtered_to_nothing(params, now) if params["filters"] else states.overview(params, now)
    )
    tab = open_page("#/overview?page=/nowhere")
    assert "No click fits these filters in 60 min" in tab.text(".notices")
    tab.page.get_by_role("button", name="Drop all filters").click()
    tab.wait_for(lambda: not tab.page.locator(".notices").inner_text())
    assert tab.hash() == "#/overview"


def test_kafka_away_is_said_over_the_full_width_and_numbers_are_of_then(open_page: Open, server: FakeServer) -> None:
    tab = open_page()
    since = int(time.time() * 1000) - 136_000
    server.states["frame"] = states.kafka_away(since)
    tab.wait_text(".strip.down", "Kafka at localhost:9092 does not answer")
    assert "Everything here stands as of then" in tab.text(".strip")
    assert "as of" in tab.text(".fig .c")
    assert tab.text(".foot .state") == "Kafka away"
    server.states["frame"] = states.frame
    tab.wait_text(".strip.on", "407")


def test_server_away_says_when_the_next_try_is_and_comes_back(open_page: Open, server: FakeServer) -> None:
    tab = open_page()
    tab.expected = NETWORK
    server.stop_listening()
    server.drop_all()
    tab.wait_text(".strip.warned", "server does not answer")
    tab.wait_for(lambda: "Next try in" in tab.text(".strip") or "Trying" in tab.text(".strip"))
    tab.wait_text(".foot .state", "Server away")
    server.listen_again()
    tab.wait_text(".strip.on", "407")
    tab.wait_text(".foot .state", "Live")


def test_a_page_that_was_opened_meanwhile_is_there_once_the_server_is(open_page: Open, server: FakeServer) -> None:
    server.states |= peoplestates.STATES
    tab = open_page()
    tab.expected = NETWORK
    server.stop_listening()
    server.drop_all()
    tab.wait_text(".foot .state", "Server away")
    show(tab, "errors")
    tab.wait_text("main", "Errors could not be loaded")
    server.listen_again()
    tab.page.wait_for_function(READY)
    assert tab.text("h1") == "Errors"


def test_a_style_sheet_that_did_not_come_is_asked_for_again(open_page: Open, server: FakeServer) -> None:
    server.states |= peoplestates.STATES
    tab = open_page()
    tab.expected = ["ERR_FAILED"]
    tab.page.route("**/errors.css", lambda route: route.abort(), times=1)
    show(tab, "errors")
    tab.wait_text("main", "no css/pages/errors.css")
    show(tab, "overview")
    tab.page.wait_for_selector(".p-overview")
    show(tab, "errors")
    tab.page.wait_for_selector(".p-errors")
    assert tab.page.locator("link[href='css/pages/errors.css']").count() == 1


def test_a_page_that_fails_late_does_not_replace_the_next_one(open_page: Open) -> None:
    tab = open_page()
    tab.expected = ["ERR_FAILED"]
    held: list[Any] = []
    tab.page.route("**/js/pages/errors.js", lambda route: held.append(route))
    show(tab, "errors")
    tab.wait_for(lambda: tab.hash() and held)
    show(tab, "overview")
    tab.page.wait_for_selector(".p-overview")
    held[0].abort()
    tab.wait_for(lambda: tab.page.evaluate("() => window.clickstream.app.hasFailed"))
    assert tab.page.locator(".p-overview").count() == 1


def test_a_map_that_did_not_come_is_asked_for_again(open_page: Open, server: FakeServer) -> None:
    server.states |= peoplestates.STATES
    tab = open_page()
    tab.expected = ["ERR_FAILED"]
    tab.page.route("**/countries-110m.json", lambda route: route.abort(), times=1)
    tab.page.locator(".l-map").scroll_into_view_if_needed()
    tab.wait_text(".l-map", "No map")
    show(tab, "errors")
    tab.page.wait_for_selector(".p-errors")
    show(tab, "overview")
    tab.page.wait_for_selector(".p-overview[aria-busy=false]")
    tab.page.locator(".l-map").scroll_into_view_if_needed()
    tab.page.wait_for_selector(".l-map path.land")


def show(tab: Opened, page: str) -> None:
    tab.page.evaluate("(page) => { location.hash = `#/${page}`; }", page)


def test_a_server_that_says_goodbye_is_quoted(open_page: Open, server: FakeServer) -> None:
    tab = open_page()
    tab.expected = NETWORK
    server.stop_listening()
    server.drop_all(bye="stopping")
    tab.wait_text(".strip.warned", "It said goodbye: stopping.")


def test_a_connection_that_brings_nothing_is_stale_after_five_seconds(open_page: Open, server: FakeServer) -> None:
    tab = open_page()
    server.muted = True
    begun = time.monotonic()
    tab.wait_text(".strip.warned", "The server is connected, but sends nothing")
    assert time.monotonic() - begun > 2  # the last state may have come a while before
    server.muted = False
    tab.wait_text(".strip.on", "407")


def test_a_panel_that_failed_says_what_the_server_said(open_page: Open, server: FakeServer) -> None:
    tab = open_page()
    server.states["overview"] = lambda params, now: None
    said = "The panel overview failed: out of memory."
    notice = tab.page.locator(".notices [role=alert]")

    def is_quoted() -> bool:
        server.error("overview", said)  # again: a state that was on its way takes it away
        return notice.count() > 0 and said in tab.text(".notices [role=alert]")

    tab.wait_for(is_quoted)
    server.states["overview"] = states.overview
    tab.wait_for(lambda: not tab.page.locator(".notices [role=alert]").count(), "it goes when states come again")


def test_made_up_places_are_said_to_be_made_up(open_page: Open) -> None:
    tab = open_page()
    assert tab.text(".l-map header").startswith("Where from")
    assert "Made-up places" in tab.text(".l-map header")


def test_the_map_shows_every_country_however_small_its_share(open_page: Open, server: FakeServer) -> None:
    others = ["SE", "NO", "FI", "DK", "NL", "BE", "AT", "CH", "ES", "PT", "IT", "PL", "CZ", "MC"]
    codes = [*dict(states.COUNTRIES), *others]
    rows: list[Any] = [[code, 900 - 10 * at, None] for at, code in enumerate(codes)]
    # What is not among the rows counts in the sum, as it does in the number of countries.
    country = {"rows": rows, "more": 1, "total": sum(row[1] for row in rows) + 7}
    server.states["overview"] = lambda params, now: {
        **states.overview(params, now),
        "tops": {**states.tops(), "country": country},
    }
    tab = open_page()
    tab.page.locator(".l-map").scroll_into_view_if_needed()
    circles = tab.page.locator(".l-map circle")
    tab.wait_for(lambda: circles.count() == len(codes), "a circle for each")
    assert f"{country['total']:,} visitors from {len(codes) + 1} countries" in tab.text(".l-map header")
    assert tab.page.locator(".l-map circle.point").last.text_content() == "Monaco: 630"
    assert "more" in tab.text(".l-country .under")


def test_without_places_it_says_how_to_get_them(open_page: Open, server: FakeServer) -> None:
    server.states["overview"] = lambda params, now: {
        **states.overview(params, now),
        "places": {"source": None, "unknown": 0},
        "tops": {**states.tops(), "country": {"rows": [], "more": 0, "total": 0}},
    }
    tab = open_page()
    assert "--geo-db" in tab.text(".l-country")
    assert tab.page.locator(".l-map").is_hidden()


def test_a_history_that_reaches_only_so_far_says_so(open_page: Open, server: FakeServer) -> None:
    server.states["overview"] = lambda params, now: {
        **states.overview(params, now),
        "covered_from": now - 10 * states.MINUTE,
    }
    assert "The history reaches back to" in open_page().text(".traffic header")
