"""sqlglot's expressions, as the planner leaves them, evaluated over one row."""

import re
from collections.abc import Mapping
from datetime import date, datetime

from sqlglot import exp

from clickstream.tables.sql.types import Type, type_of
from tests.differential.functions import call, divided, remainder
from tests.differential.rows import Value
from tests.differential.texts import (
    double_text,
    in_range,
    milliseconds,
    moment,
    read_date,
    read_double,
    read_time,
    read_whole,
    time_text,
    wrapped,
)

Input = Mapping[str, Value]


def holds(condition: exp.Expr | None, row: Input) -> bool:
    """Whether the condition is true: not false, not NULL."""
    return condition is None or value_of(condition, row) is True


def value_of(node: exp.Expr, row: Input) -> Value:
    """The expression's value. Raises ValueError where Flink stops the job, as by a CAST that cannot be."""
    match node:
        case exp.Column():
            return row[node.name]
        case exp.Literal():
            return _literal(node)
        case exp.Null():
            return None
        case exp.Boolean():
            return bool(node.this)
        case exp.Interval():
            return int(node.this.name)
        case exp.Var():
            return node.name
        case exp.Paren():
            return value_of(node.this, row)
        case exp.And() | exp.Or() | exp.Not() | exp.Is():
            return _logic(node, row)
        case exp.Like() | exp.Escape():
            return _like(node, row)
        case exp.In():
            return _any([_compared("=", value_of(node.this, row), value_of(one, row)) for one in node.expressions])
        case exp.Between():
            low, high = value_of(node.args["low"], row), value_of(node.args["high"], row)
            value = value_of(node.this, row)
            return _all([_compared(">=", value, low), _compared("<=", value, high)])
        case exp.Case():
            return _case(node, row)
        case exp.Cast():
            return cast(value_of(node.this, row), type_of(node.this), type_of(node.to), isinstance(node, exp.TryCast))
        case exp.Trim():
            return _trim(node, row)
        case exp.Anonymous():
            arguments = [value_of(argument, row) for argument in node.expressions]
            return call(str(node.this), arguments, type_of(node))
        case exp.Neg():
            value = value_of(node.this, row)
            return None if value is None else -value
    return _binary(node, row)


def _literal(node: exp.Literal) -> Value:
    if node.is_string:
        return node.name
    return int(node.name) if node.name.isdigit() else float(node.name)


# --- logic with three values


def _any(parts: list[bool | None]) -> bool | None:
    return True if True in parts else (None if None in parts else False)


def _all(parts: list[bool | None]) -> bool | None:
    return False if False in parts else (None if None in parts else True)


def _logic(node: exp.Expr, row: Input) -> bool | None:
    value = value_of(node.this, row)
    match node:
        case exp.Not():
            return None if value is None else not value
        case exp.Is():
            wanted = None if isinstance(node.expression, exp.Null) else bool(node.expression.this)
            return value is wanted
    parts = [value, value_of(node.expression, row)]
    return _all(parts) if isinstance(node, exp.And) else _any(parts)


def _case(node: exp.Case, row: Input) -> Value:
    chosen: exp.Expr | None = node.args.get("default")
    for branch in node.args["ifs"]:
        condition = value_of(branch.this, row)
        if node.this is not None:
            condition = _compared("=", value_of(node.this, row), condition)
        if condition is True:
            chosen = branch.args["true"]
            break
    value = value_of(chosen, row) if chosen is not None else None
    return float(value) if type_of(node) == Type.DOUBLE and value is not None else value


# --- strings


def _like(node: exp.Expr, row: Input) -> bool | None:
    like, escape = (node.this, node.expression.name) if isinstance(node, exp.Escape) else (node, "")
    text, pattern = value_of(like.this, row), value_of(like.expression, row)
    if text is None or pattern is None:
        return None
    return re.fullmatch(_regex(pattern, escape), text, re.DOTALL) is not None


def _regex(pattern: str, escape: str) -> str:
    parts: list[str] = []
    letters = iter(pattern)
    for letter in letters:
        if escape and letter == escape:
            parts.append(re.escape(next(letters)))
        else:
            parts.append({"%": ".*", "_": "."}.get(letter) or re.escape(letter))
    return "".join(parts)


def _trim(node: exp.Trim, row: Input) -> str | None:
    text = value_of(node.this, row)
    characters = value_of(node.expression, row) if node.expression is not None else " "
    if text is None or characters is None:
        return None
    cut = {"BOTH": str.strip, "LEADING": str.lstrip, "TRAILING": str.rstrip}[str(node.args.get("position") or "BOTH")]
    return cut(text, characters)


# --- two sides


def _compared(operator: str, left: Value, right: Value) -> bool | None:
    if left is None or right is None:
        return None
    match operator:
        case "=":
            return bool(left == right)
        case "<>":
            return bool(left != right)
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
    return bool(left >= right)


_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}


def _binary(node: exp.Expr, row: Input) -> Value:
    left, right = value_of(node.this, row), value_of(node.expression, row)
    if type(node) in _COMPARISONS:
        return _compared(_COMPARISONS[type(node)], left, right)
    match node:
        case exp.NullSafeEQ():
            return left == right
        case exp.NullSafeNEQ():
            return left != right
    if left is None or right is None:
        return None
    match node:
        case exp.DPipe():
            return left + right
        case exp.Add():
            made = left + right
        case exp.Sub():
            made = left - right
        case exp.Mul():
            made = left * right
        case exp.Div():
            made = divided(left, right, type_of(node) != Type.DOUBLE)
        case exp.Mod():
            made = remainder(left, right)
        case _:
            raise AssertionError(f"{node.key} is not known to the oracle")
    kind = type_of(node)
    return wrapped(made, kind) if kind in (Type.INT, Type.BIGINT) else made


# --- CAST


def cast(value: Value, kind: Type, wanted: Type, lenient: bool = False) -> Value:
    """The value as another type. What cannot be is None if `lenient`, otherwise a ValueError."""
    if value is None or kind == wanted:
        return value
    made = _cast_text(value.strip(), wanted) if kind == Type.STRING else _cast(value, kind, wanted)
    if made is None and not lenient:
        raise ValueError(f"{value!r} cannot become {wanted}")
    return made


def _cast_text(text: str, wanted: Type) -> Value:
    match wanted:
        case Type.BOOLEAN:
            return {"true": True, "t": True, "false": False, "f": False}.get(text.lower())
        case Type.INT | Type.BIGINT:
            return read_whole(text, wanted)
        case Type.DOUBLE:
            return read_double(text)
        case Type.DATE:
            return read_date(text)
    day = read_date(text)
    return read_time(text) if day is None else _midnight(day)


def _cast(value: Value, kind: Type, wanted: Type) -> Value:
    if wanted == Type.STRING:
        return _text(value, kind)
    match wanted:
        case Type.DOUBLE:
            return float(value)
        case Type.INT | Type.BIGINT:
            return wrapped(int(value), wanted) if kind != Type.DOUBLE else in_range(int(value), wanted)
        case Type.DATE:
            return moment(value).date()
    if kind == Type.DATE:
        return _midnight(value)
    return value


def _midnight(day: date) -> int:
    return milliseconds(datetime(day.year, day.month, day.day))


def _text(value: Value, kind: Type) -> str:
    match kind:
        case Type.BOOLEAN:
            return str(value).upper()
        case Type.DOUBLE:
            return double_text(value)
        case Type.TIMESTAMP | Type.TIMESTAMP_LTZ:
            return time_text(value, digits=3)
    return str(value)
