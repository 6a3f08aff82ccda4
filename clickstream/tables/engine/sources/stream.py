"""The rows of a batch of a stream, in event time: judged by the watermarks before them, none of them far ahead."""

import threading
from collections import Counter
from collections.abc import Callable

import duckdb
import numpy as np
import pyarrow as pa

from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_again
from clickstream.tables.engine.clock import Clock, Times
from clickstream.tables.engine.compile.compiler import batch_of
from clickstream.tables.engine.expressions.translate import duckdb_type
from clickstream.tables.engine.operators.operator import BEGINNING
from clickstream.tables.engine.sources.notices import TimeNotice
from clickstream.tables.names import identifier, relation
from clickstream.tables.sql.model import Table

Refuse = Callable[[int, int, bytes | None, bytes | None, str], None]
"""Partition, offset, key and value of a record, and why it is none of the table's rows."""

_NO_ORIGIN = 'NULL::INTEGER AS "$p", NULL::BIGINT AS "$o", NULL::BIGINT AS "$t", NULL::BIGINT AS "$wm"'


class StreamRows:
    """Makes the relation `batch_of(table)` of decoded rows, with the columns `used`.

    `max_ahead_ms`: an event further ahead of its Kafka timestamp would close every window, and is refused. `behind`:
    whether a row of the batch is behind its watermark. `stop` ends a wait for Kafka: with Stopped, once it is set.
    """

    def __init__(
        self, cluster: Cluster, table: Table, used: set[str], clock: Clock, max_ahead_ms: int, refuse: Refuse
    ) -> None:
        self.behind = False
        self.stop = threading.Event()
        self.notice = TimeNotice(table)
        self._cluster = cluster
        self._table = table
        self._used = used
        self._clock = clock
        self._max_ahead = max_ahead_ms
        self._refuse = refuse
        mark = table.watermark
        self._timed = mark is not None and mark.constant_ms is None
        self._marks = relation("marks", table.name)
        self._marked: bool | None = None

    def show(self, db: duckdb.DuckDBPyConnection, decoded: str, rows: pa.Table) -> int:
        """Make the relation of table `decoded`, which holds `rows` and their times; returns how many were refused."""
        refused, marks = 0, None
        if self._timed:
            found = db.execute(f'SELECT coalesce("$t", {BEGINNING}) AS t FROM {identifier(decoded)}').fetchnumpy()
            times = np.asarray(found["t"], np.int64)
            partitions, stamps = rows["$p"].to_numpy(), rows["$ts"].to_numpy()
            # Records may have no timestamp: then nothing says that they are ahead.
            ahead = (times > stamps + self._max_ahead) & (stamps > 0)
            if refused := int(np.count_nonzero(ahead)):
                self._refuse_ahead(db, decoded, rows.filter(pa.array(ahead)))
                times, partitions, stamps = times[~ahead], partitions[~ahead], stamps[~ahead]
            self.notice.look(times, stamps)
            marks = self._clock.before(partitions, times)
        self._place_beside(db, decoded, marks)
        return refused

    def show_nothing(self, db: duckdb.DuckDBPyConnection) -> None:
        """Make the relation one without rows."""
        show_nothing(db, self._table, self._used)
        self._marked, self.behind = None, False

    def _place_beside(self, db: duckdb.DuckDBPyConnection, decoded: str, marks: Times | None) -> None:
        """The batch is what was decoded, with the watermarks beside it if any row is behind its own."""
        self.behind = marks is not None
        if marks is not None:
            db.register("marks_now", {"wm": marks})
            db.execute(f'CREATE OR REPLACE TEMP TABLE {identifier(self._marks)} AS SELECT wm AS "$wm" FROM marks_now')
            db.unregister("marks_now")
        marked = marks is not None
        if self._marked is marked:
            return
        self._marked = marked
        beside = f"SELECT * FROM {identifier(decoded)} POSITIONAL JOIN {identifier(self._marks)}"
        alone = f'SELECT *, {BEGINNING}::BIGINT AS "$wm" FROM {identifier(decoded)}'
        batch = identifier(batch_of(self._table.name))
        db.execute(f"CREATE OR REPLACE TEMP VIEW {batch} AS {beside if marked else alone}")

    def _refuse_ahead(self, db: duckdb.DuckDBPyConnection, decoded: str, rows: pa.Table) -> None:
        """Dead-letter these rows' records, which the reading process has let go: they are read once more."""
        db.execute(f'DELETE FROM {identifier(decoded)} WHERE "$t" > "$ts" + {self._max_ahead} AND "$ts" > 0')
        reason = f"event time more than {self._max_ahead / 86_400_000:g} days ahead of the record's timestamp"
        places = Counter(zip(rows["$p"].to_pylist(), rows["$o"].to_pylist(), strict=True))
        for message in read_again(self._cluster, self._table.topic, places, stop=self.stop):
            place = message.partition() or 0, message.offset() or 0
            for _ in range(places.pop(place)):
                self._refuse(*place, message.key(), message.value(), reason)
        for place, count in places.items():
            for _ in range(count):
                self._refuse(*place, None, None, f"{reason}; the record itself is gone from the log")


def show_nothing(db: duckdb.DuckDBPyConnection, table: Table, used: set[str]) -> None:
    """Make the relation `batch_of(table)` one without rows."""
    columns = [column for column in table.columns if column.name in used]
    typed = "".join(f"NULL::{duckdb_type(column.type)} AS {identifier(column.name)}, " for column in columns)
    batch = identifier(batch_of(table.name))
    db.execute(f"CREATE OR REPLACE TEMP VIEW {batch} AS SELECT {typed}{_NO_ORIGIN} WHERE FALSE")
