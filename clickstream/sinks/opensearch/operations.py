"""Rows as operations of a bulk request: at most one for each document, with a version that orders them.

A version is the epoch of who writes, and the offset. So those of a later writer are above all earlier ones, also of
documents that were deleted, of a topic that was there before a reset, and of a partition that a key has left; and of
those of one writer that of the later record is higher. https://docs.opensearch.org/latest/api-reference/document-apis/bulk/.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow.compute as pc
from confluent_kafka import Message

from clickstream.errors import ClickstreamError
from clickstream.sinks.documents import Cleaned, documents
from clickstream.sinks.model import DELETED, FINAL, OFFSET, PARTITION, Rows
from clickstream.sinks.opensearch.mapping import IS_FINAL, LONGEST_TERM, ORIGIN, Index
from clickstream.sinks.target import Refused
from clickstream.tables.sql.types import Type

NOT_SEARCHED = f"a text of more than {LONGEST_TERM:,} characters, kept and not searched"

LONGEST_ID = 512  # bytes
OFFSET_BITS = 44  # of 63: half a year of a million records a second in one partition, and 524,287 starts
HIGHEST_EPOCH = (1 << 63 - OFFSET_BITS) - 1
HASHED = "sha256:"


@dataclass(frozen=True)
class Operation:
    """One document to write (`source`) or to delete (None), for a record of the topic."""

    id: str
    version: int
    source: bytes | None
    partition: int
    offset: int
    message: Message | None  # None: no record's, of a reset

    def row(self) -> Message:
        """The record that it is of."""
        assert self.message is not None
        return self.message

    def lines(self, **condition: Any) -> bytes:
        """Its lines in a bulk request: with its version, or with another condition."""
        verb = "delete" if self.source is None else "create" if condition.pop("create", False) else "index"
        if not condition and verb != "create":
            condition = {"version": self.version, "version_type": "external_gte"}
        head = msgspec.json.encode({verb: {"_id": self.id, **condition}})
        return head + b"\n" if self.source is None else head + b"\n" + self.source + b"\n"


@dataclass(frozen=True)
class Operations:
    """What comes of rows: the last operation of each document, and rows that have no id."""

    todo: list[Operation]
    refused: list[tuple[Message, Refused]]
    upserted: int
    deleted: int
    cleaned: Cleaned


def version_of(epoch: int, offset: int) -> int:
    """Raises ClickstreamError when there are no more."""
    if epoch > HIGHEST_EPOCH or offset + 1 >= 1 << OFFSET_BITS:
        raise ClickstreamError(
            f"The sink has no more versions: it was started {epoch:,} times, and is at offset {offset:,}. Give it "
            "another --prefix: it fills new indices from the start."
        )
    return epoch << OFFSET_BITS | offset + 1


def operations(index: Index, rows: Rows, epoch: int, topic_id: str) -> Operations:
    """What to do for rows, in their order."""
    values, cleaned = documents(rows)
    _count_long_texts(index, rows, cleaned)
    names = {one.column: one.name for one in index.fields}
    renamed = any(column != name for column, name in names.items())
    key = rows.input.primary_key
    found: dict[str, Operation] = {}
    refused: list[tuple[Message, Refused]] = []
    deleted = 0
    about = (rows.table[name].to_pylist() for name in (PARTITION, OFFSET, DELETED, FINAL))
    for document, message, partition, offset, gone, final in zip(values, rows.messages, *about, strict=True):
        id = _id(document, key) if key else f"{rows.input.topic}/{partition}/{offset}"
        if id is None:
            column = next(name for name in key if document[name] is None)
            refused.append((message, Refused("key", "the key has a value that no document can have", column)))
            continue
        deleted += gone
        source = None
        if not gone:
            if renamed:
                document = {names[column]: value for column, value in document.items()}
            document[ORIGIN] = {"topic_id": topic_id, "partition": partition, "offset": offset}
            if index.early:
                document[IS_FINAL] = final
            source = msgspec.json.encode(document)
        found[id] = Operation(id, version_of(epoch, offset), source, partition, offset, message)
    upserted = len(rows) - deleted - len(refused)
    return Operations(list(found.values()), refused, upserted, deleted, cleaned)


def _id(document: Mapping[str, Any], key: Sequence[str]) -> str | None:
    """Of one column its value as text, of several a JSON array; None when a value is missing."""
    values = [document[name] for name in key]
    if any(value is None for value in values):
        return None
    text = values[0] if len(values) == 1 else values
    return id_of(text if isinstance(text, str) else msgspec.json.encode(text).decode())


def id_of(text: str) -> str:
    """A document's id for a text: itself, or a hash of what is empty or has more than 512 bytes."""
    # Also what looks like a hash: else a text could be made that has the id of another one.
    if text and not text.startswith(HASHED) and len(text) <= LONGEST_ID and len(text.encode()) <= LONGEST_ID:
        return text
    return HASHED + hashlib.sha256(text.encode()).hexdigest()


def _count_long_texts(index: Index, rows: Rows, cleaned: Counter[tuple[str, str]]) -> None:
    for one in index.fields:
        if one.type == Type.STRING and one.mapping["type"] == "keyword":
            values = rows.column(one.column)
            suspects = values.filter(pc.greater(pc.binary_length(values), LONGEST_TERM)).to_pylist()
            # Characters as Java counts them.
            long = sum(len(text.encode("utf-16-le")) // 2 > LONGEST_TERM for text in suspects)
            if long:
                cleaned[one.column, NOT_SEARCHED] += long
