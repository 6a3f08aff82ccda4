"""Flink's types as far as we have them, and how they meet: https://nightlies.apache.org/flink/flink-docs-stable/docs/dev/table/types/."""

from enum import StrEnum

from sqlglot import exp

MAP_NAME = "MAP<STRING, BYTES>"


class Type(StrEnum):
    """A type; the value is its name in SQL. The last four never are a column's."""

    BOOLEAN = "BOOLEAN"
    INT = "INT"
    BIGINT = "BIGINT"
    DOUBLE = "DOUBLE"
    STRING = "STRING"
    TIMESTAMP = "TIMESTAMP(3)"
    TIMESTAMP_LTZ = "TIMESTAMP_LTZ(3)"
    DATE = "DATE"
    HEADERS = "MAP<STRING, BYTES>"
    DECIMAL = "DECIMAL"
    INTERVAL = "INTERVAL"
    NULL = "NULL"
    UNIT = "UNIT"

    def node(self) -> exp.DataType:
        """The type as sqlglot has it."""
        return _NODES[self].copy()

    @property
    def numeric(self) -> bool:
        """Whether it is a number."""
        return self in _WIDTH

    @property
    def temporal(self) -> bool:
        """Whether it is a time or a date."""
        return self in (Type.TIMESTAMP, Type.TIMESTAMP_LTZ, Type.DATE)


_NODES = {
    Type.BOOLEAN: exp.DataType.build("BOOLEAN"),
    Type.INT: exp.DataType.build("INT"),
    Type.BIGINT: exp.DataType.build("BIGINT"),
    Type.DOUBLE: exp.DataType.build("DOUBLE"),
    Type.STRING: exp.DataType.build("TEXT"),
    Type.TIMESTAMP: exp.DataType.build("TIMESTAMP(3)"),
    Type.TIMESTAMP_LTZ: exp.DataType(
        this=exp.DType.TIMESTAMPLTZ, expressions=[exp.DataTypeParam(this=exp.Literal.number(3))]
    ),
    Type.DATE: exp.DataType.build("DATE"),
    Type.HEADERS: exp.DataType.build("MAP<TEXT, BLOB>", dialect="duckdb"),
    Type.DECIMAL: exp.DataType.build("DECIMAL"),
    Type.INTERVAL: exp.DataType.build("INTERVAL"),
    Type.NULL: exp.DataType.build("NULL"),
    Type.UNIT: exp.DataType.build("UNKNOWN"),
}
_TYPES = {node: kind for kind, node in _NODES.items()}
_WIDTH = {Type.INT: 0, Type.BIGINT: 1, Type.DECIMAL: 2, Type.DOUBLE: 3}
SUPPORTED = [kind.value for kind in list(Type)[:8]]
BY_NAME = {kind.value: kind for kind in list(Type)[:9]} | {"INTEGER": Type.INT}


def type_of(node: exp.Expr) -> Type:
    """The type that `expressions` gave to the node, or that a cast names."""
    return _TYPES[node if isinstance(node, exp.DataType) else node.type]  # type: ignore[index]


def common(left: Type, right: Type) -> Type | None:
    """The type that both become where they meet, as in CASE; None when they do not."""
    if left == right or right == Type.NULL:
        return left
    if left == Type.NULL:
        return right
    if left.numeric and right.numeric:
        return max(left, right, key=_WIDTH.__getitem__)
    return None


def stores(value: Type, column: Type) -> bool:
    """Whether INSERT takes a value for a column without a CAST: numbers become wider, never narrower."""
    return value in (column, Type.NULL) or (value.numeric and column.numeric and _WIDTH[value] < _WIDTH[column])


def castable(value: Type, wanted: Type) -> bool:
    """Whether CAST is supported; what is not supported may still exist in Flink."""
    if value in (wanted, Type.NULL) or (value.numeric and wanted.numeric):
        return wanted != Type.DECIMAL
    plain = {Type.BOOLEAN, Type.INT, Type.BIGINT, Type.DOUBLE, Type.TIMESTAMP, Type.TIMESTAMP_LTZ, Type.DATE}
    if Type.STRING in (value, wanted):
        return {value, wanted} - {Type.STRING} <= plain
    return value.temporal and wanted.temporal
