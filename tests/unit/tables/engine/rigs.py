"""Files of SQL and rows for the rig. Times of rows are in seconds; a table's rows may come without any disorder."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from random import Random
from typing import Any

from clickstream.tables.engine.rig import Crash, Instant, Rig

SERVERS = "'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}'"
SETTINGS = "SET 'table.exec.sink.require-on-conflict' = 'false';\n"
COLUMNS = "ip STRING, n INT, price DOUBLE"
WINDOW = "window_start TIMESTAMP(3), window_end TIMESTAMP(3)"


def source(name: str, columns: str = COLUMNS, *, topic: str = "", delay: float = 0) -> str:
    """A table to read, with event time `ts` (`at_` in ms), and its rows' origin, `p` and `o`."""
    return (
        f"CREATE TABLE {name} ({columns}, at_ BIGINT, ts AS TO_TIMESTAMP_LTZ(at_, 3), "
        "p INT METADATA FROM 'partition' VIRTUAL, o BIGINT METADATA FROM 'offset' VIRTUAL, "
        f"WATERMARK FOR ts AS ts - INTERVAL '{delay}' SECOND) WITH ('connector' = 'kafka', "
        f"'topic' = '{topic or name}', {SERVERS}, 'format' = 'json', 'scan.startup.mode' = 'earliest-offset', "
        "'json.ignore-parse-errors' = 'true');\n"
    )


def upsert(name: str, columns: str, key: str, *, topic: str = "") -> str:
    """A table with a primary key, to write or to read."""
    return (
        f"CREATE TABLE {name} ({columns}, PRIMARY KEY ({key}) NOT ENFORCED) WITH ('connector' = 'upsert-kafka', "
        f"'topic' = '{topic or name}', {SERVERS}, 'key.format' = 'json', 'value.format' = 'json');\n"
    )


def reference(name: str, columns: str, key: str, *, topic: str = "") -> str:
    """A table to join with, whose versions hold from their records' timestamps on."""
    timed = f"{columns}, vt TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, "
    return upsert(name, f"{timed}WATERMARK FOR vt AS TO_TIMESTAMP_LTZ(0, 3)", key, topic=topic)


def appended(name: str, columns: str, *, topic: str = "") -> str:
    """A table to write that only grows."""
    return (
        f"CREATE TABLE {name} ({columns}) WITH ('connector' = 'kafka', 'topic' = '{topic or name}', {SERVERS}, "
        "'format' = 'json');\n"
    )


def windows(table: str, function: str = "TUMBLE", *sizes: float, partition: str = "") -> str:
    """A window function over a table by its time `ts`."""
    intervals = ", ".join(f"INTERVAL '{size}' SECOND" for size in sizes or (10,))
    by = f" PARTITION BY {partition}" if partition else ""
    return f"TABLE({function}(TABLE {table}{by}, DESCRIPTOR(ts), {intervals}))"


def row(second: float, **fields: Any) -> dict[str, Any]:
    """A row of a `source` at that time."""
    return {"ip": "a", **fields, "at_": round(second * 1000)}


def survive(
    rig: Rig, play: Callable[[Rig], None], *, instants: Sequence[Instant] = tuple(Instant), seed: int = 0
) -> int:
    """Play to the end, however often the process dies, every few transactions; returns how often it did."""
    draw = Random(seed)
    for deaths in count():
        assert deaths < 100, "it never ends"
        rig.crash(draw.choice(instants), after=draw.randint(0, 2 + deaths // 5), luck=draw.randint(0, 99))
        try:
            play(rig)
        except Crash:
            rig.restart()
        else:
            return deaths
    raise AssertionError


def in_steps(records: int) -> Callable[[Rig], None]:
    """Take in so many records of each table at once, then all, and close all windows."""

    def play(rig: Rig) -> None:
        while rig.step(records=records):
            pass
        rig.finish()

    return play


def shuffled(seed: int, logs: dict[int, list[Any]]) -> Iterator[tuple[int, Any]]:
    """The records of partitions in an order of arrival that keeps each partition's own."""
    draw, left = Random(seed), {partition: list(log) for partition, log in logs.items() if log}
    while left:
        partition = draw.choice(list(left))
        yield partition, left[partition].pop(0)
        if not left[partition]:
            del left[partition]
