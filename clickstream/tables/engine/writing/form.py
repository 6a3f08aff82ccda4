"""What keys and values of a result are in its topic. Inside of the engine they are texts, also where they become Avro:
what was shown early, what waits in the outbox and what was there before a crash is told by these.
"""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from clickstream.tables.sql.model import Table

if TYPE_CHECKING:
    from clickstream.tables.engine.writing.avro import AvroPart

Text = str | bytes | None
UNREADABLE = b""
"""Stands for a value that is none of the result's rows: it is equal to none."""


class Form:
    """Of one result. A part that is None is the text as it is."""

    def __init__(self, key: "AvroPart | None" = None, value: "AvroPart | None" = None) -> None:
        self._key = key
        self._value = value

    def find_schemas(self, stop: threading.Event, *, register: bool, how: str) -> None:
        """Ask the registry for them before the first row, however long it is away; with `register`, have it add them.

        `how` is the command that adds them otherwise. Raises ClickstreamError when it does not have them, Stopped.
        """
        for part in (self._key, self._value):
            if part is not None:
                part.find_schema(stop, register=register, how=how)

    def packed(self, rows: Iterable[tuple[Any, ...]]) -> Iterable[tuple[Any, ...]]:
        """Rows, of which the first two are key and value, as they are sent.

        Raises ClickstreamError when a registry was wiped.
        """
        if self._key is None and self._value is None:
            return rows
        return [(_packed(self._key, row[0]), _packed(self._value, row[1]), *row[2:]) for row in rows]

    def unpacked(self, key: bytes | None, value: bytes | None) -> tuple[bytes | None, bytes | None] | None:
        """The texts of a record of the topic; None if its key is none of this result.

        Waits while a registry is away. Raises ClickstreamError when it does not have a record's schema, Stopped.
        """
        if self._key is not None and key is not None:
            key = self._key.text(key)
            if key is None:
                return None
        if self._value is not None and value is not None:
            found = self._value.text(value)
            value = UNREADABLE if found is None else found
        return key, value


def _packed(part: "AvroPart | None", text: Text) -> Text:
    return text if part is None or text is None else part.octets(text)


def form_of(table: Table) -> Form:
    """That of a result. Raises ConfigError for a registry that can be none."""
    if table.avro() is None and table.avro("key") is None:
        return Form()
    from clickstream.tables.engine.writing.avro import AvroPart  # its extra is for those who use it

    return Form(
        AvroPart(table, "key") if table.avro("key") is not None else None,
        AvroPart(table, "value") if table.avro() is not None else None,
    )
