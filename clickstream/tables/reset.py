"""Starting over: the state is forgotten, and so is what these tables have written.

Rows of a former run would stay otherwise: those of windows that another statement does not have, and early ones.
Rows with keys are deleted by tombstones. An append-only topic knows no such thing: it has to be empty.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Message

from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.kafka.offsets import limits
from clickstream.kafka.produce import Sender
from clickstream.tables.engine.state import place
from clickstream.tables.sql.model import Program

FLUSH_WITHIN_S = 300.0


@dataclass(frozen=True)
class Leftovers:
    """Where there are rows, by topic: a partition and a key each.

    A key has two when the topic got partitions while it had a row, and rows came later. Each needs its own tombstone.
    """

    rows: dict[str, set[tuple[int, bytes]]]

    @property
    def count(self) -> int:
        """How many rows there are."""
        return sum(map(len, self.rows.values()))


def left_by(cluster: Cluster, programs: Iterable[Program]) -> Leftovers:
    """What these programs have written so far.

    Raises ClickstreamError when an append-only topic of theirs is not empty, and says how to delete it.
    """
    there = existing(cluster)
    targets = [insert.target for program in programs for insert in program.inserts if insert.target.topic in there]
    full = [
        target.topic
        for target in targets
        if not target.upsert and any(one.span for one in limits(cluster, target.topic).values())
    ]
    if full:
        raise ClickstreamError(
            f"{', '.join(full)}: rows of a former run cannot be taken back out of an append-only topic, and would be "
            f"there twice. Delete it first: clickstream topics delete {' '.join(full)}"
        )
    return Leftovers({target.topic: _live_rows(cluster, target.topic) for target in targets if target.upsert})


def reset(cluster: Cluster, directories: Iterable[Path], leftovers: Leftovers) -> None:
    """Forget the states, which the caller holds (place.held), then the rows: of a crash in between, another reset
    finds the rows, while a state without its rows would go on and never write them again.

    Raises ClickstreamError when the states cannot be removed, or the rows not be deleted.
    """
    for directory in directories:
        place.forget(directory)
    sender = Sender(cluster.producer())
    try:
        for topic, rows in leftovers.rows.items():
            for partition, key in rows:
                sender.send(topic, None, key, partition=partition)
        sender.must_have_delivered("Tombstones", FLUSH_WITHIN_S)
    finally:
        sender.close()


def _live_rows(cluster: Cluster, topic: str) -> set[tuple[int, bytes]]:
    rows: set[tuple[int, bytes]] = set()

    def note(message: Message) -> None:
        key = message.key()
        if key is not None:
            change = rows.discard if message.value() is None else rows.add
            change((message.partition() or 0, bytes(key)))

    read_to_end(cluster, topic, note)
    return rows
