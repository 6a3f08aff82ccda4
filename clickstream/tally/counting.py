"""What both counters stand on: their clients, the group's member, and the way of a record into the counts."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from confluent_kafka import Message

from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import READER, End, OutOfRange, Run, TopicGone, split
from clickstream.kafka.deadletter import DeadLetters
from clickstream.kafka.group import LEAVES_WITHIN_S, GroupTopic, Member
from clickstream.kafka.produce import Sender
from clickstream.records import CounterState, Position
from clickstream.tally.batch import Tallier
from clickstream.tally.members import PartitionCounts, Restoring
from clickstream.tally.options import CounterOptions
from clickstream.tally.state import GRACE_S, PATIENT, START_OVER, StateLog
from clickstream.tally.trial import FieldTrial
from clickstream.topics import ensure


class Counting:
    """One member's counting. In this order: find_topic, join, then batches through `ready`, close."""

    def __init__(self, cluster: Cluster, options: CounterOptions) -> None:
        self._cluster = cluster
        self._options = options
        self.sender = Sender(cluster.producer(PATIENT))
        self.dead_letters = DeadLetters(self.sender, options.dead_letter_topic, options.group)
        self.tallier = Tallier(options.field, self.dead_letters, options.as_json)
        self.states = StateLog(cluster, self.sender, options.group)
        self.trial = FieldTrial(options, self._has_counted)
        self.topic: GroupTopic
        self.member: Member[PartitionCounts]
        self._restoring: Restoring
        self._first_ends: dict[int, int] = {}  # where the partitions ended at the start

    def find_topic(self, stop: threading.Event) -> GroupTopic:
        """The counted topic as it is now. From here on Kafka is waited for until `stop` is set; then Stopped."""
        self.topic = GroupTopic(self._cluster, self._options.from_topic, stop, remedy=START_OVER)
        return self.topic

    def create_topics(self, stop: threading.Event) -> None:
        """What is written to, where it does not exist yet. Raises Stopped."""
        ensure(self._cluster, [self._options.to_topic, self._options.dead_letter_topic], stop)

    def join(
        self,
        stop: threading.Event,
        *,
        before_revoke: Callable[[], None] = lambda: None,
        after_assign: Callable[[], None],
        strategy: str = "range",
    ) -> Member[PartitionCounts]:
        """Read the states, and become a member of the group; `strategy` divides the partitions among members."""
        self.states.open(stop)
        self._restoring = Restoring(self._options, self.topic, self.states)
        properties: dict[str, Any] = {"partition.assignment.strategy": strategy}
        if self._options.exit_at_end:
            properties |= READER  # the end is told at once, not after half a second
        self._first_ends = self.topic.ends()
        self.member = Member(
            self._cluster,
            self._options.group,
            self.topic,
            self._restoring.restore,
            before_revoke=before_revoke,
            after_assign=after_assign,
            properties=properties,
        )
        self.member.join()
        return self.member

    def ready(self, messages: Sequence[Message]) -> Iterator[tuple[Run | End, PartitionCounts]]:
        """What of a batch is to be counted now, in order, with the partition that it belongs to.

        Each must be counted before the next is taken. Raises ClickstreamError when the log is not any more what was
        counted, or the field is not in the records.
        """
        try:
            for part in split(messages, self._cluster.address, joined=self._options.group):
                own = self.member.owned.get(part.partition)
                if own is not None:  # else it is of a partition that we no longer own
                    yield from self.trial.ready(part, own, self.member.owned.values())
        except (TopicGone, OutOfRange):
            # Clients say so for a moment while a broker restarts, too; if it is true, this says what happened. What
            # followed in this batch was not counted, and is read again.
            self.trial.forget()
            self.member.look_at_log()

    def at_end(self, own: PartitionCounts) -> bool:
        """Whether one of our partitions is counted to its end, or to where that was at the start.

        Kafka tells of an end only when nothing comes for a moment, which never is in a topic that is always written.
        """
        return own.at_end or self._reaches(own.partition, own.next_offset)

    def ended(self) -> set[int]:
        """The partitions of which all members together have saved the counts up to such an end."""
        states = self.states.fold.states.values()
        return self.states.ended | {one.partition for one in states if self._reaches(one.partition, one.next_offset)}

    def _reaches(self, partition: int, next_offset: int) -> bool:
        first_end = self._first_ends.get(partition)
        return first_end is not None and next_offset >= first_end

    def state_of(self, own: PartitionCounts) -> CounterState:
        """What is to be saved of a partition."""
        return self._restoring.state_of(own)

    def unsaved(self) -> list[PartitionCounts]:
        """Partitions with something to save."""
        return [] if self.trial.undecided else [own for own in self.member.owned.values() if own.unsaved]

    def positions(self) -> list[Position]:
        """The offsets that the stored counts of our partitions reach to; none before they are known."""
        member = self._joined
        owned = sorted(member.owned.values(), key=lambda own: own.partition) if member is not None else []
        return [Position(self._options.from_topic, own.partition, own.saved_offset) for own in owned]

    def deliver_dead_letters(self, stop: threading.Event) -> None:
        """Before the offsets move on: what could not be counted is written. Raises Stopped, ClickstreamError."""
        if self.dead_letters.count:
            self.sender.deliver_all(f"Dead letters to {self._options.dead_letter_topic}", stop, GRACE_S)

    def poll(self) -> None:
        """Serve what the producer reports; call it now and then while there is nothing to save."""
        self.sender.poll()

    def give_up(self) -> None:
        """Forget what was not saved: it is counted again by whoever owns these partitions next."""
        if (member := self._joined) is not None:
            member.give_up()

    def close(self, leaves_within: float = LEAVES_WITHIN_S) -> None:
        """Leave the group within so many seconds, and close the clients."""
        try:
            if (member := self._joined) is not None:
                member.leave(leaves_within)
        finally:
            self.states.close()
            self.sender.close(1.0)

    @property
    def _joined(self) -> Member[PartitionCounts] | None:
        return getattr(self, "member", None)

    def _has_counted(self) -> bool:
        self.states.catch_up()
        return bool(self.states.fold.counts())


def pass_end(end: End, own: PartitionCounts) -> None:
    """All of a partition up to its end is counted."""
    own.passed(max(end.offset, own.next_offset))
    own.at_end = True
