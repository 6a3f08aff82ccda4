"""Real views with real log lines, told by standard input what to do: python -m tests.unit.screen.child VIEW"""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from clickstream import terminal
from clickstream.cli import logs
from clickstream.cli.progress import passing, progress
from clickstream.cli.tables.view import view
from clickstream.cli.topics import listing
from clickstream.demo.demo import Snapshot
from clickstream.demo.view import shown
from clickstream.inspect.sizes import TopicSummary
from clickstream.java.progress import Progress
from clickstream.screen.live import live
from tests.unit.cli.tables.fakes import BUSY, FRESH, FakeTables

log = logging.getLogger("clickstream.tests")


class Part:
    kind = "producer"
    topics = ("events",)

    def totals(self) -> dict[str, int]:
        return {"acknowledged": 1_234_567, "sent": 1_500_000, "failed": 0, "dead_letters": 2}

    def gauges(self) -> dict[str, float]:
        return {"queued": 266.0}


Draw = Callable[[], None]


def nothing() -> None:
    """For views that are drawn by themselves."""


@contextmanager
def tables() -> Iterator[Draw]:
    made: Any = FakeTables(BUSY, FRESH)
    with view(made):
        yield nothing


@contextmanager
def bar() -> Iterator[Draw]:
    part: Any = Part()
    with progress(part, "acknowledged", total=2_469_134):
        yield nothing


@contextmanager
def reading() -> Iterator[Draw]:
    with passing("Reading a-topic-of-some-length", 1_000_000) as advance:
        yield lambda: advance(1_000)


@contextmanager
def download() -> Iterator[Draw]:
    with Progress("downloading kafka 4.2.0", 123_000_000, lambda line: click.echo(line, err=True)) as made:
        yield lambda: made.add(1_000_000)


@contextmanager
def demo() -> Iterator[Draw]:
    with shown() as show:
        snapshot = Snapshot("127.0.0.1:9092", "running", tally={"purchase": 1_234})
        yield lambda: show(snapshot)


@contextmanager
def topics() -> Iterator[Draw]:
    """The table of `topics list --watch`."""
    summaries = [TopicSummary(f"topic-{number}", 3, 12_345_678, 1_000, 0, 1) for number in range(4)]
    rows = [[*listing._summary_row(one), "1.0"] for one in summaries]
    with live(sys.stdout) as made:
        yield lambda: made.draw(lambda size: listing._frame(rows, size))


VIEWS = {one.__name__: one for one in (tables, bar, reading, download, demo, topics)}


def main() -> None:
    logs.set_up()
    terminal.guard_tracebacks()
    with VIEWS[sys.argv[1]]() as draw:
        draw()
        for line in sys.stdin:
            what, _, text = line.rstrip("\n").partition(" ")
            match what:
                case "warn":
                    log.warning("%s", text.replace("|", "\n"))
                case "echo":
                    click.echo(text, err=True)
                case "print":
                    click.echo(text)
            draw()
    click.echo("The end.", err=True)


if __name__ == "__main__":
    main()
