"""The topic that a transform reads: records wait here, by partition, until they enter its window."""

import threading
import time
from collections import deque
from collections.abc import Mapping

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from clickstream.errors import ClickstreamError
from clickstream.kafka import log as kafka_log
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import COMMITTED, EARLIEST, End, OutOfRange, Run, TopicGone, know_leaders, split
from clickstream.kafka.log import LogIdentity
from clickstream.kafka.offsets import ends
from clickstream.kafka.patience import Stopped
from clickstream.transform.state import STARTS_OVER, State

AT_ONCE = 1_000
# What waits here; more waits at the broker.
MOST_WAITING = 10_000
MOST_WAITING_BYTES = 32_000_000
# When there is so much, a partition that has this is not read while another has nothing.
ENOUGH = 500
ENOUGH_BYTES = 1_000_000
LOOK_FOR_PARTITIONS_EVERY_S = 10.0
ASK_AGAIN_S = 0.2


class Input:
    """Reads all partitions of a topic, and follows the state topic: a newer process says there that it has come."""

    def __init__(
        self, cluster: Cluster, identity: LogIdentity, group: str, admin: Admin, stop: threading.Event
    ) -> None:
        """`group` is only for showing the lag."""
        self._cluster = cluster
        self._identity = identity
        self._admin = admin
        self._stop = stop
        # What is read on after a pause waits until the fetch of the others is over: by default that takes 0.5 s.
        self._consumer: Consumer = cluster.consumer(group, {"fetch.wait.max.ms": 50, **COMMITTED})
        self._state = State("")
        self._paused: set[int] = set()
        self._bytes: dict[int, int] = {}  # of what waits
        self._looked_at = 0.0
        self.waiting: dict[int, deque[Message]] = {}
        self.position: dict[int, int] = {}  # the offset to read next; below 0: the first that there is
        self.ended: dict[int, int] = {}  # partitions whose end was seen, and the offset there

    def begin(self, state: State) -> None:
        """Read on at the places of `state`, and everything of other partitions; what waits is forgotten.

        Raises LogChanged when the log does not hold that, Stopped, ClickstreamError.
        """
        self._state = state
        places = {number: place.next_offset for number, place in state.places.items()}
        kafka_log.check(self._cluster, self._identity, places, self._admin, remedy=STARTS_OVER, stop=self._stop)
        partitions = ends(self._cluster, self._identity.topic, self._admin, stop=self._stop)
        self.position = {number: places.get(number, EARLIEST) for number in partitions}
        self.waiting = {number: deque() for number in partitions}
        self._bytes = dict.fromkeys(partitions, 0)
        self.ended.clear()
        self._looked_at = time.monotonic()
        for topic in (self._identity.topic, state.topic):
            know_leaders(self._consumer, topic)
        self._assign()

    def _assign(self) -> None:
        self._paused.clear()
        places = [TopicPartition(self._identity.topic, *place) for place in self.position.items()]
        self._consumer.assign([*places, TopicPartition(self._state.topic, 0, self._state.end)])

    def take(self, timeout: float) -> None:
        """Take in what has come; wait up to `timeout` s when there is nothing. What the state topic says, the state
        knows afterwards. Raises LogChanged, ClickstreamError.
        """
        has_room = self._has_room()
        if timeout and not has_room:
            self._pause(self.waiting.keys() - self._paused)  # what is waited for is the state topic alone
        # One by one first: consume() would wait until there are as many as it is asked for.
        messages = self._consumer.consume(1, timeout) if timeout else []
        if has_room:
            messages += self._consumer.consume(AT_ONCE, 0)
        try:
            for part in split(messages, self._cluster.address, topics=2):
                self._sort(part)
        except (OutOfRange, TopicGone) as problem:
            self._look_at_log(problem)
        if time.monotonic() > self._looked_at + LOOK_FOR_PARTITIONS_EVERY_S:
            self._looked_at = time.monotonic()
            self._look_for_partitions()

    def _sort(self, part: Run | End) -> None:
        if part.topic == self._state.topic:
            for message in part.messages if isinstance(part, Run) else ():
                self._state.take(message)
            return
        number = part.partition
        if isinstance(part, End):
            self.ended[number] = self.position[number] = part.offset
            return
        self.ended.pop(number, None)
        self.position[number] = (part.messages[-1].offset() or 0) + 1
        self.waiting[number].extend(part.messages)
        self._bytes[number] += sum(map(len, part.messages))

    def next(self, number: int) -> Message:
        """The next record of a partition in which some wait."""
        message = self.waiting[number].popleft()
        self._bytes[number] -= len(message)
        return message

    def _has_room(self) -> bool:
        """Whether to read more. Where one partition has much to do and another nothing, only the other is read."""
        filled = {
            number
            for number, queue in self.waiting.items()
            if len(queue) >= ENOUGH or self._bytes[number] >= ENOUGH_BYTES
        }
        if sum(map(len, self.waiting.values())) < MOST_WAITING and sum(self._bytes.values()) < MOST_WAITING_BYTES:
            self._resume(self._paused - filled)
            return True
        if all(self.waiting.values()):
            return False
        self._resume(self._paused - filled)
        self._pause(filled - self._paused)
        return True

    def _pause(self, numbers: set[int]) -> None:
        if numbers:
            self._consumer.pause([TopicPartition(self._identity.topic, number) for number in numbers])
            self._paused |= numbers

    def _resume(self, numbers: set[int]) -> None:
        if numbers:
            self._consumer.resume([TopicPartition(self._identity.topic, number) for number in numbers])
            self._paused -= numbers

    def _look_at_log(self, problem: ClickstreamError) -> None:
        """Make sure that the topic or the offset is not there, or read on: clients say so for a moment, too."""
        if self.same():
            places = {number: offset for number, offset in self.position.items() if offset >= 0}
            kafka_log.check(self._cluster, self._identity, places, self._admin, remedy=STARTS_OVER, stop=self._stop)
        self._assign()

    def same(self) -> bool:
        """Whether the topic is still the same one; False when nobody answers now. Raises LogChanged."""
        return kafka_log.is_same(self._cluster, self._identity, self._admin, remedy=STARTS_OVER, stop=self._stop)

    def make_sure(self) -> None:
        """That what was read is of the log that the places are of. Raises LogChanged, Stopped."""
        while not self.same():
            if self._stop.wait(ASK_AGAIN_S):
                raise Stopped(f"Stopped while Kafka at {self._cluster.address} was away.")

    def _look_for_partitions(self) -> None:
        found = ends(self._cluster, self._identity.topic, self._admin, stop=self._stop)
        added = [number for number in found if number not in self.position]
        if added:
            self.position |= dict.fromkeys(added, EARLIEST)
            self.waiting |= {number: deque() for number in added}
            self._bytes |= dict.fromkeys(added, 0)
            self._consumer.incremental_assign(
                [TopicPartition(self._identity.topic, number, EARLIEST) for number in added]
            )

    def show(self, places: Mapping[int, int]) -> None:
        """Commit places to the group, only for those who look at its lag."""
        try:
            self._consumer.commit(
                offsets=[TopicPartition(self._identity.topic, *place) for place in places.items()], asynchronous=True
            )
        except KafkaException:
            return

    def lag(self, places: Mapping[int, int]) -> int:
        """Records behind the end, as far as the client knows the end."""
        lag = 0
        for number, offset in places.items():
            place = TopicPartition(self._identity.topic, number)
            low, high = self._consumer.get_watermark_offsets(place, cached=True)
            lag += max(0, high - max(low, offset)) if high >= 0 else 0
        return lag

    def close(self) -> None:
        """Read no more."""
        self._consumer.close()
