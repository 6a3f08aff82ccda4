"""Statements as the parser gives them: sqlglot's expressions where it has them, these where it has not."""

from typing import ClassVar

from sqlglot import exp


class ColumnNode(exp.Expression):
    """A column of CREATE TABLE: a type, or an expression, or a type with the key of its metadata."""

    arg_types: ClassVar[dict[str, bool]] = dict.fromkeys(("this",), True) | dict.fromkeys(
        ("kind", "not_null", "computed", "metadata", "metadata_key", "virtual"), False
    )


class WatermarkNode(exp.Expression):
    """WATERMARK FOR this AS expression."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "expression": True}


class CreateTableNode(exp.Expression):
    """CREATE TABLE; `options` are exp.EQ of two literals."""

    arg_types: ClassVar[dict[str, bool]] = {
        "this": True,
        "columns": True,
        "watermarks": False,
        "keys": False,
        "options": False,
    }


class CreateViewNode(exp.Expression):
    """CREATE VIEW this [(columns)] AS expression."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "columns": False, "expression": True}


class InsertNode(exp.Expression):
    """INSERT INTO this [(columns)] expression."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "columns": False, "expression": True}


class SetNode(exp.Expression):
    """SET 'this' = 'expression'."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "expression": True}


class WindowTable(exp.Expression):
    """TABLE(name(TABLE this [PARTITION BY partition], DESCRIPTOR(descriptor), intervals...))."""

    arg_types: ClassVar[dict[str, bool]] = {
        "this": True,
        "name": True,
        "partition": False,
        "descriptor": True,
        "intervals": False,
        "alias": False,
    }
