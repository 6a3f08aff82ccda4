"""`clickstream query`."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from clickstream.cli.looking import cancelling, limit_option, records_option, within_option
from clickstream.cli.options import App, cluster_options
from clickstream.cli.output import csv_asked, echo_json, formats, say, show, write_csv
from clickstream.cli.registry import registry_options, shown_opener
from clickstream.cli.sink.parquet import parquet_needed, store_at
from clickstream.cli.streams import read_standard_input
from clickstream.cli.tables.file import extra_needed
from clickstream.errors import ConfigError
from clickstream.records import utc_text
from clickstream.screen.layout import Column

if TYPE_CHECKING:
    from clickstream.inspect.read import Open
    from clickstream.query.model import Newest, Tables

MAX_RECORDS = 200_000
MAX_ROWS = 100_000
NULL = "NULL"


@click.command("query")
@click.argument("sql")
@records_option(MAX_RECORDS, "topic")
@limit_option(MAX_ROWS, 1_000, "Rows at most.")
@click.option(
    "--archive", metavar="DIR", help="Of `sink parquet`: its tables instead of topics. s3://BUCKET/PREFIX, too."
)
@within_option(30)
@formats()
@registry_options
@cluster_options
def command(app: App, sql: str, records: int, limit: int, archive: str | None, within: float, json: bool) -> None:
    """Ask the last records of topics, in SQL: one SELECT, in DuckDB's dialect; - is read from standard input.

    A table is a topic, by its name (in double quotes where it has a - or a dot). Its columns are the fields of values
    that are JSON objects, and _partition, _offset, _timestamp (UTC), _key, _headers and _value, the whole value.
    DESCRIBE shows them. Nested fields are JSON: address->>'city'. Integers have all their digits. With
    --schema-registry, values and keys that are Avro are read as JSON.

    The query can read nothing else: no file, no network; it changes nothing, and has 512 MB of memory.

    \b
    Examples:
      clickstream query 'DESCRIBE clickstream'
      clickstream query 'SELECT status, count(*) FROM clickstream GROUP BY ALL ORDER BY 2 DESC'
      clickstream query --records 100000 --format csv 'SELECT eventName, _timestamp FROM "event-topic"'
      clickstream query --archive archive 'SELECT status, count(*) FROM clickstream GROUP BY ALL'
    """
    with extra_needed():
        from clickstream.query.model import Limits
        from clickstream.query.query import query
        from clickstream.query.topics import TopicTables
    opened = shown_opener(app)
    text = _read_sql() if sql == "-" else sql
    limits = Limits(seconds=within, rows=limit)
    with ExitStack() as stack:
        tables: Tables
        if archive is not None:
            tables = _archived(archive, records, opened)
        else:
            tables = TopicTables(stack.enter_context(app.connect()), records, opened)
        with cancelling() as stop:
            found = query(text, [tables], limits, cancel=stop)
    if json:
        echo_json(*(dict(zip(found.names, row, strict=True)) for row in found.rows))
    elif csv_asked():
        write_csv(found.names, [_cells(row, "") for row in found.rows])
    else:
        right = [_numeric(column.type) for column in found.columns]
        columns = [
            Column(name, right=one, rank=place)
            for place, (name, one) in enumerate(zip(found.names, right, strict=True))
        ]
        show(columns, [_cells(row, NULL) for row in found.rows])
    cut = ", the first ones: --limit allows more" if found.cut else ""
    rows = "1 row" if len(found.rows) == 1 else f"{len(found.rows):,} rows"
    say(f"{rows}{cut}; {found.seconds:.1f} s.{''.join(_reach(*one) for one in found.newest.items())}", err=True)


def _read_sql() -> str:
    try:
        return read_standard_input().decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"Cannot read -: {error}.") from None


def _reach(table: str, newest: "Newest") -> str:
    return f" {table}: the newest {newest.rows:,} records, from {utc_text(newest.since / 1000)} on (--records)."


def _archived(place: str, records: int, opened: "Open") -> "Tables":
    with parquet_needed():
        from clickstream.query.records import table_of
        from clickstream.sinks.parquet.history import ArchiveTables
    store = store_at(place)
    store.connect()
    return ArchiveTables(store, records, table_of, opened)


def _cells(row: Sequence[object], null: str) -> list[str]:
    return [null if cell is None else str(cell).lower() if isinstance(cell, bool) else str(cell) for cell in row]


def _numeric(kind: str) -> bool:
    return kind.endswith("INT") or kind.startswith(("INTEGER", "DOUBLE", "FLOAT", "DECIMAL", "UINTEGER"))
