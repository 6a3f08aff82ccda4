"""The counter's state topic: every partition's counts, together with the offset they account for.

State is a pure function of the log's prefix, so any record of the current epoch is right for its own offset:
one written late, by a process that was frozen and has lost its partition, is older, not wrong. The highest
offset is merely the most advanced.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable

from confluent_kafka import Message, TopicPartition
from msgspec import MsgspecError

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import COMMITTED, EARLIEST, End, TopicGone, partitions_of, read_to_end, split
from clickstream.kafka.produce import Sender
from clickstream.records import COUNTING_VERSION, CounterState, StateKey, decode, encode
from clickstream.topics import Declared, ensure

log = logging.getLogger(__name__)

# 10,000 names of up to 256 bytes, in a record of their own, with room for escapes.
MAX_STATE_BYTES = 8_000_000
EXISTS_WITHIN_S = 10.0
# After a stop: how long an acknowledgement that is under way is waited for.
GRACE_S = 3.0
# Records that wait for a broker that is away: what they account for is saved when it comes back, however late.
PATIENT = {"linger.ms": 0, "message.max.bytes": MAX_STATE_BYTES, "message.timeout.ms": 0}


START_OVER = "--reset forgets the counts and starts over with what the topic holds now."


def state_topic(group: str) -> Declared:
    """`<group>-state`: compacted, one small partition that every member reads."""
    config = {"cleanup.policy": "compact", "max.message.bytes": str(MAX_STATE_BYTES), "segment.ms": "3600000"}
    return Declared(f"{group}-state", partitions=1, config=config)


def not_saved(address: str) -> ClickstreamError:
    """What a counter says that had to stop before Kafka took its latest counts."""
    return ClickstreamError(
        f"Kafka at {address} is away: the latest counts are not saved. Nothing is lost: the next start counts those "
        "records again."
    )


class Fold:
    """The most advanced state of every partition, of the newest epoch."""

    def __init__(self) -> None:
        self.epoch = 0
        self.states: dict[int, CounterState] = {}

    def add(self, state: CounterState) -> None:
        """Take a state in; one of a newer epoch makes all others void."""
        if state.epoch > self.epoch:
            self.epoch = state.epoch
            self.states = {}
        known = self.states.get(state.partition)
        if state.epoch == self.epoch and (known is None or state.next_offset >= known.next_offset):
            self.states[state.partition] = state

    def counts(self) -> Counter[str]:
        """Counts of all partitions together."""
        total: Counter[str] = Counter()
        for state in self.states.values():
            total.update(state.counts)
        return total


class StateLog:
    """The state topic of one group, read along as members write it."""

    def __init__(self, cluster: Cluster, sender: Sender, group: str) -> None:
        self._cluster = cluster
        self._sender = sender
        self._declared = state_topic(group)
        self.topic = self._declared.name
        self.fold = Fold()
        # Partitions whose end was seen, by whichever member owns them, since this log was opened.
        self.ended: set[int] = set()
        self._positions: dict[int, int] = {}
        self._opened = False
        self._stop: threading.Event | None = None
        self._consumer = cluster.consumer(
            "clickstream-state-reader", {"fetch.message.max.bytes": MAX_STATE_BYTES, **COMMITTED}
        )

    def open(self, stop: threading.Event | None = None) -> None:
        """Create the topic if it is missing, and read what it holds.

        With `stop`, everything here waits for Kafka until it is set, and then raises Stopped.
        """
        self._stop = stop
        ensure(self._cluster, [self._declared], stop)
        partitions = partitions_of(self._consumer, self.topic, self._cluster.address, stop)
        self._positions = dict.fromkeys(partitions, EARLIEST)
        self.catch_up()
        self._opened = True

    def catch_up(self) -> None:
        """Read up to the end as it is now."""
        missing_since: float | None = None
        while True:
            try:
                self._positions = read_to_end(
                    self._cluster, self.topic, self._take, start=self._positions, stop=self._stop
                )
                break
            except TopicGone:
                # Clients say so for a moment while a broker restarts, too.
                missing_since = missing_since or time.monotonic()
                if time.monotonic() > missing_since + EXISTS_WITHIN_S:
                    raise
        self._read_on()

    def _read_on(self) -> None:
        self._consumer.assign([TopicPartition(self.topic, *place) for place in self._positions.items()])

    def follow(self) -> None:
        """Take what members have written meanwhile, without waiting."""
        try:
            for part in split(self._consumer.consume(1_000, 0), self._cluster.address):
                if isinstance(part, End):
                    self._positions[part.partition] = part.offset
                    continue
                for message in part.messages:
                    self._take(message)
        except TopicGone as gone:
            # Clients say so for a moment while a broker restarts, too. If it is true, the next save fails.
            log.debug("Not read on: %s", gone)
            self._read_on()

    def rest(self) -> None:
        """For who does not follow: nothing is fetched, and what the client reports is served."""
        if self._consumer.assignment():
            self._consumer.unassign()
        self._consumer.poll(0)

    def save(self, states: Iterable[CounterState]) -> None:
        """Write states and wait until they are acknowledged, however long that takes.

        Raises Stopped when they are not GRACE_S after a stop, ClickstreamError when the broker refuses them.
        """
        states = list(states)
        for state in states:
            key = encode(StateKey(state.epoch, state.partition))
            self._sender.send(self.topic, encode(state), key)
        self._sender.deliver_all(f"State on {self.topic}", self._stop, GRACE_S)
        for state in states:
            self._learn(state)

    def forget(self, states: Iterable[CounterState]) -> None:
        """Write tombstones for states of an epoch that is over."""
        for state in states:
            self._sender.send(self.topic, None, encode(StateKey(state.epoch, state.partition)))
        self._sender.deliver_all(f"State on {self.topic}", self._stop, GRACE_S)

    def close(self) -> None:
        """Read on no more; the sender is the caller's."""
        self._consumer.close()

    def _take(self, message: Message) -> None:
        self._positions[message.partition() or 0] = (message.offset() or 0) + 1
        value = message.value()
        if value is None:
            return
        try:
            state = decode(value, CounterState)
        except (MsgspecError, UnicodeDecodeError) as error:
            raise ClickstreamError(
                f"{self.topic} offset {message.offset()} is not a counter's state ({error}). "
                "Choose another --group, or delete the topic if nothing else uses it."
            ) from None
        self._learn(state)

    def _learn(self, state: CounterState) -> None:
        self.fold.add(state)
        if self._opened and state.at_end and state.epoch == self.fold.epoch:
            self.ended.add(state.partition)


def check_identity(states: Iterable[CounterState], topic: str, field: str, output: str, group: str) -> None:
    """Raises ClickstreamError when the group has counted something else, or by another version's logic."""
    for state in states:
        if (state.topic, state.field, state.output) != (topic, field, output):
            raise ClickstreamError(
                f"Group {group} has counted field {state.field} of {state.topic} into {state.output}. "
                "Choose another --group, or --reset to forget those counts and start over."
            )
        if state.version != COUNTING_VERSION:
            raise ClickstreamError(
                f"Group {group} was counted by version {state.version} of the counting logic, "
                f"this is {COUNTING_VERSION}. "
                "--reset forgets those counts and starts over."
            )
