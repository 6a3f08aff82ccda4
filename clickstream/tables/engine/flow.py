"""A program as relations and operators: what happens to a batch, and to what the watermark closes.

A batch of one table goes through all steps in order: views that several queries read are computed once, joins let
go what the watermark has passed; rows of streams can leave. Operators take in their rows, and what became final is
read from them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import duckdb

from clickstream.tables.engine.expressions.translate import duckdb_type
from clickstream.tables.engine.needs import Needs, below, below_union, below_view
from clickstream.tables.engine.operators.firsts import KeepFirst
from clickstream.tables.engine.operators.groups import Groups
from clickstream.tables.engine.operators.operator import (
    BEGINNING,
    CREATE_LATE,
    END,
    HIDDEN,
    TIME,
    Operator,
    quoted,
)
from clickstream.tables.engine.operators.panes import Panes
from clickstream.tables.engine.operators.references import Join, Reference
from clickstream.tables.engine.operators.sessions import Sessions
from clickstream.tables.engine.operators.topn import WindowTopN, ranked
from clickstream.tables.engine.operators.windows import Grid, window_column
from clickstream.tables.engine.plans import (
    fed,
    group_below,
    is_having,
    listed,
    plain,
    remembers,
    selected,
    split_union,
    stream_tables,
    where_clause,
)
from clickstream.tables.engine.state import naming
from clickstream.tables.sql.model import (
    GroupBy,
    Insert,
    Plan,
    Program,
    Read,
    Scan,
    Select,
    TemporalJoin,
    TopN,
    Union,
    Windowed,
    children,
)

Database = duckdb.DuckDBPyConnection
Watermarks = Mapping[str, int]  # of tables, by name
Step = Callable[[Database, Watermarks], None]

_NO_ORIGIN = 'NULL::INTEGER AS "$p", NULL::BIGINT AS "$o", NULL::BIGINT AS "$t", NULL::BIGINT AS "$wm"'
_ORIGIN = ", ".join(HIDDEN)
# The end (ms) of the window that an early row belongs to.
WINDOW_END = '"$end"'


def batch_of(table: str) -> str:
    """The relation with the rows of a table's batch."""
    return f"batch_{table}"


@dataclass(frozen=True)
class Placed:
    """An operator, where its rows come from, and the tables that its watermark is the minimum of."""

    operator: Operator
    input: str
    output: str
    tables: tuple[str, ...]

    def watermark(self, watermarks: Watermarks) -> int:
        return min((watermarks[table] for table in self.tables), default=BEGINNING)


@dataclass(frozen=True)
class Branch:
    """Rows of one insert. Stream rows leave with their batch; the others when `groups` gives them."""

    insert: Insert
    number: int
    sql: str
    stream: bool
    outputs: frozenset[str] = frozenset()  # of the operators that it reads
    # With early rows: the same over the operator's early rows, and over all that is open, whatever HAVING says.
    early: Callable[[str, bool], str] | None = None
    groups: Placed | None = None


class Flow:
    """All relations of a program. Without `changes`, final rows only, and joins wait for the watermark."""

    def __init__(self, program: Program, *, changes: bool = False) -> None:
        self.program = program
        self.needs = Needs(program)
        self._changes = changes
        self.shown_early: set[str] = set()  # names of operators of which somebody shows early rows
        self._at_once = False  # whether joins let rows go at once
        # Whether a row of the batch is behind its watermark: most have none, and need not look for late ones.
        self.behind = False
        self._behind = False  # the same of a batch and of the rows that joins let go with it
        self.references = {
            name: Reference(program.tables[name], self.needs.tables[name]) for name in self.needs.references
        }
        self.operators: list[Placed] = []
        self._prepare: list[Callable[[Database], None]] = []
        self._relations: list[Step] = []  # views and joins, in the order in which they need each other
        self._absorbing: list[Step] = []  # operators that take in rows of them
        self._made: dict[object, str] = {}
        self._joined: dict[str, set[str]] = {}  # the tables that each reference is joined with
        self._filled: set[str] = set()
        self._statement = ""  # that is being built, as errors name it
        self.branches = [
            self._branch(insert, number, plan)
            for number, insert in enumerate(program.inserts)
            for plan in split_union(insert.plan)
        ]

    # --- running

    def prepare(self, db: Database) -> None:
        """Make all tables and views that are not there; call it once."""
        db.execute(CREATE_LATE)
        for name in self.needs.streams:
            self.empty(db, name)
        nothing = dict.fromkeys(self.needs.streams, BEGINNING)
        for prepare in self._prepare:
            prepare(db)
        self.relate(db, nothing)
        self.absorb(db, nothing)
        for placed in self.operators:
            placed.operator.close(db, BEGINNING, placed.output)
        # Not before: what waits since an earlier run would have gone nowhere.
        self._at_once = self._changes

    @property
    def unwindowed(self) -> bool:
        """Whether there are groups without a window, which take batches into the state only when they are closed."""
        return any(isinstance(placed.operator, Groups) for placed in self.operators)

    def empty(self, db: Database, table: str) -> None:
        """A batch without rows."""
        wanted = self.needs.tables[table]
        columns = [column for column in self.program.tables[table].columns if column.name in wanted]
        typed = ", ".join(f"NULL::{duckdb_type(column.type)} AS {quoted(column.name)}" for column in columns)
        db.execute(
            f"CREATE OR REPLACE TEMP VIEW {quoted(batch_of(table))} AS "
            f"SELECT {typed}{', ' if typed else ''}{_NO_ORIGIN} WHERE FALSE"
        )

    def relate(self, db: Database, watermarks: Watermarks) -> None:
        """Take the batches through views and joins: rows of streams are there then. `watermarks`: after the batch."""
        self._behind = self.behind
        for step in self._relations:
            step(db, watermarks)

    def absorb(self, db: Database, watermarks: Watermarks) -> None:
        """Have the operators take in what `relate` made."""
        for step in self._absorbing:
            step(db, watermarks)

    def close(self, db: Database, watermarks: Watermarks) -> list[Branch]:
        """Close what the watermarks have passed; returns the branches that may have final rows now.

        References forget what rows cannot ask for any more: joins have let go all that the watermarks have passed.
        """
        moved = set()
        for placed in self.operators:
            watermark = placed.watermark(watermarks)
            if placed.operator.due(watermark):
                placed.operator.close(db, watermark, placed.output)
                self._filled.add(placed.output)
                moved.add(placed.output)
            elif placed.output in self._filled:
                db.execute(f"DELETE FROM {quoted(placed.output)}")
                self._filled.discard(placed.output)
        for name, tables in self._joined.items():
            self.references[name].forget(db, min(watermarks[table] for table in tables))
        return [branch for branch in self.branches if branch.outputs & moved]

    def horizon(self, db: Database) -> int | None:
        """The highest end (ms) of an open window."""
        ends = [placed.operator.horizon(db) for placed in self.operators]
        return max((end for end in ends if end is not None), default=None)

    # --- building

    def _then(self, steps: list[Step], step: Step) -> None:
        """Add a step of the statement that is being built."""
        statement = self._statement

        def named(db: Database, watermarks: Watermarks) -> None:
            with naming(statement):
                step(db, watermarks)

        steps.append(named)

    def _branch(self, insert: Insert, number: int, plan: Plan) -> Branch:
        needed = {field.name for field in plan.fields}
        self._statement = insert.described
        sql = self._rows(plan, needed)
        if not remembers(plan):
            return Branch(insert, number, sql, stream=True)
        group = group_below(plan)
        placed = next((one for one in self.operators if group and one.output == self._made.get(id(group))), None)

        def early(output: str, having: bool) -> str:
            return self._early(plan, output, having)

        return Branch(insert, number, sql, False, self._outputs(plan), early if placed else None, placed)

    def _outputs(self, plan: Plan) -> frozenset[str]:
        own = {self._made[id(plan)]} if id(plan) in self._made and isinstance(plan, GroupBy | TopN) else set()
        return frozenset(own).union(*map(self._outputs, children(plan)))

    def _rows(self, plan: Plan, needed: set[str]) -> str:
        """SQL for the needed fields of a plan's rows, and where they come from."""
        match plan:
            case Scan():
                return self._select(needed, plan, quoted(batch_of(plan.table.name)))
            case Read():
                return self._read(plan, needed)
            case Select():
                inner = self._rows(plan.input, below(plan, needed))
                return f"{selected(plan, needed)}, {_ORIGIN} FROM ({inner}){where_clause(plan.where)}"
            case Union():
                parts = []
                for one in plan.inputs:
                    rows = self._rows(one, below_union(plan, one, needed))
                    items = [
                        f"CAST({quoted(inner.name)} AS {duckdb_type(outer.type)}) AS {quoted(outer.name)}"
                        for outer, inner in zip(plan.fields, one.fields, strict=True)
                        if outer.name in needed
                    ]
                    parts.append(f"SELECT {', '.join([*items, _ORIGIN])} FROM ({rows})")
                return " UNION ALL ".join(parts)
            case Windowed():
                return self._expanded(plan, needed)
            case TemporalJoin():
                return self._select(needed, plan, quoted(self._join(plan, needed)))
            case TopN() if plan.window is not None and remembers(plan.input):
                rows = ranked(plan, f"({self._rows(plan.input, below(plan, needed))})")
                return f"SELECT {listed(plan, needed)}{_NO_ORIGIN} FROM ({rows})"
            case GroupBy() | TopN():
                return f"SELECT {listed(plan, needed)}{_NO_ORIGIN} FROM {quoted(self._operator(plan))}"
        raise TypeError(type(plan).__name__)

    def _select(self, needed: set[str], plan: Plan, relation: str) -> str:
        return f"SELECT {listed(plan, needed)}{_ORIGIN} FROM {relation}"

    def _read(self, plan: Read, needed: set[str]) -> str:
        view = plan.view
        all_needed = self.needs.views[view.name]
        if self.needs.readers[view.name] > 1 and not remembers(view.plan) and not plain(view.plan):
            relation = quoted(self._shared(plan, all_needed))
        else:
            relation = f"({self._rows(view.plan, below_view(view, all_needed))})"
        items = [
            f"{quoted(inner.name)} AS {quoted(outer.name)}, "
            for outer, inner in zip(view.fields, view.plan.fields, strict=True)
            if outer.name in needed
        ]
        return f"SELECT {''.join(items)}{_ORIGIN} FROM {relation}"

    def _shared(self, plan: Read, needed: set[str]) -> str:
        """The table of a view that several queries read."""
        name = f"view_{plan.view.name}"
        if name not in self._made:
            self._made[name] = name
            outer, self._statement = self._statement, f"VIEW {plan.view.name}"
            sql = self._rows(plan.view.plan, below_view(plan.view, needed))

            def compute(db: Database, _watermarks: Watermarks) -> None:
                db.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(name)} AS {sql}")

            self._prepare.append(lambda db: compute(db, {}))
            self._then(self._relations, compute)
            self._statement = outer
        return name

    def _join(self, plan: TemporalJoin, needed: set[str]) -> str:
        if id(plan) in self._made:
            return self._made[id(plan)]
        left = below(plan, needed)
        rows = self._rows(plan.left, left)
        number = len(self._made)
        name, input, output = f"join{number}", f"join{number}_in", f"join{number}_out"
        self._made[id(plan)] = output
        fields = [field for field in plan.left.fields if field.name in left]
        join = Join(name, plan, self.references[plan.reference.name], fields, needed)
        tables = tuple(stream_tables(plan.left))
        self._joined.setdefault(plan.reference.name, set()).update(tables)

        def absorb(db: Database, watermarks: Watermarks) -> None:
            watermark = END if self._at_once else min(watermarks[table] for table in tables)
            let_go = join.behind
            join.absorb(db, input, watermark, output, behind=self._behind)
            self._behind = self._behind or let_go

        def prepare(db: Database) -> None:
            join.create(db)
            db.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(input)} AS {rows}")
            absorb(db, dict.fromkeys(tables, BEGINNING))

        self._prepare.append(prepare)
        self._then(self._relations, absorb)
        return output

    def _operator(self, plan: GroupBy | TopN) -> str:
        if id(plan) in self._made:
            return self._made[id(plan)]
        number = len(self._made)
        kind, source = operator_of(plan)
        name = f"{kind.__name__.lower()}{number}"
        operator: Operator = kind(name, plan)
        needed = fed(plan, source)
        rows = self._rows(source, needed)
        input, output = f"{name}_in", f"{name}_out"
        self._made[id(plan)] = output
        self.operators.append(Placed(operator, input, output, tuple(stream_tables(source))))

        def absorb(db: Database, _watermarks: Watermarks) -> None:
            if not isinstance(operator, Panes):
                operator.absorb(db, input)
                return
            operator.absorb(db, input, behind=self._behind)
            if self._changes and operator.name in self.shown_early:
                operator.touch(db, input)

        def prepare(db: Database) -> None:
            operator.create(db)
            db.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(input)} AS {rows}")
            operator.close(db, BEGINNING, output)

        self._prepare.append(prepare)
        self._then(self._absorbing, absorb)
        return output

    def _expanded(self, plan: Windowed, needed: set[str]) -> str:
        """Rows once for each of their windows."""
        grid = Grid(plan.window)
        inner_needed = below(plan, needed)
        inner = self._rows(plan.input, inner_needed)
        pane = grid.pane(TIME)
        ends = grid.ends(f"({pane} + {grid.slide})", grid.last_end(pane))
        end = '"$end_of_window"'  # no column of anybody's
        roles = ("window_start", "window_end", "window_time")
        items = [
            f"{window_column(name, grid.start(end), end)} AS {quoted(name)}" if name in roles else quoted(name)
            for name in (field.name for field in plan.fields)
            if name in needed
        ]
        return (
            f"SELECT {''.join(f'{item}, ' for item in items)}{_ORIGIN} "
            f"FROM (SELECT *, {ends} AS {end} FROM ({inner}) WHERE {TIME} IS NOT NULL)"
        )

    def _early(self, plan: Plan, output: str, having: bool) -> str:
        """The plan over another table of its group's rows, with the end of each row's window."""
        match plan:
            case Select():
                where = where_clause(plan.where) if having or not is_having(plan) else ""
                needed = {field.name for field in plan.fields}
                return f"{selected(plan, needed)}, {WINDOW_END} FROM ({self._early(plan.input, output, having)}){where}"
            case Read():
                inner = self._early(plan.view.plan, output, having)
                items = ", ".join(
                    f"{quoted(one.name)} AS {quoted(field.name)}"
                    for field, one in zip(plan.fields, plan.view.plan.fields, strict=True)
                )
                return f"SELECT {items}, {WINDOW_END} FROM ({inner})"
            case _:
                return f"SELECT {listed(plan, {field.name for field in plan.fields})}{WINDOW_END} FROM {quoted(output)}"


def operator_of(plan: GroupBy | TopN) -> tuple[type, Plan]:
    """The class for a node, and the plan whose rows it takes."""
    if isinstance(plan, TopN):
        return (WindowTopN if plan.window is not None else KeepFirst), plan.input
    if plan.window is None:
        return Groups, plan.input
    assert isinstance(plan.input, Windowed)
    return (Sessions if plan.window.kind == "SESSION" else Panes), plan.input.input
