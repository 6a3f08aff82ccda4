"""Tables on a terminal and in a pipe, JSON lines, and parsing what was typed."""

import io
import os
import select
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clickstream import terminal
from clickstream.errors import ClickstreamError
from clickstream.inspect import text

Parsed = TypeVar("Parsed")
_FOLDING = frozenset({"TOPIC", "TOPICS", "GROUP", "MEMBER", "VALUE"})
as_json = click.option("--json", is_flag=True, help="JSON, one object per line.")


def parsed(parse: Callable[[str], Parsed]) -> Callable[..., Any]:
    """An option's callback: `parse` each text that was given; its ValueError is a usage error."""

    def callback(_context: click.Context, _parameter: click.Parameter, given: Any) -> Any:
        try:
            return tuple(map(parse, given)) if isinstance(given, tuple) else given and parse(given)
        except ValueError as error:
            raise click.BadParameter(f"{error}.") from None

    return callback


def say(words: str = "", *, err: bool = False) -> None:
    """Print a text that may quote what comes from outside, in one line or several."""
    click.echo(terminal.escaped_lines(words), err=err)


def console(*, err: bool = False) -> Console:
    """Prints texts as they are: no markup, no emoji by name, no colours for what looks like a number."""
    return Console(stderr=err, markup=False, emoji=False, highlight=False)


def cell(content: str, style: str = "") -> Text:
    """A text from outside, for a rich table."""
    return Text(terminal.escaped(content), style)


def echo_json(*objects: Any) -> None:
    """One line each, control characters escaped."""
    for one in objects:
        click.echo(terminal.escaped(msgspec.json.encode(one).decode()))


def partition_count(number: int) -> str:
    return "1 partition" if number == 1 else f"{number} partitions"


def show(header: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[str] = frozenset()) -> None:
    """Print a table; the headings in `right` have their column aligned to the right.

    A narrow terminal folds names. A pipe gets columns that are never cut or folded, whatever their width.
    """
    out = console()
    if out.is_terminal:
        out.print(table(header, rows, right))
        return
    for line in text.columns(header, rows, right):
        click.echo(line)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[str] = frozenset()) -> Table:
    """The rich table for a terminal; cells are text, never markup."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in header:
        made.add_column(
            name, justify="right" if name in right else "left", overflow="fold", no_wrap=name not in _FOLDING
        )
    for row in rows:
        made.add_row(*map(cell, row))
    return made


@contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """Standard output for bytes, flushed at the end.

    Ends the command, quietly and well, when its reader has left. Raises ClickstreamError when it cannot be
    written for another reason.
    """
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        discard_output()
        raise click.exceptions.Exit(0) from None
    except OSError as error:
        discard_output()
        raise ClickstreamError(f"Cannot write to standard output: {error.strerror or error}.") from error


def discard_output() -> None:
    """What is still buffered would be written, and fail, once more at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def reader_left() -> bool:
    """Whether nobody reads our standard output any more (`| head`): a quiet topic gives no write that would tell."""
    try:
        output = sys.stdout.fileno()
    except (AttributeError, io.UnsupportedOperation):
        return False
    poll = select.poll()
    poll.register(output, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def stuck(patience_s: float = 1.0) -> bool:
    """Whether standard output or standard error is a full pipe that nobody reads (a pager that was stopped).

    Writing to it does not return, not even for a signal. A reader who takes something within `patience_s` is slow,
    not gone.
    """
    return any(_takes_nothing(output, patience_s) for output in (1, 2))


def _takes_nothing(output: int, patience_s: float) -> bool:
    poll = select.poll()
    poll.register(output, select.POLLOUT)
    return not poll.poll(patience_s * 1000)
