"""The Kafka that is measured on: a real one of its own, in a temporary directory, gone when the run ends."""

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Message

from bench.measure import cpu_seconds
from clickstream.broker import EmbeddedBroker
from clickstream.kafka.admin import delete, existing
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import partitions_of, read_to_end, watermarks
from clickstream.topics import Declared, ensure

PARTITIONS = 3

# Of the broker and of the peers.
JAVA = os.environ.get("CLICKSTREAM_JAVA", "auto")


class BenchKafka:
    """Its address, and what a measurement asks of it."""

    def __init__(self, cluster: Cluster, pid: int, directory: Path) -> None:
        self.cluster = cluster
        self.address = cluster.address
        self.directory = directory  # for whatever else is temporary
        self._pid = pid

    def topic(self, name: str, partitions: int = PARTITIONS) -> str:
        """Create a topic; returns its name."""
        ensure(self.cluster, [Declared(name, partitions)])
        return name

    def drop(self, *names: str) -> None:
        """Delete those of the topics that exist: their files would only fill the disk."""
        delete(self.cluster, set(names) & existing(self.cluster).keys())

    def cpu(self) -> float:
        """CPU seconds that the broker has used so far."""
        return cpu_seconds(self._pid)

    def records(self, topic: str) -> int:
        """How many records a topic holds that no transaction has written."""
        consumer = self.cluster.consumer("bench")
        try:
            total = 0
            for partition in partitions_of(consumer, topic, self.address):
                low, high = watermarks(consumer, topic, partition, self.address)
                total += high - low
            return total
        finally:
            consumer.close()

    def names(self, topic: str) -> dict[str, int]:
        """How often each eventName occurs, by a count that shares no code with those that are measured."""
        found: Counter[str] = Counter()

        def take(message: Message) -> None:
            found[json.loads(message.value() or b"")["eventName"]] += 1

        read_to_end(self.cluster, topic, take, timeout=600.0)
        return dict(found)

    def tally(self, topic: str) -> dict[str, int]:
        """The last tally of every key, added up: Streams publishes one per partition, we one per group."""
        latest: dict[bytes | None, dict[str, int]] = {}

        def take(message: Message) -> None:
            fields = json.loads(message.value() or b"{}")
            latest[message.key()] = {name: count for name, count in fields.items() if isinstance(count, int)}

        read_to_end(self.cluster, topic, take)
        total: Counter[str] = Counter()
        for counts in latest.values():
            total.update(counts)
        return dict(total)


@contextmanager
def bench_kafka(notify: Callable[[str], None]) -> Iterator[BenchKafka]:
    """A Kafka for the block, on a free port."""
    directory = Path(tempfile.mkdtemp(prefix="clickstream-bench-"))
    broker = EmbeddedBroker(directory / "kafka", java=JAVA, port=0, linger=5.0, notify=notify)
    lease = broker.acquire()  # when this fails, its log stays
    try:
        status = broker.status()
        assert status.pid is not None
        yield BenchKafka(Cluster(lease.address, embedded=True, data_dir=status.data_dir), status.pid, directory)
    finally:
        lease.release()
        broker.stop(force=True)
        shutil.rmtree(directory, ignore_errors=True)
