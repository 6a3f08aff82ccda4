"""Dead letters at a past instant, out of letters that the tests choose."""

from functools import partial
from typing import Any

import pytest

from tests.browser import topicstates
from tests.browser.conftest import VENDOR, Open, Opened
from tests.browser.fakeserver import FakeServer
from tests.browser.topicstates import letter, whole_letter

AT = 1_600_000_000_000
LETTERS: list[tuple[dict[str, Any], int | None]] = [
    (letter(0, AT - 60_000), AT - 30_000),
    (letter(1, AT - 40_000), AT + 10_000),
    (letter(2, AT), None),
    (letter(3, AT + 5_000), None),
]


def telling(answer: tuple[int, Any], _asked: dict[str, str]) -> tuple[int, Any]:
    return answer


@pytest.fixture
def server(server: FakeServer) -> FakeServer:
    server.states["dead"] = topicstates.dead(LETTERS)
    server.hello["control"] = True
    for offset, (one, _sent) in enumerate(LETTERS):
        answer = 200, whole_letter(offset, one["time"])
        server.answers[f"/api/dead-letters/0/{offset}"] = partial(telling, answer)
    return server


def reasons(tab: Opened) -> list[str]:
    found: list[str] = tab.page.locator(".d-list tbody tr td:nth-child(2)").all_inner_texts()
    return found


def test_at_a_past_instant_there_are_the_letters_and_marks_of_then(open_page: Open) -> None:
    tab = open_page(f"#/dead?to={AT}", ready=False, timezone_id="UTC")
    tab.wait_for(lambda: reasons(tab) == ["no JSON 2", "no JSON 1", "sent again no JSON 0"], "those of then")
    assert tab.text(".d-list header .note").endswith("3 records in all, newest first, as of 2020-09-13 12:26:40")
    tab.page.keyboard.press("Escape")
    tab.wait_for(
        lambda: reasons(tab) == ["no JSON 3", "no JSON 2", "sent again no JSON 1", "sent again no JSON 0"],
        "all of them",
    )
    assert "as of" not in tab.text(".d-list header .note")


def test_before_the_first_letter_it_says_that_there_was_none(open_page: Open) -> None:
    tab = open_page(f"#/dead?to={AT - 3_600_000}", ready=False, timezone_id="UTC")
    tab.wait_text(".notices", "No dead letters: none had come by 2020-09-13 11:26:40.")


@pytest.mark.parametrize("at", [AT, AT - 3_600_000])
def test_where_not_all_could_be_looked_at_it_says_so(open_page: Open, server: FakeServer, at: int) -> None:
    usual, words = server.states["dead"], "Not all letters of then were looked at within 20 s; these were found."

    def incomplete(params: dict[str, Any], now: int) -> Any:
        found = usual(params, now)
        return found | {"topic": found["topic"] | {"words": words}}

    server.states["dead"] = incomplete
    tab = open_page(f"#/dead?to={at}", ready=False)
    tab.wait_text(".notices", words)
    assert bool(reasons(tab)) is (at == AT)


def test_nothing_is_sent_again_at_a_past_instant_and_it_says_why(open_page: Open) -> None:
    tab = open_page(f"#/dead?to={AT}&letter=0:2", ready=False)
    send = tab.page.get_by_role("button", name="Send again")
    tab.wait_for(lambda: send.count() == 1, "the letter")
    tab.wait_for(lambda: send.is_disabled(), "it cannot be sent")
    assert send.get_attribute("title") == "A past instant is shown: Esc goes live again"
    assert "A past instant is shown: Esc goes live again" in tab.text(".repair")
    assert tab.page.get_by_label("The repaired value").is_hidden()
    tab.page.keyboard.press("Escape")
    tab.wait_for(lambda: send.is_enabled(), "it can be sent")
    assert send.get_attribute("title") == ""


def test_a_letter_that_came_later_says_so(open_page: Open) -> None:
    tab = open_page(f"#/dead?to={AT}&letter=0:3", ready=False)
    later = tab.page.locator(".d-side .note", has_text="It came after the instant that is shown.")
    tab.wait_for(lambda: later.is_visible(), "that it is younger")
    tab.page.locator(".d-list tbody tr").first.click()
    tab.wait_for(lambda: tab.page.locator(".d-side .reason", has_text="no JSON 2").count() == 1, "another letter")
    assert not later.is_visible()


def test_a_letter_that_did_not_come_is_asked_for_again_when_it_is_chosen_again(
    open_page: Open, server: FakeServer
) -> None:
    path = "/api/dead-letters/0/3"
    usual = server.answers[path]
    server.answers[path] = lambda _asked: (503, {"error": "Kafka does not answer."})
    tab = open_page("#/dead?letter=0:3", ready=False)
    tab.expected = ["503"]
    tab.wait_text(".d-side", "Kafka does not answer.")
    server.answers[path] = usual
    tab.page.locator(".d-list tbody tr").first.click()
    tab.wait_text(".d-side", "no JSON 3")


def test_of_a_long_letter_the_bytes_around_the_bad_one_are_shown(open_page: Open, server: FakeServer) -> None:
    start = 100_000 - 65_536
    part = {"length": 100_000, "start": start, "next": None, "text": "x" * (80_000 - start) + "!" + "y" * 19_999}
    long = {**whole_letter(3, AT), "length": 100_000, "value": part, "bad": 80_000}
    server.answers["/api/dead-letters/0/3"] = lambda _asked: (200, long)
    tab = open_page("#/dead?letter=0:3", ready=False)
    tab.wait_text(".d-side pre", "79,904 bytes before")
    assert tab.page.locator(".d-side .badb").all_inner_texts() == ["21", "!"]
    assert "19,072 bytes more" in tab.text(".d-side pre")
    assert tab.page.get_by_label("The repaired value").input_value() == "", "what is not whole is not edited"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("more", ["", "?letter=0:2", f"?letter=0:0&to={AT}"], ids=["list", "form", "past"])
def test_axe_finds_nothing(open_page: Open, more: str, scheme: str) -> None:
    script = (VENDOR / "axe.min.js").read_text("utf-8")
    tab = open_page(f"#/dead{more}", ready=False, scripts=(script,), color_scheme=scheme)
    tab.wait_for(lambda: reasons(tab), "the list")
    tab.wait_for(lambda: not more or tab.page.locator(".repairbox").count() == 1, "the letter")
    found = tab.page.evaluate("async () => (await axe.run()).violations")
    told = [f"{one['id']}: {node['target']}" for one in found for node in one["nodes"]]
    assert not told
