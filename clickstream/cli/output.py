"""Tables on a terminal and in a pipe, JSON lines, and parsing what was typed."""

import io
import select
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clickstream.inspect import text

Parsed = TypeVar("Parsed")
as_json = click.option("--json", is_flag=True, help="JSON, one object per line.")


def parsed(parse: Callable[[str], Parsed]) -> Callable[..., Any]:
    """An option's callback: `parse` each text that was given; its ValueError is a usage error."""

    def callback(_context: click.Context, _parameter: click.Parameter, given: Any) -> Any:
        try:
            return tuple(map(parse, given)) if isinstance(given, tuple) else given and parse(given)
        except ValueError as error:
            raise click.BadParameter(f"{error}.") from None

    return callback


def echo_json(*objects: Any) -> None:
    """One line each, control characters escaped."""
    for one in objects:
        click.echo(text.escaped(msgspec.json.encode(one).decode()))


def partition_count(number: int) -> str:
    return "1 partition" if number == 1 else f"{number} partitions"


def show(header: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[str] = frozenset()) -> None:
    """Print a table; the headings in `right` have their column aligned to the right.

    A pipe gets aligned columns that are never cut or folded, whatever their width.
    """
    console = Console()
    if console.is_terminal:
        console.print(table(header, rows, right))
        return
    for line in text.columns(header, rows, right):
        click.echo(line)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[str] = frozenset()) -> Table:
    """The rich table for a terminal; cells are text, never markup."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in header:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(text.escaped(cell)) for cell in row))
    return made


def reader_left() -> bool:
    """Whether nobody reads our standard output any more (`| head`): a quiet topic gives no write that would tell."""
    try:
        output = sys.stdout.fileno()
    except (AttributeError, io.UnsupportedOperation):
        return False
    poll = select.poll()
    poll.register(output, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
