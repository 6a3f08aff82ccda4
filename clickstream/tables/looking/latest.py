"""The newest rows of a table whose records replace each other, in bounded memory."""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from clickstream.tables.looking.rows import Row, Value
from clickstream.tables.sql.model import Column

# Kept beyond those that are wanted: tombstones may still delete some.
SPARE = 10_000

Order = Callable[[Row], tuple[Any, ...]]


class Latest:
    """The latest row of each key; of many keys the highest by `order`, never more than 2 * (`wanted` + SPARE) rows.

    When there would be more, the lower half is forgotten, and what comes below it is not taken any more: all rows
    above are known at any time.
    """

    def __init__(self, wanted: int, order: Order) -> None:
        self._keep = wanted + SPARE
        self._order = order
        self._rows: dict[tuple[Value, ...], tuple[tuple[Any, ...], Row]] = {}
        self._forgotten: tuple[Any, ...] | None = None

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def complete(self) -> bool:
        """Whether nothing was forgotten."""
        return self._forgotten is None

    def take(self, row: Row) -> None:
        """Put a row in the place of that with its key; a deleted one takes it away."""
        place = self._order(row)
        if row.deleted or (self._forgotten is not None and place <= self._forgotten):
            self._rows.pop(row.key, None)
            return
        self._rows[row.key] = place, row
        if len(self._rows) >= 2 * self._keep:
            self._forget()

    def highest(self, number: int) -> list[Row]:
        """At most `number` rows, the highest last."""
        return [row for _, row in self._sorted()[-number:]]

    def _forget(self) -> None:
        ordered = self._sorted()
        self._forgotten, _ = ordered[-self._keep - 1]
        self._rows = {row.key: (place, row) for place, row in ordered[-self._keep :]}

    def _sorted(self) -> list[tuple[tuple[Any, ...], Row]]:
        return sorted(self._rows.values(), key=itemgetter(0))


def by_key(row: Row) -> tuple[Any, ...]:
    """The order of keys."""
    return row.key


def by_window(columns: Sequence[Column]) -> Order | None:
    """By window_start, then by key; None when the table has no windows."""
    names = [column.name for column in columns]
    if "window_start" not in names:
        return None
    place = names.index("window_start")
    # NULLs, which compare with nothing, first.
    return lambda row: ((start := row.values[place]) is not None, start, row.key)


def by_record(row: Row) -> tuple[Any, ...]:
    """The order in which the rows were written."""
    return row.at
