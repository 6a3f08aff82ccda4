"""What a program's target topics have to hold in the end: evaluated naively, all records at once, without an engine."""

from collections.abc import Sequence

from clickstream.tables.sql.model import Insert, Program
from clickstream.tables.sql.types import Type
from tests.differential.outcome import Expected, final
from tests.differential.records import encode_key, encode_value
from tests.differential.relations import Evaluation, Floor
from tests.differential.rows import Origin, Row, Topics, Values


class NullKey(Exception):
    """A NULL where the target has NOT NULL, and the program does not drop such rows."""


def evaluate(program: Program, topics: Topics, floors: Sequence[Floor] = ()) -> Expected:
    """The final rows of every INSERT, as they are after a read of the log during which the floors took effect.

    Raises NullKey, and ValueError where an expression stops the job.
    """
    expected = Expected()
    scanned: dict[str, tuple[list[Row], set[Origin]]] = {}
    for insert in program.inserts:
        evaluation = Evaluation(topics, floors, scanned=scanned)
        rows = [_target(insert, row.values) for row in evaluation.rows(insert.plan)]
        kept = [row for row in rows if _not_null(insert, row, program.drops_null_keys)]
        written = [(encode_key(insert.target, row), encode_value(insert.target, row)) for row in kept]
        expected.tables[insert.target.name] = final(insert.target.upsert, written)
        expected.dead |= evaluation.dead
        expected.late[insert.target.name] = evaluation.late
    return expected


def _target(insert: Insert, values: Values) -> Values:
    """The target's columns, by position; those that the INSERT does not name are NULL."""
    types = {column.name: column.type for column in insert.target.columns}
    row: Values = dict.fromkeys(types)
    for name, made in zip(insert.columns, insert.plan.fields, strict=True):
        value = values[made.name]
        row[name] = float(value) if types[name] == Type.DOUBLE and isinstance(value, int) else value
    return row


def _not_null(insert: Insert, row: Values, drops: bool) -> bool:
    """Whether the row goes to the target; a NULL in a NOT NULL column keeps it out or stops the run."""
    needed = {column.name for column in insert.target.columns if column.not_null} | set(insert.target.primary_key)
    missing = [name for name in sorted(needed) if row[name] is None]
    if missing and not drops:
        raise NullKey(f"{missing[0]} of {insert.target.name} is NULL")
    return not missing
