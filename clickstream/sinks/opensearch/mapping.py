"""What an input's rows are in an index: its name, its fields and their types, and what stands in the way. Pure."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clickstream.errors import ConfigError
from clickstream.sinks.model import Input
from clickstream.tables.sql.model import Column
from clickstream.tables.sql.types import Type

ORIGIN, IS_FINAL = "_origin", "is_final"

# A term has 32,766 bytes at most; a character, as Java counts them, has 3 or fewer.
LONGEST_TERM = 8_191
LONGEST_NAME = 180  # bytes, of 255: names of aliases, which are longer, have the same limit

TYPES: Mapping[Type, Mapping[str, Any]] = {
    Type.BOOLEAN: {"type": "boolean"},
    Type.INT: {"type": "integer"},
    Type.BIGINT: {"type": "long"},
    Type.DOUBLE: {"type": "double"},
    Type.STRING: {"type": "keyword", "ignore_above": LONGEST_TERM},
    Type.TIMESTAMP: {"type": "date"},
    Type.TIMESTAMP_LTZ: {"type": "date"},
    Type.DATE: {"type": "date"},
    # Kept, and not searched: any number of names would become any number of fields.
    Type.HEADERS: {"type": "object", "enabled": False},
}
TEXT: Mapping[str, Any] = {"type": "text", "fields": {"keyword": TYPES[Type.STRING]}}

# Types of an existing index that take every value, too.
ALSO: Mapping[Type, frozenset[str]] = {
    Type.INT: frozenset({"long", "double"}),
    Type.STRING: frozenset({"text", "wildcard", "match_only_text"}),
    Type.TIMESTAMP: frozenset({"date_nanos"}),
    Type.TIMESTAMP_LTZ: frozenset({"date_nanos"}),
    Type.HEADERS: frozenset({"flat_object", "flattened"}),
}
OWN: Mapping[str, Any] = {
    "properties": {
        "topic_id": {"type": "keyword"},
        "partition": {"type": "integer"},
        "offset": {"type": "long"},
    }
}


@dataclass(frozen=True)
class Field:
    """A column's field: its name in documents, the column's type and the mapping that it gets."""

    name: str
    column: str
    type: Type
    mapping: Mapping[str, Any]

    def fits(self, found: Mapping[str, Any]) -> bool:
        """Whether a field that exists holds every value of this one."""
        kind = found.get("type", "object")
        if kind == "object" and self.type == Type.HEADERS:
            return found.get("enabled") is False
        if kind == "date" and "format" in found:
            return False
        return kind == self.mapping["type"] or kind in ALSO.get(self.type, ())


@dataclass(frozen=True)
class Index:
    """Where an input's rows go."""

    source: Input
    name: str
    fields: Sequence[Field]
    early: bool

    @property
    def is_renamed(self) -> bool:
        """Whether the index has another name than the table, but for the prefix."""
        return not self.name.endswith(self.source.name)

    @property
    def renamed_fields(self) -> list[tuple[str, str]]:
        """Columns whose fields have another name, and that name."""
        return [(one.column, one.name) for one in self.fields if one.column != one.name]

    def properties(self) -> dict[str, Any]:
        """All fields, as a mapping has them."""
        found: dict[str, Any] = {one.name: dict(one.mapping) for one in self.fields}
        found[ORIGIN] = dict(OWN)
        if self.early:
            found[IS_FINAL] = dict(TYPES[Type.BOOLEAN])
        return found

    def definition(self) -> dict[str, Any]:
        """What the index is made with. A deletion's version is remembered for `gc_deletes`; 60 s without it."""
        return {
            "settings": {"index.gc_deletes": "5m"},
            "mappings": {
                "dynamic": "strict",
                "date_detection": False,
                "numeric_detection": False,
                "_meta": {"clickstream": {"topic": self.source.topic}},
                "properties": self.properties(),
            },
        }


def index_of(source: Input, prefix: str, *, early: bool) -> Index:
    """Raises ConfigError for names that would become one, or that the sink has itself."""
    fields = [Field(field_name(one.name), one.name, one.type, _mapping(source, one)) for one in source.columns]
    for number, one in enumerate(fields):
        own = {ORIGIN, *([IS_FINAL] if early else [])}
        if one.name in own:
            raise ConfigError(
                f"Table {source.name}: the sink has a field {one.name} of its own. Rename column {one.column}."
            )
        twin = next((other for other in fields[:number] if other.name == one.name), None)
        if twin is not None:
            raise ConfigError(
                f"Table {source.name}: columns {twin.column} and {one.column} would both be the field {one.name}. "
                "Rename one of them in the SQL."
            )
    return Index(source, index_name(prefix + source.name), fields, early)


def indices_of(inputs: Sequence[Input], prefix: str, *, early: bool) -> list[Index]:
    """One for each input. Raises ConfigError also when two would be one."""
    found = [index_of(one, prefix, early=early) for one in inputs]
    for number, one in enumerate(found):
        twin = next((other for other in found[:number] if other.name == one.name), None)
        if twin is not None:
            raise ConfigError(
                f"Tables {twin.source.name} and {one.source.name} would both be the index {one.name}: give one of them "
                "to another sink, with --only, --name and --prefix."
            )
    return found


def _mapping(source: Input, column: Column) -> Mapping[str, Any]:
    if source.table is None and column.name == "value":
        return TEXT
    return TYPES[column.type]


def index_name(name: str) -> str:
    """Lower case; what is none of a-z, 0-9, `_`, `-` and `.` becomes `-`; it begins with a letter or a digit.

    https://docs.opensearch.org/latest/api-reference/index-apis/create-index/#index-naming-restrictions. A name that is
    too long ends with a hash.
    """
    text = re.sub(r"[^a-z0-9_.-]", "-", name.lower())
    if not re.match(r"[a-z0-9]", text):
        text = "x" + text
    if len(text) <= LONGEST_NAME:
        return text
    return f"{text[: LONGEST_NAME - 13]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def field_name(name: str) -> str:
    """A dot becomes `_`, since it would begin a field within a field; names that begin with `_`, or are blank, get an
    `f` before them: the former are the index's own."""
    text = name.replace(".", "_")
    return f"f{text}" if text.startswith("_") or not text.strip() else text


def problems(index: Index, found: Mapping[str, Any]) -> list[str]:
    """Why an index that exists cannot be written to; `found` is what GET says of it."""
    mappings = found.get("mappings") or {}
    there = mappings.get("properties") or {}
    remedy = "Reindex it, or give the sink another --prefix."
    said = []
    topic = ((mappings.get("_meta") or {}).get("clickstream") or {}).get("topic", index.source.topic)
    if topic != index.source.topic:
        said.append(f"Index {index.name} is that of topic {topic}, and this is {index.source.topic}: give --prefix.")
    for one in index.fields:
        if one.name in there and not one.fits(there[one.name]):
            kind = there[one.name].get("type", "object")
            more = " with a format" if kind == "date" else ""
            said.append(
                f"Index {index.name}: field {one.name} is {kind}{more}, and {one.type} needs {one.mapping['type']}. "
                + remedy
            )
    own = (there.get(ORIGIN) or OWN).get("properties") or {}
    if any((own.get(name) or {}).get("type") != kind["type"] for name, kind in OWN["properties"].items()):
        said.append(f"Index {index.name}: field {ORIGIN} is not the sink's. {remedy}")
    if index.early and (there.get(IS_FINAL) or {"type": "boolean"}).get("type") != "boolean":
        said.append(f"Index {index.name}: field {IS_FINAL} is no boolean. {remedy}")
    return said


def missing(index: Index, found: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that an index lacks; adding them changes nothing that is there."""
    there = (found.get("mappings") or {}).get("properties") or {}
    return {name: kind for name, kind in index.properties().items() if name not in there}
