"""The places of sinks whose targets hold no offsets: in a compacted topic of Kafka, one process at a time.

Each sink has a transactional id of its own. Who takes over begins with that id, which ends and fences what the process
before has under way; then it reads, and writes down itself as the owner, with the next epoch. A process that finds its
transactions over reads who the owner is. If that is still itself, the broker has forgotten it, after a long outage for
example, and it goes on; the epochs decide, not who came last, so one that was frozen and wakes cannot push out its
successor.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from confluent_kafka import Message

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import EARLIEST, read_to_end
from clickstream.kafka.log import LogIdentity
from clickstream.kafka.offsets import Partition, ends
from clickstream.kafka.patience import Stopped
from clickstream.kafka.transactions import Fenced as EndedByKafka
from clickstream.kafka.transactions import Record, Transactions
from clickstream.records import SinkExtra, SinkKey, SinkOwner, SinkPlace, decode, encode
from clickstream.sinks.model import Claim, Input, Place, Stored
from clickstream.sinks.target import Away, Fenced
from clickstream.stop import Stop

Found = TypeVar("Found", SinkOwner, SinkPlace, SinkExtra)

NOT_DECODED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
TOO_HIGH = 2**62  # for an epoch, and for an offset

MAX_EXTRA_BYTES = 500_000
LOOK_AGAIN_S = 0.2


class NotUnderstood(ClickstreamError):
    """What is written of a sink has another form than this version writes."""


class _Epoch(msgspec.Struct):
    epoch: int


@dataclass(frozen=True)
class Seen:
    """Who wrote last for a sink, what it has written, and why another target or other topics need another name."""

    owner: SinkOwner | None
    places: Mapping[Partition, Place]
    problems: Sequence[str]


class Ledger:
    """What one sink has done, for a target that is not asked for it. Used on one thread."""

    def __init__(
        self, cluster: Cluster, topic: str, kind: str, where: str, stop: Stop | None = None, *, moved: bool = False
    ) -> None:
        """`where` is the target: the places of a sink are of no other one, unless it has `moved`.

        With `stop`, everything waits for Kafka until it is set, and then raises Stopped.
        """
        self._cluster = cluster
        self._topic = topic
        self._kind = kind
        self._where = where
        self._stop = stop
        self._moved = moved
        self._transactions: Transactions | None = None
        self._claim: Claim | None = None
        self._ids: dict[str, str] = {}
        self._epoch = 0
        self._read: dict[int, int] = {}  # offsets of the ledger topic to read next
        self._found: dict[SinkKey, bytes] = {}
        self._strange: set[bytes] = set()  # keys of records that are this sink's, as far as can be told

    # --- the contract's part

    def claim(self, claim: Claim) -> Stored:
        """Take over, or make sure that the own epoch still holds.

        Raises Fenced with the newer owner's name, ConfigError when the sink of that name is another one, Away.
        """
        if claim.sink != (self._claim.sink if self._claim else None):
            self._begin_reading()
        self._claim = claim
        self._ids = {one.topic: one.topic_id for one in claim.topics}
        self._read_on()
        if claim.epoch is None:
            self._refuse_another(self._ids)
            return self._take_over(claim)
        self._epoch = claim.epoch
        self.verify(read=False)
        if self._transactions is None:
            self._transactions = self._begin()
            self._read_on()
            self.verify(read=False)
        return Stored(self._epoch, self.places())

    def look(self, sink: str, topics: Sequence[LogIdentity]) -> "Seen":
        """How things stand with a sink, and its places of some topics; nothing is claimed."""
        self._begin_reading()
        self._claim = Claim(sink, "", topics)
        self._ids = {one.topic: one.topic_id for one in topics}
        self._read_on()
        problems = []
        try:
            self._refuse_another(self._ids)
        except ConfigError as another:
            problems.append(str(another))
        return Seen(self._owner(), self.places(), problems)

    def verify(self, *, read: bool = True) -> None:
        """Make sure that nobody newer has taken over; raises Fenced."""
        if read:
            self._read_on()
        owner = self._owner()
        if owner is not None and owner.epoch > self._epoch:
            assert self._claim is not None
            raise Fenced(
                f"Sink {self._claim.sink} of {self._where} is written by {owner.owner} now. One process may do it; two "
                "sinks need two --name."
            )

    def commit(self, places: Mapping[Partition, int], extra: Mapping[Partition, str] | None = None) -> None:
        """Write down what was done, in one transaction: the offset to read next, and what the target keeps with it.

        A place never goes back. Raises Fenced, or Away when the broker has forgotten us: after the next claim, it is
        written again. Raises ClickstreamError for an extra of more than MAX_EXTRA_BYTES.
        """
        assert self._claim is not None
        own = self.places()
        records: list[tuple[SinkKey, SinkPlace | SinkExtra]] = []
        for (topic, number), offset in places.items():
            if (topic, number) in own and own[topic, number].offset >= offset:
                continue
            key = SinkKey(self._kind, self._claim.sink, topic, number)
            records.append((key, SinkPlace(self._epoch, self._claim.owner, self._ids[topic], offset)))
        for (topic, number), text in (extra or {}).items():
            if len(text) > MAX_EXTRA_BYTES:
                raise ClickstreamError(f"What is kept of {topic} partition {number} is larger than {MAX_EXTRA_BYTES}.")
            key = SinkKey(self._kind, self._claim.sink, topic, number, extra=True)
            records.append((key, SinkExtra(self._epoch, text)))
        if records:
            self._write([(key, encode(value)) for key, value in records])

    def forget(self, inputs: Sequence[Input], sink: str) -> None:
        """Forget the places of a sink, and what was kept with them; whoever writes for it is fenced.

        Raises ConfigError when the sink of that name is another one; that goes on undisturbed.
        """
        self._claim = Claim(sink, "", [])
        self._begin_reading()
        topics = {one.topic for one in inputs}
        self._read_on()
        self._refuse_another_or_unknown(topics)
        self._transactions = self._begin()
        self._read_on()
        own = [key for key in self._found if key.topic in topics]
        gone: list[tuple[SinkKey | bytes, bytes | None]] = [*((key, None) for key in own)]
        gone += [(key, None) for key in self._strange]
        if SinkKey(self._kind, sink) in self._found:
            # The epoch goes on: a process that still runs finds that it is not the owner any more.
            left = SinkOwner(self._highest_epoch() + 1, "clickstream sink --reset", self._where, [])
            gone.append((SinkKey(self._kind, sink), encode(left)))
        self._write(gone)
        self.close()

    def tend(self) -> None:
        """As sinks.target.Tended."""
        if self._transactions is not None:
            self._transactions.poll()

    def close(self) -> None:
        """Let go of the transactions; never raises."""
        if self._transactions is not None:
            self._transactions.close()
            self._transactions = None

    # --- what it has

    def places(self) -> dict[Partition, Place]:
        """By topic and partition, of the topics of the claim."""
        found = {}
        for key, value in self._found.items():
            if key.topic in self._ids and key.partition is not None and not key.extra:
                place = self._decoded(value, SinkPlace)
                found[key.topic, key.partition] = Place(place.topic_id, place.offset)
        return found

    def extras(self) -> dict[Partition, str]:
        """What the target keeps with its places, by topic and partition."""
        return {
            (key.topic, key.partition): self._decoded(value, SinkExtra).extra
            for key, value in self._found.items()
            if key.topic in self._ids and key.partition is not None and key.extra
        }

    # --- taking over

    def _refuse_another_or_unknown(self, topics: Collection[str]) -> None:
        """As _refuse_another; where its owner is not understood, the places tell of which topics it is."""
        try:
            self._refuse_another(topics)
        except NotUnderstood:
            others = {key.topic for key in self._found if key.topic is not None}
            if others and not others & set(topics):
                assert self._claim is not None
                raise ConfigError(
                    f"Sink {self._claim.sink} ({self._kind}) is that of {', '.join(sorted(others))}: give this one "
                    "another --name."
                ) from None

    def _highest_epoch(self) -> int:
        """Of all that is known of the sink, also of records that say no more that is understood."""
        return max([0, *(epoch for value in self._found.values() if (epoch := _epoch_in(value)) is not None)])

    def _refuse_another(self, topics: Collection[str]) -> None:
        """Raises ConfigError when this name is that of a sink of other topics, or of another target."""
        assert self._claim is not None
        owner = self._owner()
        if owner is None or not owner.topics:
            return
        name = self._claim.sink
        if not set(owner.topics) & set(topics):
            raise ConfigError(
                f"Sink {name} ({self._kind}) is that of {', '.join(owner.topics)}, to {owner.where}: give this one "
                "another --name."
            )
        if owner.where != self._where and not self._moved:
            raise ConfigError(
                f"Sink {name} ({self._kind}) has written to {owner.where}, and this is {self._where}: give it another "
                "--name, or say with --moved that it has what the former one had."
            )

    def _take_over(self, claim: Claim) -> Stored:
        self.close()
        self._transactions = self._begin()
        self._read_on()  # what came before we began: from here on, nobody else writes
        owner = self._owner()
        self._epoch = 1 if owner is None else owner.epoch + 1
        own = SinkOwner(self._epoch, claim.owner, self._where, sorted(self._ids))
        self._write([(SinkKey(self._kind, claim.sink), encode(own))])
        return Stored(self._epoch, self.places())

    def _begin(self) -> Transactions:
        assert self._claim is not None
        try:
            return Transactions(
                self._cluster,
                f"clickstream-sink-{self._kind}-{self._claim.sink}",
                self._stop,
                doing=f"Writing the places of sink {self._claim.sink} to {self._topic}",
            )
        except EndedByKafka as ended:
            raise Away(f"Another process began to write for sink {self._claim.sink} in the same moment") from ended

    def _write(self, records: Sequence[tuple[SinkKey | bytes, bytes | None]]) -> None:
        assert self._claim is not None
        if self._transactions is None:
            raise Away(f"Sink {self._claim.sink} has no transactions")
        written = [Record(self._topic, key if isinstance(key, bytes) else encode(key), value) for key, value in records]
        try:
            self._transactions.commit(written)
        except EndedByKafka as ended:
            self.close()
            self.verify()
            raise Away(f"Kafka has ended the transactions of sink {self._claim.sink} ({ended})") from ended
        for key, value in records:
            if isinstance(key, SinkKey):
                self._learn(key, value)

    # --- reading

    def _begin_reading(self) -> None:
        self._found, self._read, self._strange = {}, {}, set()

    def _read_on(self) -> None:
        """Read what was committed up to now.

        A transaction that is open, also another sink's, hides what was committed after it: it is waited for. Kafka
        aborts it when its time is over.
        """
        high = ends(self._cluster, self._topic, stop=self._stop)
        start = {number: self._read.get(number, EARLIEST) for number in high}
        while True:
            self._read = read_to_end(self._cluster, self._topic, self._take, start=start, stop=self._stop)
            if all(self._read[number] >= end for number, end in high.items()):
                return
            start = dict(self._read)
            if self._stop is None:
                time.sleep(LOOK_AGAIN_S)
            elif self._stop.wait(LOOK_AGAIN_S):
                raise Stopped(f"Stopped while a transaction on {self._topic} was open.")

    def _take(self, message: Message) -> None:
        assert self._claim is not None
        own = (self._kind, self._claim.sink)
        try:
            found = decode(message.key(), SinkKey)
            if encode(found) != message.key():
                raise msgspec.ValidationError("It has more than this version knows of.")
        except NOT_DECODED:
            if _begins_with(message.key() or b"", own):
                change = self._strange.discard if message.value() is None else self._strange.add
                change(message.key() or b"")
            return
        if (found.kind, found.name) == own:
            self._learn(found, message.value())

    def _learn(self, key: SinkKey, value: bytes | None) -> None:
        if value is None:
            self._found.pop(key, None)
        else:
            self._found[key] = value

    def _owner(self) -> SinkOwner | None:
        """Raises NotUnderstood for what a later version has written, or what is damaged."""
        assert self._claim is not None
        if self._strange:
            raise self._not_understood(f"a key {min(self._strange)!r}")
        value = self._found.get(SinkKey(self._kind, self._claim.sink))
        return None if value is None else self._decoded(value, SinkOwner)

    def _decoded(self, value: bytes, kind: type[Found]) -> Found:
        try:
            found: Found = decode(value, kind)
        except NOT_DECODED as problem:
            raise self._not_understood(str(problem)) from None
        if not 0 <= found.epoch < TOO_HIGH:
            raise self._not_understood(f"an epoch of {found.epoch}")
        if isinstance(found, SinkPlace) and not 0 <= found.offset < TOO_HIGH:
            raise self._not_understood(f"an offset of {found.offset}")
        return found

    def _not_understood(self, what: str) -> "NotUnderstood":
        return NotUnderstood(
            f"Topic {self._topic} has something of sink {self._claim.sink if self._claim else ''} ({self._kind}) that "
            f"is not understood ({what}): a later version wrote it, or it is damaged. Run that version; or give the "
            "sink another --name, or start it over with --reset: it begins where a new sink would, and may send again "
            "what it had sent."
        )


def _begins_with(key: bytes, own: tuple[str, str]) -> bool:
    """Whether a key that is not understood is at least that of a sink."""
    try:
        parts = msgspec.json.decode(key)
    except NOT_DECODED:
        return False
    return isinstance(parts, list) and tuple(parts[:2]) == own


def _epoch_in(value: bytes) -> int | None:
    try:
        epoch = msgspec.json.decode(value, type=_Epoch).epoch
    except NOT_DECODED:
        return None
    return epoch if 0 <= epoch < TOO_HIGH else None
