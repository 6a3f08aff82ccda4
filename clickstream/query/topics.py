"""Topics as tables: each by its name, with its last records."""

import threading
from collections.abc import Collection
from functools import cached_property

import pyarrow as pa

from clickstream.inspect import tail
from clickstream.inspect.instant import extent_at, had_come
from clickstream.inspect.names import must_exist
from clickstream.inspect.read import Open, last, reader
from clickstream.inspect.render import timestamp_of
from clickstream.kafka.admin import metadata
from clickstream.kafka.clients import Cluster
from clickstream.query.model import MIB
from clickstream.query.records import table_of

# Of one topic; twice that is held at most, by who asks: the server of the dashboard, for example.
MOST_BYTES = 128 * MIB


class TopicTables:
    """The topics of a cluster; of each the last `records`, by their time, `opened`.

    With an `instant` (epoch ms, included), the last ones that had come by then.
    """

    def __init__(self, cluster: Cluster, records: int, opened: Open | None = None, instant: int | None = None) -> None:
        self._opened = opened
        self._cluster = cluster
        self._records = records
        self._instant = instant

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(metadata(self._cluster, self._cluster.admin()))

    def names(self) -> Collection[str]:
        """Of the topics that there were when they were first asked for."""
        return self._names

    def load(self, name: str, stop: threading.Event) -> tuple[pa.Table, int | None]:
        """Raises ClickstreamError when the topic does not exist, cannot be read, or has too large records."""
        admin = self._cluster.admin()
        must_exist(self._cluster, [name], metadata(self._cluster, admin))
        past = extent_at(self._cluster, admin, tail.find(self._cluster, admin, [name]), self._instant)
        consumer = reader(self._cluster)
        try:
            found = last(
                consumer,
                past.limits,
                self._records,
                self._cluster.address,
                stop,
                keep=lambda message: had_come(message, self._instant),
                opened=self._opened,
                most_bytes=MOST_BYTES,
            )
        finally:
            consumer.close()
        cut = len(found) == self._records < past.records
        return table_of(found), timestamp_of(found[0]) if cut else None
