"""Schemas as fastavro reads them, without what would turn numbers into local times.

A time stays the number that it is (ms or us since 1970): fastavro makes datetimes of them, and reads those that have no
zone as local ones when it writes. Decimals, dates and uuids become what msgspec writes as text. A string of the logical
type `json` (ours; others see a string) stands for any JSON.
"""

from typing import Any

import fastavro
import msgspec
from fastavro.schema import SchemaParseException, UnknownType, to_parsing_canonical_form

from clickstream.avro.registry import Stored

KEPT = frozenset({"decimal", "date", "uuid", "json"})
"""Logical types that are more than a number."""
NONE_KEPT: frozenset[str] = frozenset()

# fastavro looks readers of logical types up by `type-logicalType`. What others wrote may be no JSON, or more than one
# value, which would add fields to the record: this raises DecodeError, which makes the record a dead letter.
fastavro.read.LOGICAL_READERS["string-json"] = lambda text, _writer, _reader: msgspec.json.decode(text)


class BadSchema(ValueError):
    """A schema is not understood; the message says why."""


def plain(schema: Any, kept: frozenset[str] = KEPT) -> Any:
    """A schema in JSON without the logical types that are not `kept`."""
    if isinstance(schema, list):
        return [plain(one, kept) for one in schema]
    if not isinstance(schema, dict):
        return schema
    left = {name: value for name, value in schema.items() if name != "logicalType" or value in kept}
    for name in ("type", "items", "values"):
        if name in left:
            left[name] = plain(left[name], kept)
    if isinstance(left.get("fields"), list):
        left["fields"] = [plain(field, kept) for field in left["fields"]]
    return left


def read_json(text: str) -> Any:
    """The JSON of a schema's text. Raises BadSchema."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise BadSchema(f"its schema is no JSON: {problem}") from None


def same(one: str, other: str) -> bool:
    """Whether two texts stand for one schema: a registry may keep another than it was given."""
    try:
        return read_json(one) == read_json(other) or _canonical(one) == _canonical(other)
    except BadSchema:
        return False


def _canonical(text: str) -> str:
    # https://avro.apache.org/docs/1.12.0/specification/#parsing-canonical-form-for-schemas
    return str(to_parsing_canonical_form(parse(read_json(text), kept=NONE_KEPT)))


def parsed(stored: Stored, kept: frozenset[str] = KEPT) -> Any:
    """What fastavro reads with. Raises BadSchema, also for schemas that are not of Avro."""
    if stored.kind != "AVRO":
        raise BadSchema(f"schema {stored.id} is {stored.kind}, not Avro")
    named: dict[str, Any] = {}
    for text in stored.references:
        parse(read_json(text), named, kept)
    return parse(read_json(stored.text), named, kept)


def parse(schema: Any, named: dict[str, Any] | None = None, kept: frozenset[str] = KEPT) -> Any:
    """What fastavro reads and writes with; `named` has the types that may be used by name. Raises BadSchema."""
    try:
        return fastavro.parse_schema(plain(schema, kept), {} if named is None else named)
    except (SchemaParseException, UnknownType, RecursionError, TypeError, ValueError, KeyError) as problem:
        raise BadSchema(f"its schema is not understood: {type(problem).__name__}: {problem}") from None


_PER_MS = {"millis": 1, "micros": 1_000, "nanos": 1_000_000}


def units_per_ms(schema: Any) -> dict[str, int]:
    """Of a record's fields that are points in time, with a zone or without one: 1, 1000 or 1,000,000."""
    found = {}
    fields = schema.get("fields", ()) if isinstance(schema, dict) else ()
    for field in fields:
        kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
        for kind in kinds:
            logical = str(kind.get("logicalType", "")) if isinstance(kind, dict) else ""
            name, _, unit = logical.rpartition("-")
            if name in ("timestamp", "local-timestamp") and unit in _PER_MS:
                found[field["name"]] = _PER_MS[unit]
    return found


def name_of(schema: Any) -> str:
    """Of a type with a name its full one, else its kind: `clickstream.WebClick`, `string`, `union`."""
    if isinstance(schema, list):
        return "union"
    if not isinstance(schema, dict):
        return str(schema)
    name, space = schema.get("name"), schema.get("namespace")
    if not isinstance(name, str):
        return name_of(schema.get("type"))
    return name if "." in name or not space else f"{space}.{name}"
