"""GROUP BY in SESSION windows.

A row at time t opens the session [t, t + gap) and merges with every session that is open for it and that it touches;
an end that equals the other's start touches. A session is closed for a row whose watermark is at least the session's
end - 1; a row whose session, merged or not, is closed for it is late. (Flink 2.3: SessionWindowAssigner,
TimeWindow.intersects, MergingWindowProcessFunction.)

The order of rows matters only for those that are behind their watermark: `t <= watermark + 1`. All others touch no
closed session, wherever they stand. So a batch is aggregated to slices, slices are merged with the sessions that
they touch, all in SQL; what is left to `resolve`, row by row, are the rows that are, over touching ones, together
with a row behind its watermark that may have met a closed session.
"""

import duckdb

from clickstream.tables.engine.aggregates import Parts
from clickstream.tables.engine.expressions import duckdb_type, to_duckdb
from clickstream.tables.engine.operator import OFFSET, PARTITION, TIME, WATERMARK, note_late, quoted
from clickstream.tables.engine.session_merging import LATE_ROW, islands, resolve
from clickstream.tables.engine.windows import window_column
from clickstream.tables.sql.model import GroupBy
from clickstream.tables.sql.types import type_of

# Added before times are divided, so that `//` rounds down before 1970 too.
_POSITIVE = 2**61


class Sessions:
    """The open sessions of one GROUP BY. `absorb` takes rows of the windowed relation's input.

    A session's row in the state has its keys, the times (ms) of its first and last row, its aggregates in parts, the
    batch that changed it last, and whether it is `apart`: it touches another session, one that was closed for the
    rows that would have merged them but is not closed for the operator, whose watermark is the slowest partition's.
    """

    def __init__(self, name: str, node: GroupBy) -> None:
        assert node.window is not None
        self.name = name
        self._table = quoted(name)
        self._slices, self._touched = quoted(f"{name}_slices"), quoted(f"{name}_touched")
        self._pieces, self._islands = quoted(f"{name}_pieces"), quoted(f"{name}_islands")
        self._rows = quoted(f"{name}_rows")
        self._gap = node.window.gap_ms
        self._parts = Parts(node.aggregates)
        roles = {field: role for role, field in node.window_keys.items()}
        groups = [key for key in node.keys if key.field.name not in roles]
        self._keys = [f"k{number}" for number in range(len(groups))]
        self._key_types = [duckdb_type(type_of(key.expression)) for key in groups]
        self._of_row = [to_duckdb(key.expression) for key in groups]
        columns = {key.field.name: name for key, name in zip(groups, self._keys, strict=True)}
        columns |= {field: window_column(role, "start", f"(last + {self._gap})") for field, role in roles.items()}
        self._outputs = ", ".join(
            [*(f"{columns[key.field.name]} AS {quoted(key.field.name)}" for key in node.keys), *self._parts.results()]
        )
        self._batch = 0
        self._reported = -1

    def create(self, db: duckdb.DuckDBPyConnection) -> None:
        columns = [*zip(self._keys, self._key_types, strict=True), *self._parts.columns]
        typed = "".join(f"{name} {kind}, " for name, kind in columns)
        db.execute(
            f"CREATE TABLE IF NOT EXISTS {self._table} ({typed}start BIGINT, last BIGINT, apart BOOLEAN, batch BIGINT)"
        )
        (latest,) = _one(db, f"SELECT coalesce(max(batch), 0) FROM {self._table}")
        self._batch, self._reported = latest, -1

    def absorb(self, db: duckdb.DuckDBPyConnection, rows: str) -> None:
        first, last, behind, apart = _one(
            db,
            f"SELECT min({TIME}), max({TIME}), bool_or({TIME} <= {WATERMARK} + 1), "
            f"(SELECT bool_or(apart) FROM {self._table}) FROM {rows}",
        )
        if first is None:
            return
        self._batch += 1
        if last - first <= self._gap and not behind and not apart:
            self._merge_near(db, rows)
        else:
            self._merge(db, rows)

    def close(self, db: duckdb.DuckDBPyConnection, watermark: int, into: str) -> None:
        ended = f"last <= {watermark + 1 - self._gap}"
        self._results(db, into, ended)
        db.execute(f"DELETE FROM {self._table} WHERE {ended}")

    def early(self, db: duckdb.DuckDBPyConnection, into: str) -> None:
        """As Operator.early; after a restart every open session counts as changed."""
        self._results(db, into, f"batch > {self._reported}")
        self._reported = self._batch

    def open_rows(self, db: duckdb.DuckDBPyConnection, into: str) -> None:
        """Make temp table `into` of the present rows of all open sessions.

        An early row is out of date when its keys, window_start among them, are not there: the session's start moved.
        """
        self._results(db, into, "TRUE")

    def horizon(self, db: duckdb.DuckDBPyConnection) -> int | None:
        (last,) = _one(db, f"SELECT max(last) FROM {self._table}")
        return None if last is None else last + self._gap

    def _results(self, db: duckdb.DuckDBPyConnection, into: str, condition: str) -> None:
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {quoted(into)} AS SELECT {self._outputs} FROM {self._table} WHERE {condition}"
        )

    def _merge_near(self, db: duckdb.DuckDBPyConnection, rows: str) -> None:
        """Merge a batch that is no longer than the gap and has no row behind its watermark: one slice for each key."""
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {self._slices} AS SELECT {self._slice()} "
            f"FROM {rows} WHERE {TIME} IS NOT NULL GROUP BY ALL"
        )
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {self._touched} AS "
            f"SELECT {_of('s', [*self._keys, 'start', 'last', *self._parts.names])}, s.rowid AS id FROM {self._table} s "
            f"JOIN {self._slices} n ON {self._same_key('s', 'n')} "
            f"AND s.last >= n.start - {self._gap} AND s.start <= n.last + {self._gap}"
        )
        both = " UNION ALL ".join(f"SELECT {self._names} FROM {one}" for one in (self._slices, self._touched))
        db.execute(f"DELETE FROM {self._table} WHERE rowid IN (SELECT id FROM {self._touched})")
        db.execute(f"INSERT INTO {self._table} BY NAME SELECT {self._merged('FALSE')} FROM ({both}) GROUP BY ALL")

    def _merge(self, db: duckdb.DuckDBPyConnection, rows: str) -> None:
        """Merge any batch."""
        self._find_islands(db, rows)
        db.execute(
            f"DELETE FROM {self._table} "
            f"WHERE rowid IN (SELECT unnest(ids) FROM {self._islands} WHERE NOT late AND NOT doubtful)"
        )
        db.execute(
            f"INSERT INTO {self._table} BY NAME SELECT {self._names}, FALSE AS apart, {self._batch} AS batch "
            f"FROM {self._islands} WHERE NOT late AND NOT doubtful"
        )
        late, doubtful = _one(db, f"SELECT bool_or(late), bool_or(doubtful) FROM {self._islands}")
        if late:
            found = f"(SELECT r.* FROM {rows} r SEMI JOIN {self._within('late')})"
            db.execute(note_late(self.name, found, "TRUE"))
        if doubtful:
            self._resolve(db, rows)

    def _find_islands(self, db: duckdb.DuckDBPyConnection, rows: str) -> None:
        """Make the table of islands: what hangs together over touching rows of the batch and open sessions.

        `late`: no session, and no row that would open one. `doubtful`: a row behind its watermark may have met a
        closed session, for the island starts early enough to have one, or sessions stand apart.
        """
        gap = self._gap
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {self._slices} AS SELECT {self._slice()}, "
            f"max({WATERMARK}) FILTER ({TIME} <= {WATERMARK} + 1) AS behind, "
            f"bool_and({TIME} + {gap - 1} <= {WATERMARK}) AS late FROM {rows} WHERE {TIME} IS NOT NULL "
            f"GROUP BY {', '.join([*self._of_row, f'({TIME} + {_POSITIVE}) // {gap}'])}"
        )
        spans = ", ".join([*self._keys, f"min(start) - {gap} AS low, max(last) + {gap} AS high"])
        names = [*self._keys, "start", "last", *self._parts.names]
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {self._pieces} AS "
            f"WITH spans AS MATERIALIZED (SELECT {spans}, row_number() OVER () AS key "
            f"FROM {self._slices} GROUP BY {', '.join(self._keys) or '()'}) "
            f"SELECT key, {_of('n', names)}, NULL::BIGINT AS id, n.behind, n.late, FALSE AS apart "
            f"FROM {self._slices} n JOIN spans ON {self._same_key('n', 'spans')} "
            f"UNION ALL SELECT key, {_of('s', names)}, s.rowid, NULL, FALSE, s.apart FROM {self._table} s "
            f"JOIN spans ON {self._same_key('s', 'spans')} AND s.last >= low AND s.start <= high"
        )
        found = db.execute(f"SELECT rowid AS piece, key, start, last FROM {self._pieces}").fetchnumpy()
        numbers = {"piece": found["piece"], "island": islands(found["key"], found["start"], found["last"], gap)}
        db.register("numbers", numbers)
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE {self._islands} AS SELECT island, {self._merged_names()}, "
            "list(id) FILTER (id IS NOT NULL) AS ids, count(id) = 0 AND bool_and(late) AS late, NOT late AND "
            f"(bool_or(apart) OR coalesce(min(start) + {gap} <= max(behind) + 1, FALSE)) AS doubtful "
            f"FROM {self._pieces} p JOIN numbers ON piece = p.rowid "
            f"GROUP BY {', '.join(['island', *self._keys])} HAVING count(id) < count(*)"
        )
        db.unregister("numbers")
