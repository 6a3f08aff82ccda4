"""Typed expressions as DuckDB's SQL, with Flink's meaning."""

from sqlglot import exp

from clickstream.tables.engine.expressions.casts import cast
from clickstream.tables.engine.expressions.functions import call
from clickstream.tables.engine.expressions.likes import like, trim
from clickstream.tables.engine.expressions.operators import INVERSE, arithmetic, compared, negative
from clickstream.tables.engine.expressions.text import DUCKDB, WHOLE, Argument, number
from clickstream.tables.names import identifier, string
from clickstream.tables.sql.types import Type, type_of

_SIGNS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
}
_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}


def duckdb_type(type: Type) -> str:
    """The DuckDB type that holds a column's type. Raises KeyError for types that no column has."""
    return DUCKDB[type]


def to_duckdb(node: exp.Expr) -> str:
    """The text of an expression of the front end (resolved, typed, without aggregates).

    Columns are "quoted names" without a table. The value has the DuckDB type of the expression's type and is the one
    that Flink 2.3 computes. What stops a run in Flink (a division of whole numbers by zero, a CAST that fails)
    raises duckdb.Error when the text is run.
    """
    match node:
        case exp.Column():
            return identifier(node.name)
        case exp.Literal():
            return string(node.name) if node.is_string else number(node.name, type_of(node))
        case exp.Boolean():
            return "TRUE" if node.this else "FALSE"
        case exp.Null():
            return "NULL"
        case exp.Paren():
            return to_duckdb(node.this)
        case exp.Interval():
            return f"to_milliseconds({node.this.name})"
        case exp.Neg():
            return _negative(node).sql
        case exp.Not():
            return _negated(node.this)
        case exp.And() | exp.Or():
            return _connected(node)
        case exp.Is():
            return f"({to_duckdb(node.this)} IS {to_duckdb(node.expression)})"
        case exp.Between():
            return _between(node)
        case exp.In():
            return _in(node)
        case exp.Like() | exp.Escape():
            return _like(node)
        case exp.DPipe():
            return f"({to_duckdb(node.this)} || {to_duckdb(node.expression)})"
        case exp.Trim():
            characters = _argument(node.expression) if node.expression else None
            return trim(_argument(node.this), characters, node.args["position"])
        case exp.Case():
            return _case(node)
        case exp.Cast():
            return cast(_argument(node.this), type_of(node.to), safe=isinstance(node, exp.TryCast))
        case exp.Anonymous():
            return call(node.this, [_argument(one) for one in node.expressions], type_of(node))
    if type(node) in _SIGNS:
        return compared(_SIGNS[type(node)], _argument(node.this), _argument(node.expression))
    return arithmetic(_ARITHMETIC[type(node)], _argument(node.this), _argument(node.expression), type_of(node))


def _argument(node: exp.Expr) -> Argument:
    """A node as operators, functions and casts take it."""
    inner = node.unnest()
    if isinstance(inner, exp.Neg):
        return _negative(inner)
    literal = inner.name if isinstance(inner, exp.Literal | exp.Var) else None
    sql = "" if isinstance(inner, exp.Var) else to_duckdb(inner)
    return Argument(sql, type_of(inner), literal, isinstance(inner, exp.Column | exp.Literal))


def _negative(node: exp.Neg) -> Argument:
    value, type = _argument(node.this), type_of(node)
    if value.literal is None or value.literal.startswith("-"):
        return Argument(negative(value, type), type)
    text = f"(-{value.literal})" if type in WHOLE else f"(-{value})"
    # DuckDB makes the constant -2147483648 an INTEGER, also where 2147483648 was a BIGINT.
    return Argument(f"{text}::{DUCKDB[type]}" if type == Type.BIGINT else text, type, f"-{value.literal}", True)


def _negated(node: exp.Expr) -> str:
    """NOT. Flink turns comparisons round, which makes a difference for NaN: NOT x > y is x <= y."""
    inner = node.unnest()
    if type(inner) in _SIGNS:
        sign = INVERSE[_SIGNS[type(inner)]]
        return compared(sign, _argument(inner.this), _argument(inner.expression))
    if isinstance(inner, exp.And | exp.Or) and not may_fail(inner):
        word = "OR" if isinstance(inner, exp.And) else "AND"
        return f"({_negated(inner.this)} {word} {_negated(inner.expression)})"
    if isinstance(inner, exp.Between | exp.In):
        return _between(inner, inverse=True) if isinstance(inner, exp.Between) else _in(inner, inverse=True)
    return f"(NOT {to_duckdb(inner)})"


def _connected(node: exp.And | exp.Or) -> str:
    nodes = list(node.flatten(unnest=False))
    parts = [to_duckdb(one) for one in nodes]
    word, decided = ("AND", "FALSE") if isinstance(node, exp.And) else ("OR", "TRUE")
    whole = f" {word} ".join(parts)
    if not any(map(may_fail, nodes[1:])):
        return f"({whole})"
    # Flink looks at a part only when those before it have not decided; DuckDB may compute all.
    whens = " ".join(f"WHEN {part} IS {decided} THEN {decided}" for part in parts[:-1])
    return f"(CASE {whens} ELSE {whole} END)"


def may_fail(node: exp.Expr) -> bool:
    """Whether a row can stop the run: a division by zero, a CAST of a text that is none, ROUND of NaN."""
    for part in node.walk():
        if isinstance(part, exp.Anonymous) and part.this == "ROUND" and type_of(part) == Type.DOUBLE:
            return True
        divides = isinstance(part, exp.Div | exp.Mod) or (isinstance(part, exp.Anonymous) and part.this == "MOD")
        if divides and type_of(part) != Type.DOUBLE:
            return True
        reads = isinstance(part, exp.Cast) and not isinstance(part, exp.TryCast)
        if reads and type_of(part.this) == Type.STRING and type_of(part) != Type.STRING:
            return True
    return False


def _like(node: exp.Like | exp.Escape) -> str:
    inner = node.this if isinstance(node, exp.Escape) else node
    escape = node.expression.name if isinstance(node, exp.Escape) else None
    found = like(_argument(inner.this), _argument(inner.expression), escape)
    return f"(NOT {found})" if inner.args.get("negate") else found


def _between(node: exp.Between, *, inverse: bool = False) -> str:
    value, low, high = (_argument(one) for one in (node.this, node.args["low"], node.args["high"]))
    if Type.DOUBLE not in (value.type, low.type, high.type):
        return f"({value} {'NOT ' if inverse else ''}BETWEEN {low} AND {high})"
    if inverse:
        return f"({compared('<', value, low)} OR {compared('>', value, high)})"
    return f"({compared('>=', value, low)} AND {compared('<=', value, high)})"


def _in(node: exp.In, *, inverse: bool = False) -> str:
    """IN. Flink makes the others the first one's type, as CAST does."""
    value, *others = (_argument(one) for one in (node.this, *node.expressions))
    if value.type != Type.DOUBLE:
        listed = ", ".join(cast(other, value.type, safe=False) for other in others)
        return f"({value} {'NOT ' if inverse else ''}IN ({listed}))"
    sign, word = ("<>", " AND ") if inverse else ("=", " OR ")
    return f"({word.join(compared(sign, value, _double(other)) for other in others)})"


def _double(other: Argument) -> Argument:
    return other if other.type == Type.DOUBLE else Argument(f"CAST({other} AS DOUBLE)", Type.DOUBLE, other.literal)


def _case(node: exp.Case) -> str:
    value = _argument(node.this) if node.this is not None else None
    branches = []
    for branch in node.args["ifs"]:
        when = to_duckdb(branch.this) if value is None else compared("=", value, _argument(branch.this))
        branches.append(f"WHEN {when} THEN {to_duckdb(branch.args['true'])}")
    default = node.args.get("default")
    otherwise = f" ELSE {to_duckdb(default)}" if default is not None else ""
    return f"(CASE {' '.join(branches)}{otherwise} END)"
