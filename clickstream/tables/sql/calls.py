"""Calls of functions and aggregates: known, with the arguments they take, and their type."""

# A refusal is reported and returned: `return self._refuse(...)` is None with its reason.
# mypy: disable-error-code="func-returns-value"

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from sqlglot import exp

from clickstream.shipped import SQL_REFERENCE
from clickstream.spelling import nearest
from clickstream.tables.sql.functions import AGGREGATES, FUNCTIONS, REFUSED, TAKES_NULL
from clickstream.tables.sql.types import Type

Report = Callable[[str, exp.Expr, str], None]


def span(node: exp.Expr) -> tuple[int, int] | None:
    """Where the node stands in its statement's text: start and end."""
    found = [(part.meta["start"], part.meta["end"] + 1) for part in node.walk() if "start" in part.meta]
    return (min(start for start, _ in found), max(end for _, end in found)) if found else None


class Calls(ABC):
    """The part of typing that is about calls."""

    def __init__(self, report: Report) -> None:
        self.report = report

    @abstractmethod
    def _infer(self, node: exp.Expr, aggregates: bool = False) -> Type | None: ...

    def _function(self, node: exp.Anonymous, aggregates: bool) -> Type | None:
        name = _function_name(node)
        function = FUNCTIONS.get(name)
        if function is None:
            hint = (
                REFUSED.get(name)
                or did_you_mean(name, [*FUNCTIONS, *AGGREGATES, "CAST", "TRIM"])
                or f"{SQL_REFERENCE} lists what is."
            )
            return self._refuse(f"The function {name} is not supported.", node, hint)
        arguments = node.expressions
        node.set("this", name)
        if problem := function.problem(len(arguments)):
            return self._refuse(problem, node, f"It is {function.signature}.")
        found = [self._infer(argument, aggregates) for argument in arguments]
        for index, (argument, kind) in enumerate(zip(arguments, found, strict=True)):
            parameter = function.parameter(index)
            if kind is None:
                return None
            if kind not in parameter.types and not (kind == Type.NULL and name in TAKES_NULL):
                hint = "CAST(NULL AS ...) says of which type it is." if kind == Type.NULL else ""
                hint = hint or f"It is {function.signature}."
                return self._refuse(f"{name} does not take {kind} here.", argument, hint)
            if parameter.literal and not isinstance(argument, (exp.Literal, exp.Var)):
                return self._refuse(f"{name} takes a constant here.", argument, f"It is {function.signature}.")
            if parameter.literal and (problem := parameter.check(argument.name)):
                return self._refuse(problem, argument)
        kinds = [kind for kind in found if kind is not None]
        if name == "EXTRACT" and kinds[1] == Type.DATE and arguments[0].name in ("HOUR", "MINUTE", "SECOND"):
            return self._refuse(f"A DATE has no {arguments[0].name}.", arguments[0])
        if name == "TIMESTAMPDIFF" and kinds[1] != kinds[2]:
            return self._refuse(f"{name} takes two times of one type.", arguments[2], f"CAST(... AS {kinds[1]})")
        returns = function.returns if isinstance(function.returns, Type) else function.returns(kinds)
        if returns in (None, Type.DECIMAL, Type.NULL):
            return self._refuse(f"{name} of {', '.join(kinds)} has no type that is supported.", node, "Use CAST.")
        return returns

    def _aggregate(self, node: exp.Expr, allowed: bool) -> Type | None:
        name = aggregate_name(node)
        if not allowed:
            return self._refuse(
                f"The aggregate {name} is not supported here.", node, "Aggregates stand in SELECT and HAVING."
            )
        call = node
        if isinstance(node, exp.Filter):
            call = node.this
            where = node.expression.this
            kind = self._infer(where)
            if kind is None or kind != Type.BOOLEAN:
                return kind and self._refuse(f"A condition is expected, this is {kind}.", where)
        call.set("this", name)
        arguments = call.expressions
        if len(arguments) == 1 and isinstance(arguments[0], exp.Distinct):
            arguments = arguments[0].expressions
        if len(arguments) != 1:
            return self._refuse(f"{name} takes one argument.", node, f"It is {AGGREGATES[name].signature}.")
        argument = arguments[0]
        if name == "COUNT" and isinstance(argument, exp.Star) and isinstance(argument.parent, exp.Anonymous):
            kind = Type.BIGINT
        else:
            kind = self._infer(argument)
            if kind is None:
                return None
            if kind not in AGGREGATES[name].parameters[0].types:
                return self._refuse(f"{name} does not take {kind}.", argument, f"It is {AGGREGATES[name].signature}.")
        call.type = (Type.BIGINT if name == "COUNT" else kind).node()
        return Type.BIGINT if name == "COUNT" else kind

    def _refuse(self, message: str, node: exp.Expr, hint: str = "") -> None:
        self.report(message, node, hint)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint about names that are near, or the few that there are."""
    names = sorted(set(known))
    near = nearest(name, names)
    if near:
        return f"Did you mean {near}?" + (" Names are case-sensitive." if near.lower() == name.lower() else "")
    return f"There {'is' if len(names) == 1 else 'are'} {', '.join(names)}." if 0 < len(names) <= 15 else ""


def is_aggregate(node: exp.Expr) -> bool:
    """An aggregate's call, with or without its FILTER."""
    return bool(aggregate_name(node))


def _function_name(node: exp.Anonymous) -> str:
    return (node.this if isinstance(node.this, str) else node.this.name).upper()


def aggregate_name(node: exp.Expr) -> str:
    """The aggregate that is called, or nothing."""
    call = node.this if isinstance(node, exp.Filter) else node
    name = _function_name(call) if isinstance(call, exp.Anonymous) else ""
    return name if name in AGGREGATES else ""
