"""GROUP BY in SESSION windows.

A row at time t opens the session [t, t + gap) and merges with every session that it touches and that is open for it;
an end that equals the other's start touches. A session is closed for a row whose watermark is at least the session's
end - 1; a row whose session, merged or alone, is closed for it is late. (As Flink 2.3: SessionWindowAssigner,
TimeWindow.intersects, MergingWindowProcessFunction.)

So the order of rows matters, and several partitions have none in common. It is defined as that of the watermarks that
rows had before them in their own partitions, then partition, offset, time: sessions are a function of the log,
however its partitions are read, and at one partition they are Flink's.

Rows come in other orders than that, and most need not wait:

- A row q ahead of its watermark, t > watermark + 1, is merged at once. It touches no session that is closed for it, for
  such a one ends at watermark + 1 or before. And it can change places with any row r whose watermark is also
  less than t - 1: both ways q and r end in one session, or do not meet.
  If r touches q, r is in time for a session of its own, which is open for q as well. If r touches an open
  session that q touches, that one still touches q with r in it. A session closed for r is too old to touch q.
- A row behind its watermark is deferred until the operator's watermark W is higher than the row's own: from then on
  partitions bring only rows that come later in the order. Deferred rows are judged in the order, against the open
  sessions with all that was merged early.
- A row that a join held back comes when others with watermarks up to its time - 1 may be judged: its time
  is above W until it comes, so it can change places with them.

A session leaves when W has reached its end, not end - 1: a join may still hold a row at W + 1, which touches it.
Sessions that touch and yet are two, since one was closed for a row that opened the other, do not outlast the
judging: W has passed that row's watermark, so the closed one leaves.

Sums of DOUBLE keep their values until those are added in the order of offsets: see `session_folding`.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import duckdb
import numpy as np
import numpy.typing as npt

from clickstream.tables.engine.expressions.translate import duckdb_type, to_duckdb
from clickstream.tables.engine.operators.aggregates import Parts
from clickstream.tables.engine.operators.inorder import CREATE_ARRIVALS
from clickstream.tables.engine.operators.operator import OFFSET, PARTITION, TIME, WATERMARK, note_late, only_row
from clickstream.tables.engine.operators.session_folding import Waiting, fold
from clickstream.tables.engine.operators.session_merging import LATE_ROW, Session, final, islands, resolve
from clickstream.tables.engine.operators.windows import window_column
from clickstream.tables.names import engine_name, identifier, string
from clickstream.tables.sql.model import GroupBy
from clickstream.tables.sql.plans import is_joined
from clickstream.tables.sql.types import type_of

# Values of sums that came since they were last added up, or as many as were left then if that is more.
FOLD_AFTER_VALUES = 100_000
# Added to times before they are divided, so that `//` rounds down before 1970 too.
_POSITIVE = 2**61
# Of two tables' rows, partition and offset may be the same; and if the times are too, so is what becomes of them.
_ORDER = ", ".join((WATERMARK, PARTITION, OFFSET, TIME))


class Sessions:
    """The open sessions of one GROUP BY; `absorb` takes rows of the windowed relation's input.

    In the state a session has its keys, the times (ms) of its first and last row, its aggregates in parts, and the
    batch that changed it last. Deferred rows are in a table of their own, as they came. `waiting`: tables of rows that
    joins before it hold back. `folds`: each lane is one partition of one table, so that its offsets grow.
    """

    def __init__(self, name: str, node: GroupBy, waiting: Sequence[Waiting] = (), *, folds: bool = True) -> None:
        assert node.window is not None
        self.name = name
        self._table = identifier(name)
        self._slices, self._pieces = identifier(f"{name}_slices"), identifier(f"{name}_pieces")
        self._islands, self._rows = identifier(f"{name}_islands"), identifier(f"{name}_rows")
        self._deferred, self._judged = f"{name}_deferred", identifier(f"{name}_judged")
        self._gap = node.window.gap_ms
        parts = Parts(node.aggregates, arrival=not is_joined(node.input))
        roles = {field: role for role, field in node.window_keys.items()}
        groups = [key for key in node.keys if key.field.name not in roles]
        self._values, self.waiting = (parts.in_order if folds else []), list(waiting)
        self._unfolded, self._fold_at = 0, FOLD_AFTER_VALUES
        self._keys = [f"k{number}" for number in range(len(groups))]
        self._of_row = [to_duckdb(key.expression) for key in groups]
        types = [duckdb_type(type_of(key.expression)) for key in groups]
        self._columns = [*zip(self._keys, types, strict=True), *parts.columns]
        self._names = [*self._keys, "start", "last", *parts.names]
        keyed = [f"{one} AS {key}" for one, key in zip(self._of_row, self._keys, strict=True)]
        self._slice = ", ".join([*keyed, f"min({TIME}) AS start", f"max({TIME}) AS last", *parts.of_rows()])
        kept = [f"any_value({key}) AS {key}" for key in self._keys]
        self._merged = ", ".join([*kept, "min(start) AS start", "max(last) AS last", *parts.merged()])
        values = {key.field.name: name for key, name in zip(groups, self._keys, strict=True)}
        values |= {field: window_column(role, "start", f"(last + {self._gap})") for field, role in roles.items()}
        outputs = [f"{values[key.field.name]} AS {identifier(key.field.name)}" for key in node.keys]
        # Rows before the first one may have belonged to the session, had they been read.
        window = [f'start - {self._gap} AS "$start"', f'last + {self._gap} AS "$end"']
        self._outputs = ", ".join([*outputs, *parts.results(), *window])
        self._batch, self._reported = 0, -1
        self._first_last: int | None = None  # no open session has its last row before
        self._first_mark: int | None = None  # no deferred row has a lower watermark
        self._defers = False  # whether the table of deferred rows is there: most streams need none

    def create(self, db: duckdb.DuckDBPyConnection) -> None:
        columns = "".join(f"{name} {kind}, " for name, kind in self._columns)
        db.execute(CREATE_ARRIVALS)
        db.execute(f"CREATE TABLE IF NOT EXISTS {self._table} ({columns}start BIGINT, last BIGINT, batch BIGINT)")
        (self._batch,) = only_row(db, f"SELECT coalesce(max(batch), 0) FROM {self._table}")
        self._reported = -1
        (self._defers,) = only_row(
            db, f"SELECT count(*) > 0 FROM duckdb_tables() WHERE table_name = {string(engine_name(self._deferred))}"
        )
        self._look(db)
        self._unfolded, self._fold_at = self._count_values(db), FOLD_AFTER_VALUES

    def absorb(self, db: duckdb.DuckDBPyConnection, rows: str) -> None:
        behind = f"{TIME} <= {WATERMARK} + 1"
        first, last, mark, count = only_row(
            db,
            f"SELECT min({TIME}) FILTER (NOT ({behind})), max({TIME}) FILTER (NOT ({behind})), "
            f"min({WATERMARK}) FILTER ({behind}), count(*) FROM {rows}",
        )
        if mark is not None:
            self._defer(db, f"FROM {rows} WHERE {behind}", mark)
            rows = f"(FROM {rows} WHERE NOT ({behind}))"
        if first is not None:
            self._batch += 1
            self._first_last = first if self._first_last is None else min(first, self._first_last)
            if last - first <= self._gap:
                self._merge_short(db, rows)
            else:
                self._merge_any(db, rows)
        self._unfolded += count * len(self._values)
        if self._unfolded >= self._fold_at:
            self._fold(db)

    @property
    def deferred(self) -> str | None:
        """The table of rows that are not judged yet, if it is there."""
        return self._deferred if self._defers else None

    def due(self, watermark: int) -> bool:
        """As Operator.due; or there are deferred rows to judge."""
        some_ended = self._first_last is not None and watermark >= self._first_last + self._gap
        return some_ended or (self._first_mark is not None and watermark > self._first_mark)

    def close(self, db: duckdb.DuckDBPyConnection, watermark: int, into: str) -> None:
        """As Operator.close, once the deferred rows that came before `watermark` are judged; late ones are noted."""
        if self._first_mark is not None and watermark > self._first_mark:
            self._judge(db, watermark)
        ended = f"last <= {watermark - self._gap}"
        rows = f"SELECT {self._outputs} FROM {self._table} WHERE {ended}"
        db.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS {rows}")
        db.execute(f"DELETE FROM {self._table} WHERE {ended}")
        self._look(db)

    def early(self, db: duckdb.DuckDBPyConnection, into: str) -> None:
        """As Operator.early, with each session's end (ms) as "$end"; after a restart all count as changed."""
        self._open(db, into, f"batch > {self._reported}")
        self._reported = self._batch

    def open_rows(self, db: duckdb.DuckDBPyConnection, into: str) -> None:
        """Make temp table `into` of the present rows of all open sessions, as `early` gives them.

        A row that was early once and whose keys are not there is out of date: the session has another start now.
        """
        self._open(db, into, "TRUE")

    def horizon(self, db: duckdb.DuckDBPyConnection) -> int | None:
        """As Operator.horizon: at this less 1 all sessions leave, with the deferred rows in them.

        A deferred row is judged above its own watermark, which may be far above its time; a whole gap above, each end
        would take with it what comes after it.
        """
        times = f"SELECT last, NULL::BIGINT AS mark FROM {self._table}"
        if self._defers:
            times += f" UNION ALL SELECT {TIME}, {WATERMARK} FROM {identifier(self._deferred)}"
        last, mark = only_row(db, f"SELECT max(last), max(mark) FROM ({times})")
        if last is None:
            return None
        end = int(last) + self._gap + 1
        return end if mark is None else max(end, int(mark) + 2)

    def _look(self, db: duckdb.DuckDBPyConnection) -> None:
        (self._first_last,) = only_row(db, f"SELECT min(last) FROM {self._table}")
        self._first_mark = None
        if self._defers:
            (self._first_mark,) = only_row(db, f"SELECT min({WATERMARK}) FROM {identifier(self._deferred)}")

    def _open(self, db: duckdb.DuckDBPyConnection, into: str, condition: str) -> None:
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS "
            f"SELECT {self._outputs} FROM {self._table} WHERE {condition}"
        )

    # --- sums in order

    def _fold(self, db: duckdb.DuckDBPyConnection) -> None:
        deferred = [(self._deferred, 0)] if self._defers else []
        fold(db, self._table, self._keys, self._values, [*self.waiting, *deferred])
        self._unfolded, self._fold_at = 0, max(FOLD_AFTER_VALUES, self._count_values(db))

    def _count_values(self, db: duckdb.DuckDBPyConnection) -> int:
        values = "".join(f" + coalesce(sum(len({name})), 0)" for name in self._values)
        return int(only_row(db, f"SELECT 0{values} FROM {self._table}")[0]) if values else 0

    # --- rows behind their watermarks

    def _defer(self, db: duckdb.DuckDBPyConnection, behind: str, mark: int) -> None:
        """Keep the rows of the query `behind`, the lowest watermark of which is `mark`."""
        if self._defers:
            db.execute(f"INSERT INTO {identifier(self._deferred)} {behind}")
        else:
            db.execute(f"CREATE TABLE {identifier(self._deferred)} AS {behind}")
            self._defers = True
        self._first_mark = mark if self._first_mark is None else min(mark, self._first_mark)

    def _judge(self, db: duckdb.DuckDBPyConnection, watermark: int) -> None:
        """Merge the deferred rows whose own watermarks are below `watermark`, or note them as late."""
        before = f"FROM {identifier(self._deferred)} WHERE {WATERMARK} < {watermark}"
        db.execute(f"CREATE OR REPLACE TEMP TABLE {self._judged} AS {before}")
        db.execute(f"DELETE {before}")
        self._batch += 1
        self._merge_any(db, self._judged)

    # --- batches

    def _merge_short(self, db: duckdb.DuckDBPyConnection, rows: str) -> None:
        """Merge a batch that is no longer than the gap, ahead of its watermarks: a slice for each key."""
        names, gap = ", ".join(self._names), self._gap
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {self._slices} AS "
            f"SELECT {self._slice} FROM {rows} WHERE {TIME} IS NOT NULL GROUP BY ALL"
        )
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {self._pieces} AS "
            f"SELECT n.rowid AS slice, s.rowid AS id, {self._of('s')} FROM {self._table} s JOIN {self._slices} n "
            f"ON {self._same('s', 'n')} AND s.last >= n.start - {gap} AND s.start <= n.last + {gap}"
        )
        both = f"SELECT rowid AS slice, {names} FROM {self._slices} UNION ALL SELECT slice, {names} FROM {self._pieces}"
        db.execute(f"DELETE FROM {self._table} WHERE rowid IN (SELECT id FROM {self._pieces})")
        db.execute(
            f"INSERT INTO {self._table} BY NAME "
            f"SELECT {self._merged}, {self._batch} AS batch FROM ({both}) GROUP BY slice"
        )

    def _merge_any(self, db: duckdb.DuckDBPyConnection, rows: str) -> None:
        self._find_islands(db, rows)
        plain = f"FROM {self._islands} WHERE NOT late AND NOT doubtful"
        db.execute(f"DELETE FROM {self._table} WHERE rowid IN (SELECT unnest(ids) {plain})")
        db.execute(f"INSERT INTO {self._table} BY NAME SELECT {', '.join(self._names)}, {self._batch} AS batch {plain}")
        late, doubtful = only_row(db, f"SELECT bool_or(late), bool_or(doubtful) FROM {self._islands}")
        if late:
            found = f"(SELECT r.* FROM {rows} r SEMI JOIN {self._matching('late')})"
            db.execute(note_late(self.name, found, "TRUE"))
        if doubtful:
            self._resolve(db, rows)

    def _find_islands(self, db: duckdb.DuckDBPyConnection, rows: str) -> None:
        """Make the table of islands that have rows of the batch; `ids` are their sessions in the state.

        An island is slices and sessions that hang together. `late`: no session, and only rows that are late on their
        own. `doubtful`: a row behind its watermark may have met a closed session, so one has to look at the rows.
        """
        gap = self._gap
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {self._slices} AS SELECT {self._slice}, "
            f"max({WATERMARK}) FILTER ({TIME} <= {WATERMARK} + 1) AS behind, "
            f"bool_and({TIME} + {gap - 1} <= {WATERMARK}) AS hopeless FROM {rows} WHERE {TIME} IS NOT NULL "
            f"GROUP BY {', '.join([*self._of_row, f'({TIME} + {_POSITIVE}) // {gap}'])}"
        )
        # Of the state, what is near the batch: one key may have very many sessions.
        spans = [*self._keys, f"min(start) - {gap} AS low", f"max(last) + {gap} AS high"]
        grouped = f"GROUP BY {', '.join(self._keys)}" if self._keys else ""
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {self._pieces} AS WITH spans AS MATERIALIZED "
            f"(SELECT {', '.join(spans)}, row_number() OVER () - 1 AS key FROM {self._slices} {grouped}) "
            f"SELECT key, {self._of('n')}, NULL::BIGINT AS id, behind, hopeless "
            f"FROM {self._slices} n JOIN spans ON {self._same('n', 'spans')} "
            f"UNION ALL SELECT key, {self._of('s')}, s.rowid, NULL, FALSE "
            f"FROM {self._table} s JOIN spans ON {self._same('s', 'spans')} AND s.last >= low AND s.start <= high"
        )
        found = db.execute(f"SELECT rowid AS piece, key, start, last FROM {self._pieces}").fetchnumpy()
        numbers = islands(found["key"], found["start"], found["last"], gap)
        # A closed session ends by the row's watermark. One that is held, or grew out of it, ends no earlier than the
        # held one does; one of rows of the batch alone no earlier than the first of them could.
        closed = f"min(CASE WHEN id IS NULL THEN start ELSE last END) + {gap} <= max(behind) + 1"
        with _registered(db, f"{self.name}_numbers", {"piece": found["piece"], "island": numbers}) as table:
            db.execute(
                f"CREATE OR REPLACE TEMP TABLE {self._islands} AS "
                f"SELECT *, NOT late AND uncertain AS doubtful FROM (SELECT island, {self._merged}, "
                "list(id) FILTER (id IS NOT NULL) AS ids, count(id) = 0 AND bool_and(hopeless) AS late, "
                f"coalesce({closed}, FALSE) AS uncertain "
                f"FROM {self._pieces} p JOIN {table} n ON n.piece = p.rowid "
                "GROUP BY island HAVING count(id) < count(*))"
            )

    # --- row by row

    def _resolve(self, db: duckdb.DuckDBPyConnection, rows: str) -> None:
        """Merge the rows of doubtful islands with their sessions, one by one."""
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {self._rows} AS "
            f'SELECT r.*, "$island", row_number() OVER (ORDER BY {_ORDER}) AS "$number" '
            f"FROM {rows} r JOIN {self._matching('doubtful')}"
        )
        held = db.execute(
            f"SELECT s.rowid, island, s.start, s.last FROM {self._table} s "
            f"JOIN (SELECT island, unnest(ids) AS id FROM {self._islands} WHERE doubtful) ON s.rowid = id "
            "ORDER BY island, s.start"
        ).fetchall()
        found = db.execute(f'SELECT "$number", "$island", {TIME}, {WATERMARK} FROM {self._rows} ORDER BY 1').fetchall()
        sessions = [Session(*one) for _, *one in held]
        taken_by = resolve((row[1:] for row in found), sessions, self._gap)
        became = [final(sessions, number) for number in range(len(held))]
        merged = [(row[0], number) for row, number in zip(held, became, strict=True) if sessions[number].changed]
        of_rows = {"$number": [row[0] for row in found], "$session": taken_by}
        of_held = {"$id": [id for id, _ in merged], "$session": [number for _, number in merged]}
        with (
            _registered(db, f"{self.name}_taken", of_rows) as taken,
            _registered(db, f"{self.name}_held", of_held) as held_by,
        ):
            self._put(db, taken, held_by)

    def _put(self, db: duckdb.DuckDBPyConnection, taken: str, held: str) -> None:
        """Write what `resolve` found: the sessions that rows are in, and those that held ones became part of."""
        session = '"$session"'
        db.execute(
            f"INSERT INTO {self._table} BY NAME "
            f"SELECT {self._merged}, {self._batch} AS batch FROM ("
            f'SELECT {session}, {self._slice} FROM {self._rows} JOIN {taken} USING ("$number") '
            f"WHERE {session} <> {LATE_ROW} GROUP BY {', '.join([session, *self._of_row])} UNION ALL "
            f'SELECT {session}, {self._of("s")} FROM {self._table} s JOIN {held} ON s.rowid = "$id") GROUP BY {session}'
        )
        db.execute(f'DELETE FROM {self._table} WHERE rowid IN (SELECT "$id" FROM {held})')
        late = (
            f'(SELECT r.* EXCLUDE ("$island", "$number") FROM {self._rows} r SEMI JOIN {taken} t '
            f'ON t."$number" = r."$number" AND t."$session" = {LATE_ROW})'
        )
        db.execute(note_late(self.name, late, "TRUE"))

    # --- SQL

    def _of(self, table: str) -> str:
        return ", ".join(f"{table}.{name}" for name in self._names)

    def _same(self, one: str, other: str) -> str:
        return " AND ".join(["TRUE", *(f"{one}.{key} IS NOT DISTINCT FROM {other}.{key}" for key in self._keys)])

    def _matching(self, kind: str) -> str:
        """What a join of rows with the islands of a kind is with; rows may have columns of any name."""
        keys = [f'{key} AS "${key}"' for key in self._keys]
        columns = ", ".join([*keys, 'start AS "$start"', 'last AS "$last"', 'island AS "$island"'])
        same = [f'{one} IS NOT DISTINCT FROM "${key}"' for one, key in zip(self._of_row, self._keys, strict=True)]
        within = " AND ".join([*same, f'{TIME} BETWEEN "$start" AND "$last"'])
        return f"(SELECT {columns} FROM {self._islands} WHERE {kind}) ON {within}"


@contextlib.contextmanager
def _registered(db: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, npt.ArrayLike]) -> Iterator[str]:
    """Whole numbers as a relation; its name in SQL."""
    db.register(engine_name(name), {key: np.asarray(values, dtype=np.int64) for key, values in columns.items()})
    try:
        yield identifier(name)
    finally:
        db.unregister(name)
