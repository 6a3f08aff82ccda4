"""One member of the counter's consumer group: its partitions, restored before and saved after."""

import logging
import threading
from collections import Counter as Counts
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import READER
from clickstream.kafka.errors import is_transient
from clickstream.records import CounterState, Position
from clickstream.tally.options import CounterOptions
from clickstream.tally.source import Source
from clickstream.tally.state import StateLog, check_identity

log = logging.getLogger(__name__)

LEAVES_WITHIN_S = 8.0
LEAVES_IN_AN_OUTAGE_WITHIN_S = 1.0


class PartitionCounts:
    """One owned partition: its counts up to, not including, `next_offset`."""

    def __init__(self, state: CounterState) -> None:
        self.epoch = state.epoch
        self.partition = state.partition
        self.next_offset = state.next_offset
        self.counts = Counts(state.counts)
        self.at_end = False
        self.unsaved = False
        self.saved_offset = state.next_offset

    def saved(self) -> None:
        """The counts up to `next_offset` are stored."""
        self.saved_offset = self.next_offset
        self.unsaved = False

    def passed(self, next_offset: int) -> None:
        self.next_offset = next_offset
        self.at_end = False
        self.unsaved = True


class Member:
    """Membership of the group. Everything happens in the thread that calls `next_batch` and `leave`."""

    def __init__(
        self,
        cluster: Cluster,
        options: CounterOptions,
        source: Source,
        states: StateLog,
        before_revoke: Callable[[], None],
        after_assign: Callable[[], None],
        strategy: str = "range",
    ) -> None:
        self._cluster = cluster
        self._options = options
        self._source = source
        self._states = states
        self._before_revoke = before_revoke
        self._after_assign = after_assign
        self._rebalanced = False
        self._problem: BaseException | None = None
        self.owned: dict[int, PartitionCounts] = {}
        self.assigned = False  # false between a revocation and the next assignment
        overrides: dict[str, object] = {
            "partition.assignment.strategy": strategy,
            # The default, ten minutes, is also how long a commit waits for a coordinator that has died.
            "coordinator.query.interval.ms": 5_000,
        }
        if options.exit_at_end:
            overrides |= READER  # the end is told at once, not after half a second
        self.consumer: Consumer = cluster.consumer(options.group, overrides)

    def join(self) -> None:
        self.consumer.subscribe(
            [self._source.topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def next_batch(self, size: int, timeout: float) -> list[Message]:
        """Up to `size` records or ends, waiting at most `timeout` seconds; raises what went wrong in a rebalance."""
        messages = self.consumer.consume(size, timeout)
        if self._problem is not None:
            raise self._problem
        if self._rebalanced:
            # Part of the batch may be from before the rebalance: read it again from the restored offsets.
            self._rebalanced = False
            self.read_again()
            return []
        return messages

    def read_again(self) -> None:
        """Go on reading where the counts end: what was received beyond that comes once more."""
        self.consumer.assign(
            [TopicPartition(self._source.topic, own.partition, own.next_offset) for own in self.owned.values()]
        )

    def commit(self) -> None:
        """Say to the group how far we are: only for those who look at its lag."""
        places = [TopicPartition(self._source.topic, own.partition, own.next_offset) for own in self.owned.values()]
        if places:
            try:
                self.consumer.commit(offsets=places, asynchronous=True)
            except KafkaException as problem:
                log.debug("Offsets for lag display not committed: %s", problem)

    def is_current(self) -> bool | None:
        """Whether the group still counts us in: a commit of a former member is refused. None: nobody answers now."""
        if not self.assigned:
            return False
        places = [TopicPartition(self._source.topic, own.partition, own.next_offset) for own in self.owned.values()]
        try:
            self.consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as problem:
            return None if is_transient(problem) else False
        return True

    def restore_again(self) -> None:
        """Take the counts of our partitions from the state topic, and go on reading where they end."""
        self._restore(list(self.owned))
        self.read_again()

    def look_at_log(self) -> None:
        """After an error that says that the topic or an offset is not there: make sure of it, or go on reading.

        Raises ClickstreamError when the log is not any more what we counted.
        """
        # When nobody answers just now, nothing is known.
        if self._source.same():
            self._source.check_places({own.partition: own.next_offset for own in self.owned.values()})
        self.read_again()

    def give_up(self) -> None:
        """Forget what was counted and not saved: the next start counts it again."""
        self.owned = {}

    def state_of(self, own: PartitionCounts) -> CounterState:
        return CounterState(
            epoch=own.epoch,
            topic=self._source.topic,
            topic_id=self._source.id,
            field=self._options.field,
            output=self._options.to_topic,
            partition=own.partition,
            next_offset=own.next_offset,
            counts=dict(own.counts),
            at_end=own.at_end,
        )

    def positions(self) -> list[Position]:
        """The offsets that the stored counts of our partitions reach to."""
        owned = sorted(self.owned.values(), key=lambda own: own.partition)
        return [Position(self._source.topic, own.partition, own.saved_offset) for own in owned]

    def lag(self) -> int:
        """Records behind the end over our partitions, as far as the client knows the end."""
        lag = 0
        for own in self.owned.values():
            place = TopicPartition(self._source.topic, own.partition)
            _low, high = self.consumer.get_watermark_offsets(place, cached=True)
            lag += max(0, high - own.next_offset) if high >= 0 else 0
        return lag

    def leave(self, within: float = LEAVES_WITHIN_S) -> None:
        """Leave the group; after `within` seconds without waiting any longer for a coordinator that is away."""
        # Closing waits for commits that are under way, for minutes if nobody answers them.
        leaving = threading.Thread(target=self.consumer.close, name="leave the group", daemon=True)
        leaving.start()
        leaving.join(within)

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            self._restore([place.partition for place in partitions])
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
        # Others own them already: what we counted since the last save, they count.
        self._drop()

    def _drop(self) -> None:
        self.owned = {}
        self.assigned = False
        self._rebalanced = True

    def _restore(self, partitions: list[int]) -> None:
        self._states.catch_up()
        fold = self._states.fold
        options = self._options
        check_identity(fold.states.values(), options.from_topic, options.field, options.to_topic, options.group)
        known = {partition: fold.states[partition] for partition in partitions if partition in fold.states}
        self._source.check(known.values())
        begins = self._source.begin(new) if (new := [one for one in partitions if one not in known]) else {}
        self.owned = {partition: PartitionCounts(state) for partition, state in known.items()}
        for partition, offset in begins.items():
            begin = PartitionCounts(self._first_state(partition, offset))
            begin.unsaved = True
            self.owned[partition] = begin

    def _first_state(self, partition: int, offset: int) -> CounterState:
        options = self._options
        return CounterState(
            epoch=self._states.fold.epoch,
            topic=options.from_topic,
            topic_id=self._source.id,
            field=options.field,
            output=options.to_topic,
            partition=partition,
            next_offset=offset,
            counts={},
        )
