"""What the demo looks like: a live view on a terminal, one line a second elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import click
from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from clickstream import terminal
from clickstream.demo.demo import HISTORY, Snapshot
from clickstream.records import EVENT_NAMES

BLOCKS = " ▁▂▃▄▅▆▇█"
WIDE = 80
FIGURES = 58
TABLE_WIDTH = 37
MIN_NAME = 18


@contextmanager
def shown(console: Console) -> Iterator[Callable[[Snapshot], None]]:
    """A function that shows snapshots in the way that fits `console`."""
    if not console.is_terminal:
        yield _every_second()
        return
    # Log lines go above the view, unless they go to a file.
    with Live(console=console, auto_refresh=False, redirect_stderr=sys.stderr.isatty()) as live:
        yield lambda snapshot: live.update(view(snapshot, console.width), refresh=True)


def line(snapshot: Snapshot) -> str:
    """A snapshot as one plain line."""
    tally = " ".join(f"{terminal.escaped(name)}={count}" for name, count in sorted(snapshot.tally.items()))
    tables = f" tables={sum(table.rows for table in snapshot.tables)}" if snapshot.tables else ""
    return (
        f"{snapshot.phase} in={snapshot.rate_in:.0f}/s out={snapshot.rate_out:.0f}/s "
        f"acknowledged={snapshot.acknowledged} counted={snapshot.counted} lag={snapshot.lag:.0f} {tally}{tables}"
    )


def view(snapshot: Snapshot, width: int) -> RenderableType:
    """A snapshot for a terminal `width` columns wide."""
    title = Text.assemble(("clickstream", "bold"), f"  {snapshot.phase}  {snapshot.seconds:,.0f} s")
    parts: list[RenderableType] = [_flow(snapshot, width), Text(), _tally(snapshot, width)]
    if snapshot.tables:
        parts += [Text(), _tables(snapshot, width)]
    return Panel(
        Group(*parts),
        title=title,
        title_align="left",
        subtitle=Text(terminal.escaped(f"Kafka at {snapshot.address} · Ctrl-C drains and ends")),
        subtitle_align="left",
        padding=(1, 2),
    )


def _flow(snapshot: Snapshot, width: int) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for justify in ("left", "right", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)
    # What the figures leave.
    room = max(0, width - FIGURES) if width >= WIDE else 0
    rows = (
        ("produced", snapshot.rate_in, snapshot.acknowledged, "acknowledged", snapshot.history_in, "cyan"),
        ("counted", snapshot.rate_out, snapshot.counted, "by this run", snapshot.history_out, "green"),
    )
    for name, rate, total, about, history, style in rows:
        table.add_row(
            Text(name, style=f"bold {style}"),
            f"{rate:,.0f}/s",
            f"{total:,}",
            Text.assemble(about, "  ", (sparkline(history, room), style)),
        )
    table.add_row(Text("lag", style="bold"), "", f"{snapshot.lag:,.0f}", "events not counted yet")
    return table


def _tally(snapshot: Snapshot, width: int) -> RenderableType:
    names = [*EVENT_NAMES, *sorted(set(snapshot.tally) - set(EVENT_NAMES))]
    total = sum(snapshot.tally.values())
    table = Table(expand=True, box=None, header_style="bold", padding=(0, 1))
    # Whoever writes to the topic makes up the names: the longest one leaves room for the figures.
    table.add_column("event", no_wrap=True, max_width=max(MIN_NAME, width // 3))
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    if width >= WIDE:
        table.add_column("", ratio=1)
    for name in names:
        count = snapshot.tally.get(name, 0)
        share = count / total if total else 0.0
        cells: list[RenderableType] = [Text(terminal.escaped(name)), f"{count:,}", f"{share:.1%}" if total else "-"]
        if width >= WIDE:
            cells.append(Bar(1.0, 0.0, share, color="magenta"))
        table.add_row(*cells)
    return table


def _tables(snapshot: Snapshot, width: int) -> RenderableType:
    """Tables side by side, as many as fit."""
    columns = max(1, (width - 6) // TABLE_WIDTH)
    grid = Table.grid(padding=(0, 2), expand=False)
    for _ in range(columns):
        grid.add_column(no_wrap=True, overflow="ellipsis", max_width=TABLE_WIDTH - 11)
        grid.add_column(justify="right", no_wrap=True)
    for start in range(0, len(snapshot.tables), columns):
        cells: list[RenderableType] = []
        for table in snapshot.tables[start : start + columns]:
            moving = "bold yellow" if table.rate > 0 else ""
            cells += [Text(terminal.escaped(table.name), style=moving), Text(f"{table.rows:,}")]
        grid.add_row(*cells)
    return Group(Text("streaming tables: rows written", style="bold"), grid)


def sparkline(values: Iterable[float], room: int = HISTORY) -> str:
    """One character for each of the last `room` values, its height relative to the highest."""
    shown_values = list(values)[-room:] if room else []
    top = max(shown_values, default=0.0)
    if top <= 0:
        return ""
    return "".join(BLOCKS[max(0, min(8, round(8 * value / top)))] for value in shown_values)


def _every_second() -> Callable[[Snapshot], None]:
    last = float("-inf")

    def show(snapshot: Snapshot) -> None:
        nonlocal last
        if time.monotonic() >= last + 1.0:
            last = time.monotonic()
            click.echo(line(snapshot))

    return show
