"""Tables for every width."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from clickstream.screen.layout import Column, fit, table

COLUMNS = [
    Column("TOPIC", cut=12),
    Column("PARTITIONS", rank=3, right=True),
    Column("RECORDS", right=True),
    Column("SIZE", rank=2, right=True),
    Column("LAST WRITE (UTC)", rank=1),
]
ROWS = [
    ["clickstream-with-a-long-name-indeed", "3", "12,345,678", "1.2 MB", "2026-01-01 00:00:00"],
    ["b", "12", "0", "-", "-"],
]


def shown(width: int | None, columns: list[Column] = COLUMNS, rows: list[list[str]] = ROWS) -> list[str]:
    return [line.plain for line in table(columns, rows, width)]


def test_a_wide_terminal_and_a_pipe_have_all_of_it() -> None:
    whole = [
        "TOPIC                                PARTITIONS     RECORDS    SIZE  LAST WRITE (UTC)",
        "clickstream-with-a-long-name-indeed           3  12,345,678  1.2 MB  2026-01-01 00:00:00",
        "b                                            12           0       -  -",
    ]
    assert shown(None) == shown(200) == whole


def test_names_are_cut_then_columns_are_left_out_by_rank() -> None:
    assert shown(80)[1] == "clickstream-with-a-long-na…           3  12,345,678  1.2 MB  2026-01-01 00:00:00"
    assert shown(60)[1].split() == ["clickstream-with-a…", "12,345,678", "1.2", "MB", "2026-01-01", "00:00:00"]
    assert shown(30)[1] == "clickstream-with-…  12,345,678"
    assert shown(20)[1] == "clickst…  12,345,678"
    assert fit(COLUMNS, ROWS, 30).left_out == ["PARTITIONS", "SIZE", "LAST WRITE (UTC)"]


@pytest.mark.parametrize("width", [13, 20, 30, 40, 60, 80, 120, 200])
def test_no_line_is_wider_and_no_number_is_cut(width: int) -> None:
    lines = shown(width)
    assert all(cell_len(line) <= width for line in lines)
    assert "12,345,678" in lines[1]


def test_lists_are_cut_between_their_members() -> None:
    columns = [Column("PART"), Column("PER SECOND", cut=6, listed=True)]
    rows = [["counter", "counted 12,345, lag 1,234, members 3"]]
    found = [shown(width, columns, rows)[1] for width in (60, 40, 30, 18)]
    assert found == [
        "counter  counted 12,345, lag 1,234, members 3",
        "counter  counted 12,345, lag 1,234, …",
        "counter  counted 12,345, …",
        "counter  …",
    ]


def test_what_may_fold_goes_on_below() -> None:
    columns = [Column("SETTING"), Column("VALUE", cut=8, fold=True)]
    assert shown(17, columns, [["a.b", "0123456789"], ["c", "1"]]) == [
        "SETTING  VALUE",
        "a.b      01234567",
        "         89",
        "c        1",
    ]


def test_wide_characters_take_two_places() -> None:
    lines = shown(12, [Column("A", cut=4), Column("N", right=True)], [["\u4e2d" * 9, "1234"], ["x", "1"]])
    assert lines == ["A          N", "\u4e2d\u4e2d …  1234", "x          1"]
    assert {cell_len(line) for line in lines} == {12}


def test_what_comes_from_outside_is_made_harmless_and_what_is_styled_is_kept() -> None:
    [_, line] = table([Column("NAME"), Column("STATE")], [["\x1b[2J", Text("good", "green")]])
    assert line.plain == "\\u001b[2J  good"
    assert any(span.style == "green" for span in line.spans)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.none() | st.integers(1, 9)), min_size=1, max_size=6),
    st.lists(st.lists(st.text(max_size=12), min_size=6, max_size=6), max_size=4),
    st.integers(1, 60),
)
def test_any_table_fits_any_width(
    shapes: list[tuple[int, bool, int | None]], cells: list[list[str]], width: int
) -> None:
    columns = [Column(f"C{number}", rank, right, cut) for number, (rank, right, cut) in enumerate(shapes)]
    rows = [row[: len(columns)] for row in cells]
    assert all(line.cell_len <= width for line in table(columns, rows, width))
