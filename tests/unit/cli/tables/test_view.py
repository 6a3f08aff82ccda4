"""The live view of running tables."""

import re
from typing import Any

import pytest

from clickstream.cli.tables.view import plain, rendered
from clickstream.parts.part import Rates
from clickstream.screen.live import Size
from clickstream.tables.engine.report import ResultReport, SourceReport
from tests.hostile import HOSTILE, SHOWN
from tests.unit.cli.tables.fakes import BUSY, FRESH, FakeEngine, FakeTables


class NoTime:
    """Rates that are the counts themselves."""

    def of(self, counts: dict[str, int]) -> dict[str, float]:
        return dict(counts)


def shown(*engines: FakeEngine, width: int = 100, height: int = 40) -> list[str]:
    tables: Any = FakeTables(*engines)
    rates: Any = NoTime()
    return [line.plain for line in rendered(tables, rates, Size(width, height))]


def test_before_the_first_row() -> None:
    head, source, results, result = shown(FRESH)
    assert head.split() == ["SOURCE", "ROWS", "ROWS/S"]
    assert source.split() == ["clicks", "0", "0"]
    assert results.split() == ["TABLE", "ROWS", "ROWS/S"]
    assert result.split() == ["per_min", "0", "0"]


def test_all_there_is_to_say() -> None:
    head, source, results, result = shown(BUSY, width=120)
    assert re.split("  +", head) == [
        *("SOURCE", "ROWS", "ROWS/S", "DEAD", "NOT TYPED", "WATERMARK (UTC)", "BEHIND"),
    ]
    assert source.split() == ["clicks", *["12,345,678"] * 2, "12", "345", "11-14", "22:14:00", "6.8", "s"]
    assert results.split() == ["TABLE", "ROWS", "ROWS/S", "EARLY", "LATE", "NO", "KEY"]
    assert result.split() == [
        *("events_per_minute_and_user_of_the_site", "87,654,321", "87,654,321", "1,111", "3", "22"),
    ]


def test_files_with_tables_of_the_same_name() -> None:
    lines = shown(BUSY, FRESH, width=120)
    assert [line.split()[1:3] for line in (lines[1], lines[2])] == [["12,345,678"] * 2, ["0", "0"]]


def test_names_do_nothing_to_a_terminal() -> None:
    source, result = SourceReport(HOSTILE, "t", 1, 0, 0, None, None), ResultReport(HOSTILE, "t", 1, 0, 0, 0)
    _, first, _, second = shown(FakeEngine([source], [result]), width=600)
    assert first.startswith(SHOWN)
    assert second.startswith(SHOWN)


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_every_width_keeps_its_numbers(width: int) -> None:
    lines = shown(BUSY, FRESH, width=width)
    assert len(lines) == 6
    assert all(len(line) <= width for line in lines)
    assert lines[1].startswith("clicks  ")
    assert "12,345,678" in lines[1]
    assert "87,654,321" in lines[4]
    assert "12" in lines[1].split()  # what hints at a mistake goes last


def test_a_low_terminal_says_how_many_tables_it_does_not_show() -> None:
    lines = shown(*[FRESH] * 30, height=23)
    assert len(lines) == 23
    assert (lines[10], lines[-1]) == ("… 21 more", "… 20 more")


def test_nothing_at_all() -> None:
    assert [line.split()[0] for line in shown()] == ["SOURCE", "TABLE"]


@pytest.mark.parametrize("mark", [2**60, -(2**60)])
def test_times_that_no_calendar_has(mark: int) -> None:
    odd = FakeEngine([SourceReport("clicks", "clicks", 1, 0, 0, mark, None)])
    assert shown(odd)[1].split() == ["clicks", "1", "1", "?"]


def test_a_line_for_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    tables: Any = FakeTables()
    line = plain(tables, Rates())
    assert re.fullmatch(r"tables: rows 1,234,567 \([\d,]+/s\), late 3, watermark 5\.2 s behind, lag 1,234", line)
