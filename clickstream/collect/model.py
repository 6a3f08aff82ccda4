"""What the rooms of the collector hand to each other: a request, and what came of it.

Structs, as dataclasses that are frozen take 2 us each to be made, and named tuples a third of one.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from clickstream.records import WebEvent


class Reason(StrEnum):
    """Why something was refused. It is in the answer, in the dead letter's header `kind`, and in metrics."""

    NOT_JSON = "not-json"
    NOT_AN_EVENT = "not-an-event"  # a field that is missing, unknown or of another type
    TOO_LARGE = "too-large"  # an event, or a field of it
    TOO_MANY = "too-many"  # events in a request, properties in an event, levels of nesting
    BAD_URL = "bad-url"
    BAD_NUMBER = "bad-number"  # of Divolte's base36
    BAD_PARAMETERS = "bad-parameters"  # of Divolte's mincode, or a query string that cannot be read
    MISSING = "missing"  # what Divolte's protocol asks for


class Request(msgspec.Struct, frozen=True):
    """One HTTP request whose body was read within its limits.

    `headers` have names in lower case; several lines of one name are joined by ", ". `peer` is the address, without
    its port, that the connection comes from. `received_at` is in epoch ms.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    peer: str
    received_at: int
    body: bytes = b""


class Record(msgspec.Struct, frozen=True, array_like=True):
    """Of a topic, as Kafka takes it."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, str | bytes | None]] | None = None


class Outgoing(msgspec.Struct, frozen=True):
    """Records that are acknowledged together. What has an `id` that was acknowledged before is not sent again."""

    records: Sequence[Record]
    id: str | None = None
    event: WebEvent | None = None  # None: a dead letter


class Refused(msgspec.Struct, frozen=True):
    """What of a request cannot be taken, and why; `index` is its place in an array of events.

    `value` is what goes to the dead letters: never an address, and nothing that is not of this event.
    """

    reason: Reason
    detail: str
    value: bytes
    index: int = 0


class Taken(msgspec.Struct):
    """What came of a request. `opted_out`: its sender wants nothing to be stored, and nothing is.

    `address` is that of the client, truncated as it may be shown; `first_ids` are the ids that now count as seen.
    """

    events: list[Outgoing] = []
    refused: list[Refused] = []
    opted_out: bool = False
    address: str | None = None
    first_ids: tuple[str, ...] = ()
