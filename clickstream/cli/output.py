"""Tables on a terminal and in a pipe, JSON lines, and parsing what was typed."""

import csv
import errno
import functools
import io
import os
import select
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, NoReturn, TypeVar

import click
import msgspec
from rich.console import Console
from rich.text import Text

from clickstream import terminal
from clickstream.errors import ClickstreamError
from clickstream.screen import layout
from clickstream.screen.layout import Cell, Column, Fitted

Parsed = TypeVar("Parsed")
_CSV = "clickstream.csv"


def formats(*, with_csv: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds --format, and --json for its json; the command gets `json`, and its `show` prints csv if that was asked."""
    names = ["table", "json", *(["csv"] if with_csv else [])]
    about = "A table for people; JSON, one object per line" + ("; or CSV." if with_csv else ".")

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option("--json", "only_json", is_flag=True, help="As --format json.")
        @click.option("--format", "form", type=click.Choice(names), default="table", show_default=True, help=about)
        @functools.wraps(command)
        def run(*arguments: Any, only_json: bool, form: str, **rest: Any) -> Any:
            click.get_current_context().meta[_CSV] = form == "csv" and not only_json
            return command(*arguments, json=only_json or form == "json", **rest)

        return run

    return add


def csv_asked() -> bool:
    """Whether this command was asked for CSV."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_CSV))


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
    return _Console(stderr=err, markup=False, emoji=False, highlight=False)


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        # rich would exit with 1, although the reader may have seen all that it wanted (`| head`).
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def cell(content: str, style: str = "") -> Text:
    """A text from outside, for a table."""
    return Text(terminal.escaped(content), style)


def echo_json(*objects: Any) -> None:
    """One line each, control characters escaped."""
    for one in objects:
        click.echo(terminal.escaped(msgspec.json.encode(one).decode()))


def partition_count(number: int) -> str:
    """For example: 3 partitions."""
    return "1 partition" if number == 1 else f"{number} partitions"


def show(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    """Print a table; on a terminal one that fits, with a last line that names the columns for which there is no room.

    Elsewhere columns are whole, whatever their width. With `--format csv` it is CSV.
    """
    if csv_asked():
        write_csv([column.name for column in columns], rows)
        return
    out = console()
    width = width_of(out)
    if width is None:
        for line in layout.table(columns, rows):
            print_line(out, line)
        return
    fitted = layout.fit(columns, rows, width)
    for line in [fitted.heading(), *(line for row in rows for line in fitted.lines(row))]:
        print_line(out, line)
    if fitted.left_out:
        print_line(out, left_out(fitted, width))


def write_csv(heading: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Print rows as CSV, control characters escaped; without a heading, only these."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for row in [heading, *rows] if heading else rows:
        writer.writerow([terminal.escaped(str(cell)) for cell in row])
    sys.stdout.flush()


def width_of(out: Console) -> int | None:
    """How many characters a line may have there; None where there is no terminal."""
    return out.width if out.file.isatty() else None


def left_out(fitted: Fitted, width: int) -> Text:
    """The line below a table that has no room for all columns."""
    found = Text(terminal.escaped(f"(no room for {', '.join(fitted.left_out)})"), "dim")
    found.truncate(width, overflow="ellipsis")
    return found


def print_line(out: Console, line: Text) -> None:
    """One line as it is, however wide."""
    out.print(line, no_wrap=True, overflow="ignore", crop=False)


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


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """For what a command prints before it has done everything: nobody has to read it for the rest to be done."""
    try:
        yield
    except BrokenPipeError:
        if not reader_left():
            raise
        discard_output()


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
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))  # of a pipe, of a socket


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
