"""Rows of a query to the keys and values of a table's records, as SQL.

The texts are those that Flink 2.3's JSON format writes (org.apache.flink.formats.json.RowDataToJsonConverters, and
Jackson): the same row is the same bytes, whichever engine wrote it. Pieces are joined by concat(): 0.3 us for a row
of 6 columns; to_json of a struct is as fast, but cannot write doubles and leave out NULLs in this way.

Of keys and values that are Avro in the topic they are texts as well, of which `form` makes Avro on their way out:
times are ms since 1970 in them, dates days.
"""

from collections.abc import Sequence
from typing import Literal

from clickstream.tables.engine.writing.jsonsql import NUMBERS, json_object, json_value
from clickstream.tables.names import identifier
from clickstream.tables.sql.model import Column, Field, Table
from clickstream.tables.sql.types import Type

_NOTHING = "NULL::VARCHAR"


class Encoder:
    """Encodes rows with `fields`, which go to `columns` of the target by position; its other columns are NULL.

    `key` and `value` are SQL expressions (VARCHAR) over the fields. `timestamp` (BIGINT, ms) and `headers` are those
    of the record, None where the table has no such column to be written.
    """

    def __init__(self, target: Table, fields: Sequence[Field], columns: Sequence[str]) -> None:
        self._target = target
        self._fields = dict(zip(columns, fields, strict=True))
        self.key = self._key()
        self.value = self._object("value")
        self.timestamp = self._metadata("timestamp", "epoch_ms({})")
        self.headers = self._metadata("headers", "{}")

    @property
    def extras(self) -> list[str]:
        """SQL: the record's own timestamp and headers, as far as the table writes them."""
        return [one for one in (self.timestamp, self.headers) if one is not None]

    def select(self, relation: str) -> str:
        """SQL: k and v of the rows of a relation; ts_ms and headers where the table writes them."""
        outputs = {"k": self.key, "v": self.value, "ts_ms": self.timestamp, "headers": self.headers}
        return f"SELECT {', '.join(f'{sql} AS {name}' for name, sql in outputs.items() if sql)} FROM {relation}"

    def select_keys(self, relation: str) -> str:
        """SQL: only k, for tombstones; rows without a key are left out."""
        return f"SELECT k FROM (SELECT {self.key} AS k FROM {relation}) WHERE k IS NOT NULL"

    def not_null(self, relation: str) -> str | None:
        """SQL condition: the row of `relation` has a NULL where the table has none; None if that cannot be."""
        if any(name not in self._fields for name in self.strict):
            return "TRUE"
        return " OR ".join(f"{self._cell(name)} IS NULL" for name in self.strict) or None

    @property
    def written(self) -> list[str]:
        """The target's columns that rows fill."""
        return [column.name for column in self._target.written]

    @property
    def strict(self) -> list[str]:
        """Those of them that must not be NULL."""
        return [one.name for one in self._target.written if not self._target.takes_null(one)]

    @property
    def shown(self) -> str:
        """SQL: the values of the `written` columns as a JSON array, for people."""
        return f"json_array({', '.join(map(self._cell, self.written))})"

    def _cell(self, name: str) -> str:
        return identifier(self._fields[name].name) if name in self._fields else "NULL"

    def _key(self) -> str:
        target = self._target
        if target.key_format == "raw":
            field = self._fields.get(target.key_fields[0])
            return identifier(field.name) if field is not None and field.type != Type.NULL else _NOTHING
        if target.key_format is None:
            return _NOTHING
        return self._object("key")

    def _metadata(self, key: str, form: str) -> str | None:
        for column in self._target.written:
            if column.metadata == key and column.name in self._fields:
                return form.format(identifier(self._fields[column.name].name))
        return None

    def _object(self, part: Literal["key", "value"]) -> str:
        target = self._target
        standard = target.json("timestamp-format.standard", part) or "SQL"
        if target.avro(part) is not None:
            standard = NUMBERS
        members = [(name, self._json(column, standard)) for name, column in target.fields(part)]
        return json_object(members, without_nulls=target.json("encode.ignore-null-fields", part) == "true")

    def _json(self, column: Column, standard: str) -> str | None:
        field = self._fields.get(column.name)
        return json_value(identifier(field.name), field.type, column.type, standard) if field is not None else None
