"""A file of SQL, read, checked and made a Program: `check` is the front door of this package."""

# A refusal is reported and returned: `return self._refuse(...)` is None with its reason.
# mypy: disable-error-code="func-returns-value"

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from sqlglot import exp

from clickstream.shipped import SQL_REFERENCE
from clickstream.tables.sql import source as text
from clickstream.tables.sql.calls import did_you_mean, span
from clickstream.tables.sql.ddl import TableReader
from clickstream.tables.sql.dialect import parse
from clickstream.tables.sql.functions import REFUSED
from clickstream.tables.sql.grammar import SyntaxProblem
from clickstream.tables.sql.limits import beyond
from clickstream.tables.sql.model import Insert, Plan, Program, Scan, Table, TemporalJoin, View
from clickstream.tables.sql.nesting import DEEPEST_PLAN
from clickstream.tables.sql.nodes import CreateTableNode, CreateViewNode, InsertNode, SetNode
from clickstream.tables.sql.options import SETTINGS, setting
from clickstream.tables.sql.plans import depth, walk
from clickstream.tables.sql.query import Queries
from clickstream.tables.sql.scope import Catalog
from clickstream.tables.sql.script import Span, Statement, split
from clickstream.tables.sql.sinks import fits, keyed, target_columns
from clickstream.tables.sql.source import Problem, Source
from clickstream.tables.sql.words import reserved, taken_for_a_name

# What ${NAME} can be, with the values that a file is checked with.
VARIABLES: Mapping[str, str] = {
    "BOOTSTRAP_SERVERS": "localhost:9092",
    "GROUP_ID": "clickstream-tables",
    "BOUNDED": "unbounded",
    "REF_IDLE": "2 s",
    "SECURITY_PROTOCOL": "PLAINTEXT",
    "SASL_MECHANISM": "PLAIN",
    "SASL_JAAS_CONFIG": "",
}


@dataclass(frozen=True)
class Note:
    """What is fine, but has no effect in this engine."""

    name: str
    line: int


@dataclass
class Checked:
    """A file's statements, what they mean, and what is wrong with them. Without problems the program is whole."""

    source: Source
    statements: list[Statement] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    program: Program = field(default_factory=lambda: Program({}, {}, (), {}))

    def render(self) -> str:
        """All problems, each with its line and a caret."""
        return "\n\n".join(self.source.render(problem) for problem in self.problems)


def check_file(path: Path, variables: Mapping[str, str] = VARIABLES) -> Checked:
    """As `check`, for a file. Raises ConfigError when it cannot be read."""
    return _checked(*text.read(path, variables))


def check(sql: str, variables: Mapping[str, str] = VARIABLES, name: str = "<text>") -> Checked:
    """Everything that is wrong with `sql`, in the order of the text; or its program."""
    return _checked(*text.substitute(sql, variables, name))


def _checked(source: Source, problems: list[Problem]) -> Checked:
    statements, unclosed = split(source)
    checked = Checked(source, statements, problems + unclosed)
    if not unclosed:
        _Checker(checked).run()
    checked.problems.sort(key=lambda problem: (problem.line, problem.column))
    return checked


class _Checker:
    """Goes through the statements of one file; what is refused is left out and the rest goes on."""

    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        self.source = checked.source
        self.at = Span(0, 0)
        self.catalog = Catalog(self.report)
        self.settings: dict[str, str] = {}
        self.inserts: list[Insert] = []
        self.read: set[str] = set()
        self.ends: dict[bool, str] = {}  # a stream whose read ends, and one whose does not
        self.created: dict[str, exp.Expr] = {}

    def report(self, message: str, node: exp.Expr, hint: str) -> None:
        where = span(node)
        start, end = where if where else (0, self.at.end - self.at.start)
        self.checked.problems.append(self.source.problem(message, self.at.start + start, self.at.start + end, hint))

    def run(self) -> None:
        for statement in self.checked.statements:
            for self.at in statement.members:
                tree = self._parse(self.at)
                if tree is not None:
                    self._statement(tree, statement)
        self.checked.program = Program(self.catalog.tables, self.catalog.views, tuple(self.inserts), self.settings)

    def _parse(self, at: Span) -> exp.Expr | None:
        try:
            return parse(self.source.text[at.start : at.end])
        except SyntaxProblem as error:
            word = self.source.text[at.start + error.start : at.start + error.end]
            hint = f"{word} is a reserved word: as a name it needs `backticks`." if taken_for_a_name(word) else ""
            hint = error.hint or hint
            self.checked.problems.append(
                self.source.problem(
                    error.message, at.start + error.start, at.start + max(error.end, error.start + 1), hint
                )
            )
            self._remember(self.source.text[at.start : at.end])
            return None

    def _remember(self, statement: str) -> None:
        """The name that a refused CREATE would have made: naming it later is no second problem."""
        words = [piece.strip("`") for _, piece in text.pieces(statement) if not text.is_blank(piece)]
        for word, name in pairwise(words):
            if word.upper() in ("TABLE", "VIEW"):
                self.catalog.refused.add(name)
                return

    def _statement(self, tree: exp.Expr, statement: Statement) -> None:
        before = len(self.checked.problems)
        for name in tree.find_all(exp.Identifier):
            if not name.args.get("quoted") and reserved(name.name) and name.name.upper() not in REFUSED:
                self.report(f"{name.name} is a reserved word in Flink.", name, f"Write `{name.name}`.")
        if len(self.checked.problems) > before:
            if isinstance(tree, CreateTableNode | CreateViewNode):
                self.catalog.refused.add(tree.this.name)
            return None
        line = self.source.place(self.at.start)[0]
        if statement.span != self.at and not isinstance(tree, InsertNode):
            return self.report("A statement set has INSERTs only.", tree, "Put this before EXECUTE STATEMENT SET.")
        match tree:
            case SetNode():
                self._set(tree)
            case CreateTableNode():
                self._table(tree, line)
            case CreateViewNode():
                self._view(tree, line)
            case InsertNode():
                self._insert(tree, line)
        return None

    def _set(self, node: SetNode) -> None:
        key, value = node.this.name, node.expression.name
        known = setting(key)
        if known is None:
            names = [one.name for one in SETTINGS]
            return self.report(
                f"Unknown setting {key}.",
                node.this,
                did_you_mean(key, names) or f"{SQL_REFERENCE} lists what is supported.",
            )
        if problem := known.check(value):
            return self.report(f"{key} cannot be '{value}' here.", node.expression, problem)
        if known.here and self.inserts:
            return self.report(
                f"{key} comes after an INSERT.", node.this, "Put it before all INSERTs: it is for all of them."
            )
        if known.here:
            self.settings[key] = value
        else:
            self._no_effect(key, node.this)
        return None

    def _no_effect(self, name: str, node: exp.Expr) -> None:
        where = span(node)
        self.checked.notes.append(Note(name, self.source.place(self.at.start + (where[0] if where else 0))[0]))

    def _new(self, node: exp.Expr) -> bool:
        if node.this.name in self.created:
            self.report(f"A second {node.this.name}.", node.this, "Names of tables and views are unique in a file.")
            return False
        self.created[node.this.name] = node
        return True

    def _table(self, node: CreateTableNode, line: int) -> None:
        before = len(self.checked.problems)
        table = TableReader(self.report, self._no_effect).read(node, line)
        if self._new(node) and len(self.checked.problems) == before:
            self.catalog.tables[table.name] = table
        elif table.name not in self.catalog.tables:
            self.catalog.refused.add(table.name)

    def _view(self, node: CreateViewNode, line: int) -> None:
        fresh = self._new(node)
        plan = Queries(self.catalog).plan(node.expression)
        if plan is None or not fresh:
            self.catalog.refused.add(node.this.name)
            return None
        fields = plan.fields
        if self._too_deep(node, plan):
            self.catalog.refused.add(node.this.name)
            return None
        if node.args.get("columns"):
            self.catalog.refused.add(node.this.name)
            return self.report(
                "Column names in CREATE VIEW are not supported.", node.args["columns"][0], "Use AS in SELECT."
            )
        self.catalog.views[node.this.name] = View(node.this.name, plan, fields, line)
        return None

    def _too_deep(self, node: CreateViewNode | InsertNode, plan: Plan) -> bool:
        """Views on views on views: whatever goes through a plan calls itself for every step."""
        if depth(plan) <= DEEPEST_PLAN:
            return False
        hint = "Leave out some views, or write a result to a topic and read that."
        self.report(f"{node.this.name} is more than {DEEPEST_PLAN} steps from its tables.", node.this, hint)
        return True

    def _insert(self, node: InsertNode, line: int) -> None:
        table = self.catalog.tables.get(node.this.name)
        plan = Queries(self.catalog).insert(node.expression)
        if table is None:
            if node.this.name in self.catalog.views:
                self.report(f"{node.this.name} is a view.", node.this, "INSERT INTO takes a table.")
            elif node.this.name not in self.catalog.refused:
                self.report(
                    f"Unknown table {node.this.name}.", node.this, did_you_mean(node.this.name, self.catalog.tables)
                )
            return None
        if any(one.target.name == table.name for one in self.inserts):
            return self.report(f"A second INSERT INTO {table.name}.", node.this, "Use UNION ALL.")
        columns = target_columns(node, table, self.report)
        if plan is None or columns is None or self._too_deep(node, plan):
            return None
        good = fits(node, plan, columns, self.report) and keyed(node, plan, table, columns, self.settings, self.report)
        if not good or not self._sources(node, plan, table):
            return None
        if problem := beyond(plan):
            return self.report(problem[0], node.this, problem[1])
        words = self.source.text[self.at.start : self.at.end]
        self.inserts.append(Insert(table, plan, tuple(column.name for column in columns), words, line))
        return None

    def _sources(self, node: InsertNode, plan: Plan, target: Table) -> bool:
        nodes = list(walk(plan))
        read = [one.table for one in nodes if isinstance(one, Scan)]
        self.read |= {table.topic for table in read}
        self.read |= {one.reference.topic for one in nodes if isinstance(one, TemporalJoin)}
        written = {target.topic, *(insert.target.topic for insert in self.inserts)}
        if both := sorted(self.read & written):
            self.report(f"The topic {both[0]} is written and read.", node.this, "Use a view for what both need.")
            return False
        for table in read:
            if table.connector == "kafka" and "scan.startup.mode" not in table.options:
                # Flink's default, the group's committed offsets, fails where there are none.
                hint = "Add  'scan.startup.mode' = 'earliest-offset'  to its WITH."
                self.report(f"{table.name} does not say where reading starts.", node.this, hint)
                return False
            if self._mixed(table):
                said = f"The read of {self.ends[True]} ends, and that of {self.ends[False]} does not."
                self.report(said, node.this, "Give all of them the same 'scan.bounded.mode'.")
                return False
        return True

    def _mixed(self, table: Table) -> bool:
        """Whether this stream is the first one whose read ends, or the first one whose does not, beside others."""
        known = table.bounded in self.ends
        self.ends.setdefault(table.bounded, table.name)
        return not known and len(self.ends) > 1
