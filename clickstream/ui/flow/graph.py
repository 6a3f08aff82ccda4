"""A plan, as `tables explain --format json` shows it, as what is drawn: sources, views, statements and results.

A view that only other views read is left out: its readers stand at its sources instead.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Kind = Literal["each", "tumble", "hop", "session", "top"]

_JOIN = re.compile(r"join (\S+) as of ")
_WINDOW = re.compile(r"(tumble|hop|session) window.*?, (?:size ([\d.]+) s)?(?:, every ([\d.]+) s)?(?:gap ([\d.]+) s)?$")
_WINDOWED = ("window_start", "window_end", "window_time")
_OVER = re.compile(r"where \$agg\d+ (>=?) ([\d.]+)$")


class Source(msgspec.Struct, frozen=True):
    """A topic that is read. `reference`: rows are looked up in it, and its own cause no results."""

    topic: str
    tables: list[str]
    reference: bool


class View(msgspec.Struct, frozen=True):
    """`inputs`: ids of sources (`t:TOPIC`)."""

    name: str
    inputs: list[str]


class Statement(msgspec.Struct, frozen=True):
    """An INSERT. `inputs`: ids of sources and views (`v:NAME`); `tables`: from which its rows come, through views too.

    `every_ms`: windows end at multiples of that; 0: at no such times. `gap_ms` is that of sessions.
    """

    id: str
    name: str
    line: int
    topic: str
    inputs: list[str]
    tables: list[str]
    kind: Kind
    words: str
    every_ms: int
    gap_ms: int


class Graph(msgspec.Struct, frozen=True):
    """What reads what: a file's source tables, its views, and the statements that write results."""

    sources: list[Source]
    views: list[View]
    statements: list[Statement]


class _Edge(msgspec.Struct):
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")


class _View(msgspec.Struct):
    name: str
    steps: list[str]


class _Insert(msgspec.Struct):
    name: str
    line: int
    steps: list[str]
    topic: str
    key: list[str] = []


class _Plan(msgspec.Struct):
    edges: list[_Edge]
    views: list[_View]
    inserts: list[_Insert]


def graph(plan: Mapping[str, Any]) -> Graph | None:
    """None for a plan of another version, which came from the topic."""
    try:
        return _Drawing(msgspec.convert(plan, _Plan)).graph()
    except msgspec.ValidationError:
        return None


class _Drawing:
    def __init__(self, plan: _Plan) -> None:
        self._plan = plan
        self._inputs: dict[str, list[str]] = defaultdict(list)
        for edge in plan.edges:
            self._inputs[edge.end].append(edge.start)
        self._steps = {view.name: view.steps for view in plan.views}

    def graph(self) -> Graph:
        statements = [self._statement(number, one) for number, one in enumerate(self._plan.inserts)]
        shown = [view.name for view in self._plan.views if any(f"v:{view.name}" in one.inputs for one in statements)]
        tables: dict[str, list[str]] = defaultdict(list)
        for name in dict.fromkeys(table for insert in self._plan.inserts for table in self._tables(insert.name)):
            for topic in self._topics(name):
                tables[topic].append(name)
        return Graph(
            [Source(topic, names, set(names) <= self._references()) for topic, names in tables.items()],
            [View(name, self._drawn(self._tables_of_view(name, set()))) for name in shown],
            statements,
        )

    def _statement(self, number: int, insert: _Insert) -> Statement:
        direct = self._read_by(insert.name)
        views = [name for kind, name in direct if kind == "view"]
        kind, size, every, gap = _window([insert.steps, *(self._steps.get(name, []) for name in views)])
        keys = [name for name in insert.key if name not in _WINDOWED]
        return Statement(
            id=f"s{number}",
            name=insert.name,
            line=insert.line,
            topic=insert.topic,
            inputs=[
                *self._drawn([name for kind, name in direct if kind == "table"]),
                *(f"v:{name}" for name in dict.fromkeys(views)),
            ],
            tables=self._tables(insert.name),
            kind=kind,
            words=_words(kind, size, every, gap, keys, insert.steps),
            every_ms=int(1000 * (every or size)),
            gap_ms=int(1000 * gap),
        )

    def _read_by(self, target: str) -> list[tuple[str, str]]:
        found = (one.partition(" ") for one in self._inputs[f"table {target}"])
        return [(kind, name) for kind, _, name in found if kind in ("table", "view")]

    def _tables(self, target: str) -> list[str]:
        """Source tables from which rows come to a result."""
        found: dict[str, None] = {}
        for kind, name in self._read_by(target):
            found |= dict.fromkeys([name] if kind == "table" else self._tables_of_view(name, set()))
        return list(found)

    def _tables_of_view(self, view: str, seen: set[str]) -> list[str]:
        if view in seen:
            return []
        seen.add(view)
        found: dict[str, None] = {}
        for one in self._inputs[f"view {view}"]:
            kind, _, name = one.partition(" ")
            found |= dict.fromkeys(self._tables_of_view(name, seen) if kind == "view" else [name])
        return list(found)

    def _topics(self, table: str) -> list[str]:
        return [
            name for kind, _, name in (one.partition(" ") for one in self._inputs[f"table {table}"]) if kind == "topic"
        ]

    def _drawn(self, tables: list[str]) -> list[str]:
        return list(dict.fromkeys(f"t:{topic}" for table in tables for topic in self._topics(table)))

    def _references(self) -> set[str]:
        steps = [step for view in self._plan.views for step in view.steps]
        steps += [step for insert in self._plan.inserts for step in insert.steps]
        return {found[1] for step in steps if (found := _JOIN.search(step))}


def _window(steps_of: list[list[str]]) -> tuple[Kind, float, float, float]:
    """Kind, size, distance and gap (s) of the first window: the statement's own, else that of a view it reads."""
    for steps in steps_of:
        for step in map(str.strip, steps):
            found = _WINDOW.match(step)
            if found:
                size, every, gap = (float(found[group] or 0) for group in (2, 3, 4))
                return found[1], size, every, gap  # type: ignore[return-value]  # one of the three of the expression
    return ("top" if any(step.startswith("first ") for step in steps_of[0]) else "each"), 0, 0, 0


def _words(kind: Kind, size: float, every: float, gap: float, keys: list[str], steps: list[str]) -> str:
    by = f"by {', '.join(keys)}" if keys else "all"
    match kind:
        case "tumble":
            words = f"{size:g} s, {by}"
        case "hop":
            words = f"{size:g} s every {every:g} s, {by}"
        case "session":
            words = f"sessions {by}, {gap:g} s apart"
        case "top":
            words = f"the first {next(step.split()[1] for step in steps if step.startswith('first '))}"
        case _:
            words = next((step for step in steps if step.startswith("where ")), "every row")
    over = _OVER.match(steps[0]) if steps else None
    return f"{words}, {'over' if over[1] == '>' else 'at least'} {over[2]}" if over else words
