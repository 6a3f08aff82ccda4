"""One line that says how far something is: the figures first, what else there is if it fits, and a bar in the rest."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.cells import cell_len
from rich.text import Text

from clickstream import terminal
from clickstream.screen.live import Size, interactive, live

DRAW_EVERY_S = 0.1
LEAST_BAR, MOST_BAR = 8, 30
LEAST_NAME = 8


def line(width: int, name: str, figures: Sequence[str], share: float | None = None, style: str = "cyan") -> Text:
    """`name` and as many of the `figures`, the first ones, as fit in whole; then the bar, filled up to `share`."""
    first = figures[0] if figures else ""
    room = width - cell_len(first) - 2
    found = Text(first)
    if room >= LEAST_NAME or not first:
        label = Text(terminal.escaped(name), "bold")
        label.truncate(room, overflow="ellipsis")
        found = Text.assemble(label, "  ", first)
    for figure in figures[1:]:
        if found.cell_len + len(", ") + cell_len(figure) > width:
            break
        found.append(f", {figure}")
    left = min(MOST_BAR, width - found.cell_len - 2)
    if share is not None and left >= LEAST_BAR:
        full = round(left * min(1.0, max(0.0, share)))
        found = Text.assemble(found, "  ", ("━" * full, style), ("─" * (left - full), "dim"))
    found.truncate(width, overflow="ellipsis")
    return found


def remaining(done: float, total: float, seconds: float) -> str:
    """How long the rest takes at the pace so far: `1:05 left`; `-:-- left` as long as nobody can tell."""
    if done <= 0 or seconds <= 0:
        return "-:-- left"
    return f"{clock((total - done) * seconds / done)} left"


def clock(seconds: float) -> str:
    """`0:05`, `12:34`, `1:02:03`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


Advance = Callable[[int], None]


@contextmanager
def counting(
    file: TextIO, name: str, total: int, figures: Callable[[int, float], Sequence[str]] | None = None
) -> Iterator[Advance | None]:
    """A bar on `file`, gone at the end; it is told how many more of `total` are done. None: no view can move there.

    `figures` says what stands beside the name, for how many are done after so many seconds.
    """
    if not interactive(file):
        yield None
        return
    words = figures or (lambda done, seconds: [f"{done:,} of {total:,}", remaining(done, total, seconds)])
    with live(file, transient=True) as view:
        begin = time.monotonic()
        drawn, done = begin - DRAW_EVERY_S, 0
        lock = threading.Lock()

        def frame(size: Size) -> list[Text]:
            share = done / total if total else None
            return [line(size.width, name, words(done, time.monotonic() - begin), share)]

        def advance(more: int) -> None:
            nonlocal done, drawn
            with lock:
                done += more
                if time.monotonic() < drawn + DRAW_EVERY_S:
                    return
                drawn = time.monotonic()
            view.draw(frame)

        view.draw(frame)
        yield advance
