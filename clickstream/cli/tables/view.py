"""How running tables do: a live view on a terminal, plain lines in a log."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from clickstream.cli.output import cell, console
from clickstream.parts.part import Rates

if TYPE_CHECKING:
    from clickstream.tables.run import Tables

log = logging.getLogger(__name__)

ON_TERMINAL_EVERY_S = 0.5
IN_LOG_EVERY_S = 10.0
MIN_NAME = 12


@contextmanager
def view(tables: "Tables", *, quiet: bool = False) -> Iterator[None]:
    """Show `tables` while the block runs."""
    if quiet:
        yield
        return
    out = console(err=True)
    stop = threading.Event()
    target = _on_terminal if out.is_terminal else _in_log
    thread = threading.Thread(target=target, args=(tables, out, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _on_terminal(tables: "Tables", console: Console, stop: threading.Event) -> None:
    rates = Rates()
    with Live(console=console, auto_refresh=False) as live:
        ended = False
        while not ended:
            ended = stop.wait(ON_TERMINAL_EVERY_S)
            live.update(rendered(tables, rates, console.width), refresh=True)


def _in_log(tables: "Tables", _console: Console, stop: threading.Event) -> None:
    rates = Rates()
    while not stop.wait(IN_LOG_EVERY_S):
        totals = tables.totals()
        rate = rates.of({"rows": totals["rows"]})["rows"]
        behind = "".join(f", watermark {value:,.1f} s behind" for value in tables.gauges().values())
        others = "".join(
            f", {name.replace('_', ' ')} {count:,}" for name, count in totals.items() if count and name != "rows"
        )
        log.info("rows %s (%s/s)%s%s", f"{totals['rows']:,}", f"{rate:,.0f}", others, behind)


def rendered(tables: "Tables", rates: Rates, width: int) -> Group:
    """The view as it is now, for a terminal `width` columns wide."""
    now = rates.of(_counts(tables))
    sources = _table(width, "source", "rows", "rows/s", "dead", "not typed", "no time", "watermark", "behind")
    results = _table(width, "table", "rows", "rows/s", "early", "late", "no key")
    for file, engine in tables.engines.items():
        for source in engine.sources():
            sources.add_row(
                cell(source.name),
                f"{source.rows:,}",
                f"{now[f'source {file} {source.name}']:,.0f}",
                _count(source.dead_letters),
                _count(source.nulled),
                _count(source.untimed),
                _time(source.watermark),
                f"{source.delay:,.1f} s" if source.delay is not None else "",
            )
        for result in engine.results():
            results.add_row(
                cell(result.name),
                f"{result.written:,}",
                f"{now[f'result {file} {result.name}']:,.0f}",
                _count(result.early),
                _count(result.late),
                _count(result.dropped),
            )
    return Group(sources, results)


def _counts(tables: "Tables") -> dict[str, int]:
    found: dict[str, int] = {}
    for file, engine in tables.engines.items():
        found |= {f"source {file} {source.name}": source.rows for source in engine.sources()}
        found |= {f"result {file} {result.name}": result.written for result in engine.results()}
    return found


def _table(width: int, name: str, *numbers: str) -> Table:
    table = Table(box=None, pad_edge=False, expand=False)
    table.add_column(name, no_wrap=True, overflow="ellipsis", min_width=MIN_NAME, max_width=max(MIN_NAME, width // 3))
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True)
    return table


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
