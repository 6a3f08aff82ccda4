"""An archive compared with its topics, record by record."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from confluent_kafka import Message

from clickstream.errors import ClickstreamError
from clickstream.kafka import log as kafka_log
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.kafka.offsets import limits
from clickstream.sinks.model import Input
from clickstream.sinks.parquet.reading import Archived, ArchivedTable, Unreadable
from clickstream.sinks.parquet.repair import Repair
from clickstream.sinks.parquet.store import Store
from clickstream.sinks.reading import RecordReader

EXAMPLES = 10
AT_ONCE = 5_000  # records of a partition


@dataclass
class TableCheck:
    """What came of a table. `examples` are places such as `2:41`, with what is wrong there.

    `older` records are in the archive and not in the topic: Kafka has deleted or compacted them away. `later` ones are
    in the topic only, since the sink has not written them yet. `repaired` ones were written again; `lost` ones were in
    files that cannot be read, and the topic does not hold them any more.
    """

    source: Input
    compared: int = 0
    missing: int = 0
    changed: int = 0
    older: int = 0
    later: int = 0
    repaired: int = 0
    lost: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)

    @property
    def differs(self) -> int:
        """How many records are not as in the topic."""
        return self.missing + self.changed


def check(store: Store, cluster: Cluster, source: Input, *, early: bool, repair: bool = False) -> TableCheck:
    """Compare one table with its topic, up to where the archive is; `early`: as the sink has it.

    With `repair`, what differs is written again from the topic; then, and only then, a sink that runs is fenced. Raises
    ClickstreamError when there is no such table, when the topic was recreated, for a damaged archive without `repair`,
    or one that cannot be repaired.
    """
    identity = kafka_log.identify(cluster, source.topic)
    table = ArchivedTable(store, source.name)
    if table.state.topic_id not in ("", identity.topic_id):
        raise ClickstreamError(
            f"Topic {source.topic} was recreated since it was archived: there is nothing to compare."
        )
    try:
        result = _compared(table, cluster, source, early=early)
        if not repair or not result.differs:
            return result
    except Unreadable:
        if not repair:
            raise
    mending = Repair(store, source, identity, table.state.sink, early=early)
    table = ArchivedTable(store, source.name)
    mending.leave_out_unreadable(table)
    result = _compared(table, cluster, source, early=early, mending=mending)
    result.lost = mending.commit()
    result.repaired = result.differs
    return result


def _compared(
    table: ArchivedTable, cluster: Cluster, source: Input, *, early: bool, mending: Repair | None = None
) -> TableCheck:
    spans = limits(cluster, source.topic)
    result = TableCheck(source)
    partitions = {
        number: _Partition(table, number, source, result, mending, early=early) for number in table.state.places
    }
    for number, (_start, end) in table.state.places.items():
        result.later += max(0, spans[number].high - end) if number in spans else 0

    def take(message: Message) -> None:
        partitions[message.partition() or 0].take(message)

    start = {
        number: max(first, spans[number].low)
        for number, (first, _end) in table.state.places.items()
        if number in spans and spans[number].low < spans[number].high
    }
    read_to_end(cluster, source.topic, take, start=start)
    for one in partitions.values():
        one.finish()
    return result


class _Partition:
    """One partition of both, side by side, in the order of offsets."""

    def __init__(
        self,
        table: ArchivedTable,
        number: int,
        source: Input,
        result: TableCheck,
        mending: Repair | None,
        *,
        early: bool,
    ) -> None:
        self._end = table.state.places[number][1]
        self._archived: Iterator[Archived] = table.partition(number)
        self._next = next(self._archived, None)
        self._reader = RecordReader(source, early=early)
        self._result = result
        self._mending = mending
        self._waiting: list[Message] = []

    def take(self, message: Message) -> None:
        if (message.offset() or 0) < self._end:
            self._waiting.append(message)
            if len(self._waiting) >= AT_ONCE:
                self._compare()

    def finish(self) -> None:
        self._compare()
        while self._next is not None:
            self._result.older += 1
            self._next = next(self._archived, None)

    def _compare(self) -> None:
        # Only what has a row is archived.
        messages, self._waiting = self._reader.read(self._waiting).rows.messages, []
        for message in messages:
            offset = message.offset() or 0
            while self._next is not None and self._next.offset < offset:
                self._result.older += 1
                self._next = next(self._archived, None)
            self._result.compared += 1
            if self._next is None or self._next.offset > offset:
                self._result.missing += 1
                self._note(message, "missing")
                continue
            if _as_archived(message) != self._next:
                self._result.changed += 1
                self._note(message, "changed")
            self._next = next(self._archived, None)

    def _note(self, message: Message, what: str) -> None:
        if self._mending is not None:
            self._mending.write_again(message, changed=what == "changed")
        if len(self._result.examples) < EXAMPLES:
            self._result.examples.append((f"{message.partition()}:{message.offset()}", what))


def _as_archived(message: Message) -> Archived:
    headers = message.headers()
    return Archived(
        message.key(),
        message.value(),
        list(headers) if headers is not None else None,  # type: ignore[arg-type]
        message.timestamp()[1],
        message.partition() or 0,
        message.offset() or 0,
    )
