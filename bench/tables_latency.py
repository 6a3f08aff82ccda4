"""`bench tables-latency`: from produce() of a click to the arrival of the result's record that includes it."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition

from bench.broker import PARTITIONS, BenchKafka, bench_kafka
from bench.clicks import click
from bench.latency import LAST_WITHIN_S, READY_WITHIN_S, WARM_UP_S, Latency, running, summary
from bench.programs import OURS
from bench.tables import SQL, USERS, Data, Say, load_references
from bench.tables_sql import renamed, variant
from clickstream.errors import ClickstreamError
from clickstream.generate.people import crowd_size, user_number
from clickstream.kafka.consume import EARLIEST
from clickstream.kafka.produce import Sender
from clickstream.logtime import now_ms

STREAM, TABLE = "user_clickstream", "events_per_min"
TITLES = {STREAM: "a stream, joined with a reference", TABLE: "a table, TUMBLE 60 s, early rows"}
WINDOW_MS = 60_000
LINGER_MS = 10  # the default of our producers
TICK_S = 0.01  # a tick's clicks are sent at once: a time.sleep() for each of them would cost more than all the rest

VISITORS = [number for number in range(crowd_size(USERS)) if user_number(number) is not None]


class Arrivals:
    """When each click was sent and when a result first included it. Times in seconds of one clock.

    A stream's row names its click by partition and offset. A table's row has a count of n: it includes the first n
    clicks of its user and window, which come in order, because all clicks of a user are in one partition.
    """

    def __init__(self) -> None:
        self._by_offset: dict[int, list[float]] = defaultdict(list)
        self._by_window: dict[tuple[int, int], list[float]] = defaultdict(list)
        self._seen: dict[tuple[int, int], int] = defaultdict(int)
        self.latencies: dict[str, list[tuple[float, float]]] = {STREAM: [], TABLE: []}  # time sent, s until seen

    def sent(self, user: int, partition: int, ms: int, at: float) -> None:
        """A user's click at epoch `ms` is about to be sent as the partition's next record."""
        self._by_offset[partition].append(at)
        self._by_window[user, ms // WINDOW_MS].append(at)

    def stream_row(self, row: Mapping[str, Any], at: float) -> None:
        """A row of the stream arrived."""
        sent = self._by_offset[row["src_partition"]][row["src_offset"]]
        self.latencies[STREAM].append((sent, at - sent))

    def table_row(self, row: Mapping[str, Any], at: float) -> None:
        """A row of the table arrived, early or final."""
        begin = datetime.fromisoformat(row["window_start"]).replace(tzinfo=UTC)
        window = row["userid"], int(begin.timestamp() * 1000) // WINDOW_MS
        new = self._by_window[window][self._seen[window] : row["events"]]
        self.latencies[TABLE] += [(sent, at - sent) for sent in new]
        self._seen[window] += len(new)

    def complete(self, count: int) -> bool:
        """Whether all of `count` clicks have been seen in both."""
        return all(len(found) >= count for found in self.latencies.values())


def measure(rate: float, interval: float, duration: float, say: Say) -> dict[str, Latency]:
    """The latencies over `duration` seconds, by result. Raises ClickstreamError when clicks do not show."""
    with bench_kafka(say) as kafka:
        data = Data(
            {0: kafka.topic("clicks")},
            {
                "clickstream_codes": kafka.topic("codes", partitions=1),
                "clickstream_users": kafka.topic("users"),
            },
        )
        load_references(kafka, data, USERS, now_ms())
        outputs = {name: kafka.topic(f"latency-{name}") for name in TITLES}
        file = kafka.directory / "latency.sql"
        sql = variant(SQL.read_text("utf-8"), TITLES.__contains__, renamed(data.sources(0), "latency-"))
        file.write_text(sql, "utf-8")
        where = ("-b", kafka.address, "--state-dir", str(kafka.directory / "state"))
        how = ("--emit", "changes", "--early-interval", str(interval), "--quiet")
        say(f"{rate:,.0f} clicks/s for {WARM_UP_S + duration:.0f} s")
        with running([*OURS, "tables", "run", str(file), *where, *how]):
            return _measure(kafka, data.sources(0)["clickstream"], outputs, rate, duration)


def _measure(
    kafka: BenchKafka, topic: str, outputs: dict[str, str], rate: float, duration: float
) -> dict[str, Latency]:
    arrivals = Arrivals()
    sender = Sender(kafka.cluster.producer({"linger.ms": LINGER_MS}))
    reader = kafka.cluster.consumer("bench")
    reader.assign([TopicPartition(name, number, EARLIEST) for name in outputs.values() for number in range(PARTITIONS)])
    stop = threading.Event()
    probe: threading.Thread | None = None
    try:
        _send(sender, topic, arrivals, PARTITIONS, rate, stop)
        _follow(reader, outputs, arrivals, PARTITIONS, READY_WITHIN_S)
        count = round(rate * (WARM_UP_S + duration))
        begin = time.monotonic()
        probe = threading.Thread(target=_send, args=(sender, topic, arrivals, count, rate, stop), daemon=True)
        probe.start()
        _follow(reader, outputs, arrivals, PARTITIONS + count, WARM_UP_S + duration + LAST_WITHIN_S)
    finally:
        stop.set()
        if probe is not None:
            probe.join()
        reader.close()
        sender.close()
    return {
        name: summary(LINGER_MS, [seconds for sent, seconds in found if sent >= begin + WARM_UP_S])
        for name, found in arrivals.latencies.items()
    }


def _send(sender: Sender, topic: str, arrivals: Arrivals, count: int, rate: float, stop: threading.Event) -> None:
    """Send `count` clicks at `rate` per second, those of a tick at once."""
    begin = time.monotonic()
    tick = max(1, round(rate * TICK_S))
    for first in range(0, count, tick):
        if stop.wait(max(0.0, begin + first / rate - time.monotonic())):
            return
        for number in range(first, min(count, first + tick)):
            visitor = VISITORS[number % len(VISITORS)]
            partition = visitor % PARTITIONS
            ms = now_ms()
            key, value = click(visitor, ms)
            arrivals.sent(user_number(visitor) or 0, partition, ms, time.monotonic())
            sender.send(topic, value, key.encode(), partition=partition)
        sender.poll()


def _follow(reader: Consumer, outputs: dict[str, str], arrivals: Arrivals, count: int, timeout: float) -> None:
    """Note results until `count` clicks have been seen in all of them."""
    take = {outputs[STREAM]: arrivals.stream_row, outputs[TABLE]: arrivals.table_row}
    deadline = time.monotonic() + timeout
    while not arrivals.complete(count):
        message: Message | None = reader.poll(0.2)
        at = time.monotonic()
        if at > deadline:
            seen = " and ".join(f"{len(found):,}" for found in arrivals.latencies.values())
            raise ClickstreamError(f"Of {count:,} clicks only {seen} showed in the results in time.")
        if message is not None and message.error() is None:
            take[message.topic() or ""](json.loads(message.value() or b""), at)
