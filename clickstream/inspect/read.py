"""Reading records to look at them: spans of partitions, the last few, and on as they come."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableSequence, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition

from clickstream.errors import ClickstreamError
from clickstream.inspect.offsets import Limits, Partition
from clickstream.inspect.render import timestamp_of
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import End, split

BATCH = 1_000
PATIENCE_S = 30.0
_POLL_S = 0.2
# Each window further back is larger: a handful of them reaches the start of any partition.
_WINDOW_GROWTH = 16

Keep = Callable[[Message], bool]
Open = Callable[[Message], None]
"""Replaces what is in a message by what can be read, before anybody looks at it. Raises ClickstreamError."""


@dataclass(frozen=True)
class Span:
    """Offsets from `start` up to, not including, `end`; without an end, whatever comes."""

    start: int
    end: int | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to read."""
        return self.end is not None and self.start >= self.end


def reader(cluster: Cluster, properties: Mapping[str, Any] | None = None) -> Consumer:
    """A consumer for looking: it joins no group, commits nothing, and goes on where retention has deleted records.

    `properties` win over the user's.
    """
    return cluster.consumer(
        "clickstream-reader",
        {
            "auto.offset.reset": "earliest",
            # How long the broker holds back the news that a partition has nothing more; the default is 500.
            "fetch.wait.max.ms": 100,
            **(properties or {}),
        },
    )


def read(
    consumer: Consumer,
    spans: Mapping[Partition, Span],
    address: str,
    stop: threading.Event,
    *,
    patience: float = PATIENCE_S,
    opened: Open | None = None,
) -> Iterator[list[Message]]:
    """The records of the spans in batches, `opened`; an empty batch when nothing came for a moment.

    Ends when `stop` is set, or when each span is read: at its `end`, or where the partition ends before it,
    for an offset may belong to no record (transactions, compaction) and waiting for it would never end.
    Raises ClickstreamError when a span with an end gets no answer for `patience` seconds.
    """
    left = {partition: span for partition, span in spans.items() if not span.empty}
    consumer.assign([TopicPartition(topic, number, span.start) for (topic, number), span in left.items()])
    heard = time.monotonic()
    while left and not stop.is_set():
        first = consumer.poll(_POLL_S)
        # One poll, then what is there: a consume() of a batch would wait out its time at the end of a topic.
        found = [] if first is None else [first, *consumer.consume(BATCH - 1, 0)]
        batch, finished = _sort_out(found, left, address)
        for partition in finished:
            del left[partition]
        if finished and left:
            consumer.incremental_unassign([TopicPartition(*partition) for partition in finished])
        if opened is not None:
            for message in batch:
                opened(message)
        yield batch
        if found:
            heard = time.monotonic()
        elif time.monotonic() > heard + patience:
            _give_up(left, address, patience)
    consumer.unassign()


def _sort_out(
    found: list[Message], left: Mapping[Partition, Span], address: str
) -> tuple[list[Message], set[Partition]]:
    """The records that are in their spans, and the partitions that are done."""
    batch: list[Message] = []
    finished: set[Partition] = set()
    for part in split(found, address):
        if isinstance(part, End):
            partition = (part.topic, part.partition)
            if partition in left and left[partition].end is not None:
                finished.add(partition)
            continue
        for message in part.messages:
            partition = (message.topic() or "", message.partition() or 0)
            span = left.get(partition)
            if span is None or partition in finished:
                continue
            offset = message.offset() or 0
            if span.end is None or offset < span.end:
                batch.append(message)
            if span.end is not None and offset >= span.end - 1:
                finished.add(partition)
    return batch, finished


def _give_up(left: Mapping[Partition, Span], address: str, patience: float) -> None:
    silent = sorted(partition for partition, span in left.items() if span.end is not None)
    if silent:
        topic, number = silent[0]
        raise ClickstreamError(
            f"Kafka at {address} sent nothing of {topic} partition {number} for {patience:.0f} s. "
            f"Check its leader with: clickstream topics describe {topic}"
        )


def last(
    consumer: Consumer,
    limits: Mapping[Partition, Limits],
    number: int,
    address: str,
    stop: threading.Event,
    *,
    keep: Keep = lambda message: True,
    window: int = 0,
    opened: Open | None = None,
    most_bytes: int | None = None,
) -> list[Message]:
    """The last `number` records of one topic, `opened`, that `keep` wants, by (timestamp, partition, offset).

    Reads each partition backwards in windows of at least `window` offsets, growing until enough is found or
    its start is reached. Holds at most `number` records per partition, and twice `most_bytes` of them. Raises
    ClickstreamError when the last `number` have more than `most_bytes`, and what `read` raises.
    """
    if number == 0:
        return []
    found: dict[Partition, list[Message]] = {partition: [] for partition in limits}
    counts = dict.fromkeys(limits, 0)
    tops = {partition: limit.high for partition, limit in limits.items()}
    step = max(number, window, 1)
    held = 0
    while not stop.is_set():
        spans = {
            partition: Span(max(limits[partition].low, top - step), top)
            for partition, top in tops.items()
            if top > limits[partition].low and counts[partition] < number
        }
        if not spans:
            break
        windows = {partition: deque[Message](maxlen=number - counts[partition]) for partition in spans}
        for batch in read(consumer, spans, address, stop, opened=opened):
            for message in filter(keep, batch):
                partition = (message.topic() or "", message.partition() or 0)
                newest = windows[partition]
                held += size_of(message) - (size_of(newest[0]) if len(newest) == newest.maxlen else 0)
                newest.append(message)
                counts[partition] += 1
            if most_bytes is not None and held > 2 * most_bytes:
                held = _forget_older([*windows.values(), *found.values()], number)
                if held > most_bytes:
                    raise _too_large(next(iter(limits))[0], number, most_bytes)
        for partition, span in spans.items():
            found[partition] = [*windows[partition], *found[partition]]
            tops[partition] = span.start
        step *= _WINDOW_GROWTH
    return sorted((message for messages in found.values() for message in messages), key=_age)[-number:]


def size_of(message: Message) -> int:
    """The bytes of a record's key and value."""
    return len(message.key() or b"") + len(message.value() or b"")


def _forget_older(lanes: Sequence[MutableSequence[Message]], number: int) -> int:
    """Leaves the last `number` records of all lanes together; their bytes."""
    newest = sorted((message for lane in lanes for message in lane), key=_age)[-number:]
    kept = set(map(id, newest))
    for lane in lanes:
        wanted = [message for message in lane if id(message) in kept]
        lane.clear()
        lane.extend(wanted)
    return sum(map(size_of, newest))


def _too_large(topic: str, number: int, most_bytes: int) -> ClickstreamError:
    return ClickstreamError(
        f"The last {number:,} records of {topic} have more than {most_bytes // 2**20} MB. "
        "Ask for fewer records (--records)."
    )


def _age(message: Message) -> tuple[int, int, int]:
    timestamp = timestamp_of(message)
    return (-1 if timestamp is None else timestamp, message.partition() or 0, message.offset() or 0)
