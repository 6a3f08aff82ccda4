"""The nodes of a plan, each evaluated over all of its rows at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from clickstream.tables.sql.model import (
    Field,
    GroupBy,
    Plan,
    Read,
    Scan,
    Select,
    Table,
    TemporalJoin,
    TopN,
    Union,
    Windowed,
    children,
)
from clickstream.tables.sql.types import Type
from tests.differential.aggregates import aggregated
from tests.differential.expressions import holds, value_of
from tests.differential.records import Unreadable, decode, decode_key, version_time
from tests.differential.rows import NONE_YET, Origin, Record, Row, Topics, Value, Values, in_order
from tests.differential.versions import Versions, as_of
from tests.differential.windows import aligned, pane, sessions


@dataclass(frozen=True)
class Floor:
    """What closed because partitions or tables were silent, or the wall clock went on: nothing that the log tells.

    From then on rows are judged by no less than `watermark` (ms): those of one table (its name) wherever they go, those
    of several where these feed something together. `read` is how far each (topic, partition) was read then: the next
    offset; what is not there: nothing of it.
    """

    tables: frozenset[str]
    watermark: int
    read: Mapping[tuple[str, int], int]

    def watermark_of(self, row: Row) -> int:
        """The row's watermark."""
        topic, partition, offset = row.origin
        return max(row.watermark, self.watermark) if offset >= self.read.get((topic, partition), 0) else row.watermark


@dataclass
class Evaluation:
    """One INSERT's plan over complete topics. What does not count is noted in `dead` and `late`."""

    topics: Topics
    floors: Sequence[Floor] = ()
    dead: set[Origin] = field(default_factory=set)
    late: set[Origin] = field(default_factory=set)
    scanned: dict[str, tuple[list[Row], set[Origin]]] = field(default_factory=dict)
    """The rows of tables and what is dead in them, by table: for all INSERTs of a program, each read once."""

    def rows(self, plan: Plan) -> list[Row]:
        """The plan's rows, each source partition's in the order of its log."""
        match plan:
            case Scan():
                return self._scan(plan)
            case Read():
                return self.rows(plan.view.plan)
            case Select():
                return self._select(plan)
            case TemporalJoin():
                return self._join(plan)
            case Union():
                return [_as(fields, plan.fields, row) for fields, row in self._sides(plan)]
            case Windowed():
                return self._windowed(plan)
            case GroupBy():
                return self._grouped(plan)
            case TopN():
                return self._first(plan)

    def _scan(self, plan: Scan) -> list[Row]:
        if plan.table.name not in self.scanned:
            self.scanned[plan.table.name] = self._read(plan.table)
        rows, dead = self.scanned[plan.table.name]
        self.dead |= dead
        return self._above_floors(list(rows), frozenset([plan.table.name]))

    def _read(self, table: Table) -> tuple[list[Row], set[Origin]]:
        made, dead = [], set()
        watermarks: dict[int, int] = {}
        for record in _read(table, self.topics[table.topic]):
            origin = (table.topic, record.partition, record.offset)
            try:
                values = decode(table, record)
            except Unreadable:
                dead.add(origin)
                continue
            time = values[table.watermark.column] if table.watermark else None
            before = watermarks.get(record.partition, NONE_YET)
            made.append(Row(values, origin, time, before))
            if table.watermark and time is not None:
                watermarks[record.partition] = max(before, time - table.watermark.delay_ms)
        return made, dead

    def _select(self, plan: Select) -> list[Row]:
        times = [output.field.name for output in plan.outputs if output.field.event_time]
        made = []
        for row in self.rows(plan.input):
            if holds(plan.where, row.values):
                values = {output.field.name: value_of(output.expression, row.values) for output in plan.outputs}
                made.append(replace(row, values=values, time=values[times[0]] if times else None))
        return made

    def _sides(self, plan: Union) -> list[tuple[tuple[Field, ...], Row]]:
        made, lane = [], 0
        for side in plan.inputs:
            made += [(side.fields, replace(row, lane=lane + row.lane)) for row in self.rows(side)]
            lane += len(_tables(side))
        return made

    def _join(self, plan: TemporalJoin) -> list[Row]:
        versions = self._versions(plan.reference)
        made = []
        for row in self.rows(plan.left):
            key = tuple(value_of(expression, row.values) for expression, _name in plan.keys)
            found = as_of(versions.get(key, []), row.values[plan.time])
            if found is not None or plan.kind == "LEFT":
                joined = {known.name: found[name] if found else None for name, known in plan.reference_fields}
                made.append(row.with_values(row.values | joined))
        return made

    def _versions(self, table: Table) -> dict[tuple[Value, ...], Versions]:
        found: dict[tuple[Value, ...], Versions] = {}
        for record in self.topics[table.topic]:
            try:
                key = decode_key(table, record)
                values = decode(table, record) if record.value is not None else None
            except Unreadable:
                self.dead.add((table.topic, record.partition, record.offset))
                continue
            found.setdefault(key, []).append((version_time(table, record, values), values))
        return found

    def _judged(self, plan: Plan) -> list[Row]:
        """The plan's rows as an operator of it judges them: by the floors of several tables that feed it, too."""
        tables = _tables(plan)
        return self._above_floors(self.rows(plan), tables) if len(tables) > 1 else self.rows(plan)

    def _above_floors(self, rows: list[Row], tables: frozenset[str]) -> list[Row]:
        for floor in self.floors:
            if floor.tables == tables:
                rows = [replace(row, watermark=floor.watermark_of(row)) for row in rows]
        return rows

    def _windowed(self, plan: Windowed) -> list[Row]:
        place = sessions if plan.window.kind == "SESSION" else aligned
        placed, late = place(plan.window, self._judged(plan.input))
        self.late |= late
        made = []
        for row, start, end in placed:
            window = {"window_start": start, "window_end": end, "window_time": end - 1}
            made.append(replace(row, values=row.values | window, time=end - 1, pane=pane(plan.window, row.time, end)))
        return made

    def _grouped(self, plan: GroupBy) -> list[Row]:
        groups: dict[tuple[Value, ...], list[Row]] = {}
        for row in self.rows(plan.input):
            groups.setdefault(tuple(value_of(key.expression, row.values) for key in plan.keys), []).append(row)
        made = []
        for key, rows in groups.items():
            values = dict(zip((one.field.name for one in plan.keys), key, strict=True))
            values |= {one.field.name: aggregated(one, rows) for one in plan.aggregates}
            times = [one.field.name for one in plan.keys if one.field.event_time]
            made.append(Row(values, rows[0].origin, values[times[0]] if times else None))
        return made

    def _first(self, plan: TopN) -> list[Row]:
        partitions: dict[tuple[Value, ...], list[Row]] = {}
        for row in self.rows(plan.input) if plan.window is not None else self._judged(plan.input):
            if plan.window is None and (row.time is None or row.time < row.watermark):
                self.late |= {row.origin} if row.time is not None else set()
                continue
            partitions.setdefault(tuple(row.values[name] for name in plan.partition), []).append(row)
        made = []
        for rows in partitions.values():
            if _last_wins(plan):
                rows.reverse()
            for name, descending in reversed(plan.order):
                rows = in_order(rows, _column(name), descending)
            for place, row in enumerate(rows[: plan.limit], start=1):
                made.append(row.with_values(row.values | ({plan.rank.name: place} if plan.rank else {})))
        return made


def _last_wins(plan: TopN) -> bool:
    """Of equal times: Flink deduplicates where a window has one row by nothing but time, and then an equal one replaces
    the row before.
    """
    return (
        plan.window is not None
        and plan.limit == 1
        and plan.order in (((plan.window.time, True),), (("window_time", True),))
    )


def _tables(plan: Plan) -> frozenset[str]:
    """The names of the tables that are read as streams."""
    if isinstance(plan, Scan):
        return frozenset([plan.table.name])
    return frozenset().union(*map(_tables, children(plan)))


def _column(name: str) -> Callable[[Row], Value]:
    return lambda row: row.values[name]


def _read(table: Table, records: Sequence[Record]) -> Iterator[Record]:
    """From where the table's reading starts: with a time, at each partition's first record of that time or later."""
    begun = table.options.get("scan.startup.mode") != "timestamp"
    start = 0 if begun else int(table.options["scan.startup.timestamp-millis"])
    reading: set[int] = {record.partition for record in records} if begun else set()
    for record in records:
        if record.timestamp >= start:
            reading.add(record.partition)
        if record.partition in reading:
            yield record


def _as(fields: Sequence[Field], wanted: Sequence[Field], row: Row) -> Row:
    """The row under other names, by position; whole numbers become the DOUBLEs that they meet."""
    values: Values = {}
    time = None
    for one, other in zip(fields, wanted, strict=True):
        value = row.values[one.name]
        values[other.name] = float(value) if other.type == Type.DOUBLE and value is not None else value
        time = value if other.event_time else time
    return replace(row, values=values, time=time)
