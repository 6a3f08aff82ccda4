"""Records of which a value is changed, found one by one: what is changed is counted by column, and not by row."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

from confluent_kafka import Message

from clickstream.sinks.model import Rows
from clickstream.sinks.reading import RecordReader
from clickstream.sinks.target import Refused
from clickstream.sinks.unknown import NO_COLUMN

OTHER_TYPE = "value of another type became NULL"

Changes = Counter[tuple[str, str]]
"""How many values, by column and rule."""


@runtime_checkable
class TellsCleaned(Protocol):
    """A target that says beforehand what it would change."""

    def cleaned(self, rows: Rows) -> Changes:
        """The values of rows that it cannot hold. Raises Refused for rows that it would not take."""
        ...


def changed_records(
    rows: Rows, reader: RecordReader, cleaned: Callable[[Rows], Changes]
) -> Iterator[tuple[Message, Changes]]:
    """Each record of which a value is changed when it is read or written, and how.

    Fields that no column takes change no value. A batch is halved down to such records: of one in ten thousand, it is
    read some thirty times, half of it at most.
    """
    changes = _changes(rows, reader, cleaned)
    if changes is not None and not changes:
        return
    if len(rows) == 1:
        if changes:
            yield rows.messages[0], changes
        return
    middle = len(rows) // 2
    for half in (rows.part(0, middle), rows.part(middle, len(rows))):
        yield from changed_records(half, reader, cleaned)


def _changes(rows: Rows, reader: RecordReader, cleaned: Callable[[Rows], Changes]) -> Changes | None:
    """None: there are rows among them that are refused, so the others are not told."""
    found = reader.read(rows.messages)
    changes = Counter({one: count for one, count in found.changed.items() if one[1] != NO_COLUMN})
    changes.update({(column, OTHER_TYPE): count for column, count in found.nulled.items()})
    try:
        changes.update(cleaned(rows))
    except Refused:
        return changes or None
    return changes
