"""Statements on a few records, as the differential tests' oracle evaluates them."""

import json
from typing import Any

from tests.differential.oracle import evaluate
from tests.differential.outcome import Expected, Upserts
from tests.differential.relations import Floor
from tests.differential.rows import Record
from tests.unit.tables.sql.support import checked, sink

TUMBLE = "TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)"
HOP = "HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)"
CUMULATE = "CUMULATE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)"
SESSION = "SESSION(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)"
DROP = "SET 'table.exec.sink.not-null-enforcer' = 'DROP';"


def click(time: int | None, **fields: Any) -> bytes:
    """A click at that many ms; tables' watermarks are 5 s behind."""
    return json.dumps({"_time": time, **fields}).encode()


def log(*values: bytes | None, partition: int = 0) -> list[Record]:
    return [Record(partition, offset, 0, None, value) for offset, value in enumerate(values)]


def user(time: int, key: int, name: str | None) -> Record:
    """A user's version from `time` ms on; no name: deleted."""
    value = None if name is None else json.dumps({"user_id": key, "name": name}).encode()
    return Record(0, 0, time, json.dumps({"user_id": key}).encode(), value)


def outcome(
    sql: str, clicks: list[Record], users: tuple[Record, ...] = (), floors: tuple[Floor, ...] = (), **more: list[Record]
) -> Expected:
    found = checked(sql)
    assert not found.problems, found.render()
    return evaluate(found.program, {"clicks": clicks, "users": list(users), **more}, floors)


def rows(sql: str, clicks: list[Record], users: tuple[Record, ...] = ()) -> list[dict[str, Any]]:
    """The values in the table `results`, in any order."""
    made = outcome(sql, clicks, users).tables["results"]
    texts = made.rows.values() if isinstance(made, Upserts) else [value for _, value in made.rows.elements()]
    return [json.loads(text) for text in texts]


def counted(window: str, clicks: list[Record]) -> dict[tuple[str, str], int]:
    """Rows of each window, by the seconds of its start and its end."""
    columns = "s TIMESTAMP(3), e TIMESTAMP(3), n BIGINT"
    sql = f"SELECT window_start, window_end, COUNT(*) FROM TABLE({window}) GROUP BY window_start, window_end"
    made = rows(sink(columns) + f"INSERT INTO results {sql};", clicks)
    return {(row["s"][17:], row["e"][17:]): row["n"] for row in made}


def aggregate(what: str, kind: str, *clicks: bytes) -> Any:
    """An aggregate over all of the clicks, which are of one window."""
    sql = f"SELECT {what} FROM TABLE({TUMBLE}) GROUP BY window_start, window_end"
    (row,) = rows(sink(f"x {kind}") + f"INSERT INTO results {sql};", log(*clicks))
    return row["x"]


def value(expression: str, kind: str, **fields: Any) -> Any:
    """An expression over one click."""
    (row,) = rows(sink(f"x {kind}") + f"INSERT INTO results SELECT {expression} FROM clicks;", log(click(0, **fields)))
    return row["x"]
