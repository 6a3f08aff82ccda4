"""What tests of archives share: records as a consumer returns them, a sink's loop without Kafka, DuckDB's view."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE, Message

from clickstream.kafka.log import LogIdentity
from clickstream.sinks.inputs import whole
from clickstream.sinks.model import Batch, Claim, Input, Rows, Stored, Written
from clickstream.sinks.parquet.folder import FolderStore
from clickstream.sinks.parquet.layout import Layout
from clickstream.sinks.parquet.target import ParquetTarget
from clickstream.sinks.reading import RecordReader

HOUR = 3_600_000
START = 1_767_250_800_000  # 2026-01-01 07:00 UTC
TOPIC = "events"


def record(
    offset: int,
    value: bytes | None = b"{}",
    *,
    key: bytes | None = b"k",
    partition: int = 0,
    timestamp: int = START,
    headers: list[tuple[str, bytes | None]] | None = None,
    topic: str = TOPIC,
) -> Message:
    kind = TIMESTAMP_NOT_AVAILABLE if timestamp == -1 else TIMESTAMP_CREATE_TIME
    return Message(
        topic=topic, partition=partition, offset=offset, key=key, value=value, headers=headers,  # type: ignore[arg-type]
        timestamp=(kind, timestamp),
    )  # fmt: skip


def rows_of(messages: Sequence[Message], source: Input | None = None) -> Rows:
    return RecordReader(source or whole(TOPIC), early=False).read(messages).rows


def batch(messages: Sequence[Message], source: Input | None = None, **places: int) -> Batch:
    """A batch of one input; the places are those after its records."""
    source = source or whole(TOPIC)
    after: dict[tuple[str, int], int] = {}
    for one in messages:
        after[source.topic, one.partition() or 0] = (one.offset() or 0) + 1
    return Batch((rows_of(messages, source),) if messages else (), after)


def target(root: Path, layout: Layout | None = None, **more: Any) -> ParquetTarget:
    return ParquetTarget(FolderStore(root), layout, **more)


def claim(
    one: ParquetTarget, source: Input | None = None, *, owner: str = "here pid 1", epoch: int | None = None,
    sink: str = "clickstream", topic_id: str = "id",
) -> Stored:  # fmt: skip
    """Connect as the loop does."""
    source = source or whole(TOPIC)
    one.connect()
    one.prepare([source])
    return one.claim(Claim(sink, owner, [LogIdentity(source.topic, topic_id)], epoch))


def fill(one: ParquetTarget, log: Sequence[Message], size: int, source: Input | None = None) -> Written:
    """Claim it, and write all of a log that it lacks, in batches of `size` records."""
    has = {number: place.offset for (_topic, number), place in claim(one, source).places.items()}
    missing = [message for message in log if (message.offset() or 0) >= has.get(message.partition() or 0, 0)]
    total = Written()
    for start in range(0, len(missing), size):
        written = one.write(batch(missing[start : start + size], source))
        total.appended += written.appended
        total.deleted += written.deleted
    return total


def ask(root: Path, sql: str) -> list[tuple[Any, ...]]:
    """What DuckDB answers after it has read archive.sql."""
    with duckdb.connect() as connection:
        connection.execute((root / "archive.sql").read_text("utf-8"))
        return connection.execute(sql).fetchall()


def origins(root: Path, table: str = TOPIC) -> list[tuple[int, int]]:
    return ask(root, f'SELECT _partition, _offset FROM "{table}" ORDER BY ALL')


def in_log(log: Sequence[Message]) -> list[tuple[int, int]]:
    return sorted((one.partition() or 0, one.offset() or 0) for one in log)


def data_files(root: Path) -> list[str]:
    return sorted(str(one.relative_to(root)) for one in root.rglob("*.parquet"))


def interleaved(count: int, partitions: int = 2, hours: int = 3) -> list[Message]:
    """Records whose hours alternate, as late rows do."""
    return [
        record(
            number // partitions, b"%d" % number, partition=number % partitions, timestamp=START + number % hours * HOUR
        )
        for number in range(count)
    ]


def versions(root: Path, table: str = TOPIC) -> Iterator[str]:
    return (one.name for one in sorted((root / table / "manifest").iterdir()))
