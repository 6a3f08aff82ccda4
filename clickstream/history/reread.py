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
SHORTER = "Ask for a shorter time."


class Reread(msgspec.Struct, frozen=True):
    """`records` were read, of which `skipped` could not be understood.

    `complete` is False when a limit was reached, it was cancelled, or the topic does not hold all of the time any more,
    as `words` say: then it is of no use. `doubt` says why the topic may have lost some of the time, where nobody can
    know: then that another count has more tells nothing.
    """

    records: int
    skipped: int
    seconds: float
    complete: bool
    words: str
    doubt: str = ""


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
    empty: Mapping[int, int] | None = None,
    within_s: float = WITHIN_S,
    max_records: int = MAX_RECORDS,
) -> Reread:
    """Read the records of [start, end) in event time, to where the topic ends now, and hand each, `opened`, to `take`.

    `empty` are partitions that had no records before somebody counted them, and where theirs begin: what was deleted
    there by then nobody misses. Raises ClickstreamError when Kafka does not answer.
    """
    begun = time.monotonic()
    # The end was there when the question came: more than that it need not know.
    logs = limits(cluster, topic)
    spans = _spans(cluster, topic, logs, start - AHEAD_MS)
    cut = {partition for partition, log in logs.items() if 0 < log.low == spans[partition].start < log.high}
    understood: Reader[Record] = Reader(kind)
    words, number = "", 0
    emptied = (one for one, log in logs.items() if 0 < log.low == log.high and (empty or {}).get(one) != log.low)
    doubt = next(map(_emptied, emptied), "")
    for batch in _batches(cluster, topic, spans, stop, opened):
        number += len(batch)
        for first in _firsts(batch, cut) if cut else ():
            at = timestamp_of(first)
            if at is not None and at > start and _is_late(first, at, kind):
                doubt = _begins(at, end)
            elif at is not None and at > start:
                words = _begins(at, end)
        for record in understood.read(map(Message.value, batch)):
            if start <= record.time < end:
                take(record)
        if words:
            break
        if number >= max_records:
            words = f"Stopped after {number:,} records. {SHORTER}"
        elif time.monotonic() - begun >= within_s:
            words = f"Stopped after {within_s:.0f} s, {number:,} records. {SHORTER}"
        if words:
            break
    if stop.is_set():
        words = "Cancelled."
    skipped = sum(understood.skipped.values())
    return Reread(number, skipped, round(time.monotonic() - begun, 3), not words, words, doubt)


def _firsts(batch: Iterable[Message], cut: set[int]) -> Iterator[Message]:
    """The first record of each of the partitions `cut` at their beginnings; of each it is told once."""
    for message in batch:
        if message.partition() in cut and message.offset() is not None:
            cut.discard(message.partition() or 0)
            yield message


def _is_late(message: Message, at: int, kind: type[Record]) -> bool:
    """Whether it happened long before it was written: what was deleted before it may be of any time, or of another."""
    return any(record.time < at - AHEAD_MS for record in Reader(kind).read([message.value()]))


def _begins(at: int, end: int) -> str:
    begins = f"What the topic has left begins at {utc_text(at / 1000)}"
    return f"{begins}. {SHORTER}" if at < end else f"{begins}, after this time: it may have lost records of it."


def _emptied(partition: int) -> str:
    return f"All records of the topic's partition {partition} were deleted: some may have been of this time."


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
