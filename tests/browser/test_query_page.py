"""The page of questions in SQL, on a server whose answers the tests choose."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from bench.tab import NOTE_WHAT_DISTURBS
from tests.browser import querystates as states
from tests.browser.conftest import Open, Opened, plain
from tests.browser.fakeserver import FakeServer
from tests.browser.test_looks import AXE

DEAD_WORDS = "Binder Error: no column\n\nLINE 1: SELECT nothing\n               ^"


@pytest.fixture
def answers(server: FakeServer) -> Callable[..., None]:
    def set_(rows: states.Answerer | None = None) -> None:
        server.answers |= states.answers(rows)

    set_()
    return set_


def cells(tab: Opened) -> list[list[str]]:
    rows = tab.page.locator(".q-out tbody tr")
    return [rows.nth(place).locator("td").all_inner_texts() for place in range(rows.count())]


def test_rows_are_exact_and_never_markup(answers: Callable[..., None], open_page: Open) -> None:
    tab = open_page("#/query")
    tab.wait_for(lambda: len(cells(tab)) == 4, "four rows")
    found = cells(tab)
    assert found[1] == ["Austin", "709", "9,007,199,254,740,993", "0.85"]
    assert found[2][0] == "<script>alert(1)</script>U+202E"
    assert found[3][0] == "NULL"
    assert "4 rows in 38 ms" in tab.text(".q-out header .note")
    assert tab.page.locator(".q-out script").count() == 0


def test_it_says_from_when_on_a_table_was_asked(answers: Callable[..., None], open_page: Open) -> None:
    newest = {"clicks": {"rows": 200_000, "since": 1_600_000_000_000}}
    answers(states.answer([["n", "INTEGER"]], [[42]], tables=["clicks", "events"], newest=newest))
    tab = open_page("#/query")
    tab.wait_for(lambda: cells(tab) == [["42"]], "the answer")
    note = tab.text(".q-out header .note")
    assert re.search(r"from clicks \(the newest 200,000, from 2020-09-1[34] \d\d:\d\d:\d\d\), events$", note)


def test_a_screen_reader_is_told_what_is_done_and_not_how_far_it_is(
    answers: Callable[..., None], open_page: Open
) -> None:
    progress = [{"progress": {"doing": "reading clicks", "done": done, "total": 10}} for done in range(10)]

    def slowly(asked: dict[str, str]) -> tuple[int, Any]:
        status, lines = states.answer([["n", "INTEGER"]], [[42]])(asked)
        return status, "".join(json.dumps(line) + "\n" for line in progress) + lines

    answers(slowly)
    tab = open_page("#/query", scripts=(NOTE_WHAT_DISTURBS,))
    tab.wait_for(lambda: cells(tab) == [["42"]], "the answer")
    spoken = [plain(one) for one in tab.page.evaluate("() => window.spoken")]
    assert "reading clicks\u2026" in spoken
    assert "1 row in 38 ms, from clicks" in spoken
    assert not [one for one in spoken if "%" in one]
    assert len(spoken) == len(set(spoken))


def test_the_sql_is_in_the_address_and_ctrl_enter_runs(
    answers: Callable[..., None], server: FakeServer, open_page: Open
) -> None:
    asked: list[str] = []
    rows = states.answer([["n", "INTEGER"]], [[42]])

    def note(question: dict[str, str]) -> tuple[int, Any]:
        asked.append(json.loads(question["body"])["sql"])
        return rows(question)

    answers(note)
    sql = "SELECT 'a&b=c#%' AS \"n\" -- \u00e9"
    tab = open_page(f"#/query?sql={quote(sql)}")
    tab.wait_for(lambda: cells(tab) == [["42"]], "the answer")
    assert asked == [sql]
    area = tab.page.locator(".editor textarea")
    assert area.input_value() == sql
    area.fill("SELECT 43")
    area.press("Control+Enter")
    tab.wait_for(lambda: asked[1:] == ["SELECT 43"], "the second question")
    assert "sql=SELECT%2043" in tab.hash()
    tab.page.reload()
    tab.wait_for(lambda: len(asked) == 3, "the question of the address")
    assert asked[2] == "SELECT 43"


def test_a_refusal_keeps_its_lines(answers: Callable[..., None], open_page: Open) -> None:
    answers(states.said({"error": DEAD_WORDS}))
    tab = open_page("#/query")
    tab.wait_text(".q-out h2", "No answer")
    assert tab.page.locator(".q-failed").inner_text() == DEAD_WORDS


def test_no_row_is_said(answers: Callable[..., None], open_page: Open) -> None:
    answers(states.answer(states.COLUMNS, []))
    tab = open_page("#/query")
    tab.wait_text(".q-out .out", "No row fits.")


def test_a_chart_over_time_and_one_of_bars(answers: Callable[..., None], open_page: Open) -> None:
    tab = open_page("#/query?view=chart")
    tab.wait_for(lambda: tab.page.locator(".hbars b").count() == 4, "four bars")
    assert tab.page.locator(".hbars b").first.inner_text() == "748"
    answers(states.answer([["minute", "TIMESTAMP"], ["status", "INTEGER"], ["hits", "BIGINT"]], states.over_time()))
    tab.page.locator(".editor textarea").press("Control+Enter")
    tab.page.wait_for_selector(".q-plot canvas")
    assert tab.page.locator(".q-keys .key").all_inner_texts() == ["200", "404"]
    tab.page.get_by_role("button", name="Table").click()
    tab.wait_for(lambda: tab.page.evaluate("() => window.clickstream.livingCharts()") == 0, "no chart is left")


MINUTE, PAGE, COUNTRY = ["minute", "TIMESTAMP"], ["page", "VARCHAR"], ["country", "VARCHAR"]
HITS, BYTES = ["hits", "BIGINT"], ["bytes", "HUGEINT"]
THEN = "2026-03-25 14:00:00"


@pytest.mark.parametrize("kind", ["INTEGER", "BIGINT"])
def test_a_number_that_tells_rows_apart_is_not_the_one_that_is_drawn(
    answers: Callable[..., None], open_page: Open, kind: str
) -> None:
    rows = [[THEN, "/a", 200, 90], [THEN, "/a", 404, 7], [THEN, "/b", 200, 30]]
    answers(states.answer([MINUTE, PAGE, ["status", kind], HITS], rows))
    tab = open_page("#/query?view=chart")
    tab.wait_text(".q-keys", "/a \u00b7 200 = 90, /b \u00b7 200 = 30, /a \u00b7 404 = 7")
    assert tab.text(".q-out .out p.note") == "hits by page, status."


def test_a_status_is_no_count_though_texts_alone_tell_rows_apart(answers: Callable[..., None], open_page: Open) -> None:
    columns = [MINUTE, PAGE, ["status", "INTEGER"], HITS]
    answers(states.answer(columns, [[THEN, "/a", 404, 7], [THEN, "/b", 200, 90]]))
    tab = open_page("#/query?view=chart")
    tab.wait_text(".q-keys", "/b \u00b7 200 = 90, /a \u00b7 404 = 7")


def test_all_texts_tell_lines_apart(answers: Callable[..., None], open_page: Open) -> None:
    long = "/" * 60
    rows = [[THEN, "/a", 90, "DE"], [THEN, "/a", 7, "FR"], [THEN, f"{long}b", 6, "FR"], [THEN, f"{long}c", 5, "FR"]]
    answers(states.answer([MINUTE, PAGE, HITS, COUNTRY], rows))
    tab = open_page("#/query?view=chart")
    tab.wait_text(".q-keys", "/a \u00b7 DE = 90, /a \u00b7 FR = 7")
    assert tab.page.locator(".q-keys .key").count() == 4, "also those that are equal as far as they are shown"
    assert tab.text(".q-out .out p.note") == "hits by page, country."


@pytest.mark.parametrize(
    ("columns", "rows", "note"),
    [
        (
            [MINUTE, PAGE, HITS, BYTES],
            [[THEN, "/a", 5, 1], [THEN, "/a", 5, 1], [THEN, "/b", 2, 1]],
            "hits by page. Of rows with the same minute, page only the last is drawn: 1 more in the table."
            " Not drawn: bytes.",
        ),
        (
            [MINUTE, HITS],
            [[THEN, 5], [THEN, 6]],
            "Of rows with the same minute only the last is drawn: 1 more in the table.",
        ),
        ([MINUTE, PAGE, HITS], [[THEN, "/a", 5]], "Not drawn: page."),
        ([PAGE, ["status", "INTEGER"], HITS, BYTES], [["/a", 404, 5, 1]], "hits by page, status. Not drawn: bytes."),
    ],
)
def test_a_chart_says_what_is_not_drawn(
    answers: Callable[..., None], open_page: Open, columns: list[list[str]], rows: list[list[Any]], note: str
) -> None:
    answers(states.answer(columns, rows))
    tab = open_page("#/query?view=chart")
    tab.wait_text(".q-out .out p.note", note)
    assert tab.text(".q-out .out p.note") == note


def test_heads_say_that_times_are_utc_in_whichever_zone_the_page_is(
    answers: Callable[..., None], open_page: Open
) -> None:
    kinds = ["TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "DATE"]
    answers(states.answer([[kind.lower(), kind] for kind in kinds], [["2026-03-25 14:00:00"] * 3]))
    for width in (1280, 400):
        tab = open_page("#/query", timezone_id="Asia/Kathmandu", viewport={"width": width, "height": 900})
        heads = tab.page.locator(".q-out th")
        heads.nth(2).wait_for()
        assert ["UTC" in head for head in heads.all_inner_texts()] == [True, False, False], width


def test_columns_that_did_not_come_are_asked_for_again_when_the_table_is_opened_again(
    answers: Callable[..., None], server: FakeServer, open_page: Open
) -> None:
    tab = open_page("#/query")
    table = tab.page.locator(".q-tree").get_by_role("button", name="event-topic")
    tab.wait_for(lambda: table.count() == 1, "the tables")
    server.answers["/api/ask/query"] = lambda _asked: (503, {"error": "Kafka does not answer."})
    tab.expected = ["503"]
    table.click()
    tab.wait_text(".q-tree", "Kafka does not answer.")
    answers()
    table.click()
    table.click()
    tab.wait_text(".q-tree", "eventName")


def test_columns_are_shown_and_go_into_the_text(answers: Callable[..., None], open_page: Open) -> None:
    tab = open_page("#/query?sql=SELECT")
    tab.page.get_by_role("button", name="event-topic").click()
    tab.page.get_by_role("button", name="eventName").click()
    assert tab.page.locator(".editor textarea").input_value() in ("SELECTeventName", "eventNameSELECT")


def test_findings_come_as_one_types_and_lead_to_their_place(answers: Callable[..., None], open_page: Open) -> None:
    tab = open_page("#/query")
    tab.page.get_by_role("button", name="Try streaming SQL").click()
    tab.wait_text(".q-out h2", "No problems")
    tab.page.locator(".editor textarea").fill("INSERT INTO t\nSELECT usrid, x")
    tab.wait_text(".q-out h2", "1 problem")
    assert tab.page.locator(".edbox mark").inner_text() == "usrid"
    assert tab.page.locator(".prob pre").inner_text() == "\n".join(states.SHOWN.split("\n")[1:3])
    assert "Did you mean userid?" in tab.text(".prob")
    tab.page.locator(".prob .where").click()
    selected = "() => { const a = document.activeElement; return a.value.slice(a.selectionStart, a.selectionEnd); }"
    assert tab.page.evaluate(selected) == "usrid"
    assert "mode=check" in tab.hash()


def test_a_preview_shows_each_result_and_what_hints_at_mistakes(answers: Callable[..., None], open_page: Open) -> None:
    tab = open_page("#/query?mode=check")
    tab.wait_text(".q-out h2", "No problems")
    tab.page.get_by_role("button", name="Preview").click()
    tab.wait_text(".q-out h2", "Preview")
    assert "Over 900 records of clickstream. No topic was written." in tab.text(".q-out header .note")
    assert cells(tab) == [["2026-03-25 14:00:00", "5"], ["2026-03-25 14:01:00", "7"]]
    assert tab.page.locator(".q-out th").all_inner_texts() == ["window_startTIMESTAMP(3) UTC", "hitsBIGINT"]
    words = tab.text(".q-out .out")
    assert "2 rows; 3 rows came too late" in words
    assert "2 records of x cannot be read as y." in words
    assert "It would write nothing." in words


def test_placement_of_marks_counts_characters(answers: Callable[..., None], open_page: Open) -> None:
    tab = open_page("#/query?mode=check")
    tab.wait_text(".q-out h2", "No problems")
    tab.page.locator(".editor textarea").fill("\nAAAAA\U0001f600 usrid")
    tab.wait_text(".q-out h2", "1 problem")
    assert tab.page.locator(".edbox mark").all_inner_texts() == ["usrid"]


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_page(answers: Callable[..., None], open_page: Open, width: int) -> None:
    for hash_ in ("#/query", "#/query?mode=check"):
        tab = open_page(hash_, viewport={"width": width, "height": 800})
        assert tab.page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(answers: Callable[..., None], open_page: Open, theme: str) -> None:
    usrid = quote("INSERT INTO t\nSELECT usrid, x")
    for hash_ in ("#/query", "#/query?view=chart", f"#/query?mode=check&sql={usrid}"):
        tab = open_page(hash_, query=f"?theme={theme}", scripts=(AXE.read_text("utf-8"),))
        found = tab.page.evaluate("async () => (await axe.run(document)).violations")
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert not serious, [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious]


AT = 1_600_000_000_000


def echoing(asked: list[dict[str, Any]]) -> states.Answerer:
    """Notes what is asked, and tells its instant as the server does."""

    def made(question: dict[str, str]) -> tuple[int, Any]:
        asked.append(json.loads(question["body"]))
        return states.answer([["n", "INTEGER"]], [[len(asked)]], to=asked[-1]["to"])(question)

    return made


def test_a_question_is_about_the_instant_and_is_asked_again_about_another(
    answers: Callable[..., None], server: FakeServer, open_page: Open
) -> None:
    asked: list[dict[str, Any]] = []
    answers(echoing(asked))
    tab = open_page(f"#/query?sql=SELECT%201&to={AT}", timezone_id="UTC")
    tab.wait_text(".q-out header .note", "As of 2020-09-13 12:26:40: 1 row in 38 ms, from clicks")
    tab.page.locator(".editor textarea").fill("SELECT half of it")
    tab.page.evaluate("(at) => window.clickstream.app.go({ to: at })", AT + 60_000)
    tab.wait_text(".q-out header .note", "As of 2020-09-13 12:27:40: 1 row")
    exported: list[dict[str, Any]] = []

    def export(question: dict[str, str]) -> tuple[int, Any]:
        exported.append(json.loads(question["body"]))
        return 200, {}

    server.answers["/api/ask/export"] = export
    tab.page.locator("summary", has_text="Export").click()
    tab.page.get_by_role("button", name="JSON lines").click()
    tab.wait_for(lambda: exported, "the export")
    assert exported == [{"sql": "SELECT 1", "records": 10_000, "to": AT + 60_000, "format": "jsonl"}]
    tab.page.locator("h1").click()
    tab.page.keyboard.press("Escape")
    tab.wait_for(lambda: len(asked) == 3 and cells(tab) == [["3"]], "what there is now")
    assert "As of" not in tab.text(".q-out header .note")
    assert [(one["sql"], one["to"]) for one in asked] == [
        ("SELECT 1", AT), ("SELECT 1", AT + 60_000), ("SELECT 1", None)
    ]  # fmt: skip


def test_while_the_clock_is_dragged_it_asks_only_about_where_it_rests(
    answers: Callable[..., None], open_page: Open
) -> None:
    asked: list[dict[str, Any]] = []
    answers(echoing(asked))
    tab = open_page(f"#/query?sql=SELECT%201&to={AT}")
    tab.wait_for(lambda: cells(tab) == [["1"]], "the answer")
    tab.page.evaluate(
        """(at) => {
          for (let step = 1; step <= 20; step += 1) {
            window.clickstream.app.go({ to: at + 1000 * step }, { replace: true });
          }
        }""",
        AT,
    )
    tab.wait_for(lambda: cells(tab) == [["2"]], "the next answer")
    assert [one["to"] for one in asked] == [AT, AT + 20_000]


def test_a_preview_says_as_of_when_and_is_made_again_only_if_one_was_made(
    answers: Callable[..., None], server: FakeServer, open_page: Open
) -> None:
    asked: list[int | None] = []

    def made(question: dict[str, str]) -> tuple[int, Any]:
        asked.append(json.loads(question["body"])["to"])
        status, lines = states.PREVIEW(question)
        return status, lines.replace('"whole": true', f'"whole": true, "to": {asked[-1]}')

    server.answers["/api/ask/preview"] = made
    tab = open_page(f"#/query?mode=check&to={AT}", timezone_id="UTC")
    tab.wait_text(".q-out h2", "No problems")
    tab.page.clock.install()
    # The button is pressed at once: it asks about the instant that the clock has not rested at yet.
    tab.page.evaluate(
        """(at) => {
          window.clickstream.app.go({ to: at });
          document.querySelector('button.btn.main').click();
        }""",
        AT + 1_000,
    )
    tab.wait_text(".q-out header .note", "As of 2020-09-13 12:26:41: over 900 records of clickstream.")
    tab.page.clock.run_for(1_000)  # now it has
    tab.page.evaluate("(at) => window.clickstream.app.go({ to: at })", AT + 2_000)
    tab.page.clock.run_for(1_000)
    tab.wait_text(".q-out header .note", "As of 2020-09-13 12:26:42: over 900 records")
    assert asked == [AT + 1_000, AT + 2_000]


@pytest.mark.parametrize(
    "kind", ["STRUCT(a INTEGER, b VARCHAR)", "BIGINT[]", "MAP(VARCHAR, BIGINT)", "DOUBLE[3]", "DECIMAL(18,3)[]"]
)
def test_texts_that_numbers_are_in_are_drawn_as_texts(answers: Callable[..., None], open_page: Open, kind: str) -> None:
    answers(states.answer([["a", kind], ["n", "DECIMAL(18,3)"]], [["\u202e" + "1" * 400, "1.250"]]))
    tab = open_page("#/query")
    tab.wait_for(lambda: len(cells(tab)) == 1, "a row")
    [[text, number]] = cells(tab)
    assert text == "U+202E" + "1" * 299 + "\u2026" + "401 characters"
    assert number == "1.250"
    classes = tab.page.locator(".q-out tbody td").evaluate_all("all => all.map((one) => one.className)")
    assert ["num" in one for one in classes] == [False, True]


def test_a_type_that_has_names_from_data_shows_what_cannot_be_seen(
    answers: Callable[..., None], open_page: Open
) -> None:
    answers(states.answer([["a", 'STRUCT("x\u202e" INTEGER)']], [["{'x': 1}"]]))
    tab = open_page("#/query")
    tab.wait_for(lambda: len(cells(tab)) == 1, "a row")
    assert 'STRUCT("xU+202E" INTEGER)' in tab.text(".q-out th")


def test_lists_of_times_are_no_times_of_a_chart(answers: Callable[..., None], open_page: Open) -> None:
    answers(states.answer([["at", "TIMESTAMP[]"], ["hits", "BIGINT"]], [["[2026-03-25 14:00:00]", 7], ["[]", 9]]))
    tab = open_page("#/query?view=chart")
    tab.wait_for(lambda: tab.page.locator(".hbars b").all_inner_texts() == ["7", "9"], "two bars")
