"""A consumer group whose members keep what they know of a partition together with its offset, as results or state.

A member restores before it reads, saves before it gives partitions up, and drops what it has not saved when they were
lost: others own them by then, and go on from what was saved. The offset travels with the result; what is committed to
the group is only for those who look at its lag.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from confluent_kafka import Consumer, ConsumerGroupState, KafkaException, Message, TopicPartition

from clickstream.kafka.admin import ANSWER_WITHIN_S, describe
from clickstream.kafka.clients import Cluster
from clickstream.kafka.errors import answer_of, is_missing, is_transient
from clickstream.kafka.log import Recreated, check, identify, is_same
from clickstream.kafka.offsets import beginnings, ends
from clickstream.kafka.patience import patiently
from clickstream.kafka.properties import whole_number

log = logging.getLogger(__name__)

LEAVES_WITHIN_S = 8.0
LEAVES_IN_AN_OUTAGE_WITHIN_S = 1.0
# While nothing comes, it is asked so often whether the topic is still there.
LOOKS_EVERY_S = 5.0
SESSION_TIMEOUT_MS = 45_000  # librdkafka's default
FORGETS_WITHIN_S = 15.0


class Saved(Protocol):
    """What was saved of a partition: the offset to read next, and the id of the topic that it belongs to."""

    @property
    def topic_id(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def next_offset(self) -> int: ...


def forgotten_within(cluster: Cluster) -> float:
    """How long (s) it may take until a group has forgotten a member that ended without a word."""
    given = {**cluster.common, **cluster.for_consumers}
    return whole_number(given.get("session.timeout.ms", SESSION_TIMEOUT_MS)) / 1_000 + FORGETS_WITHIN_S


class GroupTopic:
    """The topic that a group reads, known by the id that its broker gave it, and who else reads it."""

    def __init__(self, cluster: Cluster, topic: str, stop: threading.Event | None = None, *, remedy: str = "") -> None:
        """With `stop`, questions wait for Kafka until it is set, and then raise Stopped; else for half a minute.

        `remedy` is the end of what is said when the log is not any more what was read: what to do next.
        """
        self._cluster = cluster
        self._stop = stop
        self._remedy = remedy
        # A connection of its own: questions on the reading consumer's wait behind its fetches, up to 0.5 s each.
        self._admin = cluster.admin()
        self.name = topic
        self._identity = identify(cluster, topic, self._admin, stop=stop)

    @property
    def id(self) -> str:
        """That its broker gave it when it was created."""
        return self._identity.topic_id

    def same(self) -> bool:
        """True when the topic is still the same one; False when the broker does not answer just now.

        Asked after records were read and before what they led to is saved: so no record of a topic that was recreated
        under the same name is ever saved as one of this topic. Raises ClickstreamError when the topic is another one,
        or gone.
        """
        return is_same(self._cluster, self._identity, self._admin, remedy=self._remedy, stop=self._stop)

    def check(self, saved: Iterable[Saved]) -> None:
        """Raises ClickstreamError when the log contradicts what was saved of one of its partitions."""
        saved = list(saved)
        for one in saved:
            if one.topic_id != self.id:
                raise Recreated(
                    f"Topic {self.name} was recreated since it was read: its id was {one.topic_id}, now it is "
                    f"{self.id}. {self._remedy}".rstrip()
                )
        self.check_places({one.partition: one.next_offset for one in saved})

    def check_places(self, places: Mapping[int, int]) -> None:
        """Raises ClickstreamError when the log does not hold what comes at and after `places`, by partition."""
        if places:
            check(self._cluster, self._identity, places, self._admin, remedy=self._remedy, stop=self._stop)

    def begin(self, partitions: Iterable[int]) -> dict[int, int]:
        """The first offset that the log still holds, by partition."""
        return beginnings(self._cluster, self.name, self._admin, partitions=partitions, stop=self._stop)

    def ends(self) -> dict[int, int]:
        """The offset that the next record of each partition will get, by partition."""
        return ends(self._cluster, self.name, self._admin, stop=self._stop)

    def partitions(self) -> int:
        """How many partitions the topic has now."""
        return len(describe(self._cluster, self.name, self._admin, stop=self._stop).partitions)

    def members(self, group: str) -> int:
        """How many members `group` has now; 0 when there is no such group."""

        def ask() -> int:
            asked = self._admin.describe_consumer_groups([group], request_timeout=ANSWER_WITHIN_S)
            found = answer_of(asked[group])
            return 0 if found.state == ConsumerGroupState.DEAD else len(found.members)

        return patiently(ask, f"Describing group {group}", self._cluster.address, self._stop)


class Kept(Protocol):
    """What a member knows of one partition that it owns, up to, not including, `next_offset`."""

    @property
    def next_offset(self) -> int: ...


Own = TypeVar("Own", bound=Kept)


class Member(Generic[Own]):
    """Membership of a group. Everything happens in the thread that calls `next_batch` and `leave`."""

    def __init__(
        self,
        cluster: Cluster,
        group: str,
        topic: GroupTopic,
        restore: Callable[[list[int]], dict[int, Own]],
        *,
        before_revoke: Callable[[], None] = lambda: None,
        after_assign: Callable[[], None] = lambda: None,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        """`restore` tells what was saved of partitions, or how new ones begin; reading goes on at its offsets.

        `before_revoke` saves what is in `owned`, before others get it; `after_assign` follows once `owned` is
        restored. What they raise, `next_batch` raises. `properties` are the consumer's, and win over the user's.
        """
        self._topic = topic
        self._restore = restore
        self._before_revoke = before_revoke
        self._after_assign = after_assign
        self._rebalanced = False
        self._problem: BaseException | None = None
        self.owned: dict[int, Own] = {}
        self.assigned = False  # false between a revocation and the next assignment
        self._look_at = time.monotonic() + LOOKS_EVERY_S
        # The default, ten minutes, is also how long a commit waits for a coordinator that has died.
        self.consumer: Consumer = cluster.consumer(
            group, {"coordinator.query.interval.ms": 5_000, **(properties or {})}
        )

    def join(self) -> None:
        """Ask to become a member; partitions come with a later `next_batch`."""
        self.consumer.subscribe(
            [self._topic.name], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def next_batch(self, size: int, timeout: float) -> list[Message]:
        """Up to `size` records or ends, waiting at most `timeout` seconds; raises what went wrong in a rebalance.

        Raises ClickstreamError when nothing comes because the topic is another one by now, or gone.
        """
        messages = self.consumer.consume(size, timeout)
        if self._problem is not None:
            raise self._problem
        if not messages and time.monotonic() >= self._look_at:
            # The client says once that it is gone. Where brokers still knew it when that was looked into, it never
            # says so again, and reads nothing.
            self._topic.same()
            self._look_at = time.monotonic() + LOOKS_EVERY_S
        if self._rebalanced:
            # Part of the batch may be from before the rebalance: read it again from the restored offsets. That the
            # topic is gone is said once only, and it may come together with the rebalance that it leads to.
            self._rebalanced = False
            self.read_again()
            return [one for one in messages if (error := one.error()) is not None and is_missing(error)]
        return messages

    def read_again(self) -> None:
        """Go on reading at the offsets of `owned`: what was received beyond them comes once more."""
        self.consumer.assign(self._places())

    def commit(self) -> None:
        """Say to the group how far we are: only for those who look at its lag."""
        places = self._places()
        if places:
            try:
                self.consumer.commit(offsets=places, asynchronous=True)
            except KafkaException as problem:
                log.debug("Offsets for lag display not committed: %s", problem)

    def is_current(self) -> bool | None:
        """Whether the group still counts us in: a commit of a former member is refused. None: nobody answers now."""
        if not self.assigned:
            return False
        try:
            self.consumer.commit(offsets=self._places(), asynchronous=False)
        except KafkaException as problem:
            return None if is_transient(problem) else False
        return True

    def restore_again(self) -> None:
        """Restore our partitions from what was saved, and go on reading where that ends."""
        self.owned = self._restore(list(self.owned))
        self.read_again()

    def look_at_log(self) -> None:
        """After an error that says that the topic or an offset is not there: make sure of it, or go on reading.

        Raises ClickstreamError when the log is not any more what we read.
        """
        # When nobody answers just now, nothing is known.
        if self._topic.same():
            self._topic.check_places({partition: own.next_offset for partition, own in self.owned.items()})
        self.read_again()

    def give_up(self) -> None:
        """Forget what was not saved: the next start reads it again."""
        self.owned = {}

    def lag(self) -> int:
        """Records behind the end over our partitions, as far as the client knows the end."""
        lag = 0
        for partition, own in self.owned.items():
            place = TopicPartition(self._topic.name, partition)
            _low, high = self.consumer.get_watermark_offsets(place, cached=True)
            lag += max(0, high - own.next_offset) if high >= 0 else 0
        return lag

    def leave(self, within: float = LEAVES_WITHIN_S) -> None:
        """Leave the group; after `within` seconds without waiting any longer for a coordinator that is away."""
        # Closing waits for commits that are under way, for minutes if nobody answers them.
        leaving = threading.Thread(target=self.consumer.close, name="leave the group", daemon=True)
        leaving.start()
        leaving.join(within)

    def _places(self) -> list[TopicPartition]:
        name = self._topic.name
        return [TopicPartition(name, partition, own.next_offset) for partition, own in self.owned.items()]

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            self.owned = self._restore([place.partition for place in partitions])
            self._rebalanced = True
            self.assigned = True
            self.read_again()
            self._after_assign()
        except BaseException as problem:  # noqa: BLE001 - an exception does not get out of librdkafka's callback whole
            self._problem = problem

    def _on_revoke(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        try:
            self._before_revoke()
        except BaseException as problem:  # noqa: BLE001 - as above
            self._problem = problem
        self._drop()

    def _on_lost(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        # Others own them already: what we read since the last save, they read.
        self._drop()

    def _drop(self) -> None:
        self.owned = {}
        self.assigned = False
        self._rebalanced = True
