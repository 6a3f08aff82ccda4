"""The compiled INSERTs at work: what happens to a batch, and to what the watermark closes.

A batch of one table goes through all steps in order: views that several queries read are computed once, joins let
go what the watermark has passed; rows of streams can leave. Operators take in their rows, and what became final is
read from them.
"""

from collections.abc import Collection

from clickstream.tables.engine.compile.compiled import Branch, Compiled, Database, Placed, Watermarks
from clickstream.tables.engine.operators.groups import Groups
from clickstream.tables.engine.operators.operator import BEGINNING, first_row
from clickstream.tables.engine.operators.panes import Panes
from clickstream.tables.engine.operators.references import Reference
from clickstream.tables.engine.operators.sessions import Sessions
from clickstream.tables.names import identifier


class _Beginning:
    """Before the first row."""

    def of(self, _tables: tuple[str, ...]) -> int:
        return BEGINNING

    coming = floor = of

    def ended(self, _operator: str) -> int:
        return BEGINNING


_NOTHING = _Beginning()


class Flow:
    """Without `changes` there are final rows only, and joins wait for the watermark."""

    def __init__(self, made: Compiled, *, changes: bool = False) -> None:
        self._made = made
        self._changes = changes
        self._filled: set[str] = set()
        self._touched: list[Placed] = []
        self._past_end: set[str] = set()  # operators whose rows' own watermarks are where an earlier run has ended
        self._judging: dict[str, int] = {}  # ms, by operator: no row of a coming batch has a lower watermark of its own
        # Whether a row of the batches is behind its watermark: most are not, and need not be looked through.
        self.behind = False

    @property
    def branches(self) -> list[Branch]:
        """The ways of rows to results."""
        return self._made.branches

    @property
    def operators(self) -> list[Placed]:
        """Those of all branches."""
        return self._made.operators

    @property
    def updates(self) -> bool:
        """Whether there are groups without a window, which take batches into the state only when they are closed."""
        return any(isinstance(placed.operator, Groups) for placed in self.operators)

    @property
    def gives_rows_at_once(self) -> bool:
        """Whether some rows leave with their batch: not all wait for a watermark."""
        return self._changes or self.updates or any(one.stream and not one.joined for one in self.branches)

    @property
    def joined(self) -> dict[str, tuple[Reference, set[tuple[str, ...]]]]:
        """By table, each reference that is joined with, and the tables by whose watermarks rows leave its joins."""
        return self._made.joined

    def prepare(self, db: Database) -> None:
        """Make all tables and views that are not there; call it once, with all batches empty."""
        for prepare in self._made.prepare:
            prepare(db)
        self.relate(db, _NOTHING)
        self.absorb(db, _NOTHING)
        for placed in self.operators:
            placed.operator.close(db, BEGINNING, placed.output)
        for placed in self._touched:
            if isinstance(placed.operator, Panes):
                placed.operator.touch_open(db)
        # Only now: rows that wait in joins since an earlier run would have been handed on before anything takes them.
        self._made.joins_at_once = self._changes

    def show_early(self, operators: Collection[str]) -> None:
        """Have these operators, by their names, remember which groups batches change."""
        self._touched = [one for one in self.operators if one.operator.name in operators]

    def waiting(self, db: Database) -> bool:
        """Whether rows wait in joins."""
        return any(first_row(db, f"SELECT 1 FROM {identifier(name)} LIMIT 1") for name in self._made.joins)

    @property
    def unjudged(self) -> dict[str, tuple[str, ...]]:
        """Tables of rows that may be found to be late later than others of their record, with lanes as in Placed."""
        found = dict(self._made.joins)
        for placed in self.operators:
            if isinstance(placed.operator, Sessions) and placed.operator.deferred is not None:
                found[placed.operator.deferred] = placed.lanes
        return found

    def relate(self, db: Database, watermarks: Watermarks) -> None:
        """Take the batches through views and joins: rows of streams are there then. `watermarks`: after the batch."""
        self._made.behind = self.behind
        for step in self._made.relating:
            step(db, watermarks)

    def absorb(self, db: Database, watermarks: Watermarks) -> None:
        """Have the operators take in what `relate` made."""
        for placed in self.operators:
            self._judge_by_floor(db, placed, watermarks)
        for step in self._made.absorbing:
            step(db, watermarks)
        for placed in self._touched:
            if isinstance(placed.operator, Panes):
                placed.operator.touch(db, identifier(placed.input))

    def _judge_by_floor(self, db: Database, placed: Placed, watermarks: Watermarks) -> None:
        """Have rows late that are below a floor, although they are not behind their own watermarks."""
        name, floor = placed.operator.name, watermarks.floor(placed.closes_with)
        if floor < self._judging.get(name, BEGINNING):
            floor = BEGINNING  # it would change nothing, and have all rows looked through for ever
        # A table's watermark is never ahead of those that its rows bring; this batch's own are from before it.
        self._judging[name] = min(watermarks.of((table,)) for table in placed.tables)
        ended = watermarks.ended(name)
        if ended > BEGINNING and name not in self._past_end:
            floor = max(floor, ended)
            # Rows of later batches bring as much themselves: to look through all of them is not needed for ever.
            if watermarks.of(placed.closes_with) >= ended:
                self._past_end.add(name)
        if floor != self._made.floors.get(placed.input, BEGINNING):
            placed.show(db, floor)
            self._made.floors[placed.input] = floor
            if floor == BEGINNING:
                del self._made.floors[placed.input]

    def close(self, db: Database, watermarks: Watermarks) -> set[str]:
        """Close what the watermarks have passed; returns the outputs that may have rows now."""
        moved = set()
        for placed in self.operators:
            watermark = placed.watermark(watermarks)
            if placed.operator.due(watermark):
                placed.operator.close(db, watermark, placed.output)
                _drop_incomplete(db, placed, placed.output)
                self._filled.add(placed.output)
                moved.add(placed.output)
            elif placed.output in self._filled:
                db.execute(f"DELETE FROM {identifier(placed.output)}")
                self._filled.discard(placed.output)
        return moved

    def early(self, db: Database, placed: Placed, into: str) -> None:
        """Make temp table `into` of an operator's present rows that changed since the last call."""
        placed.operator.early(db, into)
        _drop_incomplete(db, placed, into)

    def horizons(self, db: Database) -> dict[str, int]:
        """By operator, the highest end (ms) of an open window, of its own or of those that close together with it."""
        own = {placed.output: placed.operator.horizon(db) for placed in self.operators}
        found: dict[str, int] = {}
        for placed in self.operators:
            ends = [end for output in placed.together or {placed.output} if (end := own[output]) is not None]
            if ends:
                found[placed.operator.name] = max(ends)
        return found


def _drop_incomplete(db: Database, placed: Placed, table: str) -> None:
    """Rows of windows that had begun before the INSERT came to the file are not whole."""
    if placed.begins is not None:
        db.execute(f'DELETE FROM {identifier(table)} WHERE "$start" <= {placed.begins}')
