"""A topic read again, for numbers that are counted without the history."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec
from confluent_kafka import Message

from clickstream.history.decode import Reader, Record
from clickstream.inspect.read import Open, Span, read, reader
from clickstream.inspect.render import timestamp_of
from clickstream.kafka.clients import Cluster
from clickstream.kafka.offsets import Limits, at_times, limits
from clickstream.records import utc_text

# A record may have been written so long before the time that it tells: a clock that is ahead.
AHEAD_MS = 60_000
WITHIN_S = 60.0
MAX_RECORDS = 5_000_000


class Reread(msgspec.Struct, frozen=True):
    """`records` were read, of which `skipped` could not be understood.

    `complete` is False when a limit was reached, it was cancelled, or the topic does not hold all of the time any more,
    as `words` say: then it is of no use.
    """

    records: int
    skipped: int
    seconds: float
    complete: bool
    words: str


def reread(
    cluster: Cluster,
    topic: str,
    kind: type[Record],
    start: int,
    end: int,
    take: Callable[[Record], None],
    stop: threading.Event,
    *,
    opened: Open | None = None,
    within_s: float = WITHIN_S,
    max_records: int = MAX_RECORDS,
) -> Reread:
    """Read the records of [start, end) in event time, to where the topic ends now, and hand each, `opened`, to `take`.

    Raises ClickstreamError when Kafka does not answer.
    """
    begun = time.monotonic()
    # The end was there when the question came: more than that it need not know.
    logs = limits(cluster, topic)
    spans = _spans(cluster, topic, logs, start - AHEAD_MS)
    cut = {partition for partition, log in logs.items() if 0 < log.low == spans[partition].start < log.high}
    understood: Reader[Record] = Reader(kind)
    words, number = "", 0
    for batch in _batches(cluster, topic, spans, stop, opened):
        number += len(batch)
        words = _removed(batch, cut, start) if cut else ""
        for record in understood.read(map(Message.value, batch)):
            if start <= record.time < end:
                take(record)
        if words:
            break
        if number >= max_records:
            words = f"Stopped after {number:,} records."
        elif time.monotonic() - begun >= within_s:
            words = f"Stopped after {within_s:.0f} s, {number:,} records."
        if words:
            break
    if stop.is_set():
        words = "Cancelled."
    skipped = sum(understood.skipped.values())
    return Reread(number, skipped, round(time.monotonic() - begun, 3), not words, words)


def _removed(batch: Iterable[Message], cut: set[int], start: int) -> str:
    """Words, if one of the partitions `cut` at their beginnings begins later than `start`; they are looked at once."""
    for message in batch:
        if message.partition() not in cut or message.offset() is None:
            continue
        cut.discard(message.partition() or 0)
        at = timestamp_of(message)
        if at is not None and at > start:
            return f"What the topic has left begins at {utc_text(at / 1000)}."
    return ""


def _spans(cluster: Cluster, topic: str, logs: Mapping[int, Limits], since: int) -> dict[int, Span]:
    found = at_times(cluster, topic, dict.fromkeys(logs, max(0, since)))
    return {
        partition: Span(found[partition] if found[partition] >= 0 else log.high, log.high)
        for partition, log in logs.items()
    }


def _batches(
    cluster: Cluster, topic: str, spans: Mapping[int, Span], stop: threading.Event, opened: Open | None
) -> Iterator[list[Message]]:
    consumer = reader(cluster, {"queued.max.messages.kbytes": 4_096})
    try:
        places = {(topic, partition): span for partition, span in spans.items()}
        yield from read(consumer, places, cluster.address, stop, opened=opened)
    finally:
        consumer.close()
