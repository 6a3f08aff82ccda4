"""The web site's traffic per minute, as it is in the topic of that table: what `tables show --follow` would show."""

import logging
import threading

from clickstream.demo.demo import Minute
from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from clickstream.kafka.statistics import LostBrokers
from clickstream.tables.looking.latest import Latest, by_window
from clickstream.tables.looking.look import Look
from clickstream.tables.looking.rows import Row
from clickstream.tables.sql.model import Table

log = logging.getLogger(__name__)

TABLE = "traffic_per_min"
KEPT = 50
EXISTS_EVERY_S = 0.5


class TrafficReader:
    """Reads the rows that are written while it runs."""

    def __init__(self, cluster: Cluster, table: Table) -> None:
        self._cluster = cluster
        self._table = table
        order = by_window(table.columns)
        assert order is not None
        self._latest = Latest(KEPT, order)
        self._names = [column.name for column in table.columns]
        self._minutes: list[Minute] = []

    @property
    def minutes(self) -> list[Minute]:
        """Newest first."""
        return self._minutes

    def run(self, stop: threading.Event) -> None:
        """Read until `stop` is set. Raises ClickstreamError when the topic cannot be read."""
        while self._table.topic not in existing(self._cluster):  # its tables make it when they begin
            if stop.wait(EXISTS_EVERY_S):
                return
        while not stop.is_set():
            try:
                self._follow(stop)
            except LostBrokers as lost:
                log.warning("%s What comes from now on is read by a new one.", lost)

    def _follow(self, stop: threading.Event) -> None:
        with Look(self._cluster, self._table, limit=KEPT) as look:
            for rows in look.changes(stop):
                for row in rows:
                    self._latest.take(row)
                if rows:
                    self._minutes = [self._minute(row) for row in reversed(self._latest.highest(KEPT))]

    def _minute(self, row: Row) -> Minute:
        values = dict(zip(self._names, row.values, strict=True))
        start, hits, visitors, octets, errors = (
            value if isinstance(value := values[name], int) else 0
            for name in ("window_start", "hits", "visitors", "bytes", "errors")
        )
        return Minute(start, hits, visitors, octets, errors, row.early)
