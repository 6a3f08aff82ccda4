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
    """Of each kind the newest `rows`, by their event time. Where `query.query` finds tables.

    With `to` (epoch ms), the newest before then: without its millisecond, as the ranges of panels end.
    """

    def __init__(self, store: Store, rows: int = MAX_ROWS, to: int | None = None) -> None:
        self._store = store
        self._rows = rows
        self._to = to

    def names(self) -> Collection[str]:
        """`clicks`, `events` and `vip`."""
        return tuple(COLUMNS)

    def load(self, name: str, stop: threading.Event) -> tuple[pa.Table, int | None]:
        """A copy, and from when on (epoch ms) it reaches, if there are older rows.

        `time` is a TIMESTAMP in UTC, and a click's `visitor` its user, else its address.
        """
        with self._store.lock:
            newest, cut = self._newest(name)
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

    def _newest(self, name: str) -> tuple[pa.Table, bool]:
        """Codes and numbers, and whether there are older rows.

        Tables are taken whole from the newest on, so that old rows are not even looked at.
        """
        to = self._to
        every_one = self._store.rows[name].segments
        wanted = [one for one in every_one if to is None or one.first < to]
        segments = sorted(wanted, key=lambda one: one.last, reverse=True)
        taken: list[Segment] = []
        rows = 0
        for segment in segments:
            # Of others that reach as far as the oldest one taken, some rows may be newer.
            if rows > self._rows and segment.last < min(one.first for one in taken):
                break
            taken.append(segment)
            # Nobody knows how many rows of the one that it divides are before that time.
            rows += segment.rows if to is None or segment.last < to else 0
        tables = [one.table for one in taken] or [f"{name}_none"]
        every = " UNION ALL ".join(f"FROM {table}" for table in tables)
        before = "" if to is None else f"WHERE time < {to:d}"
        # One more than is wanted tells whether there are older ones.
        select = f"SELECT * FROM ({every}) {before} ORDER BY time DESC LIMIT {self._rows + 1}"
        found = self._store.db.sql(select).to_arrow_table()
        return found.slice(0, self._rows), len(found) > self._rows


def _texts(column: pa.ChunkedArray, codes: Codes) -> pa.Array:
    """The texts of codes; each is looked up once."""
    coded = column.combine_chunks().dictionary_encode()
    values = pa.array([codes.value(code) for code in coded.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(coded.indices, values).cast(pa.string())
