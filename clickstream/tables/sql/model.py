"""What a file of SQL means, for an engine to run without looking at the SQL again.

A program has inserts; an insert has a plan. A plan is a tree of nodes, each a relation whose columns (`fields`)
have unique names. The expressions of a node are sqlglot's, made of `exp.Column`s that name a field of the node's
input (no table before it), literals, operators and `exp.Anonymous` calls of the functions in `functions`; every
one has its type (`types.type_of`). A view is one object wherever it is read, so that it can be computed once.

Times are milliseconds; intervals in expressions are `exp.Interval`s of milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from sqlglot import exp

from clickstream.tables.sql.options import AVRO, AvroOptions, duration_ms
from clickstream.tables.sql.types import Type


class Kind(StrEnum):
    """Where a column's value comes from."""

    PHYSICAL = "physical"  # a field of the record's key or value
    COMPUTED = "computed"  # an expression of physical and metadata columns
    METADATA = "metadata"  # of the record: its timestamp, partition, offset, headers, topic


@dataclass(frozen=True)
class Column:
    """A table's column. `expression` is a computed column's; `metadata` a metadata column's key."""

    name: str
    type: Type
    kind: Kind = Kind.PHYSICAL
    not_null: bool = False
    expression: exp.Expr | None = None
    metadata: str | None = None
    virtual: bool = False


@dataclass(frozen=True)
class Watermark:
    """`column` - `delay_ms`; or, with `constant_ms`, a watermark that stands still."""

    column: str
    delay_ms: int = 0
    constant_ms: int | None = None


@dataclass(frozen=True)
class Table:
    """A topic as a table, read or written. `formats` are key's (None: records without a key) and value's."""

    name: str
    columns: tuple[Column, ...]
    connector: Literal["kafka", "upsert-kafka"]
    topic: str
    key_format: Literal["json", "raw", "avro-confluent"] | None
    value_format: Literal["json", "avro-confluent"]
    key_fields: tuple[str, ...] = ()
    primary_key: tuple[str, ...] = ()
    watermark: Watermark | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    line: int = 0

    @property
    def upsert(self) -> bool:
        """Whether a record replaces the one before it with the same key."""
        return self.connector == "upsert-kafka"

    @property
    def key_prefix(self) -> str:
        """What the names of the key's columns begin with, and its fields do not."""
        return self.options.get("key.fields-prefix", "")

    @property
    def key_in_value(self) -> bool:
        """Whether the value has the key's columns too."""
        return self.options.get("value.fields-include", "ALL") == "ALL"

    @property
    def idle_timeout_ms(self) -> int | None:
        """After which a silent partition holds nothing back; None: the program's."""
        text = self.options.get("scan.watermark.idle-timeout")
        return duration_ms(text) if text is not None else None

    @property
    def bounded(self) -> bool:
        """Whether reading ends at what is there when it starts."""
        return self.options.get("scan.bounded.mode", "unbounded") == "latest-offset"

    def json(self, name: str, part: Literal["key", "value"] = "value") -> str | None:
        """An option of the JSON format, by its name after `json.`."""
        plain = self.options.get(f"json.{name}") if part == "value" else None
        return self.options.get(f"{part}.json.{name}", plain)

    def avro(self, part: Literal["key", "value"] = "value") -> AvroOptions | None:
        """Where the schemas of keys or values are; None: they are not Avro."""
        if (self.key_format if part == "key" else self.value_format) != AVRO:
            return None

        def option(name: str) -> str | None:
            plain = self.options.get(f"{AVRO}.{name}") if part == "value" else None
            return self.options.get(f"{part}.{AVRO}.{name}", plain)

        return AvroOptions(
            option("url") or "",
            option("subject") or f"{self.topic}-{part}",
            option("basic-auth.user-info"),
            option("ssl.truststore.location"),
        )

    def fields(self, part: Literal["key", "value"] = "value") -> tuple[tuple[str, Column], ...]:
        """The fields of records' keys or values in their order: the name that each has there, and its column."""
        if part == "key":
            by_name = {one.name: one for one in self.columns}
            return tuple((name.removeprefix(self.key_prefix), by_name[name]) for name in self.key_fields)
        physical = [one for one in self.columns if one.kind == Kind.PHYSICAL]
        return tuple((one.name, one) for one in physical if self.key_in_value or one.name not in self.key_fields)

    def takes_null(self, column: Column) -> bool:
        """Whether a row may have a NULL there."""
        return not column.not_null and column.name not in self.primary_key

    @property
    def written(self) -> tuple[Column, ...]:
        """The columns that INSERT fills, in its order."""
        return tuple(c for c in self.columns if c.kind == Kind.PHYSICAL or (c.kind == Kind.METADATA and not c.virtual))


@dataclass(frozen=True)
class Field:
    """A column of a relation. `event_time`: it still is the time attribute that the watermark belongs to."""

    name: str
    type: Type
    event_time: bool = False


@dataclass(frozen=True)
class Output:
    """A named expression; `field` says what becomes of it."""

    field: Field
    expression: exp.Expr


@dataclass(frozen=True)
class Scan:
    """The rows of a table, computed columns and metadata included."""

    table: Table
    fields: tuple[Field, ...]


@dataclass(frozen=True, eq=False)
class View:
    """A named plan."""

    name: str
    plan: "Plan"
    fields: tuple[Field, ...]
    line: int = 0


@dataclass(frozen=True)
class Read:
    """The rows of a view; the fields are the view's."""

    view: View
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Select:
    """Row by row: keep what `where` says, then compute `outputs`."""

    input: "Plan"
    outputs: tuple[Output, ...]
    where: exp.Expr | None = None

    @property
    def fields(self) -> tuple[Field, ...]:
        return tuple(output.field for output in self.outputs)


@dataclass(frozen=True)
class TemporalJoin:
    """Each row of `left` beside the reference's row of its key, as of the row's event time.

    `keys` are pairs: an expression over `left`, a column of the reference's primary key. The reference's columns
    follow the left's fields; `reference_fields` pairs each with its unique name in `fields`.
    """

    left: "Plan"
    reference: Table
    kind: Literal["LEFT", "INNER"]
    time: str
    keys: tuple[tuple[exp.Expr, str], ...]
    reference_fields: tuple[tuple[str, Field], ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        return (*self.left.fields, *(field for _, field in self.reference_fields))


@dataclass(frozen=True)
class Union:
    """All rows of all inputs, by position; values become the fields' types."""

    inputs: tuple["Plan", ...]
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Window:
    """A window function over `time`. Unused numbers are 0.

    TUMBLE: size. HOP: size, slide (divides the size). CUMULATE: size (the largest), slide (the step).
    SESSION: gap, and the columns that partition the sessions.
    """

    kind: Literal["TUMBLE", "HOP", "CUMULATE", "SESSION"]
    time: str
    size_ms: int = 0
    slide_ms: int = 0
    gap_ms: int = 0
    partition: tuple[str, ...] = ()


@dataclass(frozen=True)
class Windowed:
    """The rows of `input`, once for each of their windows, with window_start, window_end and window_time."""

    input: "Plan"
    window: Window
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Aggregate:
    """One aggregate; `argument` None is COUNT(*). A row counts where `filter` is true."""

    field: Field
    function: Literal["COUNT", "SUM", "AVG", "MIN", "MAX"]
    argument: exp.Expr | None
    distinct: bool = False
    filter: exp.Expr | None = None


@dataclass(frozen=True)
class GroupBy:
    """`aggregates` of the rows of each group; `keys` are over the input's fields, under new names.

    With a window (the input is a Windowed, or a Select over one), `window_keys` says which keys are its start, end
    and time, and a group's row is final when its window closes. Without one, rows are updated for ever.
    HAVING and SELECT are a Select above: `having` is its `where`.
    """

    input: "Plan"
    keys: tuple[Output, ...]
    aggregates: tuple[Aggregate, ...]
    window: Window | None = None
    window_keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def fields(self) -> tuple[Field, ...]:
        return (*(key.field for key in self.keys), *(aggregate.field for aggregate in self.aggregates))


@dataclass(frozen=True)
class TopN:
    """The first `limit` rows of each partition, with their rank as `rank` if it is used.

    With a window the partition has window_start and window_end, and rows are final when it closes. Without one it
    keeps the first row by event time of each partition for ever (`limit` 1).
    """

    input: "Plan"
    partition: tuple[str, ...]
    order: tuple[tuple[str, bool], ...]  # field, descending; NULLs are lowest
    limit: int
    window: Window | None = None
    rank: Field | None = None

    @property
    def fields(self) -> tuple[Field, ...]:
        return (*self.input.fields, *((self.rank,) if self.rank else ()))


Plan = Scan | Read | Select | TemporalJoin | Union | Windowed | GroupBy | TopN


@dataclass(frozen=True)
class Insert:
    """A running query: `plan`'s fields, by position, go to `columns` of the target; other columns are NULL."""

    target: Table
    plan: Plan
    columns: tuple[str, ...]
    text: str
    line: int = 0

    @property
    def described(self) -> str:
        """As errors name it."""
        return f"INSERT INTO {self.target.name} (line {self.line})"


@dataclass(frozen=True)
class Program:
    """A checked file. `settings` are its SETs that have an effect here."""

    tables: Mapping[str, Table]
    views: Mapping[str, View]
    inserts: tuple[Insert, ...]
    settings: Mapping[str, str]

    @property
    def idle_timeout_ms(self) -> int | None:
        """The tables' idle time-out, for those without one of their own; 0 and None: never idle."""
        text = self.settings.get("table.exec.source.idle-timeout")
        return duration_ms(text) if text is not None else None

    @property
    def drops_null_keys(self) -> bool:
        """Rows with a NULL in a NOT NULL column of the target are dropped; otherwise they stop the run."""
        return self.settings.get("table.exec.sink.not-null-enforcer", "ERROR").upper() == "DROP"


def children(plan: Plan) -> tuple[Plan, ...]:
    """The plans that `plan` reads from directly; a view counts as its own plan."""
    match plan:
        case Scan():
            return ()
        case Read():
            return (plan.view.plan,)
        case TemporalJoin():
            return (plan.left,)
        case Union():
            return plan.inputs
        case _:
            return (plan.input,)
