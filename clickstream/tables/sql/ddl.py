"""CREATE TABLE: columns, watermark, key and options, checked and made a Table."""

from collections.abc import Callable, Mapping
from typing import Literal, cast

from sqlglot import exp

from clickstream.shipped import SQL_REFERENCE
from clickstream.tables.sql.calls import Report, did_you_mean
from clickstream.tables.sql.expressions import Typing, Visible
from clickstream.tables.sql.model import Column, Field, Kind, Table, Watermark
from clickstream.tables.sql.nodes import CreateTableNode
from clickstream.tables.sql.options import AVRO, KAFKA, OPTIONS, PROPERTIES, UPSERT
from clickstream.tables.sql.types import Type, type_of

# Metadata of Kafka records: the types it can be declared as, and whether it can be written.
METADATA: dict[str, tuple[tuple[Type, ...], bool]] = {
    "topic": ((Type.STRING,), False),
    "partition": ((Type.INT, Type.BIGINT), False),
    "offset": ((Type.BIGINT,), False),
    "timestamp": ((Type.TIMESTAMP_LTZ, Type.TIMESTAMP), True),
    "headers": ((Type.HEADERS,), True),
}


class TableReader:
    """Makes a Table of a CREATE TABLE; problems go to `report`, options without an effect to `no_effect`."""

    def __init__(self, report: Report, no_effect: Callable[[str, exp.Expr], None]) -> None:
        self.report = report
        self.no_effect = no_effect

    def read(self, node: CreateTableNode, line: int) -> Table:
        """The table, made as far as it can be: what was reported is left out."""
        columns = self._columns(node)
        by_name = {column.name: column for column in columns}
        options = self._options(node)
        key = self._primary_key(node, by_name, options.get("connector", ""))
        key_fields = self._key_fields(node, options, by_name, key)
        return Table(
            name=node.this.name,
            columns=tuple(columns),
            connector=cast(Literal["kafka", "upsert-kafka"], options.get("connector", KAFKA)),
            topic=options.get("topic", ""),
            key_format=cast(Literal["json", "raw", "avro-confluent"] | None, options.get("key.format")),
            value_format=cast(
                Literal["json", "avro-confluent"], options.get("value.format", options.get("format", "json"))
            ),
            key_fields=key_fields,
            primary_key=key,
            watermark=self._watermark(node, by_name),
            options=options,
            line=line,
        )

    # --- columns

    def _columns(self, node: CreateTableNode) -> list[Column]:
        columns: dict[str, Column] = {}
        nodes = [one for one in node.args["columns"] if not one.args.get("computed")]
        for one in nodes:
            columns[one.name] = self._column(one)
        visible = [Visible(None, column.name, Field(column.name, column.type)) for column in columns.values()]
        typing = Typing(visible, self.report)
        for one in node.args["columns"]:
            if computed := one.args.get("computed"):
                expression = typing.typed(computed)
                kind = type_of(expression) if expression is not None else Type.NULL
                if kind in (Type.DECIMAL, Type.INTERVAL) or (expression is not None and kind == Type.NULL):
                    self.report(f"A column cannot be of type {kind}.", computed, "Use CAST.")
                columns[one.name] = Column(one.name, kind, Kind.COMPUTED, expression=expression)
        names = [one.name for one in node.args["columns"]]
        for index, one in enumerate(node.args["columns"]):
            if one.name in names[:index]:
                self.report(f"A second column {one.name}.", one.this, "")
        return [columns[name] for name in dict.fromkeys(names)]

    def _column(self, node: exp.Expr) -> Column:
        kind = type_of(node.args["kind"])
        if not node.args.get("metadata"):
            if kind == Type.HEADERS:
                self.report(
                    f"{kind} is supported for headers only.", node, "headers MAP<STRING, BYTES> METADATA VIRTUAL"
                )
            return Column(node.name, kind, not_null=bool(node.args.get("not_null")))
        named = node.args.get("metadata_key")
        key = named.name if named else node.name
        if key not in METADATA:
            self.report(f"Unknown metadata {key}.", named or node.this, did_you_mean(key, METADATA))
        else:
            types, writable = METADATA[key]
            if kind not in types:
                self.report(f"The metadata {key} is {' or '.join(types)}.", node, "")
            if not writable and not node.args.get("virtual"):
                self.report(f"The metadata {key} cannot be written.", node, "Add VIRTUAL.")
        virtual = bool(node.args.get("virtual"))
        return Column(node.name, kind, Kind.METADATA, bool(node.args.get("not_null")), metadata=key, virtual=virtual)

    # --- watermark

    def _watermark(self, node: CreateTableNode, columns: Mapping[str, Column]) -> Watermark | None:
        watermarks = node.args.get("watermarks") or []
        for extra in watermarks[1:]:
            self.report("A second watermark.", extra, "A table has one.")
        if not watermarks:
            return None
        found = watermarks[0]
        column = columns.get(found.name)
        if column is None:
            self.report(f"Unknown column {found.name}.", found.this, did_you_mean(found.name, columns))
            return None
        if column.type not in (Type.TIMESTAMP, Type.TIMESTAMP_LTZ):
            hint = "For example  ts AS TO_TIMESTAMP_LTZ(time_ms, 3)"
            self.report(
                f"A watermark needs a TIMESTAMP(3) or TIMESTAMP_LTZ(3) column, {column.name} is {column.type}.",
                found.this,
                hint,
            )
            return None
        visible = [Visible(None, name, Field(name, one.type)) for name, one in columns.items()]
        typed = Typing(visible, self.report).typed(found.expression)
        if typed is None:
            return None
        made = _delay(typed, column.name)
        if made is None:
            self.report(
                "This watermark is not supported.",
                found.expression,
                f"For example  {column.name} - INTERVAL '5' SECOND",
            )
        elif type_of(typed) != column.type:
            self.report(f"The watermark is {type_of(typed)}, its column {column.type}.", found.expression, "")
        return made

    # --- keys and options

    def _primary_key(self, node: CreateTableNode, columns: Mapping[str, Column], connector: str) -> tuple[str, ...]:
        keys = node.args.get("keys") or []
        if connector == UPSERT and not keys:
            self.report("upsert-kafka needs a key.", node.this, "Add  PRIMARY KEY (column, ...) NOT ENFORCED")
        if connector == KAFKA and keys:
            hint = f"Use 'connector' = '{UPSERT}', or leave the key out and set key.fields."
            self.report("A kafka table of JSON cannot have a primary key.", keys[0], hint)
        for extra in keys[1:]:
            self.report("A second primary key.", extra, "A table has one.")
        for name in keys[0].expressions if keys else []:
            if name.name not in columns:
                self.report(f"Unknown column {name.name}.", name, did_you_mean(name.name, columns))
            elif columns[name.name].kind != Kind.PHYSICAL:
                self.report(f"{name.name} is {columns[name.name].kind}, a key has physical columns only.", name, "")
        return tuple(name.name for name in keys[0].expressions) if keys else ()

    def _options(self, node: CreateTableNode) -> dict[str, str]:
        found: dict[str, str] = {}
        nodes = {pair.this.name: pair for pair in node.args["options"]}
        connector = nodes["connector"].expression.name if "connector" in nodes else ""
        for pair in node.args["options"]:
            name, value = pair.this.name, pair.expression.name
            if name in found:
                self.report(f"A second option {name}.", pair.this, "")
            found[name] = value
            option = OPTIONS.get(name)
            if option is None and PROPERTIES.fullmatch(name):
                self.no_effect(name, pair.this)
            elif option is None:
                hint = did_you_mean(name, OPTIONS) or f"{SQL_REFERENCE} lists what is supported."
                self.report(f"Unknown option {name}.", pair.this, hint)
            elif connector in (KAFKA, UPSERT) and connector not in option.connectors:
                self.report(f"{connector} has no option {name}.", pair.this, _other_name(name))
            elif "${" not in value and (problem := option.check(value)):  # that of a setting is one problem already
                self.report(f"{name} cannot be '{value}'.", pair.expression, problem)
            elif not option.here:
                self.no_effect(name, pair.this)
        self._needed(node, found)
        return found

    def _needed(self, node: CreateTableNode, found: Mapping[str, str]) -> None:
        needed = ["connector", "topic", "properties.bootstrap.servers"]
        if found.get("connector") == UPSERT:
            needed += ["key.format", "value.format"]
        elif found.get("connector") == KAFKA:
            needed += ["format"] if "value.format" not in found else []
            needed += ["key.format"] if "key.fields" in found else []
            needed += ["key.fields"] if "key.format" in found else []
            needed += ["scan.startup.timestamp-millis"] if found.get("scan.startup.mode") == "timestamp" else []
        for option, own in (("format", AVRO), ("key.format", f"key.{AVRO}"), ("value.format", f"value.{AVRO}")):
            needed += [f"{own}.url"] if found.get(option) == AVRO else []
        for name in needed:
            if name not in found:
                self.report(f"The option {name} is missing.", node.this, f"Add  '{name}' = '...'  to WITH.")
        if "format" in found and "value.format" in found:
            self.report("format and value.format say the same.", node.this, "Leave one out.")

    def _key_fields(
        self, node: CreateTableNode, options: Mapping[str, str], columns: Mapping[str, Column], key: tuple[str, ...]
    ) -> tuple[str, ...]:
        fields = key
        prefix = options.get("key.fields-prefix", "")
        if options.get("connector") == KAFKA:
            fields = tuple(filter(None, (name.strip() for name in options.get("key.fields", "").split(";"))))
            for name in fields:
                if name not in columns or columns[name].kind != Kind.PHYSICAL:
                    self.report(f"Unknown column {name} in key.fields.", node.this, did_you_mean(name, columns))
        if prefix and options.get("value.fields-include") != "EXCEPT_KEY":
            self.report("key.fields-prefix needs 'value.fields-include' = 'EXCEPT_KEY'.", node.this, "")
        for name in fields:
            if prefix and not name.startswith(prefix):
                self.report(
                    f"The key column {name} does not begin with {prefix}.", node.this, "As key.fields-prefix says."
                )
        raw = [columns[name].type for name in fields if name in columns]
        if options.get("key.format") == "raw" and raw and raw != [Type.STRING]:
            self.report("A raw key is one STRING column.", node.this, "Use 'key.format' = 'json'.")
        return fields


def _other_name(name: str) -> str:
    if name.startswith(("json.", f"{AVRO}.")):
        return f"It is called value.{name} there."
    return {
        "format": "Use key.format and value.format.",
        "key.fields": "Its key is the PRIMARY KEY.",
        "scan.startup.mode": "It always starts at the beginning.",
    }.get(name, "")


def _delay(expression: exp.Expr, name: str) -> Watermark | None:
    match expression:
        case exp.Column() if expression.name == name:
            return Watermark(name)
        case exp.Sub(this=exp.Column(), expression=exp.Interval()) if expression.this.name == name:
            delay = int(expression.expression.name)
            return Watermark(name, delay) if delay >= 0 else None
        case exp.Anonymous(this="TO_TIMESTAMP_LTZ", expressions=[exp.Literal() as number, exp.Literal() as precision]):
            return Watermark(name, constant_ms=int(number.name) * (1000 if precision.name == "0" else 1))
    return None
