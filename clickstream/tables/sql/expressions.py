"""Scalar expressions: names resolved, types inferred as Flink infers them, everything else refused."""

# A refusal is reported and returned: `return self._refuse(...)` is None with its reason.
# mypy: disable-error-code="func-returns-value"

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp

from clickstream.shipped import SQL_REFERENCE
from clickstream.tables.sql.calls import Calls, Report, aggregate_name, did_you_mean, span
from clickstream.tables.sql.functions import REFUSED, like_pattern
from clickstream.tables.sql.model import Field
from clickstream.tables.sql.types import Type, castable, common, type_of

_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)
# What the parser may say about a node; whatever else it knows, we do not.
_NAMES = """
this expression expressions table low high ifs true default to position is_string unit typed safe query
"""
_ARGUMENTS = frozenset(_NAMES.split())
_INT_MAX, _BIGINT_MAX = 2**31 - 1, 2**63 - 1


@dataclass(frozen=True)
class Visible:
    """A column that an expression can name: by its table's alias and its name there."""

    qualifier: str | None
    name: str
    field: Field


def column(field: Field) -> exp.Column:
    """A typed reference to a field."""
    made = exp.Column(this=exp.Identifier(this=field.name, quoted=True))
    made.type = field.type.node()
    return made


class Typing(Calls):
    """Resolves and types expressions over the visible columns; problems go to `report`."""

    def __init__(self, visible: Iterable[Visible], report: Report) -> None:
        super().__init__(report)
        self.visible = list(visible)

    def typed(self, node: exp.Expr, *, aggregates: bool = False) -> exp.Expr | None:
        """A resolved and typed copy; None when a problem was reported."""
        made = node.unnest().copy()
        holder = exp.Paren(this=made)  # so that the root can be replaced too
        return holder.this if self._infer(made, aggregates) else None

    def condition(self, node: exp.Expr, *, aggregates: bool = False) -> exp.Expr | None:
        """As typed, for what must be true or false."""
        made = self.typed(node, aggregates=aggregates)
        if made is not None and type_of(made) != Type.BOOLEAN:
            return self._refuse(f"A condition is expected, this is {type_of(made)}.", node)
        return made

    def _infer(self, node: exp.Expr, aggregates: bool = False) -> Type | None:
        found = self._type(node, aggregates)
        if found is not None:
            node.type = found.node()
        return found

    def _type(self, node: exp.Expr, aggregates: bool) -> Type | None:
        odd = [name for name, value in node.args.items() if value and name not in _ARGUMENTS]
        if isinstance(node, exp.Like) and odd == ["negate"]:
            odd = []
        if odd and not isinstance(node, (exp.Window, exp.Select, exp.Subquery, exp.Exists)):
            return self._refuse(f"{odd[0].upper()} is not supported here.", node, f"{SQL_REFERENCE} lists what is.")
        match node:
            case exp.Column():
                return self._column(node)
            case exp.Literal():
                return Type.STRING if node.is_string else self._number(node)
            case exp.Null():
                return Type.NULL
            case exp.Boolean():
                return Type.BOOLEAN
            case exp.Interval():
                return Type.INTERVAL
            case exp.Var():
                return Type.UNIT
            case exp.Paren():
                return self._infer(node.this, aggregates)
            case exp.Filter() | exp.Anonymous() if aggregate_name(node):
                return self._aggregate(node, aggregates)
            case exp.Anonymous():
                return self._function(node, aggregates)
            case exp.Window():
                return self._refuse("OVER is not supported here.", node, REFUSED["ROW_NUMBER"])
            case exp.Subquery() | exp.Select() | exp.Exists():
                return self._refuse("Subqueries are supported in FROM only.", node)
            case exp.Star():
                return self._refuse("* is supported in SELECT * and COUNT(*) only.", node)
            case exp.Escape(this=exp.Like()) if len(node.expression.name) == 1:
                return self._escaped(node, aggregates)
            case _:
                return self._operator(node, aggregates)

    def _operator(self, node: exp.Expr, aggregates: bool) -> Type | None:
        match node:
            case exp.And() | exp.Or():
                return self._all(node, [node.this, node.expression], Type.BOOLEAN, aggregates)
            case exp.Not():
                return self._all(node, [node.this], Type.BOOLEAN, aggregates)
            case exp.Like() | exp.DPipe():
                found = self._all(node, [node.this, node.expression], Type.STRING, aggregates)
                return found and (Type.STRING if isinstance(node, exp.DPipe) else Type.BOOLEAN)
            case exp.Trim():
                given = [part for part in (node.this, node.expression) if part is not None]
                return self._all(node, given, Type.STRING, aggregates) and Type.STRING
            case exp.Is():
                return self._is(node, aggregates)
            case exp.Between() if not node.args.get("symmetric"):
                return self._comparable(node, [node.this, node.args["low"], node.args["high"]], aggregates)
            case exp.In() if node.args.get("query"):
                return self._refuse("Subqueries are supported in FROM only.", node)
            case exp.In() if node.expressions:
                return self._comparable(node, [node.this, *node.expressions], aggregates)
            case exp.Neg():
                return self._negative(node, aggregates)
            case exp.Case():
                return self._case(node, aggregates)
            case exp.Cast():
                return self._cast(node, aggregates)
        if isinstance(node, _COMPARISONS):
            return self._comparable(node, [node.this, node.expression], aggregates)
        if isinstance(node, _ARITHMETIC):
            return self._arithmetic(node, aggregates)
        return self._refuse(f"{node.key.upper()} is not supported.", node, f"{SQL_REFERENCE} lists what is.")

    # --- names and numbers

    def _column(self, node: exp.Column) -> Type | None:
        if node.args.get("db"):
            return self._refuse("Fields of columns are not supported.", node)
        qualifier = node.table or None
        found = [one for one in self.visible if one.name == node.name and qualifier in (None, one.qualifier)]
        if len(found) == 1:
            where = span(node)
            node.set("table", None)
            named = exp.Identifier(this=found[0].field.name, quoted=True)
            if where is not None:
                named.meta["start"], named.meta["end"] = where[0], where[1] - 1
            node.set("this", named)
            return found[0].field.type
        if found:
            tables = " or ".join(f"{one.qualifier}.{one.name}" for one in found)
            return self._refuse(f"{node.name} could be {tables}.", node)
        if qualifier and qualifier not in {one.qualifier for one in self.visible}:
            known = {one.qualifier for one in self.visible if one.qualifier}
            return self._refuse(f"Unknown table {qualifier}.", node, did_you_mean(qualifier, known))
        if node.name.upper() in REFUSED and not node.this.quoted:
            return self._refuse(f"{node.name} is not supported.", node, REFUSED[node.name.upper()])
        known = {one.name for one in self.visible if qualifier in (None, one.qualifier)}
        return self._refuse(f"Unknown column {node.name}.", node, did_you_mean(node.name, known))

    def _number(self, node: exp.Literal) -> Type | None:
        if not _NUMBER.fullmatch(node.name):
            return self._refuse(f"{node.name} is no number.", node)
        if not node.name.isdigit():
            return Type.DOUBLE if "e" in node.name.lower() else Type.DECIMAL
        value = int(node.name)
        if value > _BIGINT_MAX:
            return self._refuse("This number is too large for BIGINT.", node)
        return Type.INT if value <= _INT_MAX else Type.BIGINT

    def _negative(self, node: exp.Neg, aggregates: bool) -> Type | None:
        inner = self._infer(node.this, aggregates)
        if isinstance(node.this, exp.Literal) and node.this.name == str(_INT_MAX + 1):
            return Type.INT
        if inner is None or inner.numeric or inner == Type.INTERVAL:
            return inner
        return self._refuse(f"- does not take {inner}.", node)

    # --- operators

    def _all(self, node: exp.Expr, parts: list[exp.Expr], wanted: Type, aggregates: bool) -> Type | None:
        """BOOLEAN when all parts are of the wanted type."""
        found = [self._infer(part, aggregates) for part in parts]
        for part, kind in zip(parts, found, strict=True):
            if kind not in (None, wanted):
                hint = f"CAST(... AS {wanted})" if wanted == Type.STRING or kind == Type.NULL else ""
                return self._refuse(f"{wanted} is expected, this is {kind}.", part, hint)
        return None if None in found else Type.BOOLEAN

    def _escaped(self, node: exp.Escape, aggregates: bool) -> Type | None:
        pattern, escape = node.this.expression, node.expression
        if not isinstance(pattern, exp.Literal):
            return self._refuse("LIKE with ESCAPE takes a constant pattern.", pattern)
        if problem := like_pattern(pattern.name, escape.name):
            return self._refuse(problem, pattern)
        return self._all(node, [node.this.this, pattern, escape], Type.STRING, aggregates)

    def _is(self, node: exp.Is, aggregates: bool) -> Type | None:
        if isinstance(node.expression, exp.Null):
            return self._infer(node.this, aggregates) and Type.BOOLEAN
        if isinstance(node.expression, exp.Boolean):
            return self._all(node, [node.this], Type.BOOLEAN, aggregates)
        return self._refuse(
            "This IS is not supported.", node, "Supported are IS [NOT] NULL, TRUE, FALSE, DISTINCT FROM."
        )

    def _comparable(self, node: exp.Expr, parts: list[exp.Expr], aggregates: bool) -> Type | None:
        found = [self._infer(part, aggregates) for part in parts]
        if None in found:
            return None
        if Type.NULL in found and not isinstance(node, (exp.NullSafeEQ, exp.NullSafeNEQ)):
            return self._refuse("A comparison with NULL is never true.", node, "Write IS NULL or IS NOT NULL.")
        for kind in found[1:]:
            unordered = {found[0], kind} & {Type.HEADERS, Type.INTERVAL, Type.UNIT}
            if unordered or common(found[0], kind) is None:  # type: ignore[arg-type]
                return self._refuse(
                    f"{found[0]} cannot be compared with {kind}.", node, "Make one the other's type with CAST."
                )
        if found[0] == Type.BOOLEAN and not isinstance(node, (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ)):
            return self._refuse("BOOLEAN can be compared with = and <> only.", node)
        return Type.BOOLEAN

    def _arithmetic(self, node: exp.Expr, aggregates: bool) -> Type | None:
        left, right = self._infer(node.this, aggregates), self._infer(node.expression, aggregates)
        if left is None or right is None:
            return None
        additive = isinstance(node, (exp.Add, exp.Sub))
        if additive and left in (Type.TIMESTAMP, Type.TIMESTAMP_LTZ) and right == Type.INTERVAL:
            return left
        if isinstance(node, exp.Add) and left == Type.INTERVAL and right == Type.TIMESTAMP:
            return right
        if not (left.numeric and right.numeric):
            hint = "TIMESTAMPDIFF gives the time between two." if left.temporal and right.temporal else ""
            return self._refuse(f"{left} and {right} cannot be calculated with so.", node, hint)
        met = common(left, right)
        if met == Type.DECIMAL:
            return self._refuse(
                "DECIMAL is not supported.", node, "Write the number as a DOUBLE: 1.5E0, or CAST(... AS DOUBLE)."
            )
        if isinstance(node, exp.Mod):
            return right if met != Type.DOUBLE else self._refuse("% takes whole numbers.", node)
        return met

    def _case(self, node: exp.Case, aggregates: bool) -> Type | None:
        branches = node.args["ifs"]
        if node.this is None:
            conditions = self._all(node, [branch.this for branch in branches], Type.BOOLEAN, aggregates)
        else:
            conditions = self._comparable(node, [node.this, *(branch.this for branch in branches)], aggregates)
        values = [branch.args["true"] for branch in branches] + [
            node.args[key] for key in ("default",) if node.args.get(key)
        ]
        met: Type | None = Type.NULL
        for value in values:
            kind = self._infer(value, aggregates)
            if kind is None or met is None:
                met = None
            elif (wider := common(met, kind)) is None:
                return self._refuse(
                    f"The branches of CASE are {met} and {kind}.", value, "Make them one type with CAST."
                )
            else:
                met = wider
        if met in (Type.DECIMAL, Type.NULL):
            return self._refuse(f"The type of this CASE is {met}.", node, "Use CAST.")
        return met if conditions else None

    def _cast(self, node: exp.Cast, aggregates: bool) -> Type | None:
        value, wanted = self._infer(node.this, aggregates), type_of(node.to)
        if value is None or castable(value, wanted):
            return value and wanted
        return self._refuse(f"{value} cannot be cast to {wanted}.", node)
