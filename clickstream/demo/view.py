"""What the demo looks like: a live view on a terminal, one line a second elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

import click
from rich.cells import cell_len
from rich.text import Text

from clickstream import terminal
from clickstream.demo.demo import HISTORY, Minute, Snapshot, TableLine
from clickstream.records import EVENT_NAMES
from clickstream.screen.layout import Cell, Column, table
from clickstream.screen.live import Size, interactive, live

BLOCKS = " ▁▂▃▄▅▆▇█"
FULL_BAR = 20
LEAST_PICTURE = 8
# Of made-up names, and of minutes, that many lines are shown where there is no room for all.
LEAST_NAMES, LEAST_MINUTES = len(EVENT_NAMES), 3
LEAST_TABLE = 24


@contextmanager
def shown() -> Iterator[Callable[[Snapshot], None]]:
    """A function that shows snapshots on standard output, in the way that fits it."""
    if not interactive(sys.stdout):
        yield _every_second()
        return
    with live(sys.stdout) as moving:
        yield lambda snapshot: moving.draw(partial(view, snapshot))


def line(snapshot: Snapshot) -> str:
    """A snapshot as one plain line."""
    figures = [
        f"produced {snapshot.acknowledged:,} ({snapshot.rate_in:,.0f}/s)",
        f"counted {snapshot.counted:,} ({snapshot.rate_out:,.0f}/s)",
        f"lag {snapshot.lag:,.0f}",
        *(f"{terminal.escaped(name)} {count:,}" for name, count in sorted(snapshot.tally.items())),
    ]
    if snapshot.tables:
        figures.append(f"rows written {sum(table.rows for table in snapshot.tables):,}")
    return f"demo {snapshot.phase}: {', '.join(figures)}"


def view(snapshot: Snapshot, size: Size) -> list[Text]:
    """A snapshot in `size`: what there is no room for is left out, the least important first."""
    title = Text.assemble(("clickstream demo", "bold"), f"  {snapshot.phase}  {snapshot.seconds:,.0f} s")
    footer = Text(f"Ctrl-C drains and ends   Kafka at {terminal.escaped(snapshot.address)}", "dim")
    blocks = _chosen(snapshot, Size(size.width, size.height - 2))
    empty = max(0, size.height - 2 - sum(map(len, blocks)))
    lines = [title]
    for number, block in enumerate(blocks):
        # The lines that are left over are between the blocks, from below.
        lines += [*([Text()] if number >= len(blocks) - empty else []), *block]
    lines += [Text()] if empty > len(blocks) else []
    return [*lines[: max(1, size.height - 1)], footer]


def _chosen(snapshot: Snapshot, size: Size) -> list[list[Text]]:
    """Blocks of lines, together not higher than `size`; the last ones are left out where not even little fits."""
    flow = _flow(snapshot, size.width)
    names = [*EVENT_NAMES, *sorted(set(snapshot.tally) - set(EVENT_NAMES))]
    tally, minutes, tables = LEAST_NAMES, min(LEAST_MINUTES, len(snapshot.minutes)), list[Text]()
    room = size.height - len(flow) - (1 + tally)
    if snapshot.tables:
        room -= 1 + minutes
        tables = _tables(snapshot.tables, Size(size.width, max(1, room)))
        room -= len(tables)
    if room > 0:
        more = min(room, len(names) - tally)
        tally, room = tally + more, room - more
        minutes = min(minutes + room, len(snapshot.minutes))
    else:
        minutes = max(1, minutes + room)
    blocks = [flow, _tally(snapshot, names[:tally], size.width, len(names) - tally)]
    if snapshot.tables:
        blocks += [_traffic(snapshot.minutes[:minutes], size.width), tables]
    while sum(map(len, blocks)) > size.height and len(blocks) > 1:
        blocks.pop()
    return blocks


def _flow(snapshot: Snapshot, width: int) -> list[Text]:
    # The histories get what the figures leave.
    rows = (
        ("produced", "cyan", snapshot.rate_in, snapshot.acknowledged, snapshot.history_in),
        ("counted", "green", snapshot.rate_out, snapshot.counted, snapshot.history_out),
    )
    figures: list[list[Cell]] = [
        [Text(name, f"bold {style}"), f"{rate:,.0f}", f"{total:,}"] for name, style, rate, total, _history in rows
    ]
    figures.append([Text("lag", "bold"), "", f"{snapshot.lag:,.0f}"])
    columns = [Column("EVENTS"), Column("PER SECOND", right=True), Column("THIS RUN", right=True)]
    room = width - max(text.cell_len for text in table(columns, figures)) - 2
    if room < LEAST_PICTURE:
        return table(columns, figures, width)
    pictures: list[Cell] = [Text(sparkline(history, room), style) for _, style, _, _, history in rows]
    pictures.append("events not counted yet" if room >= len("events not counted yet") else "")
    return table([*columns, Column("")], [[*row, one] for row, one in zip(figures, pictures, strict=True)], width)


def _tally(snapshot: Snapshot, names: Sequence[str], width: int, more: int) -> list[Text]:
    total = sum(snapshot.tally.values())
    rows: list[list[Cell]] = []
    for name in names:
        count = snapshot.tally.get(name, 0)
        share = count / total if total else 0.0
        full = round(FULL_BAR * share)
        bar = Text.assemble(("━" * full, "magenta"), ("─" * (FULL_BAR - full), "dim"))
        rows.append([name, f"{count:,}", f"{share:.1%}" if total else "-", bar])
    heading = f"EVENT (and {more:,} more)" if more else "EVENT"
    # Whoever writes to the topic makes up the names: the longest one leaves room for the figures.
    columns = [
        Column(heading, cut=18),
        Column("COUNT", right=True),
        Column("SHARE", rank=1, right=True),
        Column("", rank=2),
    ]
    return table(columns, rows, width)


def _traffic(minutes: Sequence[Minute], width: int) -> list[Text]:
    columns = [
        Column("TRAFFIC (UTC)"),
        Column("HITS", right=True),
        Column("VISITORS", rank=1, right=True),
        Column("BYTES", rank=3, right=True),
        Column("ERRORS", rank=2, right=True),
    ]
    rows: list[list[Cell]] = [
        [
            f"{_hour(one.start_ms)}{' so far' if one.early else ''}",
            f"{one.hits:,}",
            f"{one.visitors:,}",
            f"{one.octets:,}",
            f"{one.errors:,}",
        ]
        for one in minutes
    ]
    return table(columns, rows, width)


def _hour(milliseconds: int) -> str:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%H:%M")
    except (OverflowError, ValueError, OSError):
        return str(milliseconds)


def _tables(tables: Sequence[TableLine], size: Size) -> list[Text]:
    """Tables side by side, names as whole as the lines allow; with a single line, their sums."""
    figures = max(len("ROWS"), *(len(f"{one.rows:,}") for one in tables))
    widest = max(cell_len(terminal.escaped(one.name)) for one in tables) + 2 + figures
    most = max(1, (size.width + 2) // (LEAST_TABLE + 2))
    for side_by_side in range(min(most, max(1, (size.width + 2) // (widest + 2))), most + 1):
        height = 1 + -(-len(tables) // side_by_side)
        if height <= size.height:
            return _grid(tables, side_by_side, size.width)
    rows, rate = sum(one.rows for one in tables), sum(one.rate for one in tables)
    return [Text.assemble((f"{len(tables)} TABLES", "bold"), f"  {rows:,} rows, {rate:,.0f}/s")]


def _grid(tables: Sequence[TableLine], side_by_side: int, width: int) -> list[Text]:
    height = -(-len(tables) // side_by_side)
    each = (width - 2 * (side_by_side - 1)) // side_by_side
    blocks = [tables[start : start + height] for start in range(0, len(tables), height)]
    columns = [Column("TABLE", cut=1), Column("ROWS", right=True)]
    beside = [
        table(
            columns,
            [[Text(terminal.escaped(one.name), "yellow" if one.rate > 0 else ""), f"{one.rows:,}"] for one in block],
            each,
        )
        for block in blocks
    ]
    used = max(text.cell_len for lines in beside for text in lines)
    found = []
    for number in range(height + 1):
        row = Text()
        for place, lines in enumerate(beside):
            if number < len(lines):
                row.append(" " * max(0, place * (used + 2) - row.cell_len)).append_text(lines[number])
        found.append(row)
    return found


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
            click.echo(f"{datetime.now():%H:%M:%S} {line(snapshot)}")

    return show
