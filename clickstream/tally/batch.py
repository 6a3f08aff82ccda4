"""Counting the records of a run, and setting aside those that have no name."""

import logging
from collections import Counter as Counts
from collections.abc import Callable, Mapping

from confluent_kafka import Message

from clickstream.errors import ClickstreamError
from clickstream.kafka.consume import Run
from clickstream.kafka.deadletter import DeadLetter, DeadLetters, Origin, headers_of
from clickstream.records import EVENT_NAMES
from clickstream.tally.field import reader_of
from clickstream.tally.members import PartitionCounts

log = logging.getLogger(__name__)

MAX_NAMES = 10_000


class Tallier:
    """Counts the names in one field."""

    def __init__(self, field: str, dead_letters: DeadLetters, as_json: Callable[[bytes], bytes] | None = None) -> None:
        """`as_json` as in CounterOptions."""
        self._field = field
        self._reader = reader_of(field, as_json)
        self._dead_letters = dead_letters
        self._known = set(EVENT_NAMES)
        self.counted = 0

    def add(self, run: Run, own: PartitionCounts) -> None:
        """Count a run into its partition, and move the partition's next offset past it."""
        messages = run.messages
        if (messages[0].offset() or 0) < own.next_offset:
            messages = [message for message in messages if (message.offset() or 0) >= own.next_offset]
            if not messages:
                return
        counts = self._reader.count(list(map(Message.value, messages)))
        if counts is None:
            counts = self._count_one_by_one(messages)
        if not counts.keys() <= self._known:
            self._meet(counts, own)
        own.counts.update(counts)
        own.passed((messages[-1].offset() or 0) + 1)
        self.counted += counts.total()

    def check_names(self, counts: Mapping[str, int]) -> None:
        """Raises ClickstreamError when there are more names than a tally may have."""
        if len(counts) > MAX_NAMES:
            raise ClickstreamError(
                f"Field {self._field} has more than {MAX_NAMES:,} different values: it is no field to tally by. "
                "Choose another --field; --reset forgets the counts."
            )

    def _count_one_by_one(self, messages: list[Message]) -> Counts[str]:
        counts: Counts[str] = Counts()
        for message in messages:
            name, reason = self._reader.read(message.value())
            if name is not None:
                counts[name] += 1
            else:
                origin = Origin(message.topic(), message.partition(), message.offset())
                letter = DeadLetter(message.value(), reason or "", origin, headers=headers_of(message))
                self._dead_letters.send(letter, message.key())
        return counts

    def _meet(self, counts: Counts[str], own: PartitionCounts) -> None:
        new = counts.keys() - self._known - own.counts.keys()
        self.check_names(own.counts.keys() | new)  # type: ignore[arg-type]
        if not self._known and not own.counts and len(new) > 1:
            log.info("Counting field %s: %d names in the first records.", self._field, len(new))
        else:
            for name in sorted(new):
                log.warning("A name never seen before in field %s: %r.", self._field, name)
        self._known |= counts.keys()
