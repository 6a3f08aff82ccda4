"""How a replay shows that it moves: a bar on a terminal, a plain line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from clickstream.replay.files import Source
from clickstream.replay.replay import Replay

log = logging.getLogger(__name__)

SAY_EVERY_S = 5.0


@contextmanager
def shown(replay: Replay, sources: Sequence[Source]) -> Iterator[None]:
    """Shows `replay` while the block runs, by bytes of input; of a pipe the total is not known."""
    sizes = [source.size for source in sources]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    if sys.stderr.isatty():
        with _bar(total) as replay.on_progress:
            yield
    else:
        replay.on_progress = plain(total)
        yield


def summary(replay: Replay) -> str:
    return (
        f"{replay.lines:,} lines read: {replay.acknowledged:,} acknowledged, "
        f"{replay.dead_lettered:,} dead-lettered, {replay.failed:,} failed."
    )


def plain(total: int | None, monotonic: Callable[[], float] = time.monotonic) -> Callable[[Replay], None]:
    """Logs a line at most every SAY_EVERY_S seconds, the first after as long."""
    said_at = monotonic()

    def update(replay: Replay) -> None:
        nonlocal said_at
        if monotonic() < said_at + SAY_EVERY_S:
            return
        said_at = monotonic()
        share = f" ({min(1.0, replay.consumed / total):.0%} of the input)" if total else ""
        log.info("%s lines read%s, at %s.", f"{replay.lines:,}", share, replay.at or "no valid line yet")

    return update


@contextmanager
def _bar(total: int | None) -> Iterator[Callable[[Replay], None]]:
    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[lines]:,} lines, {task.fields[rate]:,.0f}/s, at {task.fields[at]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress, _logs_above():
        task = progress.add_task("", total=total, lines=0, rate=0.0, at="-")
        began = time.monotonic()

        def update(replay: Replay) -> None:
            rate = replay.lines / max(time.monotonic() - began, 0.001)
            progress.update(task, completed=replay.consumed, lines=replay.lines, rate=rate, at=replay.at or "-")

        yield update


@contextmanager
def _logs_above() -> Iterator[None]:
    """Sends log lines to rich's sys.stderr: written past it, they would cut through the bar."""
    moved = [
        (handler, handler.setStream(sys.stderr))
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.__stderr__
    ]
    try:
        yield
    finally:
        for handler, stream in moved:
            if stream is not None:
                handler.setStream(stream)
