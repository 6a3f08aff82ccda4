"""From plans to relations and operators.

What several INSERTs read in common - a view, a join, an operator - is made once. What remembers rows has a table in
the state, named after the statement that it stands in, a view if it is one, and its number there: another order of the
file, or one more INSERT, leaves the names as they are.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from clickstream.tables.engine.compile.compiled import Branch, Compiled, Database, Placed, Step, Watermarks
from clickstream.tables.engine.compile.early import present_rows
from clickstream.tables.engine.compile.windows import expanded
from clickstream.tables.engine.expressions.clauses import listed, selected, where_clause
from clickstream.tables.engine.expressions.translate import duckdb_type
from clickstream.tables.engine.needs import Needs
from clickstream.tables.engine.operators.firsts import KeepFirst
from clickstream.tables.engine.operators.groups import Groups
from clickstream.tables.engine.operators.operator import BEGINNING, END, HIDDEN, TABLE_BITS, Operator, lane, raised_by
from clickstream.tables.engine.operators.panes import Panes
from clickstream.tables.engine.operators.references import Join, Reference
from clickstream.tables.engine.operators.session_folding import Waiting
from clickstream.tables.engine.operators.sessions import Sessions
from clickstream.tables.engine.operators.topn import WindowTopN, ranked
from clickstream.tables.engine.state.failures import naming
from clickstream.tables.names import identifier, relation
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
from clickstream.tables.sql.plans import (
    below,
    below_union,
    below_view,
    fed,
    grouping,
    is_joined,
    lanes,
    plain,
    remembers,
    split_union,
    stream_tables,
)

_ORIGIN = ", ".join(HIDDEN)
# A row of an operator is of no record; its time is that of its window.
_OF_WINDOW = 'NULL::INTEGER AS "$p", NULL::BIGINT AS "$o", "$end" - 1 AS "$t", NULL::BIGINT AS "$wm"'


def batch_of(table: str) -> str:
    """The relation with the rows of a table's batch."""
    return relation("batch", table)


def compiled(
    program: Program, references: Mapping[str, Reference], generation: int = 0, begins: int | None = None
) -> Compiled:
    """Relations and operators of a program's INSERTs, with `references` by the names of their tables.

    INSERTs that came to a file later are a `generation` of their own: they share nothing with those before, and
    windows that start at or before `begins` (ms) are incomplete.
    """
    compiler = _Compiler(program, references, generation, begins)
    for insert in program.inserts:
        compiler.add(insert)
    return _closing_together(compiler.made)


class _Compiler:
    def __init__(
        self, program: Program, references: Mapping[str, Reference], generation: int, begins: int | None
    ) -> None:
        self.made = Compiled()
        self._references = references
        self._needs = Needs(program)
        self._generation = generation
        self._begins = begins
        self._join_tables: dict[int, str] = {}  # by the id of the node
        self._names: dict[object, str] = {}  # of what is made: a node's by its id, a view's by its name
        self._numbers: Counter[str] = Counter()
        self._statement = ""  # that is being compiled, as errors name it
        self._owner = ""  # the same, or the view that is being compiled, as names of the state begin

    def add(self, insert: Insert) -> None:
        self._statement = insert.described
        for number, part in enumerate(split_union(insert.plan)):
            kind, name = ("insert", insert.target.name) if part.view is None else ("view", part.view)
            self._owner = relation(kind, name)
            self.made.branches.append(self._branch(insert, f"{insert.target.name}:{number}", part.plan))

    def _branch(self, insert: Insert, name: str, plan: Plan) -> Branch:
        sql = self._rows(plan, {field.name for field in plan.fields})
        if not remembers(plan):
            return Branch(insert, name, sql, stream=True, joined=is_joined(plan))
        group = grouping(plan)
        placed = next((one for one in self.made.operators if group and one.output == self._names.get(id(group))), None)

        def early(table: str, having: bool) -> str:
            return present_rows(plan, table, having)

        return Branch(
            insert, name, sql, False, outputs=self._outputs(plan), early=early if placed else None, placed=placed
        )

    def _outputs(self, plan: Plan) -> frozenset[str]:
        own = {self._names[id(plan)]} if id(plan) in self._names and isinstance(plan, GroupBy | TopN) else set()
        return frozenset(own).union(*map(self._outputs, children(plan)))

    def _named(self, kind: str) -> str:
        """A name for what remembers rows: the same in every run of the same statements."""
        self._numbers[self._owner] += 1
        number = str(self._numbers[self._owner])
        return f"g{self._generation}:{kind}:{self._owner}:{number}"

    def _then(self, steps: list[Step], step: Step) -> None:
        """Add a step of the statement that is being compiled."""
        statement = self._statement

        def named(db: Database, watermarks: Watermarks) -> None:
            with naming(statement):
                step(db, watermarks)

        steps.append(named)

    # --- relations

    def _rows(self, plan: Plan, needed: set[str]) -> str:
        """SQL for the needed fields of a plan's rows, and where they come from."""
        match plan:
            case Scan():
                return self._select(needed, plan, identifier(batch_of(plan.table.name)))
            case Read():
                return self._read(plan, needed)
            case Select():
                inner = self._rows(plan.input, below(plan, needed))
                return f"{selected(plan, needed)}, {_ORIGIN} FROM ({inner}){where_clause(plan.where)}"
            case Union():
                return " UNION ALL ".join(self._part(plan, number, needed) for number in range(len(plan.inputs)))
            case Windowed():
                return expanded(plan, needed, self._rows(plan.input, below(plan, needed)))
            case TemporalJoin():
                return self._select(needed, plan, identifier(self._join(plan, needed)))
            case TopN() if plan.window is not None and remembers(plan.input):
                rows = ranked(plan, f"({self._rows(plan.input, below(plan, needed))})")
                return self._select(needed, plan, f"({rows})")
            case GroupBy() | TopN():
                return f"SELECT {listed(plan, needed)}{_OF_WINDOW} FROM {identifier(self._operator(plan))}"
        raise TypeError(type(plan).__name__)

    def _select(self, needed: set[str], plan: Plan, rows: str) -> str:
        return f"SELECT {listed(plan, needed)}{_ORIGIN} FROM {rows}"

    def _part(self, plan: Union, number: int, needed: set[str]) -> str:
        one = plan.inputs[number]
        origin = _ORIGIN
        if len(stream_tables(plan)) > 1:
            origin = ", ".join([lane(_first_lane(plan, number)), *HIDDEN[1:]])
        items = [
            f"CAST({identifier(inner.name)} AS {duckdb_type(outer.type)}) AS {identifier(outer.name)}"
            for outer, inner in zip(plan.fields, one.fields, strict=True)
            if outer.name in needed
        ]
        return f"SELECT {', '.join([*items, origin])} FROM ({self._rows(one, below_union(plan, one, needed))})"

    def _read(self, plan: Read, needed: set[str]) -> str:
        view = plan.view
        outer, self._owner = self._owner, relation("view", view.name)
        all_needed = self._needs.views[view.name]
        if self._needs.readers[view.name] > 1 and not remembers(view.plan) and not plain(view.plan):
            rows = identifier(self._shared(plan, all_needed))
        else:
            rows = f"({self._rows(view.plan, below_view(view, all_needed))})"
        self._owner = outer
        items = [
            f"{identifier(inner.name)} AS {identifier(outer.name)}, "
            for outer, inner in zip(view.fields, view.plan.fields, strict=True)
            if outer.name in needed
        ]
        return f"SELECT {''.join(items)}{_ORIGIN} FROM {rows}"

    def _shared(self, plan: Read, needed: set[str]) -> str:
        """The table of a view that several queries read."""
        name = f"g{self._generation}:rows:{plan.view.name}"
        if name not in self._names:
            self._names[name] = name
            outer, self._statement = self._statement, f"VIEW {plan.view.name}"
            sql = self._rows(plan.view.plan, below_view(plan.view, needed))

            def compute(db: Database) -> None:
                db.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(name)} AS {sql}")

            self.made.prepare.append(compute)
            self._then(self.made.relating, lambda db, _watermarks: compute(db))
            self._statement = outer
        return name

    def _join(self, plan: TemporalJoin, needed: set[str]) -> str:
        if id(plan) in self._names:
            return self._names[id(plan)]
        left = below(plan, needed)
        rows = self._rows(plan.left, left)
        name = self._named("join")
        input, output = relation("in", name), relation("out", name)
        self._names[id(plan)] = output
        self._join_tables[id(plan)] = name
        fields = [field for field in plan.left.fields if field.name in left]
        reference = self._references[plan.reference.name]
        join = Join(name, plan, reference, fields, needed)
        made, tables = self.made, tuple(stream_tables(plan.left))
        made.joins[name] = tuple(lanes(plan.left))
        made.joined.setdefault(plan.reference.name, (reference, set()))[1].add(tables)

        def absorb(db: Database, watermarks: Watermarks) -> None:
            # The watermark before the floor is applied: with it, rows that came in time would be late.
            watermark = END if made.joins_at_once else watermarks.coming(tables)
            let_go = join.behind
            join.absorb(db, identifier(input), watermark, output, behind=made.behind)
            made.behind = made.behind or let_go

        def prepare(db: Database) -> None:
            join.create(db)
            db.execute(f"CREATE OR REPLACE TEMP VIEW {identifier(input)} AS {rows}")
            join.absorb(db, identifier(input), BEGINNING, output)

        self.made.prepare.append(prepare)
        self._then(self.made.relating, absorb)
        return output

    def _waiting(self, plan: Plan, raised: int = 0) -> Iterator[Waiting]:
        """Where rows of a compiled plan wait in joins."""
        if isinstance(plan, TemporalJoin):
            yield self._join_tables[id(plan)], raised
        several = isinstance(plan, Union) and len(stream_tables(plan)) > 1
        for number, one in enumerate(children(plan)):
            own = raised_by(_first_lane(plan, number)) if isinstance(plan, Union) and several else 0
            yield from self._waiting(one, raised + own)

    def _operator(self, plan: GroupBy | TopN) -> str:
        if id(plan) in self._names:
            return self._names[id(plan)]
        kind, source = operator_of(plan)
        rows = self._rows(source, fed(plan, source))
        name = self._named(kind.__name__.lower())
        operator: Operator
        if kind is Sessions:
            assert isinstance(plan, GroupBy)
            alone = len(lanes(source)) <= 1 << TABLE_BITS
            operator = Sessions(name, plan, list(self._waiting(source)), folds=alone)
        else:
            operator = kind(name, plan)
        input, output = relation("in", name), relation("out", name)
        self._names[id(plan)] = output
        tables, numbered = tuple(stream_tables(source)), tuple(lanes(source))
        placed = Placed(operator, input, rows, output, tables, begins=self._begins, lanes=numbered)
        self.made.operators.append(placed)

        made = self.made

        def absorb(db: Database, _watermarks: Watermarks) -> None:
            if isinstance(operator, Panes):
                operator.absorb(db, identifier(input), behind=made.behind or input in made.floors)
            else:
                operator.absorb(db, identifier(input))

        def prepare(db: Database) -> None:
            operator.create(db)
            placed.show(db)
            operator.close(db, BEGINNING, output)

        self.made.prepare.append(prepare)
        self._then(self.made.absorbing, absorb)
        return output


def _first_lane(plan: Union, number: int) -> int:
    """The number of the first table of a union's input."""
    return sum(len(lanes(other)) for other in plan.inputs[:number])


def operator_of(plan: GroupBy | TopN) -> tuple[type, Plan]:
    """The class for a node, and the plan whose rows it takes."""
    if isinstance(plan, TopN):
        return (WindowTopN if plan.window is not None else KeepFirst), plan.input
    if plan.window is None:
        return Groups, plan.input
    assert isinstance(plan.input, Windowed)
    return (Sessions if plan.window.kind == "SESSION" else Panes), plan.input.input


def _closing_together(made: Compiled) -> Compiled:
    """Operators of one result close by the watermark of all their tables: its rows leave in the order of their windows.

    Operators of which none writes to a result of the other's close by themselves.
    """
    groups: list[set[str]] = []
    for outputs in _by_target(made.branches):
        meeting = [group for group in groups if group & outputs]
        groups = [group for group in groups if not group & outputs] + [outputs.union(*meeting)]
    tables = {
        output: tuple(dict.fromkeys(table for one in made.operators if one.output in group for table in one.tables))
        for group in groups
        for output in group
    }
    together = {output: frozenset(group) for group in groups for output in group}
    made.operators = [
        replace(one, closes_with=tables.get(one.output, one.tables), together=together.get(one.output, frozenset()))
        for one in made.operators
    ]
    placed = {one.output: one for one in made.operators}
    made.branches = [
        replace(one, placed=placed[one.placed.output]) if one.placed is not None else one for one in made.branches
    ]
    return made


def _by_target(branches: Iterable[Branch]) -> list[set[str]]:
    """The outputs that the rows of each INSERT come from."""
    found: dict[str, set[str]] = {}
    for branch in branches:
        found.setdefault(branch.insert.target.name, set()).update(branch.outputs)
    return [outputs for outputs in found.values() if outputs]
