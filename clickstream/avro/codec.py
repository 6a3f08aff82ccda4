"""Records in the wire format as JSON, and JSON as such records."""

import io
import time
from collections.abc import Callable
from typing import Any, TypeVar

import fastavro
import msgspec

from clickstream.avro.fitting import NoFit, fit_for
from clickstream.avro.guard import Guard, must_still_have
from clickstream.avro.http import RegistryAway
from clickstream.avro.registry import Registry, UnknownSchema
from clickstream.avro.schema import KEPT, BadSchema, name_of, parse, parsed, plain, read_json, units_per_ms
from clickstream.avro.unknown import UnknownIds
from clickstream.avro.wire import HEADER_BYTES, NotAvro, framed, schema_id_of
from clickstream.errors import ClickstreamError, ConfigError

T = TypeVar("T")


class Decoder:
    """Reads values in the wire format; each schema is asked for once."""

    def __init__(
        self,
        registry: Registry,
        kept: frozenset[str] = KEPT,
        *,
        unknown_for_s: float = 0.0,
        rest_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Values of logical types that are not `kept` are what these are made of.

        `unknown_for_s`: an id that the registry does not know is not asked for again for so long. `rest_s`: after
        several of them in a row no other one is asked for, either; for those who may do without a record's fields.
        """
        self._registry = registry
        self._kept = kept
        self._schemas: dict[int, Any] = {}
        self._texts: dict[int, str] = {}
        self._per_ms: dict[int, dict[str, int]] = {}
        self._names: dict[int, str] = {}
        self._refused: dict[int, str] = {}  # schemas that are not understood, and why
        self._unknown = UnknownIds(unknown_for_s, rest_s, clock)

    def to_json(self, value: bytes) -> bytes:
        """The record as compact JSON: times are numbers in their unit, decimals, dates and uuids texts, bytes base64.

        Raises NotAvro for a value that is not what its schema says, UnknownSchema and RegistryAway, after which the
        same value may be asked for again, and ClickstreamError when the registry was wiped or refuses.
        """
        return self._read(value, msgspec.json.encode)

    def record(self, value: bytes) -> tuple[dict[str, Any], dict[str, int]]:
        """The record's fields, as to_json has them, and how many units per ms those have that are points in time.

        Raises what to_json raises.
        """
        record = self._read(value, lambda found: found)
        if not isinstance(record, dict):
            raise NotAvro("its schema is not one of a record")
        return record, self._per_ms[schema_id_of(value)]

    def name(self, value: bytes) -> str:
        """What a value is by its schema, without reading more of it: the full name of a record, or `string`.

        Raises what to_json raises.
        """
        schema_id = schema_id_of(value)
        self._schema(schema_id)
        return self._names[schema_id]

    def _read(self, value: bytes, made: Callable[[Any], T]) -> T:
        schema = self._schema(schema_id_of(value))
        body = io.BytesIO(value)
        body.seek(HEADER_BYTES)
        try:
            found = made(fastavro.schemaless_reader(body, schema, None))
            left = len(value) - body.tell()
        except Exception as problem:  # noqa: BLE001 - of octets that mean nothing, fastavro raises whatever it meets
            raise NotAvro(f"not what its schema says ({type(problem).__name__}: {problem})"[:300]) from None
        if left:
            raise NotAvro(f"{left} bytes more than its schema says")
        return found

    def _schema(self, schema_id: int) -> Any:
        schema = self._schemas.get(schema_id)
        if schema is None:
            schema = self._ask(schema_id)
        self._unknown.in_a_row = 0
        return schema

    def _ask(self, schema_id: int) -> Any:
        if schema_id in self._refused:
            raise NotAvro(self._refused[schema_id])
        if not self._unknown.may_be_asked_for(schema_id):
            raise UnknownSchema(schema_id, self._registry.where)
        try:
            stored = self._registry.schema(schema_id)
        except UnknownSchema:
            self._must_not_be_wiped()
            self._unknown.add(schema_id)
            raise
        try:
            schema = parsed(stored, self._kept)
        except BadSchema as problem:
            self._refused[schema_id] = f"of schema {schema_id}: {problem}"
            raise NotAvro(self._refused[schema_id]) from None
        self._schemas[schema_id], self._texts[schema_id] = schema, stored.text
        found = read_json(stored.text)
        self._per_ms[schema_id], self._names[schema_id] = units_per_ms(found), name_of(found)
        return schema

    def _must_not_be_wiped(self) -> None:
        """An unknown id is one that is not there yet, unless those are gone, too, that were there."""
        for schema_id, text in list(self._texts.items())[-1:]:
            must_still_have(self._registry, schema_id, text)


class Writer:
    """Writes JSON with one schema, and asks no registry."""

    def __init__(self, schema_id: int, text: str) -> None:
        """Raises BadSchema for a schema that is not understood."""
        self.schema_id = schema_id
        schema = read_json(text)
        self._schema = parse(schema)
        self._fit = fit_for(plain(schema))

    def encode(self, value: bytes) -> bytes:
        """JSON in the wire format. Raises NoFit for what is no JSON, or nothing that the schema has a place for."""
        try:
            fitting = self._fit(msgspec.json.decode(value))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
            raise NoFit(f"no JSON ({problem})") from None
        return self.write(fitting)

    def write(self, fitting: Any) -> bytes:
        """A value that is known to fit the schema, in the wire format."""
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self._schema, fitting)
        return framed(self.schema_id, out.getvalue())


class Encoder:
    """Writes JSON with one schema of a subject, as long as the registry has it."""

    def __init__(
        self, registry: Registry, schema_id: int, text: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises ConfigError for a schema that is not understood."""
        self.schema_id = schema_id
        self.text = text
        self._guard = Guard(registry, schema_id, text, clock)
        try:
            self._writer = Writer(schema_id, text)
        except BadSchema as problem:
            raise ConfigError(f"Schema {schema_id} of {registry.where}: {problem}.") from None

    def encode(self, value: bytes) -> bytes:
        """JSON in the wire format.

        Raises NoFit for what is no JSON, or nothing that the schema has a place for; ClickstreamError once the registry
        has said that it was wiped.
        """
        self._guard.check()
        return self._writer.encode(value)

    def write(self, fitting: Any) -> bytes:
        """A value that is known to fit the schema, in the wire format: times are numbers in their unit, dates days.

        Raises ClickstreamError once the registry has said that it was wiped.
        """
        self._guard.check()
        return self._writer.write(fitting)


def encoder(registry: Registry, subject: str, text: str | None, *, register: bool, how: str = "") -> Encoder:
    """Writes with the schema `text` of a subject; without one, with its latest.

    Only with `register` an unknown schema is registered; `how` is the command that does it otherwise. Raises
    RegistryAway, and ClickstreamError when the subject does not have it.
    """
    if text is None:
        latest = registry.latest(subject)
        if latest is None:
            raise ClickstreamError(
                f"The schema registry at {registry.where} has no subject {subject}. Register its schema: "
                f"clickstream schemas register FILE.avsc --subject {subject}"
            )
        return Encoder(registry, latest.id, latest.text)
    if register:
        return Encoder(registry, registry.register(subject, text), text)
    schema_id = registry.id_of(subject, text)
    if schema_id is None:
        how = how or f"clickstream schemas register SCHEMA --subject {subject}"
        raise ClickstreamError(
            f"Subject {subject} of the schema registry at {registry.where} does not have the schema. Register it: "
            f"{how}, or say --auto-register."
        )
    return Encoder(registry, schema_id, text)


__all__ = [
    "Decoder",
    "Encoder",
    "NoFit",
    "NotAvro",
    "RegistryAway",
    "UnknownSchema",
    "Writer",
    "encoder",
]
