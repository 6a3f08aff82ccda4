"""What commands share that answer a question about the records that are there, and then end."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from clickstream.cli.options import NOTHING_TO_DRAIN, SECONDS, stop_event
from clickstream.deadline import Cancelled

Option = Callable[[Callable[..., Any]], Callable[..., Any]]


def records_option(most: int, of_each: str) -> Option:
    """--records: how many of each topic are read."""
    return click.option(
        "--records",
        type=click.IntRange(1, most),
        default=10_000,
        show_default=True,
        metavar="N",
        help=f"The last N records of each {of_each}.",
    )


def limit_option(most: int, usual: int, words: str) -> Option:
    """--limit: how many rows are shown."""
    return click.option(
        "-n", "--limit", type=click.IntRange(1, most), default=usual, show_default=True, metavar="N", help=words
    )


def within_option(seconds: int) -> Option:
    """--within: when it gives up."""
    words = f"Give up after this time.  [default: {seconds}s]"
    return click.option("--within", type=SECONDS, default=float(seconds), metavar="TIME", help=words)


@contextmanager
def cancelling() -> Iterator[threading.Event]:
    """A stop that the first signal sets, for work that raises Cancelled then; that ends the command as interrupted."""
    stop = stop_event(drain_by_signal=NOTHING_TO_DRAIN)
    try:
        yield stop
    except Cancelled:
        raise click.Abort from None
