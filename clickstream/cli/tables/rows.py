"""Rows of a table on a terminal, in a pipe, and as JSON."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from rich.console import Console
from rich.text import Text

from clickstream import terminal
from clickstream.cli.output import echo_json, print_line, width_of, write_csv
from clickstream.inspect import text
from clickstream.screen.layout import Cell, Fitted, fit
from clickstream.screen.layout import Column as Heading
from clickstream.tables.looking.rows import Row, Value
from clickstream.tables.sql.model import Column
from clickstream.tables.sql.types import Type

NULL = "NULL"
TIMES = (Type.TIMESTAMP, Type.TIMESTAMP_LTZ)
EARLY, DELETED = "early", "deleted"
# Texts are cut down to this many characters before a column is left out; numbers and times are whole.
CUT_TO = 10
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
    """`form` is table, json or csv. With `follow` more rows come, which in an `upsert` table may be deleted."""
    if form == "json":
        return JsonLines(columns)
    if form == "csv":
        return CsvLines(columns)
    return Aligned(columns, console, len(DELETED) if follow and upsert else 0, roomy=follow)


class JsonLines:
    """An object per row with its columns, and `$early` or `$deleted` where that is true."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns

    def __call__(self, rows: Sequence[Row]) -> None:
        echo_json(*map(self.object, rows))

    def object(self, row: Row) -> dict[str, Any]:
        """A row with its columns by name, and its mark."""
        found = {
            column.name: _json(value, column.type) for column, value in zip(self._columns, row.values, strict=True)
        }
        return {**found, **({f"${_mark(row)}": True} if _mark(row) else {})}


class CsvLines:
    """CSV with a heading; the last column is `early`, `deleted` or empty."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._begun = False

    def __call__(self, rows: Sequence[Row]) -> None:
        write_csv(
            [] if self._begun else [*(column.name for column in self._columns), ""],
            [[*_cells(self._columns, row), _mark(row)] for row in rows],
        )
        self._begun = True


class Aligned:
    """A table: on a terminal as wide as that at most, elsewhere whole. Rows that come later stand below the others.

    On a terminal that has no room for all, the last ones are left out, the first never; which are missing stands above.
    """

    def __init__(self, columns: Sequence[Column], console: Console, widest_mark: int, *, roomy: bool) -> None:
        self._columns = columns
        self._console = console
        self._mark = widest_mark
        self._roomy = roomy
        self._width: int | None = None
        self._fitted: Fitted | None = None

    def __call__(self, rows: Sequence[Row]) -> None:
        cells: list[list[Cell]] = [[*map(_styled, _cells(self._columns, row)), _mark(row)] for row in rows]
        fitted = self._fit(rows, cells)
        for row, line in zip(rows, cells, strict=True):
            for shown in fitted.lines(line, _style(row)):
                print_line(self._console, shown)
        self._console.file.flush()

    def _fit(self, rows: Sequence[Row], cells: Sequence[Sequence[Cell]]) -> Fitted:
        """With a heading at first, and again when the terminal got another width."""
        width = width_of(self._console)
        before = self._fitted
        if before is not None and width is not None and width == self._width:
            return before
        room = [ROOM.get(column.type, ROOM_OF_OTHERS) if self._roomy and width else 0 for column in self._columns]
        if before is not None and width is None:
            room = before.widths[:-1]
        self._mark = max([self._mark, *(len(_mark(row)) for row in rows)])
        found = fit([*_ranked(self._columns), Heading("")], cells, width, [*room, self._mark])
        if before is None or width is not None:
            if width is not None:
                self._print_note(found, width)
            print_line(self._console, found.heading())
        self._width, self._fitted = width, found
        return found

    def _print_note(self, fitted: Fitted, width: int) -> None:
        """What a person has to know before the rows: their zone, and what is missing."""
        shown = [self._columns[place].type for place in fitted.places if place < len(self._columns)]
        words = ["times in UTC"] if any(kind in TIMES for kind in shown) else []
        words += [f"no room for {', '.join(fitted.left_out)}"] if fitted.left_out else []
        if words:
            note = Text(terminal.escaped(f"({'; '.join(words)})"), "dim")
            note.truncate(width, overflow="ellipsis")
            print_line(self._console, note)


def _ranked(columns: Sequence[Column]) -> list[Heading]:
    """The last ones are left out first; before them the end of a window, which says no more than its start."""
    return [
        Heading(
            column.name,
            rank=len(columns) if column.name == "window_end" else place,
            right=_numeric(column),
            cut=CUT_TO if column.type in (Type.STRING, Type.HEADERS) else None,
        )
        for place, column in enumerate(columns)
    ]


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
    return Text(terminal.escaped(value), "dim" if value == NULL else "")


def _numeric(column: Column) -> bool:
    return column.type.numeric
