"""How running tables do: a live view on a terminal, plain lines in a log."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.text import Text

from clickstream.cli.progress import figures, showing
from clickstream.parts.part import Rates
from clickstream.screen.layout import Cell, Column, table
from clickstream.screen.live import Size

if TYPE_CHECKING:
    from clickstream.tables.run import Tables

# Numbers that are 0 in good times hint at a mistake: they go before the others. Times are in UTC, as everywhere in
# tables.
SOURCES = [
    Column("SOURCE", cut=12),
    Column("ROWS", right=True),
    Column("ROWS/S", rank=4, right=True),
    Column("DEAD", rank=1, right=True),
    Column("NOT TYPED", rank=2, right=True),
    Column("NO TIME", rank=3, right=True),
    Column("WATERMARK (UTC)", rank=6, right=True),
    Column("BEHIND", rank=5, right=True),
]
RESULTS = [
    Column("TABLE", cut=12),
    Column("ROWS", right=True),
    Column("ROWS/S", rank=3, right=True),
    Column("EARLY", rank=4, right=True),
    Column("LATE", rank=1, right=True),
    Column("NO KEY", rank=2, right=True),
]
ALWAYS = 3  # columns that are there from the start


def view(tables: "Tables", *, quiet: bool = False) -> AbstractContextManager[None]:
    """Show `tables` while the block runs."""
    shown, logged = Rates(), Rates()
    return showing(lambda size: rendered(tables, shown, size), lambda: plain(tables, logged), quiet=quiet)


def plain(tables: "Tables", rates: Rates) -> str:
    """How all tables do, as one line."""
    totals = tables.totals()
    found = figures("rows", totals, rates.of(totals), {})
    gauges = tables.gauges()
    if "watermark_delay_seconds" in gauges:
        found.append(f"watermark {gauges['watermark_delay_seconds']:,.1f} s behind")
    if "lag" in gauges:
        found.append(f"lag {gauges['lag']:,.0f}")
    return f"tables: {', '.join(found)}"


def rendered(tables: "Tables", rates: Rates, size: Size) -> list[Text]:
    """The view as it is now. Of tables for which there is no room the last ones are missing, and it says how many."""
    now = rates.of(_counts(tables))
    sources: list[list[Cell]] = [
        [
            source.name,
            f"{source.rows:,}",
            f"{now[f'source {file} {source.name}']:,.0f}",
            _count(source.dead_letters),
            _count(source.nulled),
            _count(source.untimed),
            _time(source.watermark),
            f"{source.delay:,.1f} s" if source.delay is not None else "",
        ]
        for file, engine in tables.engines.items()
        for source in engine.now.sources()
    ]
    results: list[list[Cell]] = [
        [
            result.name,
            f"{result.written:,}",
            f"{now[f'result {file} {result.name}']:,.0f}",
            _count(result.early),
            _count(result.late),
            _count(result.dropped),
        ]
        for file, engine in tables.engines.items()
        for result in engine.now.results()
    ]
    above = _fitted(_table(SOURCES, sources, size.width), size.height // 2)
    return [*above, *_fitted(_table(RESULTS, results, size.width), size.height - len(above))]


def _table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int) -> list[Text]:
    """Without the columns in which there is nothing to say."""
    places = [place for place in range(len(columns)) if place < ALWAYS or any(row[place] for row in rows)]
    return table([columns[place] for place in places], [[row[place] for place in places] for row in rows], width)


def _fitted(lines: Sequence[Text], height: int) -> Sequence[Text]:
    if len(lines) <= height:
        return lines
    return [*lines[: height - 1], Text(f"… {len(lines) - height + 1} more", "dim")]


def _counts(tables: "Tables") -> dict[str, int]:
    found: dict[str, int] = {}
    for file, engine in tables.engines.items():
        found |= {f"source {file} {source.name}": source.rows for source in engine.now.sources()}
        found |= {f"result {file} {result.name}": result.written for result in engine.now.results()}
    return found


def _count(number: int) -> str:
    """A number that is 0 in good times is not shown then."""
    return f"{number:,}" if number else ""


def _time(milliseconds: int | None) -> str:
    if milliseconds is None:
        return ""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "?"
