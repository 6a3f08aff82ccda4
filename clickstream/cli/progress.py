"""Progress of a long-running part: a bar or a live rate on a terminal, plain lines in a log."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from clickstream import terminal
from clickstream.cli.output import console
from clickstream.parts.part import Part, Rates

log = logging.getLogger(__name__)

ON_TERMINAL_EVERY_S = 0.5
IN_LOG_EVERY_S = 10.0


@contextmanager
def progress(part: Part, total_name: str, *, total: int | None = None, quiet: bool = False) -> Iterator[None]:
    """Show how `part.totals()[total_name]` grows while the block runs; with `total`, how much is left."""
    if quiet:
        yield
        return
    out = console(err=True)
    stop = threading.Event()
    target = _on_terminal if out.is_terminal else _in_log
    thread = threading.Thread(target=target, args=(part, total_name, total, out, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _line(part: Part, total_name: str, rates: Rates) -> str:
    totals = part.totals()
    others = {name: value for name, value in totals.items() if name != total_name and value}
    extras = [f"{name.replace('_', ' ')} {value:,}" for name, value in others.items()]
    extras += [f"{name} {value:,.0f}" for name, value in part.gauges().items()]
    return f"{total_name} {totals[total_name]:,} ({rates.of(totals)[total_name]:,.0f}/s) " + ", ".join(extras)


def _on_terminal(part: Part, total_name: str, total: int | None, console: Console, stop: threading.Event) -> None:
    bounded = (BarColumn(20), TaskProgressColumn(), TimeRemainingColumn()) if total else (TimeElapsedColumn(),)
    words = TextColumn(
        "{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
    )
    rates = Rates()
    with Progress(*bounded, words, console=console, expand=True) as bar:
        task = bar.add_task(part.kind, total=total)
        ended = False
        while not ended:
            ended = stop.wait(ON_TERMINAL_EVERY_S)
            done = min(part.totals()[total_name], total or 0)
            bar.update(task, description=_line(part, total_name, rates), completed=done)


def _in_log(part: Part, total_name: str, total: int | None, console: Console, stop: threading.Event) -> None:
    rates = Rates()
    while not stop.wait(IN_LOG_EVERY_S):
        log.info("%s", _line(part, total_name, rates) + (f" of {total:,}" if total else ""))


@contextmanager
def passing(words: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, gone at the end, for reading `total` offsets; it is told how many more passed."""
    description = TextColumn("{task.description}", markup=False)
    out = console(err=True)
    columns = (description, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, disable=not out.is_terminal, transient=True) as bar:
        task = bar.add_task(terminal.escaped(words), total=total)
        yield lambda passed: bar.advance(task, passed)
