"""The watermarks of all tables of a program, and of those that are asked for together."""

from collections.abc import Iterable, Mapping

from clickstream.tables.engine.clock import Clock, CombinedWatermark
from clickstream.tables.engine.operators.operator import BEGINNING

Tables = tuple[str, ...]


class TableWatermarks:
    """`together`: tables that feed one operator or join. One that is silent holds none of the others back.

    Where a read to the end closed an operator's last windows is kept for that operator alone: windows of an hour may be
    closed up to its end then, and those of a minute in it are to come.
    """

    def __init__(self, clocks: Mapping[str, Clock], together: Iterable[Tables]) -> None:
        self._clocks = clocks
        self._combined = {
            tables: CombinedWatermark([clocks[table] for table in tables]) for tables in together if len(tables) > 1
        }
        self._ended: dict[str, int] = {}  # by operator, ms
        self._ending: dict[str, int] = {}  # not stored yet

    def restore(self, floors: Mapping[str, int]) -> None:
        """Go on from a state."""
        for tables, combined in self._combined.items():
            if _name(tables) in floors:
                combined.restore(floors[_name(tables)])
        combinations = set(map(_name, self._combined))
        self._ended = {name: floor for name, floor in floors.items() if name not in combinations}

    def floors(self) -> dict[str, int]:
        """What goes into the state before it takes effect."""
        combined = {_name(tables): max(one.floor, one.next_floor) for tables, one in self._combined.items()}
        return {**combined, **self._ended, **self._ending}

    def advance(self) -> "Moment":
        """Take in what the clocks have noted.

        The news of one table say how old those of the others are: a table whose broker is away says nothing itself,
        and is not idle any more.
        """
        latest = max((clock.read_at for clock in self._clocks.values()), default=float("-inf"))
        for clock in self._clocks.values():
            clock.read_until(latest)
            clock.advance()
        for combined in self._combined.values():
            combined.advance()
        return self.now()

    def now(self) -> "Moment":
        """The watermarks as they stand."""
        single: dict[Tables, int] = {(name,): clock.watermark for name, clock in self._clocks.items()}
        together = {tables: one.watermark for tables, one in self._combined.items()}
        return Moment(
            {**single, **together},
            {tables: one.floor for tables, one in self._combined.items()},
            {tables: one.prospect for tables, one in self._combined.items()},
            self._ended,
        )

    def prospects(self) -> "Moment":
        """The watermarks that will hold once the floors are stored."""
        single: dict[Tables, int] = {(name,): clock.prospect for name, clock in self._clocks.items()}
        combined = {tables: one.prospect for tables, one in self._combined.items()}
        return Moment({**single, **combined}, {}, ended=self._ended)

    def stored(self) -> None:
        """What `floors` and the sources' progress gave is in the state now."""
        for one in self._all():
            one.stored()
        self._ended |= self._ending
        self._ending = {}

    def _all(self) -> list[Clock | CombinedWatermark]:
        return [*self._clocks.values(), *self._combined.values()]

    def finish(self) -> None:
        """Everything is read: put each clock to its table's last row.

        No further: a later read of a table that is behind the others goes on from there.
        """
        for clock in self._clocks.values():
            clock.finish()
        for combined in self._combined.values():
            combined.advance()

    def end(self, horizons: Mapping[str, int]) -> None:
        """Close all windows of each operator, once that is stored. `horizons`: the end (ms) of the last one that is
        open, by operator."""
        self._ending = {name: max(end - 1, self._ended.get(name, BEGINNING)) for name, end in horizons.items()}


class Moment:
    """Watermarks (ms) that stand still."""

    def __init__(
        self,
        watermarks: Mapping[Tables, int],
        floors: Mapping[Tables, int],
        coming: Mapping[Tables, int] | None = None,
        ended: Mapping[str, int] | None = None,
    ) -> None:
        self._watermarks = dict(watermarks)
        self._floors = dict(floors)
        self._coming = dict(coming or {})
        self._ended = dict(ended or {})

    def of(self, tables: Tables) -> int:
        """The watermark of some tables together."""
        return self._watermarks[tables]

    def coming(self, tables: Tables) -> int:
        """What it will be once the floors that are pending are stored."""
        return self._coming.get(tables, self._watermarks[tables])

    def floor(self, tables: Tables) -> int:
        """Below it every row of these tables together is late; what is so of one table its rows carry themselves."""
        return self._floors.get(tables, BEGINNING)

    def ended(self, operator: str) -> int:
        """Up to where a read to the end has closed this operator's windows: below it every row is late for them."""
        return self._ended.get(operator, BEGINNING)

    def is_ahead_of(self, other: "Moment") -> bool:
        """Whether any of the watermarks is higher than it was then."""
        return any(mark > other._watermarks.get(tables, BEGINNING) for tables, mark in self._watermarks.items())


def _name(tables: Tables) -> str:
    return ",".join(sorted(tables))
