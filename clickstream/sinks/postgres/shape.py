"""What has to be done to a database before rows can be written, and what stands in the way. Pure: it does nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from psycopg import sql

from clickstream.sinks.model import Input
from clickstream.sinks.postgres import columns
from clickstream.sinks.postgres.catalog import NEEDED, Database, Found
from clickstream.sinks.postgres.columns import Wanted
from clickstream.sinks.postgres.connection import quoted

Evolve = Literal["off", "add"]

SINKS, OFFSETS = "clickstream_sinks", "clickstream_offsets"

# The comment of a table that a sink made: whose rows it has. Two topics may ask for one name.
_MARK = "clickstream topic "

_BOOKS = {
    SINKS: """CREATE TABLE {} (
    sink text, topic text, epoch bigint NOT NULL, owner text NOT NULL, since timestamptz NOT NULL, backend integer,
    PRIMARY KEY (sink, topic)
)""",
    OFFSETS: """CREATE TABLE {} (
    sink text, topic text, partition integer, topic_id text NOT NULL, next_offset bigint NOT NULL,
    PRIMARY KEY (sink, topic, partition)
)""",
}


@dataclass(frozen=True)
class Change:
    """A statement, and what it is for."""

    about: str
    statement: sql.Composed


@dataclass
class Todo:
    """`changes` in their order; with `problems` nothing of it is done."""

    changes: list[Change] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def needed(
    inputs: Sequence[Input], found: Database, *, early: bool, evolve: Evolve, jsonb: bool, existing_only: bool = False
) -> Todo:
    """What has to be done for these inputs. `existing_only`: that a table is missing is a problem."""
    todo = Todo()
    _schema(found, todo)
    for name, statement in _BOOKS.items():
        if name in found.tables:
            _rights(name, found.tables[name], found, todo)
        else:
            todo.changes.append(Change(f"table {name}", sql.SQL(statement).format(quoted(found.schema, name))))
    for source in inputs:
        if source.name in _BOOKS:
            todo.problems.append(f"{source.name} is a table of the sink's own: rename the one in the SQL.")
            continue
        want = columns.wanted(source, early=early, jsonb=jsonb)
        there = found.tables.get(source.name)
        if there is None:
            todo.changes.append(Change(f"table {source.name}", _create(found.schema, source, want)))
            todo.changes.append(Change(f"comment on table {source.name}", _mark(found.schema, source)))
        else:
            _existing(source, want, there, found, evolve, todo)
    creates = any(change.about.startswith("table ") for change in todo.changes)
    if creates and found.schema_exists and "CREATE" not in found.rights:
        todo.problems.append(f"The sink may not make tables: {_grant('CREATE', f'SCHEMA {found.schema}', found.user)}")
    return todo


def _schema(found: Database, todo: Todo) -> None:
    if not found.schema_exists:
        todo.changes.append(
            Change(f"schema {found.schema}", sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(found.schema)))
        )
        if "CREATE SCHEMA" not in found.rights:
            todo.problems.append(
                f"There is no schema {found.schema}, and the sink may not make it: "
                f"{_grant('CREATE', f'DATABASE {found.name}', found.user)}"
            )
    elif "USAGE" not in found.rights:
        todo.problems.append(f"The sink may not use schema {found.schema}: "
                             f"{_grant('USAGE', f'SCHEMA {found.schema}', found.user)}")  # fmt: skip
    if "TEMPORARY" not in found.rights:
        todo.problems.append(
            f"Batches go through a temporary table: {_grant('TEMPORARY', f'DATABASE {found.name}', found.user)}"
        )


def _existing(source: Input, want: Sequence[Wanted], there: Found, found: Database, evolve: Evolve, todo: Todo) -> None:
    name = source.name
    if not there.plain:
        todo.problems.append(f"{name} exists, and is no table. Give the sink another --schema.")
        return
    if there.comment is not None and there.comment.startswith(_MARK) and there.comment != _MARK + source.topic:
        todo.problems.append(
            f"Table {name} has the rows of topic {there.comment.removeprefix(_MARK)}, and this is {source.topic}: they "
            "would replace each other. Give the sink another --schema, or drop the table."
        )
        return
    _rights(name, there, found, todo)
    for one in want:
        kind = there.columns.get(one.name)
        if kind is not None and not one.fits(kind):
            todo.problems.append(
                f"Table {name}: column {one.name} is {kind}, and {one.type} needs {one.sql_type}: {kind} does not hold "
                "every value of it. Change the column, or give the sink another --schema."
            )
    missing = [one for one in want if one.name not in there.columns]
    if missing and evolve == "off":
        names = ", ".join(f"{one.name} {one.sql_type}" for one in missing)
        todo.problems.append(f"Table {name} lacks {names}: with --evolve add the sink adds what is missing.")
    elif missing:
        if not there.owned:
            todo.problems.append(f"Table {name}: only its owner may add columns, and that is not {found.user}.")
        todo.changes.append(Change(f"columns of {name}", _add(found.schema, name, missing)))
    key = columns.key_of(source)
    if frozenset(key) not in there.unique:
        todo.problems.append(
            f"Table {name} has no primary key ({', '.join(key)}), by which rows replace each other. Add it, or give "
            "the sink another --schema."
        )
    own = {one.name for one in want}
    others = [column for column in there.unfilled if column not in own]
    if others:
        todo.problems.append(
            f"Table {name}: column {others[0]} is NOT NULL and has no default, and no row has it. Give it a default."
        )


def _rights(name: str, there: Found, found: Database, todo: Todo) -> None:
    missing = [right for right in NEEDED if right not in there.rights]
    if missing:
        todo.problems.append(
            f"Table {name}: the sink lacks a right: {_grant(', '.join(missing), f'{found.schema}.{name}', found.user)}"
        )


def _grant(rights: str, on: str, user: str) -> str:
    return f"GRANT {rights} ON {on} TO {user};"


def _create(schema: str, source: Input, want: Sequence[Wanted]) -> sql.Composed:
    names = {one.name: one for one in want}
    lines = [
        sql.SQL("    {} {}").format(sql.Identifier(one.name), sql.SQL(one.sql_type + (" NOT NULL" if one.key else "")))
        for one in want
    ]
    key = [sql.Identifier(names[name].name) for name in columns.key_of(source)]
    lines.append(sql.SQL("    PRIMARY KEY ({})").format(sql.SQL(", ").join(key)))
    return sql.SQL("CREATE TABLE {} (\n{}\n)").format(quoted(schema, source.name), sql.SQL(",\n").join(lines))


def _mark(schema: str, source: Input) -> sql.Composed:
    return sql.SQL("COMMENT ON TABLE {} IS {}").format(quoted(schema, source.name), sql.Literal(_MARK + source.topic))


def _add(schema: str, name: str, missing: Sequence[Wanted]) -> sql.Composed:
    # Never NOT NULL: rows that are there already have no value of it.
    added = [
        sql.SQL("ADD COLUMN IF NOT EXISTS {} {}").format(sql.Identifier(one.name), sql.SQL(one.sql_type))
        for one in missing
    ]
    return sql.SQL("ALTER TABLE {} {}").format(quoted(schema, name), sql.SQL(", ").join(added))
