"""Rows that came too late for every window: counted, and kept if there is a topic for them."""

from collections import Counter

import duckdb

from clickstream.kafka.produce import Sender
from clickstream.tables.engine.operator import LATE


class LateRows:
    """Late rows by statement. `topic` gets each as JSON, with its statement and origin as headers."""

    def __init__(self, sender: Sender, topic: str | None) -> None:
        self._sender = sender
        self._topic = topic
        self.by_statement: Counter[str] = Counter()

    @property
    def count(self) -> int:
        return self.by_statement.total()

    def take(self, db: duckdb.DuckDBPyConnection) -> None:
        """Count what the operators noted, and forget it."""
        found = db.execute(f"SELECT statement, count(*) FROM {LATE} GROUP BY statement").fetchall()
        if not found:
            return
        self.by_statement.update(dict(found))
        if self._topic is not None:
            rows = db.execute(f'SELECT statement, "row", p, o FROM {LATE} ORDER BY p, o').fetchall()
            for statement, row, partition, offset in rows:
                headers = [
                    ("statement", statement),
                    ("origin-partition", str(partition)),
                    ("origin-offset", str(offset)),
                ]
                self._sender.send(self._topic, row.encode(), headers=[(name, text.encode()) for name, text in headers])
        db.execute(f"DELETE FROM {LATE}")
