"""Kafka's records to rows of a table, in DuckDB."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from clickstream.tables.engine.decoding.rows import Records, RowReader, Wanted
from clickstream.tables.engine.expressions.translate import duckdb_type, to_duckdb
from clickstream.tables.names import identifier, string
from clickstream.tables.sql.model import Column, Kind, Table
from clickstream.tables.sql.plans import names_in

__all__ = ["Decoded", "Decoder", "Records"]

_SOURCE = "records_to_decode"


@dataclass
class Decoded:
    """What became of records. `bad`: the index of a record that has no row, and why, for people.

    `nulled` as in rows.Rows.
    """

    rows: int
    bad: list[tuple[int, str]]
    nulled: Counter[str]


class Decoder:
    """Decodes the columns `used` of a table, and what its computed columns and its event time need.

    What a JSON value becomes is said in `coerce`. A record is bad if it is no object in JSON, if it has no value in
    a table that only appends, if columns come from its key and that cannot be read, or if a PRIMARY KEY column is
    NULL.
    """

    def __init__(self, table: Table, used: Collection[str]) -> None:
        self._table = table
        mark = table.watermark
        self._time = mark.column if mark is not None and mark.constant_ms is None else None
        self._used = [one for one in table.columns if one.name in used]
        needed = _with_inputs(table, {*used, *table.primary_key, self._time or ""})
        self._computed = [one for one in needed if one.kind == Kind.COMPUTED]
        self._metadata = [one for one in needed if one.kind == Kind.METADATA]
        metadata = {one.metadata for one in self._metadata}
        physical = tuple(one for one in needed if one.kind == Kind.PHYSICAL)
        self.wanted = Wanted(table, physical, "timestamp" in metadata, "headers" in metadata)
        self._rows = RowReader(self.wanted)
        self._select = self._compiled()

    @property
    def needs_keys(self) -> bool:
        """Whether the records' keys have to be read."""
        return self._rows.needs_keys

    @property
    def needs_headers(self) -> bool:
        """Whether the records' headers have to be read."""
        return self._rows.needs_headers

    def decode(self, db: duckdb.DuckDBPyConnection, records: Records, into: str) -> Decoded:
        """Make temp table `into` of the rows, in the records' order.

        Its columns are the used ones, "$p", "$o" and "$ts" (the record's partition, offset and timestamp in ms),
        "$t" (event time in ms, or NULL), "$i" (the record's index), and for upsert-kafka tables "$deleted". Raises
        duckdb.Error where a computed column stops a run, see `to_duckdb`.
        """
        rows = self._rows.read(records)
        self.load(db, rows.table, into)
        return Decoded(rows.table.num_rows, sorted(rows.bad.items()), rows.nulled)

    def load(self, db: duckdb.DuckDBPyConnection, rows: pa.Table, into: str) -> None:
        """The second half of `decode`, of rows that a RowReader read."""
        db.register(_SOURCE, rows)
        try:
            db.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS {self._select}")
        finally:
            db.unregister(_SOURCE)

    def _compiled(self) -> str:
        """SQL: computed columns over metadata columns over the rows."""
        metadata = ", ".join(["*", *map(self._of_record, self._metadata)])
        made = [f"{to_duckdb(one.expression)} AS {identifier(one.name)}" for one in self._computed if one.expression]
        computed = ", ".join(["*", *made])
        time = f"epoch_ms({identifier(self._time)})" if self._time else "NULL::BIGINT"
        hidden = ['"$p"', '"$o"', '"$ts"', f'{time} AS "$t"', '"$i"', *(['"$deleted"'] if self._table.upsert else [])]
        outputs = ", ".join([*(identifier(one.name) for one in self._used), *hidden])
        return f"SELECT {outputs} FROM (SELECT {computed} FROM (SELECT {metadata} FROM {_SOURCE}))"

    def _of_record(self, column: Column) -> str:
        sql = {
            "topic": string(self._table.topic),
            "partition": f'"$p"::{duckdb_type(column.type)}',
            "offset": '"$o"',
            "timestamp": '"$time"',
            "headers": '"$headers"',
        }[column.metadata or ""]
        return f"{sql} AS {identifier(column.name)}"


def _with_inputs(table: Table, names: set[str]) -> list[Column]:
    """The named columns of the table, and those that computed ones among them are computed of."""
    inputs = names_in(*(one.expression for one in table.columns if one.name in names))
    return [one for one in table.columns if one.name in names | inputs]
