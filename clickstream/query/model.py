"""What a query may take, what it is about, and what comes of it."""

import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from clickstream.errors import ClickstreamError

MIB = 2**20
# Up to here a browser's numbers are exact.
EXACT_IN_BROWSERS = 2**53

Cell = bool | int | float | str | None


class Refused(ClickstreamError):
    """The SQL is none that is answered, or says what cannot be: `words` are for who wrote it."""


class Limits(msgspec.Struct, frozen=True):
    """`seconds` in all; `memory` (bytes) of the process; `rows` and `octets` of the answer; `threads` that compute."""

    seconds: float = 30.0
    memory: int = 512 * MIB
    rows: int = 1_000
    octets: int = 16 * MIB
    threads: int = 2


class Column(msgspec.Struct, frozen=True):
    """`type` is in SQL's words."""

    name: str
    type: str


class Newest(msgspec.Struct, frozen=True):
    """Of a table that has more, only the newest `rows` were asked: those from `since` (epoch ms) on."""

    rows: int
    since: int


@dataclass(frozen=True)
class Result:
    """Rows in the order of the query. `cut`: there are more than the limits allow. `tables` are those it is about.

    Of those in `newest` not all rows were asked.

    Booleans, integers up to 64 bits, floating-point numbers and texts are themselves; lists, structs and maps are
    JSON; all else, longer integers and decimals among it, is a text with all digits.
    """

    columns: list[Column]
    rows: list[list[Cell]]
    cut: bool
    tables: list[str]
    seconds: float
    newest: dict[str, Newest] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The columns' names, each once: `hits`, `hits:1`."""
        return unique([column.name for column in self.columns])


class Tables(Protocol):
    """Where tables come from: topics, a history."""

    def names(self) -> Collection[str]:
        """Of all that there are."""
        ...

    def load(self, name: str, stop: threading.Event) -> tuple[Any, int | None]:
        """A table's rows as a pyarrow.Table, and from when on (epoch ms) they reach; None: as far as there are any.

        Not all of them when `stop` is set. Raises ClickstreamError.
        """
        ...


def unique(names: Collection[str]) -> list[str]:
    """The names, with `:1`, `:2` behind those that were there before: SQL does not tell capitals from small letters."""
    found: dict[str, None] = {}
    chosen = []
    for name in names:
        number, candidate = 0, name
        while candidate.lower() in found:
            number += 1
            candidate = f"{name}:{number}"
        found[candidate.lower()] = None
        chosen.append(candidate)
    return chosen


def for_browsers(cell: Cell) -> Cell:
    """A cell as JSON for a browser: integers that its numbers cannot hold are texts, with all digits."""
    if isinstance(cell, int) and not isinstance(cell, bool) and abs(cell) > EXACT_IN_BROWSERS:
        return str(cell)
    return cell
