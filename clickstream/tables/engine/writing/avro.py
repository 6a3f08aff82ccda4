"""Keys or values of a result as Avro of a schema registry, made of their texts, and texts of them.

The texts are those of `encode`, in which times and dates are numbers: a record that was written says by its text, and
not by its bytes, which row it is. A row of 4 columns costs 9 us, 6 of them in fastavro; as JSON it would be 1.
"""

import threading
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from clickstream.avro.codec import Decoder, Encoder, NotAvro, UnknownSchema, encoder
from clickstream.avro.schema import NONE_KEPT
from clickstream.avro.waiting import Ended, patiently
from clickstream.errors import ClickstreamError
from clickstream.kafka.patience import Stopped
from clickstream.tables.engine.decoding.jackson import double_text, quote
from clickstream.tables.engine.options import RESET
from clickstream.tables.engine.registry import registry_of
from clickstream.tables.sql.avro import schema_of
from clickstream.tables.sql.model import Table
from clickstream.tables.sql.types import Type


class AvroPart:
    """The keys or the values of one result; `find_schema` comes first."""

    def __init__(self, table: Table, part: Literal["key", "value"]) -> None:
        """Raises ConfigError for a registry that can be none."""
        options = table.avro(part)
        assert options is not None
        self._topic = table.topic
        self._subject = options.subject
        self._schema = schema_of(table, part)
        self._types = {name: column.type for name, column in table.fields(part)}
        self._doubles = [name for name, kind in self._types.items() if kind == Type.DOUBLE]
        self._registry = registry_of(options)
        self._decoder = Decoder(self._registry, NONE_KEPT)
        self._encoder: Encoder | None = None
        self._stop = threading.Event()

    def find_schema(self, stop: threading.Event, *, register: bool, how: str) -> None:
        """As Form.find_schemas."""
        self._stop = stop

        def ask() -> Encoder:
            return encoder(self._registry, self._subject, self._schema, register=register, how=how)

        try:
            self._encoder = patiently(ask, stop, 0.0, "written")
        except Ended:
            raise Stopped("Stopped while the schema registry was waited for.") from None

    def octets(self, text: str | bytes) -> bytes:
        """What is sent for a text. Raises ClickstreamError when the registry was wiped."""
        assert self._encoder is not None, "find_schema() comes first"
        record = msgspec.json.decode(text)
        for name in self._doubles:
            if isinstance(record[name], str):  # what is no number has no other way to be written in JSON
                record[name] = float(record[name])
        return self._encoder.write(record)

    def text(self, octets: bytes) -> bytes | None:
        """The text of what was sent; None for what is no such row.

        Raises ClickstreamError when the registry does not have its schema, Stopped.
        """
        try:
            record, _ = patiently(lambda: self._record(octets), self._stop, 0.0)
            return _text(record, self._types)
        except NotAvro:
            return None
        except Ended:
            raise Stopped("Stopped while the schema registry was waited for.") from None

    def _record(self, octets: bytes) -> tuple[dict[str, Any], dict[str, int]]:
        try:
            return self._decoder.record(octets)
        except UnknownSchema as problem:
            raise ClickstreamError(
                f"Topic {self._topic} has rows that cannot be told from those to be written: {problem}. Restore the "
                f"registry, and start again. Or: {RESET}"
            ) from None


def _text(record: Mapping[str, Any], types: Mapping[str, Type]) -> bytes:
    """As `encode` writes it. Raises NotAvro for a field of another type."""
    return f"{{{','.join(f'{quote(name)}:{_cell(record.get(name), kind)}' for name, kind in types.items())}}}".encode()


_PYTHON: Mapping[Type, type] = {Type.BOOLEAN: bool, Type.DOUBLE: float, Type.STRING: str}


def _cell(value: Any, kind: Type) -> str:
    if value is None:
        return "null"
    fits = type(value) is _PYTHON.get(kind, int)
    if not fits:
        raise NotAvro(f"{type(value).__name__} instead of {kind}")
    match kind:
        case Type.BOOLEAN:
            return "true" if value else "false"
        case Type.DOUBLE:
            return double_text(value)
        case Type.STRING:
            return quote(value)
        case _:
            return str(value)
