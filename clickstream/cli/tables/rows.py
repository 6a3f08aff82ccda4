"""Rows of a table on a terminal, in a pipe, and as JSON."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clickstream import terminal
from clickstream.cli.output import echo_json
from clickstream.inspect import text
from clickstream.tables.looking.rows import Row, Value
from clickstream.tables.sql.model import Column
from clickstream.tables.sql.types import Type

NULL = "NULL"
TIMES = (Type.TIMESTAMP, Type.TIMESTAMP_LTZ)
EARLY, DELETED = "early", "deleted"
GAP = 2
# Texts are folded, down to this many characters; numbers and times are not.
FOLDED_TO = 10
# Of rows that come later nobody knows how wide they are.
ROOM = {
    Type.BIGINT: 13,
    Type.DOUBLE: 12,
    Type.STRING: 16,
    Type.TIMESTAMP: 19,
    Type.TIMESTAMP_LTZ: 23,
    Type.DATE: 10,
    Type.HEADERS: 20,
}
ROOM_OF_OTHERS = 6


class Printer(Protocol):
    """Shows rows in their order, as often as there are new ones."""

    def __call__(self, rows: Sequence[Row]) -> None: ...


def printer(columns: Sequence[Column], form: str, console: Console, *, follow: bool, upsert: bool) -> Printer:
    """`form` is table or json. With `follow` more rows come, which in an `upsert` table may be deleted."""
    if form == "json":
        return JsonLines(columns)
    widest_mark = len(DELETED) if follow and upsert else 0
    return (OnTerminal if console.is_terminal else InPipe)(columns, console, widest_mark, roomy=follow)


class JsonLines:
    """An object per row with its columns, and `$early` or `$deleted` where that is true."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns

    def __call__(self, rows: Sequence[Row]) -> None:
        echo_json(*map(self._object, rows))

    def _object(self, row: Row) -> dict[str, Any]:
        found = {
            column.name: _json(value, column.type) for column, value in zip(self._columns, row.values, strict=True)
        }
        return {**found, **({f"${_mark(row)}": True} if _mark(row) else {})}


class InPipe:
    """Aligned columns, never folded. Those that come later have at least the width of those before."""

    def __init__(self, columns: Sequence[Column], console: Console, widest_mark: int, *, roomy: bool) -> None:
        self._columns = columns
        self._console = console
        self._header = [terminal.escaped(column.name) for column in columns] + [" " * widest_mark]
        self._right = [_numeric(column) for column in columns] + [False]
        self._begun = False

    def __call__(self, rows: Sequence[Row]) -> None:
        lines = [[*_cells(self._columns, row), _mark(row)] for row in rows]
        self._header = [
            name.ljust(max(len(terminal.escaped(line[place])) for line in lines)) if lines else name
            for place, name in enumerate(self._header)
        ]
        right = frozenset(name for name, numeric in zip(self._header, self._right, strict=True) if numeric)
        for line in text.columns(self._header, lines, right)[self._begun :]:
            self._console.file.write(line + "\n")
        self._console.file.flush()
        self._begun = True


class OnTerminal:
    """A table as wide as the terminal at most; where its columns do not fit, a block of lines per row."""

    def __init__(self, columns: Sequence[Column], console: Console, widest_mark: int, *, roomy: bool) -> None:
        self._columns = columns
        self._console = console
        self._mark = widest_mark
        self._roomy = roomy
        self._widths: list[int] | None = None
        self._begun = False

    def __call__(self, rows: Sequence[Row]) -> None:
        lines = [list(map(terminal.escaped, _cells(self._columns, row))) for row in rows]
        if not self._begun:
            self._mark = max([self._mark, *(len(_mark(row)) for row in rows)])
            self._widths = self._fitted(lines)
        if self._widths is None:
            self._blocks(rows, lines)
        elif rows or not self._begun:
            self._console.print(self._table(rows, lines))
        self._begun = True

    def _fitted(self, lines: Sequence[Sequence[str]]) -> list[int] | None:
        """The columns' widths, texts folded as far as necessary; None when the terminal is too narrow for that."""
        wanted = [
            max(
                cell_len(terminal.escaped(column.name)),
                ROOM.get(column.type, ROOM_OF_OTHERS) if self._roomy else 0,
                *(cell_len(line[place]) for line in lines),
            )
            for place, column in enumerate(self._columns)
        ]
        widths = [
            min(width, FOLDED_TO) if column.type in (Type.STRING, Type.HEADERS) else width
            for column, width in zip(self._columns, wanted, strict=True)
        ]
        gaps = GAP * (len(widths) - 1) + (GAP + self._mark if self._mark else 0)
        left = self._console.width - gaps - sum(widths)
        if left < 0:
            return None
        # Those that need least get it first: what they leave is for the others.
        folded = sorted((want - width, place) for place, (want, width) in enumerate(zip(wanted, widths, strict=True)))
        for number, (missing, place) in enumerate(folded):
            more = min(missing, left // (len(folded) - number))
            widths[place] += more
            left -= more
        return widths

    def _table(self, rows: Sequence[Row], lines: Sequence[Sequence[str]]) -> Table:
        assert self._widths is not None
        table = Table(box=box.SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), pad_edge=False, show_edge=False)
        table.show_header = not self._begun
        for column, width in zip(self._columns, self._widths, strict=True):
            name = Text(terminal.escaped(column.name))
            table.add_column(name, justify="right" if _numeric(column) else "left", overflow="fold", width=width)
        if self._mark:
            table.add_column("", width=self._mark)
        for row, line in zip(rows, lines, strict=True):
            marks = [Text(_mark(row))] if self._mark else []
            table.add_row(*(_styled(value) for value in line), *marks, style=_style(row))
        return table

    def _blocks(self, rows: Sequence[Row], lines: Sequence[Sequence[str]]) -> None:
        for row, line in zip(rows, lines, strict=True):
            if self._begun:
                self._console.print()
            self._begun = True
            block = Table.grid(padding=(0, GAP, 0, 0))
            block.add_column(style="bold", overflow="fold")
            block.add_column(overflow="fold")
            for column, value in zip(self._columns, line, strict=True):
                block.add_row(Text(terminal.escaped(column.name)), _styled(value), style=_style(row))
            if _mark(row):
                block.add_row("", Text(_mark(row)), style=_style(row))
            self._console.print(block)


def cell(value: Value, kind: Type) -> str:
    """A value in SQL's words; times in UTC, with milliseconds where they are not 0."""
    match value:
        case None:
            return NULL
        case bool():
            return str(value).upper()
        case int() if kind in TIMES:
            return str(text.utc(value)).replace("T", " ").removesuffix("Z").removesuffix(".000")
        case dict():
            return msgspec.json.encode(value).decode()
        case _:
            return str(value)


def _cells(columns: Sequence[Column], row: Row) -> list[str]:
    return [cell(value, column.type) for column, value in zip(columns, row.values, strict=True)]


def _json(value: Value, kind: Type) -> Any:
    if isinstance(value, int) and kind in TIMES:
        moment = text.utc(value)
        return moment.removesuffix("Z") if isinstance(moment, str) and kind == Type.TIMESTAMP else moment
    return value


def _mark(row: Row) -> str:
    return DELETED if row.deleted else EARLY if row.early else ""


def _style(row: Row) -> str:
    return "dim" if row.deleted or row.early else ""


def _styled(value: str) -> Text:
    return Text(value, style="dim" if value == NULL else "")


def _numeric(column: Column) -> bool:
    return column.type.numeric
