"""What a function of `clickstream transform` gets, and what it may return.

A function takes a Record and returns

- None: no result;
- a Record: it is written as it is;
- a dict: it is written as compact JSON, with the key and the time of the record that was given;
- a list, a tuple or a generator of these: they are written in their order.

What it raises sends the record to the dead-letter topic, with the reason; only Away has it wait.
"""

from collections.abc import Callable
from typing import Any

import msgspec

Headers = tuple[tuple[str, bytes | None], ...]


class Record(msgspec.Struct, frozen=True, array_like=True):
    """A Kafka record. `timestamp` is in epoch ms; a result without one has that of the record that was given.

    `topic`, `partition` and `offset` tell where a record that was given stood; of a result they mean nothing.
    """

    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    timestamp: int | None = None
    topic: str = ""
    partition: int = -1
    offset: int = -1

    @property
    def id(self) -> str:
        """`TOPIC/PARTITION/OFFSET`: the same when the same record comes again, as after a crash."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def json(self) -> Any:
        """The value, read as JSON. Raises ValueError when it is none."""
        return msgspec.json.decode(self.value or b"")

    def changed(self, **fields: Any) -> "Record":
        """The same record with other fields: `record.changed(value=b"...")`."""
        return msgspec.structs.replace(self, **fields)


class Away(Exception):
    """To be raised by a function when something that it needs is away: the record waits and is tried again."""


Function = Callable[[Record], Any]
