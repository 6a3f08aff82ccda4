"""Rows on terminals of several widths, in pipes, and as JSON."""

import io
import json

import pytest
from rich.cells import cell_len
from rich.console import Console

from clickstream.cli.tables.rows import printer
from clickstream.tables.looking.rows import Row, Value
from clickstream.tables.sql.check import check
from clickstream.tables.sql.model import Column
from tests.unit.tables.sql.support import TABLES, sink

START_MS = 1_767_225_600_000
RESULTS = check(sink("userid INT, window_start TIMESTAMP(3), request STRING, hits BIGINT", key="userid, window_start"))
COLUMNS = RESULTS.program.tables["results"].columns


def row(*values: Value, early: bool = False, deleted: bool = False) -> Row:
    return Row(values, values[:2], (START_MS, 0, 0), early, deleted)


ROWS = [
    row(7, START_MS, "GET /index.html", 12),
    row(117, START_MS + 250, None, 9_007_199_254_740_993, early=True),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(
    *batches: list[Row],
    width: int | None = None,
    form: str = "table",
    follow: bool = False,
    columns: tuple[Column, ...] = COLUMNS,
) -> str:
    """What is printed on a terminal of that width, or into a pipe."""
    file = Terminal() if width else io.StringIO()
    console = Console(file=file, width=width, force_terminal=width is not None, color_system=None)
    out = printer(columns, form, console, follow=follow, upsert=True)
    for batch in batches:
        out(batch)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def test_a_wide_terminal_has_all_columns() -> None:
    assert shown(ROWS, width=100) == (
        "(times in UTC)\n"
        "userid  window_start             request                      hits\n"
        "     7  2026-01-01 00:00:00      GET /index.html                12\n"
        "   117  2026-01-01 00:00:00.250  NULL             9007199254740993  early"
    )


def test_a_narrower_one_cuts_texts_and_nothing_else() -> None:
    assert shown(ROWS, width=68).splitlines()[2:] == [
        "     7  2026-01-01 00:00:00      GET /inde…                12",
        "   117  2026-01-01 00:00:00.250  NULL        9007199254740993  early",
    ]


def test_a_narrow_one_leaves_columns_out_and_says_which() -> None:
    assert shown(ROWS, width=40) == (
        "(times in UTC; no room for request, hits)\n"[:39] + "…\n"
        "userid  window_start\n"
        "     7  2026-01-01 00:00:00\n"
        "   117  2026-01-01 00:00:00.250  early"
    )
    assert shown(ROWS, width=18) == "(no room for wind…\nuserid\n     7\n   117  early"


def test_the_end_of_a_window_goes_before_what_was_counted() -> None:
    columns = check(sink("userid INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3), hits BIGINT", key="userid"))
    rows = [row(7, START_MS, START_MS, 12)]
    assert shown(rows, width=40, columns=columns.program.tables["results"].columns).splitlines()[1:] == [
        "userid  window_start         hits",
        "     7  2026-01-01 00:00:00    12",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 67, 68, 69, 80, 120, 200])
@pytest.mark.parametrize("follow", [False, True])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(width: int, follow: bool) -> None:
    long = [row(2**31 - 1, START_MS, "GET /" + "x" * 200 + "\u4e2d" * 30, -(2**63), deleted=True)]
    said = shown(long, long, width=width, follow=follow)
    assert all(cell_len(line) <= width for line in said.splitlines())
    assert said.count(str(2**31 - 1)) == 2
    assert said.count("-9223372036854775808") == 2 * ("hits" in said.splitlines()[1])
    assert len(said.splitlines()) == 4


def test_a_terminal_that_got_narrower_has_a_new_heading() -> None:
    console = Console(file=Terminal(), width=100, force_terminal=True, color_system=None)
    out = printer(COLUMNS, "table", console, follow=True, upsert=True)
    out(ROWS)
    console.width = 50
    out(ROWS)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["(times", "userid", "7", "117"] * 2
    assert all(len(line) <= 50 for line in lines[4:])


def test_only_early_rows_are_marked() -> None:
    assert "early" not in shown([ROWS[0]], width=100)
    assert [line.endswith("early") for line in shown(ROWS, width=100).splitlines()[2:]] == [False, True]


def test_what_comes_later_stands_below_without_a_header() -> None:
    early, gone = row(117, START_MS, "GET /", 3, early=True), row(7, START_MS, None, None, deleted=True)
    said = shown([ROWS[0]], [early], [], [gone], width=100, follow=True)
    lines = said.splitlines()
    assert len(lines) == 5
    assert [line.split()[-1] for line in lines[2:]] == ["12", "early", "deleted"]
    assert lines[1].index("window_start") == lines[2].index("2026") == lines[4].index("2026")


def test_without_rows_there_is_a_header_to_follow() -> None:
    assert shown([], width=100, follow=True).splitlines()[1].split() == ["userid", "window_start", "request", "hits"]


def test_a_pipe_gets_columns_that_are_never_folded() -> None:
    long = row(8, START_MS, "x" * 300, 1)
    assert shown([ROWS[0]], [long], [ROWS[0]]).splitlines() == [
        "userid  window_start         request          hits",
        "     7  2026-01-01 00:00:00  GET /index.html    12",
        f"     8  2026-01-01 00:00:00  {'x' * 300}     1",
        f"     7  2026-01-01 00:00:00  {'GET /index.html':300}    12",
    ]


EVERY_TYPE = check(TABLES).program.tables["clicks"].columns
OF_EVERY_TYPE = row(
    *(7, "10.0.0.1", None, 404, 12, 1.5, True, "2026-01-02", START_MS, START_MS + 250, 2, {"a": "x"}),
)


def test_values_of_every_type() -> None:
    words = shown([OF_EVERY_TYPE], columns=EVERY_TYPE).splitlines()[1]
    assert words.split() == [
        *("7", "10.0.0.1", "NULL", "404", "12", "1.5", "TRUE", "2026-01-02", str(START_MS)),
        *("2026-01-01", "00:00:00.250", "2", '{"a":"x"}'),
    ]


@pytest.mark.parametrize("ms", [999_999_999_999_999, -(10**15)])
def test_a_time_that_has_no_date_is_its_number(ms: int) -> None:
    assert str(ms) in shown([row(7, ms, None, None)], width=100)
    assert str(ms) in shown([row(7, ms, None, None)])


HOSTILE = "\x1b[31m\u202eGET\x07\n[bold]/[/bold] :smile:"


@pytest.mark.parametrize("width", [None, 160])
def test_what_a_terminal_would_obey_is_escaped_and_markup_is_text(width: int | None) -> None:
    said = shown([row(7, START_MS, HOSTILE, 1)], width=width)
    assert not set(said) & {"\x1b", "\u202e", "\x07"}
    assert "\\u001b[31m\\u202eGET\\u0007\\u000a[bold]/[/bold]:smile:" in "".join(said.split())


@pytest.mark.parametrize("form", ["json", "table"])
def test_names_of_columns_are_escaped_too(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    columns = check(sink("`\x1b[31m` STRING")).program.tables["results"].columns
    said = [shown([row("x")], form=form, width=width, columns=columns) for width in (None, 20)]
    assert not any("\x1b" in one for one in (*said, capsys.readouterr().out))


def test_json_has_an_object_per_row(capsys: pytest.CaptureFixture[str]) -> None:
    shown([*ROWS, row(7, START_MS, HOSTILE, None, deleted=True)], form="json")
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"userid": 7, "window_start": "2026-01-01T00:00:00.000", "request": "GET /index.html", "hits": 12},
        {
            **{"userid": 117, "window_start": "2026-01-01T00:00:00.250", "request": None, "hits": 9007199254740993},
            "$early": True,
        },
        {
            **{"userid": 7, "window_start": "2026-01-01T00:00:00.000", "request": HOSTILE, "hits": None},
            "$deleted": True,
        },
    ]
    assert not set("".join(lines)) & {"\x1b", "\u202e", "\x07"}


def test_json_of_every_type(capsys: pytest.CaptureFixture[str]) -> None:
    shown([OF_EVERY_TYPE], form="json", columns=EVERY_TYPE)
    assert list(json.loads(capsys.readouterr().out).values()) == [
        *(7, "10.0.0.1", None, 404, 12, 1.5, True, "2026-01-02", START_MS, "2026-01-01T00:00:00.250Z", 2, {"a": "x"}),
    ]


def test_csv_has_one_heading_and_says_what_is_early(capsys: pytest.CaptureFixture[str]) -> None:
    shown(ROWS, [row(7, START_MS, 'a "b", \x1b', 1, deleted=True)], form="csv", follow=True)
    assert capsys.readouterr().out == (
        "userid,window_start,request,hits,\n"
        "7,2026-01-01 00:00:00,GET /index.html,12,\n"
        "117,2026-01-01 00:00:00.250,NULL,9007199254740993,early\n"
        '7,2026-01-01 00:00:00,"a ""b"", \\u001b",1,deleted\n'
    )
