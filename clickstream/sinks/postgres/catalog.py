"""What a database has: tables, their columns and keys, and the rights of the sink's user."""

from dataclasses import dataclass, field

from clickstream.sinks.postgres.connection import Connection

NEEDED = ("SELECT", "INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True)
class Found:
    """A table that exists. `columns` are their types as PostgreSQL writes them.

    `unique` are the sets of columns of which it holds one row at most; `unfilled` the columns that must be given and
    have no default; `rights` those of NEEDED that the user has; `plain`: it is a table and no view;
    `comment` is what COMMENT ON TABLE said of it.
    """

    columns: dict[str, str]
    unique: list[frozenset[str]]
    unfilled: list[str]
    rights: list[str]
    plain: bool
    owned: bool
    comment: str | None = None


@dataclass(frozen=True)
class Database:
    """What the sink finds."""

    user: str
    name: str
    schema: str
    schema_exists: bool
    rights: list[str]  # CREATE and USAGE of the schema, CREATE of the database (as CREATE SCHEMA), TEMPORARY
    tables: dict[str, Found] = field(default_factory=dict)


_RIGHTS = """
SELECT current_user, current_database(),
       (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s) IS NOT NULL,
       ARRAY_REMOVE(ARRAY[
           CASE WHEN (SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = %(schema)s)
                THEN 'CREATE' END,
           CASE WHEN (SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = %(schema)s)
                THEN 'USAGE' END,
           CASE WHEN has_database_privilege(current_database(), 'CREATE') THEN 'CREATE SCHEMA' END,
           CASE WHEN has_database_privilege(current_database(), 'TEMPORARY') THEN 'TEMPORARY' END], NULL)
"""
_TABLES = """
SELECT c.relname, c.oid, c.relkind IN ('r', 'p'), pg_has_role(c.relowner, 'USAGE'), obj_description(c.oid, 'pg_class'),
       ARRAY(SELECT r FROM unnest(%(needed)s::text[]) AS r WHERE has_table_privilege(c.oid, r))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = ANY(%(names)s) AND c.relkind NOT IN ('i', 'I', 't', 'c')
"""
_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod), attnotnull AND NOT atthasdef AND attidentity = ''
FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_UNIQUE = """
SELECT ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = i.indrelid AND attnum = ANY(k.keys))
FROM pg_index i, LATERAL (SELECT (i.indkey::int2[])[0:i.indnkeyatts - 1] AS keys) k
WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
"""


def look(connection: Connection, schema: str, names: list[str]) -> Database:
    """What there is of a schema and tables."""
    row = connection.execute(_RIGHTS, {"schema": schema}).fetchone()
    assert row is not None
    found = Database(row[0], row[1], schema, row[2], row[3])
    about = {"schema": schema, "names": names, "needed": list(NEEDED)}
    for name, oid, plain, owned, comment, rights in connection.execute(_TABLES, about).fetchall():
        columns = connection.execute(_COLUMNS, (oid,)).fetchall()
        unique = connection.execute(_UNIQUE, (oid,)).fetchall()
        found.tables[name] = Found(
            {column: kind for column, kind, _ in columns},
            [frozenset(keys) for (keys,) in unique],
            [column for column, _, must in columns if must],
            rights,
            plain,
            owned,
            comment,
        )
    return found
