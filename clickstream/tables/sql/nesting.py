"""Long chains and deep nests of a statement: chains are made flat trees, and what stays too deep is refused.

Whatever reads a tree calls itself for every level, and so does DuckDB with its SQL. `a OR b OR c ...` comes from the
parser as a tree that is as deep as the chain is long; rebuilt in halves it is as deep as the length's logarithm.
That changes no value: AND, OR and || may be bracketed in any way, NULLs included, and the order of the parts stays.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlglot import exp

from clickstream.tables.sql.grammar import SyntaxProblem

# Of expressions and queries. Six calls a level are the most that anything makes, and Python allows 1,000 calls.
DEEPEST = 100
# Of plans, views included.
DEEPEST_PLAN = 2 * DEEPEST
# The parser makes some twenty calls for a pair of parentheses. Each takes less than a kilobyte of the stack.
_CALLS_OF_THE_PARSER = 5_000
_CHAINS = (exp.And, exp.Or, exp.DPipe)
_HINT = "Divide it: a view can compute a part."


@contextmanager
def deep_calls() -> Iterator[None]:
    """More calls in calls than usual, for the parser."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _CALLS_OF_THE_PARSER))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def too_deep(start: int, end: int) -> SyntaxProblem:
    """The refusal of what stands from `start` to `end`."""
    return SyntaxProblem(f"This is nested more than {DEEPEST} levels deep.", start, end, _HINT)


def flattened(tree: exp.Expr) -> exp.Expr:
    """The tree with its chains in halves, and without parentheses in parentheses. Raises SyntaxProblem: too deep."""
    for pair in list(tree.find_all(exp.Paren)):
        if isinstance(pair.this, exp.Paren):
            pair.replace(pair.this)
    for kind in _CHAINS:
        for node in list(tree.find_all(kind)):
            if not isinstance(_outside(node), kind):
                parts = _parts(node, kind)
                if len(parts) > 2:
                    node.replace(_halved(kind, parts))
    _refuse_deep(tree)
    return tree


def _outside(node: exp.Expr) -> exp.Expr | None:
    """What the node is a part of, whatever parentheses are around it."""
    around = node.parent
    while isinstance(around, exp.Paren):
        around = around.parent
    return around


def _parts(node: exp.Expr, kind: type[exp.Expr]) -> list[exp.Expr]:
    """The parts of a chain in their order."""
    found: list[exp.Expr] = []
    left = [node]
    while left:
        one = left.pop()
        inner = one.unnest()
        if isinstance(inner, kind):
            left += [inner.expression, inner.this]
        else:
            found.append(one)
    return found


def _halved(kind: type[exp.Expr], parts: list[exp.Expr]) -> exp.Expr:
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return kind(this=_halved(kind, parts[:middle]), expression=_halved(kind, parts[middle:]))


def _refuse_deep(tree: exp.Expr) -> None:
    """Queries that UNION ALL joins are side by side, however many they are."""
    left = [(tree, 0)]
    while left:
        node, depth = left.pop()
        if depth > DEEPEST:
            marked = next(one for one in node.walk() if "start" in one.meta)
            raise too_deep(marked.meta["start"], marked.meta["end"] + 1)
        for child in node.iter_expressions():
            beside = isinstance(node, exp.SetOperation) and child is node.this
            left.append((child, depth if beside else depth + 1))
