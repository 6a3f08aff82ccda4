"""The history's rows as tables for SQL: copies, with texts in the place of codes."""

import threading
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from clickstream.history.codes import Codes
from clickstream.history.columns import CLICK_COLUMNS, EVENT_COLUMNS, VIP_COLUMNS
from clickstream.history.model import CLICKS, EVENTS, VIP
from clickstream.history.segments import Segment
from clickstream.history.store import Store

COLUMNS = {CLICKS: CLICK_COLUMNS, EVENTS: EVENT_COLUMNS, VIP: VIP_COLUMNS}
MAX_ROWS = 200_000


class HistoryTables:
    """Of each kind the newest `rows`, by their event time. Where `query.query` finds tables."""

    def __init__(self, store: Store, rows: int = MAX_ROWS) -> None:
        self._store = store
        self._rows = rows

    def names(self) -> Collection[str]:
        """`clicks`, `events` and `vip`."""
        return tuple(COLUMNS)

    def load(self, name: str, stop: threading.Event) -> tuple[pa.Table, int | None]:
        """A copy, and from when on (epoch ms) it reaches, if there are older rows.

        `time` is a TIMESTAMP in UTC, and a click's `visitor` its user, else its address.
        """
        with self._store.lock:
            newest = self._newest(name)
            cut = 0 < len(newest) < self._store.rows[name].rows
            codes = self._codes(name)
            columns = {column: _texts(newest[column], codes[column]) for column in COLUMNS[name] if column in codes}
        shown = {column: columns.get(column, newest[column]) for column in COLUMNS[name]}
        shown["time"] = newest["time"].cast(pa.timestamp("ms"))
        if name == CLICKS:
            shown["bot"] = pc.equal(columns["bot"], "true")
            shown["visitor"] = pc.coalesce(columns["user"], columns["ip"])
        return pa.table(shown), newest["time"][-1].as_py() if cut else None

    def _codes(self, name: str) -> dict[str, Codes]:
        store = self._store
        return {CLICKS: store.clicks.codes, EVENTS: store.events.codes, VIP: store.vip.codes}[name]

    def _newest(self, name: str) -> pa.Table:
        """Codes and numbers. Tables are taken whole from the newest on, so that old rows are not even looked at."""
        segments = sorted(self._store.rows[name].segments, key=lambda one: one.last, reverse=True)
        taken: list[Segment] = []
        rows = 0
        for segment in segments:
            # Of others that reach as far as the oldest one taken, some rows may be newer.
            if rows >= self._rows and segment.last < min(one.first for one in taken):
                break
            taken.append(segment)
            rows += segment.rows
        tables = [one.table for one in taken] or [f"{name}_none"]
        every = " UNION ALL ".join(f"FROM {table}" for table in tables)
        select = f"SELECT * FROM ({every}) ORDER BY time DESC LIMIT {self._rows}"
        return self._store.db.sql(select).to_arrow_table()


def _texts(column: pa.ChunkedArray, codes: Codes) -> pa.Array:
    """The texts of codes; each is looked up once."""
    coded = column.combine_chunks().dictionary_encode()
    values = pa.array([codes.value(code) for code in coded.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(coded.indices, values).cast(pa.string())
