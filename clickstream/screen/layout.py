"""Tables that fit a terminal: numbers stay whole, names are cut with an ellipsis, columns are left out by rank."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from clickstream import terminal

GAP = 2
_ANY = 10**9
Cell = str | Text
"""A Text is styled and stands for itself; a str may come from outside and is made harmless."""


@dataclass(frozen=True)
class Column:
    """A column with its heading.

    `rank`: where there is no room, columns of the highest rank are left out first; those of rank 0 never are.
    `cut`: texts may be cut to that many characters, with an ellipsis, before a column is left out; None: never.
    `fold`: what would be cut goes on below. `listed`: texts are lists, `a 1, b 2`, and are cut between two members.
    """

    name: str
    rank: int = 0
    right: bool = False
    cut: int | None = None
    fold: bool = False
    listed: bool = False


@dataclass(frozen=True)
class Fitted:
    """A table's columns for a width. `left_out` are headings."""

    columns: list[Column]
    places: list[int]
    widths: list[int]
    width: int
    left_out: list[str]

    def heading(self) -> Text:
        """The line with the names."""
        names = [Text(terminal.escaped(column.name)) for column in self.columns]
        return self._line(names, "bold")

    def lines(self, row: Sequence[Cell], style: str = "") -> list[Text]:
        """A row, in several lines only where a column folds."""
        cells = [_text(row[place]) for place in self.places]
        folded = [
            _pieces(cell, width) if column.fold else [cell]
            for cell, column, width in zip(cells, self.columns, self.widths, strict=True)
        ]
        height = max(map(len, folded), default=1)
        return [
            self._line([pieces[number] if number < len(pieces) else Text() for pieces in folded], style)
            for number in range(height)
        ]

    def _line(self, cells: Sequence[Text], style: str) -> Text:
        found = Text(style=style)
        for number, (cell, column, width) in enumerate(zip(cells, self.columns, self.widths, strict=True)):
            padded = _first_members(cell, width) if column.listed else cell.copy()
            padded.truncate(width, overflow="ellipsis")
            padded.align("right" if column.right else "left", width)
            found.append(" " * GAP * (number > 0)).append_text(padded)
        found.rstrip()
        found.truncate(self.width, overflow="ellipsis")
        return found


def fit(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int | None, room: Sequence[int] = ()
) -> Fitted:
    """Widths of columns for these rows: `width` characters in all, None: as many as they need.

    `room`: widths that rows to come may need.
    """
    width = _ANY if width is None else width
    wanted = [
        max([cell_len(terminal.escaped(column.name)), *room[place : place + 1], *(_width(row[place]) for row in rows)])
        for place, column in enumerate(columns)
    ]
    least = [
        want if column.cut is None else min(want, max(column.cut, 1))
        for want, column in zip(wanted, columns, strict=True)
    ]
    places = _kept(columns, least, width)
    missing = sum(least[place] for place in places) + GAP * (len(places) - 1) - width
    for place in places:  # the last resort
        less = max(0, min(missing, least[place] - 1)) if columns[place].cut is not None else 0
        least[place] -= less
        missing -= less
    widths = _shared([wanted[place] for place in places], [least[place] for place in places], width)
    left_out = [column.name for place, column in enumerate(columns) if place not in places]
    return Fitted([columns[place] for place in places], places, widths, width, left_out)


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int | None = None) -> list[Text]:
    """The lines of a table, headings first; without a `width` they are whole."""
    fitted = fit(columns, rows, width)
    return [fitted.heading(), *(line for row in rows for line in fitted.lines(row))]


def _kept(columns: Sequence[Column], least: Sequence[int], width: int) -> list[int]:
    """The places of the columns that there is room for."""
    places = list(range(len(columns)))
    while sum(least[place] for place in places) + GAP * (len(places) - 1) > width:
        # Of two with the same rank the later one goes first.
        last = max(places, key=lambda place: (columns[place].rank, place))
        if columns[last].rank == 0:
            break
        places.remove(last)
    return places


def _shared(wanted: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """Widths between `least` and `wanted`: those that need little more get it first, and leave the rest to others."""
    widths = list(least)
    left = max(0, width - sum(least) - GAP * (len(least) - 1))
    by_need = sorted(range(len(wanted)), key=lambda place: wanted[place] - least[place])
    for number, place in enumerate(by_need):
        more = min(wanted[place] - least[place], left // (len(by_need) - number))
        widths[place] += more
        left -= more
    return widths


def _text(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(terminal.escaped(cell))


def _width(cell: Cell) -> int:
    return cell.cell_len if isinstance(cell, Text) else cell_len(terminal.escaped(cell))


def _first_members(text: Text, width: int) -> Text:
    """As many members of a list as fit, with an ellipsis for the others."""
    if text.cell_len <= width:
        return text.copy()
    ends = [found.start() for found in re.finditer(", ", text.plain)]
    fitting = [end for end in ends if cell_len(text.plain[:end]) + len(", …") <= width]
    return Text.assemble(text[: fitting[-1]], ", …") if fitting else Text("…")


def _pieces(text: Text, width: int) -> list[Text]:
    """`text` in pieces that are at most `width` wide, as the characters come."""
    if text.cell_len <= width:
        return [text]
    cuts, used = [], 0
    for place, character in enumerate(text.plain):
        if used + cell_len(character) > width and used:
            cuts.append(place)
            used = 0
        used += cell_len(character)
    return list(text.divide(cuts))
