"""GROUP BY: keys and aggregates, in windows or for ever."""

from sqlglot import exp

from clickstream.tables.sql.calls import Report, is_aggregate
from clickstream.tables.sql.expressions import Typing, column
from clickstream.tables.sql.model import Aggregate, Field, GroupBy, Output, Plan, Windowed
from clickstream.tables.sql.plans import WINDOW_COLUMNS, remembers, window_of
from clickstream.tables.sql.scope import fresh
from clickstream.tables.sql.types import Type, type_of


class Grouping:
    """One GROUP BY. `typed` rewrites expressions of SELECT and HAVING over its keys and aggregates."""

    def __init__(self, input: Plan, typing: Typing, report: Report) -> None:
        self.input = input
        self.typing = typing
        self.report = report
        self.keys: list[Output] = []
        self.aggregates: list[tuple[exp.Expr, Aggregate]] = []

    @property
    def fields(self) -> list[Field]:
        """What it makes: keys, then aggregates."""
        return [*(key.field for key in self.keys), *(aggregate.field for _, aggregate in self.aggregates)]

    def read(self, node: exp.Select, source: exp.Expr) -> bool:
        """Reads the GROUP BY clause; False when a problem was reported."""
        group = node.args.get("group")
        if group is None or not group.expressions:
            hint = "GROUP BY window_start and window_end, or a column."
            return self._no("An aggregate without GROUP BY is not supported.", group or source, hint)
        odd = [clause for clause, value in group.args.items() if value and clause != "expressions"]
        if odd:
            return self._no(f"{odd[0].upper()} is not supported.", group, "GROUP BY takes expressions.")
        ok = True
        for one in group.expressions:
            if isinstance(one, exp.Literal):
                ok = self._no(
                    "A constant in GROUP BY is not supported.",
                    one,
                    "Name the column; its number means nothing to Flink.",
                )
                continue
            typed = self.typing.typed(one)
            if typed is None:
                ok = False
                continue
            kept = next(
                (field for field in self.input.fields if isinstance(typed, exp.Column) and field.name == typed.name),
                None,
            )
            field = kept or Field(self._fresh(f"$key{len(self.keys)}"), type_of(typed))
            if field.name not in {key.field.name for key in self.keys}:
                self.keys.append(Output(field, typed))
        return ok and self._windowed(group, source)

    def _fresh(self, name: str) -> str:
        return fresh(name, (one.name for one in (*self.input.fields, *self.fields)))

    def _windowed(self, group: exp.Expr, source: exp.Expr) -> bool:
        if not isinstance(self.input, Windowed):
            if window_of(self.input) or remembers(self.input):
                hint = "GROUP BY stands beside TABLE(TUMBLE(...)); write the first result to a topic and read that."
                return self._no("GROUP BY over rows that are grouped already is not supported.", group, hint)
            return True
        names = {key.expression.name for key in self.keys if isinstance(key.expression, exp.Column)}
        missing = [name for name in WINDOW_COLUMNS[:2] if name not in names]
        if missing:
            hint = "GROUP BY both, window_start and window_end: without, Flink would update its groups for ever."
            return self._no(
                f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing in GROUP BY.", group, hint
            )
        window = self.input.window
        others = {key.expression.name if isinstance(key.expression, exp.Column) else "" for key in self.keys} - set(
            WINDOW_COLUMNS
        )
        if window.kind == "SESSION" and others != set(window.partition):
            has = ", ".join(window.partition) or "nothing"
            hint = f"The sessions have {has}; GROUP BY the same columns, window_start and window_end."
            return self._no("The sessions' PARTITION BY and GROUP BY differ.", group, hint)
        return True

    # --- expressions over the groups

    def typed(self, node: exp.Expr) -> exp.Expr | None:
        """The expression over keys and aggregates; None when a problem was reported."""
        made = self.typing.typed(node, aggregates=True)
        if made is None:
            return None
        holder = exp.Paren(this=made)
        return holder.this if self._rewrite(made) else None

    def condition(self, node: exp.Expr) -> exp.Expr | None:
        """As `typed`, for HAVING."""
        made = self.typed(node)
        if made is not None and type_of(made) != Type.BOOLEAN:
            self.report(f"A condition is expected, this is {type_of(made)}.", node, "")
            return None
        return made

    def _rewrite(self, node: exp.Expr) -> bool:
        for key in self.keys:
            if node == key.expression:
                _replace(node, key.field)
                return True
        if is_aggregate(node):
            _replace(node, self._aggregate(node))
            return True
        if isinstance(node, exp.Column):
            return self._no(f"{node.name} is neither in GROUP BY nor in an aggregate.", node, "Add it to GROUP BY.")
        # All parts, so that every problem is reported.
        parts = [self._rewrite(part) for part in list(node.iter_expressions()) if not isinstance(part, exp.DataType)]
        return all(parts)

    def _aggregate(self, node: exp.Expr) -> Field:
        for same, aggregate in self.aggregates:
            if same == node:
                return aggregate.field
        call = node.this if isinstance(node, exp.Filter) else node
        argument = call.expressions[0]
        distinct = isinstance(argument, exp.Distinct)
        argument = argument.expressions[0] if distinct else argument
        made = Aggregate(
            Field(self._fresh(f"$agg{len(self.aggregates)}"), type_of(call)),
            call.this,
            None if isinstance(argument, exp.Star) else argument.copy(),
            distinct,
            node.expression.this.copy() if isinstance(node, exp.Filter) else None,
        )
        self.aggregates.append((node.copy(), made))
        return made.field

    def plan(self) -> GroupBy:
        """The node, once SELECT and HAVING were read."""
        windowed = isinstance(self.input, Windowed)
        roles = {
            key.expression.name: key.field.name
            for key in self.keys
            if windowed and isinstance(key.expression, exp.Column) and key.expression.name in WINDOW_COLUMNS
        }
        window = self.input.window if isinstance(self.input, Windowed) else None
        return GroupBy(self.input, tuple(self.keys), tuple(one for _, one in self.aggregates), window, roles)

    def _no(self, message: str, node: exp.Expr, hint: str) -> bool:
        self.report(message, node, hint)
        return False


def _replace(node: exp.Expr, field: Field) -> None:
    made = column(field)
    made.meta.update({key: node.meta[key] for key in ("start", "end") if key in node.meta})
    node.replace(made)
