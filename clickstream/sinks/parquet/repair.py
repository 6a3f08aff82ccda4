"""Records of an archive written again from their topic, where files are gone, damaged, or were changed by hand."""

import os
import socket
from collections.abc import Sequence

from confluent_kafka import Message
from msgspec.structs import replace

from clickstream.errors import ClickstreamError
from clickstream.kafka.log import LogIdentity
from clickstream.sinks.model import Claim, Input
from clickstream.sinks.parquet.manifest import DataFile
from clickstream.sinks.parquet.reading import ArchivedTable, Gone, Unreadable
from clickstream.sinks.parquet.store import Store
from clickstream.sinks.parquet.target import ParquetTarget
from clickstream.sinks.reading import RecordReader

AT_ONCE = 50_000
BYTES_AT_ONCE = 32 * 2**20

Place = tuple[int, int]
"""Partition and offset."""


class Repair:
    """Of one table. It takes over as a start of the sink does: one that runs is fenced.

    What is written again lies beside, and one version puts it in the place of what it is for: readers see all of the
    repair or nothing.
    """

    def __init__(self, store: Store, source: Input, identity: LogIdentity, sink: str, *, early: bool) -> None:
        """`sink` is the name of the one whose table it is. Raises ClickstreamError; Away, as it does not wait."""
        self._store = store
        self._source = source
        self._reader = RecordReader(source, early=early)
        self._target = ParquetTarget(store)
        self._target.connect()
        self._target.prepare([source])
        owner = f"sink check --repair on {socket.gethostname()} pid {os.getpid()}"
        self._target.claim(Claim(sink, owner, [identity]))
        self._unreadable: list[DataFile] = []
        self._damaged: list[DataFile] = []  # of these, those that are there
        self._added: list[DataFile] = []
        self._changed: set[Place] = set()
        self._waiting: list[Message] = []
        self._waiting_bytes = 0
        self._missing = 0

    def leave_out_unreadable(self, table: ArchivedTable) -> None:
        """Have the table without the files that cannot be read: their records are missing then."""
        for one in table.state.files.values():
            try:
                table.read(one)
            except Gone:
                self._unreadable.append(one)
            except Unreadable:
                self._unreadable.append(one)
                self._damaged.append(one)
        left = {one.path for one in self._unreadable}
        files = {path: one for path, one in table.state.files.items() if path not in left}
        table.state = replace(table.state, files=files)

    def write_again(self, message: Message, *, changed: bool) -> None:
        """A record that the archive does not have, or has otherwise."""
        if changed:
            self._changed.add((message.partition() or 0, message.offset() or 0))
        else:
            self._missing += 1
        self._waiting.append(message)
        self._waiting_bytes += len(message)
        if len(self._waiting) >= AT_ONCE or self._waiting_bytes >= BYTES_AT_ONCE:
            self._write()

    def commit(self) -> int:
        """Put everything in its place. Returns how many records of unreadable files the topic does not hold any more.

        Raises ClickstreamError, and changes nothing, when a damaged file may still hold some of those.
        """
        lost = max(0, sum(one.rows for one in self._unreadable) - self._missing)
        if lost and self._damaged:
            self._give_up()
            one = self._damaged[0]
            raise ClickstreamError(
                f"{self._store.where}: {one.path} of {self._source.name} is damaged, and {lost:,} records of files "
                "that cannot be read are not in the topic any more. Nothing was changed. Restore the file; or move it "
                "away, and what the topic has is written again without them."
            )
        self._write()
        for one in self._of_changed():
            self._added += self._target.rewrite_without(self._source.topic, one, self._changed)
            self._unreadable.append(one)
        self._target.put_in_place(self._source.topic, self._added, [one.path for one in self._unreadable])
        return lost

    def _write(self) -> None:
        if self._waiting:
            self._added += self._target.write_beside(self._reader.read(self._waiting).rows)
        self._waiting, self._waiting_bytes = [], 0

    def _of_changed(self) -> Sequence[DataFile]:
        """The files that may have records which are otherwise in the topic."""
        left = {one.path for one in self._unreadable}
        spans: dict[int, Place] = {}
        for number, offset in self._changed:
            first, last = spans.get(number, (offset, offset))
            spans[number] = (min(first, offset), max(last, offset))
        return [
            one
            for one in self._target.state(self._source.topic).files.values()
            if one.path not in left
            and any(
                number in spans and first <= spans[number][1] and end > spans[number][0]
                for number, (first, end) in one.offsets.items()
            )
        ]

    def _give_up(self) -> None:
        for one in self._added:
            self._store.delete(f"{self._target.folder(self._source.topic)}/{one.path}")
