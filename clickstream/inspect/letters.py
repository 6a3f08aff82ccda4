"""Dead letters: which there are, one of them, and sending one again once it is repaired.

A retry sends the record to the topic that it came from, with its key and headers, waits until Kafka has acknowledged
it, and then marks the letter: a record of headers alone beside it, in its partition. A letter that is marked is not
sent again; one of which something was cut off, or that came from a file or a request, never. Nor is one whose topic,
if records replace each other there, has a later record of its key: the older one would undo it.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import Message

from clickstream.errors import ClickstreamError
from clickstream.inspect.conditions import Condition, Subject
from clickstream.inspect.details import configs
from clickstream.inspect.offsets import Limits, Partition
from clickstream.inspect.read import Span, read, reader
from clickstream.inspect.search import Answer, Bounds, NoRecord, Question, Search
from clickstream.inspect.tail import find
from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import FoundLetter, found_letter, headers_of
from clickstream.kafka.produce import Headers, Sender

# Headers of a mark: which letter (its offset; the partition is the mark's own) was sent again, and to which topic.
RETRIED_OFFSET = "retried-offset"
RETRIED_TO = "retried-to"

ACKNOWLEDGED_WITHIN_S = 20.0

_retrying = threading.Lock()


class NotSent(ClickstreamError):
    """A letter that cannot be sent again."""


@dataclass(frozen=True)
class Letter:
    """A record of a dead-letter topic. `found` is None when it is none: anyone may write to a topic."""

    partition: int
    offset: int
    found: FoundLetter | None
    retried: bool
    """Whether it is marked as sent again."""


Shown = TypeVar("Shown")
Place = tuple[int, int]


@dataclass(frozen=True)
class Letters:
    """The newest letters first; `more`: there are others before them."""

    letters: list[Letter]
    more: bool


def newest(
    cluster: Cluster,
    topic: str,
    limit: int,
    stop: threading.Event,
    *,
    wanted: Callable[[FoundLetter], bool] = lambda letter: True,
    bounds: Bounds | None = None,
) -> Letters:
    """The last `limit` letters that are wanted. Raises ClickstreamError when the topic cannot be read."""
    answer, marks = look(cluster, topic, limit, stop, lambda message: message, wanted=wanted, bounds=bounds)
    letters = [_letter(message, marks) for message in answer.found]
    return Letters(letters, answer.places is not None)


def look(
    cluster: Cluster,
    topic: str,
    limit: int,
    stop: threading.Event,
    show: Callable[[Message], Shown],
    *,
    wanted: Callable[[FoundLetter], bool] = lambda letter: True,
    bounds: Bounds | None = None,
    instant: int | None = None,
) -> tuple[Answer[Shown], set[Place]]:
    """As `newest`, of each what `show` makes of it, and the places (partition, offset) of letters that are marked.

    Letters and marks are those that there were at `instant` (epoch ms, included; None is now).
    """
    marks: set[Place] = set()
    question = Question(topic, limit=limit, condition=Condition((_Wanted(wanted, marks),)), instant=instant)
    return Search(cluster, question, show, bounds).run(stop), marks


@dataclass(frozen=True)
class _Wanted:
    """Letters that are wanted, and what is no letter; marks are noted on the way (each stands behind its letter)."""

    wanted: Callable[[FoundLetter], bool]
    marks: set[Place]

    def accepts(self, subject: Subject) -> bool:
        message = subject.message
        marked = mark_of(message)
        if marked is not None:
            self.marks.add((message.partition() or 0, marked))
            return False
        found = found_letter(message)
        return found is None or self.wanted(found)


def letter(cluster: Cluster, topic: str, partition: int, offset: int, stop: threading.Event) -> Letter:
    """The record at that place, and whether it is marked; raises ClickstreamError when there is none,
    or when `stop` was set meanwhile."""
    limits = find(cluster, cluster.admin(), [topic], partition)
    limit = limits[topic, partition]
    consumer = reader(cluster)
    message: Message | None = None
    retried = False
    try:
        for batch in read(consumer, {(topic, partition): Span(offset, limit.high)}, cluster.address, stop):
            for one in batch:
                if one.offset() == offset:
                    message = one
                retried = retried or mark_of(one) == offset
            if message is None and batch:
                break
    finally:
        consumer.close()
    if stop.is_set():
        # Its mark may stand behind what was read.
        raise ClickstreamError(f"Stopped while looking for letter {partition}:{offset} of {topic}, and for its mark.")
    if message is None:
        raise NoRecord(f"Topic {topic} partition {partition} has no letter at offset {offset}.")
    return Letter(partition, offset, found_letter(message), retried)


def why_not(letter: Letter) -> str:
    """Why the letter cannot be sent again, as a sentence; empty when it can."""
    found = letter.found
    if found is None:
        return "This record is no dead letter: it lacks the headers of one."
    if letter.retried:
        return "It was sent again already."
    if found.origin.request is not None:
        return f"It came with a request, {found.origin}: send the repaired event to the collector again."
    if found.origin.topic is None:
        return f"It came from a file, {found.origin}: send the line with clickstream replay or topics produce."
    if not found.whole:
        what = " and ".join(sorted(found.left_out)) or f"the value behind byte {len(found.value or b''):,}"
        return f"It is cut: {what} was too large for the dead-letter topic, and is not here."
    return ""


def retry(
    cluster: Cluster,
    topic: str,
    partition: int,
    offset: int,
    stop: threading.Event,
    *,
    value: bytes | None = None,
) -> str:
    """Send a letter of `topic` to the topic that it came from, and mark it; returns that topic's name.

    `value`, if there is one, goes in the place of the value that could not be read. Raises NotSent when it cannot be
    sent (see why_not), or when its topic, where records replace each other, has a later one of its key;
    ClickstreamError when it was not acknowledged. Then it is not marked.
    """
    with _retrying:
        found = letter(cluster, topic, partition, offset, stop)
        refusal = why_not(found)
        if refusal or found.found is None or found.found.origin.topic is None:
            raise NotSent(f"Letter {partition}:{offset} of {topic} is not sent again. {refusal}")
        target = found.found.origin.topic
        # A broker may create topics by itself: not one for a retry.
        limits = find(cluster, cluster.admin(), [target])
        later = _later(cluster, found.found, limits, stop)
        if later is not None:
            raise NotSent(
                f"Letter {partition}:{offset} of {topic} is not sent again: in {target} a later record of its key, at "
                f"offset {later}, has taken its place."
            )
        if stop.is_set():
            raise NotSent(f"Letter {partition}:{offset} of {topic} is not sent again: stopped before.")
        headers: Headers = list(found.found.headers)
        _send(cluster, target, found.found.value if value is None else value, found.found.key, headers, "The record")
        mark: Headers = [(RETRIED_OFFSET, str(offset).encode()), (RETRIED_TO, target.encode())]
        _send(cluster, topic, None, None, mark, f"The record was sent to {target}, but its mark", partition)
        return target


def _later(
    cluster: Cluster, found: FoundLetter, limits: Mapping[Partition, Limits], stop: threading.Event
) -> int | None:
    """The offset of a record behind the letter's, of the same key, where records replace each other (compaction)."""
    origin = found.origin
    if origin.topic is None or origin.partition is None or origin.offset is None or found.key is None:
        return None
    limit = limits.get((origin.topic, origin.partition))
    settings = configs(cluster, cluster.admin(), [origin.topic]).get(origin.topic, {})
    if limit is None or "compact" not in settings.get("cleanup.policy", ""):
        return None
    consumer = reader(cluster)
    try:
        span = Span(origin.offset + 1, limit.high)
        for batch in read(consumer, {(origin.topic, origin.partition): span}, cluster.address, stop):
            for message in batch:
                if message.key() == found.key:
                    return message.offset()
    finally:
        consumer.close()
    return None


def _send(
    cluster: Cluster,
    topic: str,
    value: bytes | None,
    key: bytes | None,
    headers: Headers,
    what: str,
    partition: int = -1,
) -> None:
    sender = Sender(cluster.producer({"linger.ms": 0}))
    try:
        sender.send(topic, value, key, headers=headers or None, partition=partition)
        sender.must_have_delivered(f"{what} for {topic}", ACKNOWLEDGED_WITHIN_S)
    finally:
        sender.close(0.0)  # what was not acknowledged in time must not be sent later, when nobody expects it any more


def mark_of(message: Message) -> int | None:
    """The offset of the letter that this record marks as sent again; None when it is no mark."""
    for name, octets in headers_of(message):
        if name == RETRIED_OFFSET and octets is not None and octets.isdigit() and len(octets) < 20:
            return int(octets)
    return None


def _letter(message: Message, marks: set[Place]) -> Letter:
    place = (message.partition() or 0, message.offset() or 0)
    return Letter(*place, found_letter(message), place in marks)
