"""Typed expressions as DuckDB's SQL, with Flink's meaning."""

from sqlglot import exp

from clickstream.tables.engine.expression_casts import cast
from clickstream.tables.engine.expression_operators import arithmetic, compared, like, negative, trim
from clickstream.tables.engine.expression_text import Argument, column, number, quoted
from clickstream.tables.engine.functions import call
from clickstream.tables.sql.types import Type, type_of

_DUCKDB = {
    Type.BOOLEAN: "BOOLEAN",
    Type.INT: "INTEGER",
    Type.BIGINT: "BIGINT",
    Type.DOUBLE: "DOUBLE",
    Type.STRING: "VARCHAR",
    Type.TIMESTAMP: "TIMESTAMP",
    Type.TIMESTAMP_LTZ: "TIMESTAMP",
    Type.DATE: "DATE",
    Type.HEADERS: "MAP(VARCHAR, BLOB)",
}
_SIGNS = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
}
_ARITHMETIC = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}


def duckdb_type(type: Type) -> str:
    """The DuckDB type that holds a column's type. Raises KeyError for types that no column has."""
    return _DUCKDB[type]


def to_duckdb(node: exp.Expr) -> str:
    """The text of an expression of the front end (resolved, typed, without aggregates).

    Columns are "quoted names" without a table. The value has the DuckDB type of the expression's type and is the one
    that Flink 2.3 computes. What stops a run in Flink (a division of whole numbers by zero, a CAST that fails)
    raises duckdb.Error when the text is run.
    """
    match node:
        case exp.Column():
            return column(node.name)
        case exp.Literal():
            return quoted(node.name) if node.is_string else number(node.name, type_of(node))
        case exp.Boolean():
            return "TRUE" if node.this else "FALSE"
        case exp.Null():
            return "NULL"
        case exp.Paren():
            return to_duckdb(node.this)
        case exp.Interval():
            return f"to_milliseconds({node.this.name})"
        case exp.Neg():
            return negative(_argument(node.this))
        case exp.Not():
            return f"(NOT {to_duckdb(node.this)})"
        case exp.And() | exp.Or():
            return _connected(node)
        case exp.Is():
            return f"({to_duckdb(node.this)} IS {to_duckdb(node.expression)})"
        case exp.Between():
            return _between(node)
        case exp.In():
            return _in(node)
        case exp.Like():
            return like(_argument(node.this), _argument(node.expression), None)
        case exp.Escape():
            return like(_argument(node.this.this), _argument(node.this.expression), node.expression.name)
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
    literal = inner.name if isinstance(inner, exp.Literal | exp.Var) else None
    sql = "" if isinstance(inner, exp.Var) else to_duckdb(inner)
    return Argument(sql, type_of(inner), literal, isinstance(inner, exp.Column | exp.Literal))


def _connected(node: exp.And | exp.Or) -> str:
    left, right = to_duckdb(node.this), to_duckdb(node.expression)
    word, decided = ("AND", "FALSE") if isinstance(node, exp.And) else ("OR", "TRUE")
    if not may_fail(node.expression):
        return f"({left} {word} {right})"
    # Flink looks at the right side only when the left one has not decided; DuckDB may compute both.
    return f"(CASE WHEN {left} IS {decided} THEN {decided} ELSE {left} {word} {right} END)"


def may_fail(node: exp.Expr) -> bool:
    """Whether a row can stop the run: a division by zero, or a CAST of a text that is none."""
    for part in node.walk():
        divides = isinstance(part, exp.Div | exp.Mod) or (isinstance(part, exp.Anonymous) and part.this == "MOD")
        if divides and type_of(part) != Type.DOUBLE:
            return True
        reads = isinstance(part, exp.Cast) and not isinstance(part, exp.TryCast)
        if reads and type_of(part.this) == Type.STRING and type_of(part) != Type.STRING:
            return True
    return False


def _between(node: exp.Between) -> str:
    value, low, high = (_argument(one) for one in (node.this, node.args["low"], node.args["high"]))
    if Type.DOUBLE not in (value.type, low.type, high.type):
        return f"({value} BETWEEN {low} AND {high})"
    return f"({compared('>=', value, low)} AND {compared('<=', value, high)})"


def _in(node: exp.In) -> str:
    value, *others = (_argument(one) for one in (node.this, *node.expressions))
    if value.type == Type.DOUBLE or any(other.type == Type.DOUBLE for other in others):
        return f"({' OR '.join(compared('=', value, other) for other in others)})"
    return f"({value} IN ({', '.join(map(str, others))}))"


def _case(node: exp.Case) -> str:
    value = _argument(node.this) if node.this is not None else None
    branches = []
    for branch in node.args["ifs"]:
        when = to_duckdb(branch.this) if value is None else compared("=", value, _argument(branch.this))
        branches.append(f"WHEN {when} THEN {to_duckdb(branch.args['true'])}")
    default = node.args.get("default")
    otherwise = f" ELSE {to_duckdb(default)}" if default is not None else ""
    return f"(CASE {' '.join(branches)}{otherwise} END)"
