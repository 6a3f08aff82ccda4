"""Avro of a schema registry as the JSON that the reader of a table's columns takes.

As with avro-confluent of Flink, a record is read with the schema that wrote it; fields become columns by their names.
"""

import threading
from collections.abc import Sequence

from clickstream.avro.codec import Decoder, NotAvro, RegistryAway, UnknownSchema
from clickstream.avro.registry import Registry
from clickstream.avro.texts import reader
from clickstream.avro.unknown import UNKNOWN_FOR_S
from clickstream.avro.waiting import Ended, patiently
from clickstream.avro.wire import is_framed
from clickstream.kafka.patience import Stopped
from clickstream.tables.sql.model import Column
from clickstream.tables.sql.types import Type

Messages = Sequence[bytes | None]

# Without anybody who could end the wait: a table that is only looked at.
PATIENCE_S = 10.0
_ZONES = {Type.TIMESTAMP: "", Type.TIMESTAMP_LTZ: "Z"}
UNREADABLE = b""
"""Stands for what is no Avro: no JSON either."""


class AvroMessages:
    """Turns keys or values of one topic into JSON."""

    def __init__(
        self,
        registry: Registry,
        columns: Sequence[Column],
        prefix: str = "",
        *,
        unknown_waits: bool = True,
        strict: bool = True,
    ) -> None:
        """`columns` have fields that are called as they are without `prefix`. What is of an unknown schema waits, or is
        unreadable.

        Unless `strict`, what is no Avro of a schema that is known stays as it is.
        """
        fields = {one.name.removeprefix(prefix): one.type for one in columns}
        zones = {name: _ZONES[kind] for name, kind in fields.items() if kind in _ZONES}
        doubles = [name for name, kind in fields.items() if kind == Type.DOUBLE]
        unknown_for_s = 0.0 if unknown_waits and strict else UNKNOWN_FOR_S
        self._read = reader(Decoder(registry, unknown_for_s=unknown_for_s), zones, doubles)
        self._unknown_waits = unknown_waits
        self._strict = strict
        self.waiting = False  # for the registry, or for a schema; may be read from any thread

    def to_json(
        self, messages: Messages, stop: threading.Event | None = None
    ) -> tuple[list[bytes | None], dict[int, str]]:
        """JSON for each message, UNREADABLE for those of which the dict says why.

        Waits for a registry that is away: until `stop` is set, which raises Stopped, or without one for PATIENCE_S.
        Raises ClickstreamError when the registry refuses or was wiped.
        """
        texts: list[bytes | None] = []
        bad: dict[int, str] = {}
        for index, message in enumerate(messages):
            try:
                texts.append(None if message is None else self._one(message, stop))
            except NotAvro as problem:
                texts.append(UNREADABLE)
                bad[index] = str(problem)
        return texts, bad

    def _one(self, message: bytes, stop: threading.Event | None) -> bytes:
        if not self._strict and not is_framed(message):
            return message
        try:
            return patiently(lambda: self._known(message), stop, PATIENCE_S)
        except Ended:
            raise Stopped("Stopped while the schema registry was waited for: what was read is read again.") from None
        except NotAvro:
            if self._strict:
                raise
            return message

    def _known(self, message: bytes) -> bytes:
        """Raises UnknownSchema only where that is waited for."""
        waits = False
        try:
            return self._read(message)
        except RegistryAway:
            waits = True
            raise
        except UnknownSchema as problem:
            if self._strict and self._unknown_waits:
                waits = True
                raise
            raise NotAvro(str(problem)) from None
        finally:
            self.waiting = waits
