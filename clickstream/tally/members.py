"""What one member of the counter's group counts: its partitions, as they are restored from the state topic."""

from collections import Counter as Counts

from clickstream.kafka.group import GroupTopic
from clickstream.records import CounterState
from clickstream.tally.options import CounterOptions
from clickstream.tally.state import StateLog, check_identity


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
        """All before `next_offset` is counted."""
        self.next_offset = next_offset
        self.at_end = False
        self.unsaved = True


class Restoring:
    """Partitions from the state topic, and back."""

    def __init__(self, options: CounterOptions, source: GroupTopic, states: StateLog) -> None:
        self._options = options
        self._source = source
        self._states = states

    def restore(self, partitions: list[int]) -> dict[int, PartitionCounts]:
        """The counts of partitions as they were saved last; those never saved begin where their log does.

        Raises ClickstreamError when the group has counted something else, or the log contradicts what was saved.
        """
        self._states.catch_up()
        fold = self._states.fold
        options = self._options
        check_identity(fold.states.values(), options.from_topic, options.field, options.to_topic, options.group)
        known = {partition: fold.states[partition] for partition in partitions if partition in fold.states}
        self._source.check(known.values())
        begins = self._source.begin(new) if (new := [one for one in partitions if one not in known]) else {}
        owned = {partition: PartitionCounts(state) for partition, state in known.items()}
        for partition, offset in begins.items():
            begin = PartitionCounts(self._state(fold.epoch, partition, offset, Counts()))
            begin.unsaved = True
            owned[partition] = begin
        return owned

    def state_of(self, own: PartitionCounts) -> CounterState:
        """What is to be saved of a partition."""
        return self._state(own.epoch, own.partition, own.next_offset, own.counts, at_end=own.at_end)

    def _state(
        self, epoch: int, partition: int, next_offset: int, counts: Counts[str], *, at_end: bool = False
    ) -> CounterState:
        return CounterState(
            epoch=epoch,
            topic=self._source.name,
            topic_id=self._source.id,
            field=self._options.field,
            output=self._options.to_topic,
            partition=partition,
            next_offset=next_offset,
            counts=dict(counts),
            at_end=at_end,
        )
