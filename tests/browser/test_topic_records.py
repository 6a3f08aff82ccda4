"""The records of a topic in a real browser, as they come and one by one; tests choose what comes."""

import json
from typing import Any

import pytest

from bench.tab import NOTE_WHAT_DISTURBS
from tests.browser import topicstates
from tests.browser.conftest import Open, Opened
from tests.browser.fakeserver import FakeServer
from tests.browser.topicpage import AFTER, BEFORE, come, head, opened, places
from tests.browser.topicstates import ASKED, row

pytestmark = pytest.mark.usefixtures("one_topic")

NEWEST_FIRST = ["2:1", "2:0", "0:2", "1:1", "1:0", "0:1", "0:0"]


def test_the_newest_come_first_over_partitions_whose_clocks_disagree(open_page: Open) -> None:
    tab = opened(open_page, "#/topics/clickstream")
    come(tab, BEFORE, anew=True)
    assert places(tab) == ["2:1", "2:0", "1:0", "0:0"]
    come(tab, AFTER)
    assert places(tab) == NEWEST_FIRST
    assert "Live, newest first" in tab.text(".infoline")


def test_columns_sort_and_lead_back_to_the_newest(open_page: Open) -> None:
    tab = opened(open_page, "#/topics/clickstream")
    come(tab, BEFORE, anew=True)
    offset = head(tab, "offset").locator("button")
    offset.click()
    assert head(tab, "offset").get_attribute("aria-sort") == "descending"
    come(tab, AFTER)
    tab.page.locator("h1").hover()
    assert places(tab) == ["0:2", "2:1", "1:1", "0:1", "2:0", "1:0", "0:0"], "equal ones stay newest first"
    assert "sorted" in tab.text(".infoline")
    offset.click()
    assert head(tab, "offset").get_attribute("aria-sort") == "ascending"
    assert [place[-1] for place in places(tab)] == list("0001112")
    assert "sort=offset%2B" in tab.hash()
    offset.click()
    assert (places(tab), head(tab, "offset").get_attribute("aria-sort")) == (NEWEST_FIRST, None)
    head(tab, "time").locator("button").click()
    assert places(tab) == ["2:1", "2:0", "0:2", "1:0", "0:0", "1:1", "0:1"], "by the clocks alone"
    tab.page.get_by_role("button", name="Newest first").click()
    assert places(tab) == NEWEST_FIRST
    assert "sort" not in tab.hash()


def test_fields_sort_as_the_numbers_and_texts_that_they_are(open_page: Open) -> None:
    values = ["9007199254740993", None, "1.5", '"b"', "9007199254740992", "-2", "null", '"a10"', '"a9"', "1e3"]
    tab = opened(open_page, "#/topics/clickstream?cols=n&sort=f%3An%2B")
    come(tab, [row(0, number, number, value) for number, value in enumerate(values)], anew=True)
    shown = [values[int(place[2:])] for place in places(tab)]
    assert shown[:8] == ["-2", "1.5", "1e3", "9007199254740992", "9007199254740993", '"a9"', '"a10"', '"b"']
    assert set(shown[8:]) == {None, "null"}, "what is not there stands last"
    head(tab, "f:n").locator("button").click()
    assert places(tab)[0] == "0:0", "the largest number first"
    head(tab, "f:n").locator("button").click()
    tab.wait_for(lambda: "sort" not in tab.hash(), "a third way is none")


def test_a_burst_is_counted_and_the_list_is_bounded_and_keeps_its_rows_on_one_socket(
    open_page: Open, server: FakeServer
) -> None:
    tab = opened(open_page, "#/topics/clickstream?cols=n")
    come(tab, [row(0, number, number, str(number)) for number in range(200)], 9_800, anew=False)
    shown = len(places(tab))
    assert "9,800 not shown" in tab.text(".infoline")
    assert shown + 9_800 == 10_000
    for start in range(200, 1_400, 200):
        come(tab, [row(0, number, number, str(number)) for number in range(start, start + 200)])
    assert places(tab) == [f"0:{number}" for number in range(1_399, 399, -1)]
    tab.page.get_by_role("button", name="Pause").click()
    come(tab, [row(0, 1_400, 1_400, None)])
    assert places(tab)[0] == "0:1399"
    tab.page.get_by_role("button", name="Follow").click()
    assert places(tab)[0] == "0:1400"
    assert len(server.connects) == 1
    assert tab.page.locator(".records tbody tr[tabindex='0']").count() == 1, "one of them is reached by Tab"


def test_what_finds_no_room_while_the_list_holds_is_counted(open_page: Open) -> None:
    tab = opened(open_page, "#/topics/clickstream?cols=n")
    come(tab, [row(0, 0, 0, "0")], anew=True)
    tab.page.get_by_role("button", name="Pause").click()
    for start in range(1, 1_601, 200):
        come(tab, [row(0, number, number, str(number)) for number in range(start, start + 200)])
    assert "Paused, 1,000 newer, 600 not shown" in tab.text(".infoline")
    tab.page.get_by_role("button", name="Follow").click()
    assert places(tab)[0] == "0:1600"
    tab.page.locator("h1").hover()
    assert tab.text(".infoline") == "Live, newest first, 600 not shown"


def test_a_screen_reader_is_told_what_the_list_is_at_and_no_numbers_that_run(
    open_page: Open, server: FakeServer
) -> None:
    tab = opened(open_page, "#/topics/clickstream?cols=n", scripts=(NOTE_WHAT_DISTURBS,))
    come(tab, [row(0, 0, 0, "0")], anew=True)
    tab.page.evaluate("() => { window.spoken = []; }")
    for number in range(1, 6):
        come(tab, [row(0, number, number, str(number))], 7)
    assert "35 not shown" in tab.text(".infoline")
    tab.page.get_by_role("button", name="Pause").click()
    for number in range(6, 9):
        come(tab, [row(0, number, number, str(number))])
    assert "3 newer" in tab.text(".infoline")
    progress = [{"progress": {"read": read, "found": 1, "total": 900}} for read in (100, 400, 900)]
    [answer] = [json.loads(line) for line in topicstates.found([row(0, 0, 0, "0")])({})[1].splitlines()]
    lines = "".join(json.dumps(line) + "\n" for line in [*progress, answer])
    server.answers[ASKED] = lambda _asked: (200, lines)
    tab.page.get_by_role("button", name="Search further back").click()
    tab.wait_text(".infoline", "That is all there is.")
    assert tab.page.evaluate("() => window.spoken") == ["Paused", "Searching\u2026", tab.text(".infoline")]


AVRO = b"\0\0\0\0\7\2\0"
RECORD: dict[str, Any] = {
    "topic": "clickstream", "partition": 0, "offset": "5", "time": None, "time_by": None, "size": len(AVRO),
    "key": None, "headers": [],
}  # fmt: skip
VALUE = {"length": 8, "start": 0, "next": None, "text": '{"id":1}'}
BYTES = {"length": len(AVRO), "start": 0, "next": None, "hex": AVRO.hex(), "base64": "AAAAAAcCAA=="}


def test_a_record_in_avro_is_read_and_its_bytes_are_one_click_away(open_page: Open, server: FakeServer) -> None:
    about = {"schema": 7, "name": "shop.Hit", "words": ""}

    def answer(params: dict[str, str]) -> tuple[int, Any]:
        return 200, BYTES if params.get("raw") else {**RECORD, "value": VALUE, "value_avro": about}

    server.answers["/api/topics/clickstream/0/5"] = answer
    tab = opened(open_page, "#/topics/clickstream?rec=0:5")
    part = tab.page.locator(".inspector .avro")
    tab.wait_for(lambda: part.count() == 1, "the record")
    assert "Avro, schema 7: shop.Hit" in part.inner_text()
    assert '"id"' in part.locator("pre").inner_text()
    part.get_by_role("button", name="Bytes").click()
    tab.wait_for(lambda: "00 00 00 00 07 02 00" in part.locator("pre").inner_text(), "its bytes")
    part.get_by_role("button", name="Read").click()
    tab.wait_for(lambda: '"id"' in part.locator("pre").inner_text(), "the record again")


def test_what_looks_like_avro_says_what_it_takes(open_page: Open, server: FakeServer) -> None:
    about = {"schema": 7, "name": None, "words": "start the dashboard with --schema-registry URL to read it"}
    record = {**RECORD, "value": BYTES, "value_avro": about}
    server.answers["/api/topics/clickstream/0/5"] = lambda _params: (200, record)
    tab = opened(open_page, "#/topics/clickstream?rec=0:5")
    come(tab, [{**row(0, 5, 100), "value": {"length": 7, "hex": AVRO.hex(), "avro": 7}}], anew=True)
    tab.wait_for(lambda: tab.page.locator(".inspector .avro").count() == 1, "the record")
    assert "schema 7: start the dashboard with --schema-registry" in tab.text(".inspector .avro")
    assert "Avro 7" in tab.text(".records tbody")


def menu(tab: Opened) -> Any:
    return tab.page.locator("details.menu").filter(has_text="Fields:")


def named(offset: int, names: list[str]) -> dict[str, Any]:
    """A record with these fields."""
    text = json.dumps(dict.fromkeys(names, 3))
    return {**row(0, offset, offset, None), "value": {"length": len(text), "text": text}}


def test_fields_are_listed_up_to_a_bound_as_their_names_may_be_data(open_page: Open) -> None:
    tab = opened(open_page, "#/topics/clickstream?cols=n")
    come(tab, [named(0, ["n", "m"])], anew=True)
    note = menu(tab).locator(".note")
    menu(tab).locator("summary").click()
    assert (menu(tab).locator("li").count(), note.is_visible()) == (2, False)
    for feed in range(3):
        come(tab, [named(feed * 10 + one, [f"{feed}-{one}-{name}" for name in range(60)]) for one in range(1, 11)])
    assert menu(tab).locator("li").count() == 1_000
    assert tab.text("details.menu[open] summary") == "Fields: 1 of 1,000 or more"
    assert "Only the first 1,000 names are listed." in note.inner_text()


def test_who_chooses_a_field_stays_there_whatever_comes(open_page: Open) -> None:
    tab = opened(open_page, "#/topics/clickstream?cols=n")
    come(tab, [named(0, ["n", "m"])], anew=True)
    menu(tab).locator("summary").click()
    box = menu(tab).get_by_role("checkbox", name="m")
    box.focus()
    tab.page.keyboard.press("Space")
    tab.wait_for(lambda: "cols=n%2Cm" in tab.hash(), "it is a column")
    come(tab, [named(1, ["n", "new"])], anew=True)
    assert menu(tab).get_by_role("checkbox", name="new").count() == 1
    assert box.is_checked()
    assert box.evaluate("one => one === document.activeElement")


def search_back(tab: Opened) -> None:
    tab.page.get_by_role("button", name="Search further back").click()


def test_who_follows_again_after_a_search_is_told_how_the_list_stands(open_page: Open, server: FakeServer) -> None:
    server.answers[ASKED] = topicstates.found([row(0, 0, 0, "0")])
    tab = opened(open_page, "#/topics/clickstream?cols=n&part=0")
    come(tab, [row(0, 1, 1, "1")], anew=True)
    search_back(tab)
    tab.wait_text(".infoline", "That is all there is.")
    come(tab, [row(0, 2, 2, "2")])
    tab.page.get_by_role("button", name="Follow").click()
    tab.page.locator("h1").hover()
    assert places(tab) == ["0:2", "0:1", "0:0"], "what was found stays"
    assert tab.text(".infoline") == "Live, newest first, all shown"
    assert tab.page.get_by_role("button", name="Search further back").is_visible()
    tab.page.locator(".tail").hover()
    come(tab, [row(0, 3, 3, "3")], 7)
    assert tab.text(".infoline") == "Held while you point, 1 newer, 7 not shown"
    come(tab, [], stage="away", words="Kafka does not answer.")
    assert tab.text(".infoline") == "Kafka does not answer."


def test_who_follows_again_gives_up_the_search(open_page: Open) -> None:
    held: list[Any] = []
    tab = opened(open_page, "#/topics/clickstream?cols=n&part=0")
    tab.page.route(f"**{ASKED}?*", lambda route: held.append(route))
    come(tab, [row(0, 1, 1, "1")], anew=True)
    search_back(tab)
    tab.wait_for(lambda: held, "a search")
    tab.page.get_by_role("button", name="Follow").click()
    tab.page.locator("h1").hover()
    assert tab.text(".infoline") == "Live, newest first, all shown"


def test_a_list_that_begins_again_does_not_say_what_was_found_before(open_page: Open, server: FakeServer) -> None:
    server.answers[ASKED] = topicstates.found([row(0, 0, 0, "0")])
    tab = opened(open_page, "#/topics/clickstream?cols=n&part=0")
    come(tab, [row(0, 1, 1, "1")], anew=True)
    search_back(tab)
    tab.wait_text(".infoline", "That is all there is.")
    come(tab, [row(0, 1, 9, "1")], anew=True)
    assert tab.text(".infoline") == "Paused, 0 newer"


def test_an_address_with_a_name_that_cannot_be_decoded_still_opens(open_page: Open) -> None:
    tab = opened(open_page, "#/topics/clickstream?cols=100%25,a%252Cb")
    come(tab, [row(0, 0, 0, "1", "2")], anew=True)
    assert places(tab) == ["0:0"]
    assert [head(tab, f"f:{name}").inner_text() for name in ("100%", "a,b")] == ["100%", "a,b"]


def test_a_record_that_did_not_come_is_asked_for_again_when_it_is_chosen_again(
    open_page: Open, server: FakeServer
) -> None:
    server.answers["/api/topics/clickstream/0/5"] = lambda _params: (503, {"error": "Kafka does not answer."})
    tab = opened(open_page, "#/topics/clickstream?rec=0:5")
    tab.expected = ["503"]
    tab.wait_text(".inspector", "Kafka does not answer.")
    come(tab, [row(0, 5, 100)], anew=True)
    server.answers["/api/topics/clickstream/0/5"] = lambda _params: (200, {**RECORD, "value": VALUE})
    tab.page.locator(".records tbody tr").first.click()
    tab.wait_text(".inspector", "Offset 5")


EXPORT = "/api/topics/clickstream/export"


def export(tab: Opened) -> None:
    tab.page.locator("summary", has_text="Export").click()
    tab.page.get_by_role("button", name="JSON lines exact").click()


def test_where_a_token_is_needed_an_export_brings_it_whatever_the_host_is_called(
    open_page: Open, server: FakeServer
) -> None:
    server.token = "s3cret"
    server.answers[EXPORT] = lambda _params: (200, '{"offset":0}')
    tab = opened(open_page, "#/topics/clickstream&token=s3cret")
    tab.expected = ["401"]  # what a link would get
    with tab.page.expect_download() as download:
        export(tab)
    assert download.value.suggested_filename == "clickstream.jsonl"
    assert download.value.path().read_text("utf-8") == '{"offset":0}'


def test_where_none_is_needed_an_export_is_a_link_that_goes_to_the_disk(open_page: Open, server: FakeServer) -> None:
    server.answers[EXPORT] = lambda _params: (200, '{"offset":0}')
    tab = opened(open_page, "#/topics/clickstream&token=s3cret")
    with tab.page.expect_download() as download:
        export(tab)
    assert download.value.url.startswith(server.url)
    assert download.value.path().read_text("utf-8") == '{"offset":0}'


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "Exports are switched off here (clickstream ui --no-export)."),
        (503, "8 searches and exports run already: wait for one of them."),
    ],
)
def test_an_export_that_is_refused_says_why(open_page: Open, server: FakeServer, status: int, words: str) -> None:
    server.answers[EXPORT] = lambda _params: (status, {"error": words})
    tab = opened(open_page, "#/topics/clickstream")
    tab.expected = [str(status)]
    export(tab)
    tab.wait_text(".menu [role=status]", words)


def test_the_bytes_of_a_record_are_downloaded_with_the_token_or_it_says_why(
    open_page: Open, server: FakeServer
) -> None:
    server.token = "s3cret"
    server.answers["/api/topics/clickstream/0/5"] = lambda _params: (200, {**RECORD, "value": VALUE})
    server.answers["/api/topics/clickstream/0/5/value"] = lambda _params: (200, {"id": 1})
    tab = opened(open_page, "#/topics/clickstream?rec=0:5&token=s3cret")
    save = tab.page.locator(".inspector").get_by_role("button", name="Download")
    with tab.page.expect_download() as download:
        save.click()
    assert download.value.suggested_filename.startswith("clickstream-0-5-value")
    assert json.loads(download.value.path().read_text("utf-8")) == {"id": 1}
    server.answers["/api/topics/clickstream/0/5/value"] = lambda _params: (503, {"error": "Kafka does not answer."})
    tab.expected = ["503"]
    save.click()
    tab.wait_text(".inspector", "Kafka does not answer.")
