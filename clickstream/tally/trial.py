"""Is the counted field in the records at all? Asked before the first record is set aside.

With a wrong field every record would become a dead letter: a copy of the topic. So while a group has never counted
anything, records without a name are withheld: neither counted nor set aside nor saved. The first name ends the
trial, and what was withheld takes its normal way. If none comes, the counter stops.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from clickstream.errors import ClickstreamError
from clickstream.kafka.consume import End, Run
from clickstream.tally.field import reader_of
from clickstream.tally.members import PartitionCounts
from clickstream.tally.options import CounterOptions
from clickstream.terminal import escaped

log = logging.getLogger(__name__)

LOOK_AT_RECORDS = 1_000
# They are kept in memory meanwhile.
LOOK_AT_BYTES = 64 * 1024 * 1024
FIELDS_SAID = 20
FIELD_CHARACTERS = 60
MAX_DEPTH = 5

Part = Run | End
Ready = list[tuple[Part, PartitionCounts]]


class FieldTrial:
    """Stands between what is read and what is counted, until `over`."""

    def __init__(self, options: CounterOptions, group_has_counted: Callable[[], bool]) -> None:
        """`group_has_counted`: whether any member has saved a count by now."""
        self._options = options
        self._reader = reader_of(options.field, options.as_json)
        self._group_has_counted = group_has_counted
        self._withheld: Ready = []
        self._values: list[bytes | None] = []
        self._bytes = 0
        self._ended: set[int] = set()
        self._live = False  # the end was reached before any record: what comes now comes bit by bit
        self._said = False
        self.over = False

    @property
    def undecided(self) -> bool:
        """Nothing may be saved yet: the group may turn out to have been given a wrong field."""
        return not self.over and not (self._live and not self._withheld)

    def begin(self) -> None:
        """To be called after each assignment."""
        self.forget()
        self.over = self.over or self._group_has_counted()

    def forget(self) -> None:
        """To be called when the log is read again from what was counted: what was withheld comes again."""
        self._withheld, self._values, self._bytes, self._ended = [], [], 0, set()

    def ready(self, part: Part, own: PartitionCounts, owned: Iterable[PartitionCounts]) -> Ready:
        """What may be counted now that `part` was read, in order.

        Raises ClickstreamError when enough was read to say that the field is not there.
        """
        if self.over:
            return [(part, own)]
        if isinstance(part, Run):
            return self._look_at(part, own)
        return self._end(part, own, owned)

    def release_if(self, group_has_counted: bool) -> Ready:
        """What was withheld, if another member has counted meanwhile."""
        return self._release() if group_has_counted and not self.over else []

    def _look_at(self, run: Run, own: PartitionCounts) -> Ready:
        values = [message.value() for message in run.messages]
        if self._has_a_name(values):
            return [*self._release(), (run, own)]
        self._withheld.append((run, own))
        self._values += values
        self._bytes += sum(len(value or b"") for value in values)
        self._ended.discard(own.partition)
        if len(self._values) >= LOOK_AT_RECORDS or self._bytes >= LOOK_AT_BYTES:
            return self._judge()
        return []

    def _has_a_name(self, values: Sequence[bytes | None]) -> bool:
        return bool(self._reader.count(values)) or any(self._reader.read(value)[0] is not None for value in values)

    def _end(self, end: End, own: PartitionCounts, owned: Iterable[PartitionCounts]) -> Ready:
        self._ended.add(own.partition)
        at_end = all(other.partition in self._ended for other in owned)
        if not self._values:
            self._live = self._live or at_end
            return [(end, own)]
        passed: Ready = [(end, own)]
        if any(other is own for _part, other in self._withheld):  # the end comes after what is withheld
            self._withheld += passed
            passed = []
        if not at_end:
            return passed
        if self._live and not self._options.exit_at_end:
            self._say_that_it_waits()
            return passed
        return passed + self._judge()

    def _judge(self) -> Ready:
        if self._group_has_counted():
            return self._release()
        raise ClickstreamError(f"{self._finding()}. Nothing was written. Choose another --field.")

    def _release(self) -> Ready:
        released = self._withheld
        self.over = True
        self.forget()
        return released

    def _say_that_it_waits(self) -> None:
        if not self._said:
            self._said = True
            log.warning("%s. They wait until a record has it.", self._finding())

    def _finding(self) -> str:
        options, seen = self._options, len(self._values)
        which = f"first {seen:,} records" if seen >= LOOK_AT_RECORDS else f"{seen:,} records"
        return (
            f"None of the {which} of topic {options.from_topic} has a name in field {escaped(options.field)}"
            f"{self._why()}; {_fields(map(self._reader.in_json, self._values))}"
        )

    def _why(self) -> str:
        """Why not, where the field is there."""
        reasons = Counter(self._reader.read(value)[1] or "" for value in self._values)
        ((reason, _count),) = reasons.most_common(1)
        missing = "missing required field" in reason or reason.startswith(("not JSON", "no value"))
        return "" if missing else f" ({escaped(reason)})"


def _fields(values: Iterable[bytes | None]) -> str:
    """The fields that JSON records have, by their paths, the commonest first."""
    found: Counter[str] = Counter()
    for value in values:
        try:
            found.update(_paths(msgspec.json.decode(value or b""), "", MAX_DEPTH))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
    if not found:
        return "they are no JSON objects"
    names = [escaped(name[:FIELD_CHARACTERS]) for name, _count in found.most_common(FIELDS_SAID)]
    more = f" and {len(found) - FIELDS_SAID:,} more" if len(found) > FIELDS_SAID else ""
    return f"they have {', '.join(names)}{more}"


def _paths(value: Any, before: str, depth: int) -> list[str]:
    if not isinstance(value, dict) or not depth:
        return [before.removesuffix(".")] if before else []
    return [path for name, inner in value.items() for path in _paths(inner, f"{before}{name}.", depth - 1)]
