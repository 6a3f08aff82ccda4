"""Rows that came too late for every window: counted, and kept if there is a topic for them."""

import json
import re
from collections import Counter
from collections.abc import Mapping

import duckdb

from clickstream.kafka.produce import Sender
from clickstream.tables.engine.operators.operator import LATE, only_row
from clickstream.tables.names import user_name

# What the engine has beside the columns of a file: where a row comes from, and values that steps hand on.
_HIDDEN = re.compile(r"\$(p|o|t|wm|(key|agg|order)\d+)")

# A record may have several rows (a JSON array): as many are late as the operator notes that notes most of them.
_ROWS = f"""
SELECT coalesce(sum(rows), 0)::BIGINT FROM (
  SELECT max(rows) AS rows FROM (SELECT statement, p, o, count(*) AS rows FROM {LATE} GROUP BY ALL) GROUP BY p, o
)
"""


class LateRows:
    """Late rows by operator, and `count`: each once, however many operators miss it.

    `topic` gets each as JSON, with its origin and those who miss it as headers.
    `statements` says which results an operator's rows are for.
    """

    def __init__(self, sender: Sender, topic: str | None, statements: Mapping[str, str]) -> None:
        self._sender = sender
        self._topic = topic
        self._statements = statements
        self.by_operator: Counter[str] = Counter()
        self.count = 0

    def take(self, db: duckdb.DuckDBPyConnection) -> None:
        """Count what the operators noted, and forget it."""
        found = db.execute(f"SELECT statement, count(*) FROM {LATE} GROUP BY statement").fetchall()
        if not found:
            return
        self.by_operator.update(dict(found))
        if len(found) == 1:
            self.count += found[0][1]
        else:
            self.count += only_row(db, _ROWS)[0]
        if self._topic is not None:
            rows = db.execute(f'SELECT statement, "row", p, o FROM {LATE} ORDER BY p, o').fetchall()
            for operator, row, partition, offset in rows:
                headers = [
                    ("statement", self._statements[operator]),
                    ("origin-partition", str(partition)),
                    ("origin-offset", str(offset)),
                ]
                value = {user_name(name): cell for name, cell in json.loads(row).items() if not _HIDDEN.fullmatch(name)}
                text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
                self._sender.send(self._topic, text.encode(), headers=[(name, one.encode()) for name, one in headers])
        db.execute(f"DELETE FROM {LATE}")
