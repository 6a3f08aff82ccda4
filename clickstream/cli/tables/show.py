"""`clickstream tables show`: what is in a table now."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clickstream import terminal
from clickstream.cli import complete
from clickstream.cli.options import NOTHING_TO_DRAIN, App, cluster_options, stop_event
from clickstream.cli.output import console, echo_json, reader_left, say
from clickstream.cli.progress import passing
from clickstream.cli.tables.file import FILE, Variables, program, variables_option
from clickstream.errors import ConfigError
from clickstream.inspect.names import suggestions

if TYPE_CHECKING:
    from clickstream.tables.looking.look import Look
    from clickstream.tables.sql.model import Program, Table

MAX_LIMIT = 100_000


@click.command("show")
@click.argument("file", type=FILE)
@click.argument("table", required=False, shell_complete=complete.tables)
@click.option(
    "-n", "--limit", type=click.IntRange(1, MAX_LIMIT), default=20, show_default=True, metavar="N", help="Rows at most."
)
@click.option("--final", is_flag=True, help="Without the early rows of windows that are still open.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, row by row, until Ctrl-C.")
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@click.option("--json", "only_json", is_flag=True, help="As --format json.")
@variables_option
@cluster_options
def show(
    app: App,
    file: Path,
    table: str | None,
    limit: int,
    final: bool,
    follow: bool,
    form: str,
    only_json: bool,
    variables: Variables,
) -> None:
    """Show the rows of a TABLE of a file, source or result; without TABLE, which tables the file has.

    \b
    upsert-kafka  the latest row of each key, by window_start (the newest windows), then by key
    kafka         the last rows, newest last

    Times are UTC. A row of a window that is still open is marked early.
    JSON has an object per line, with "$early": true in such a row, and with --follow "$deleted": true where a row was
    deleted. An upsert-kafka topic is read from its beginning; of more than some 20,000 rows the oldest are forgotten.

    \b
    Examples:
      clickstream tables show clickstream
      clickstream tables show clickstream errors_per_min --follow
      clickstream tables show clickstream traffic_per_min --final --format json | jq .hits
    """
    form = "json" if only_json else form
    found = program(file, variables)
    if table is None:
        _list(found, form)
        return
    _rows(
        app,
        file,
        found,
        _named(found, table, file),
        limit=limit,
        final=final,
        follow=follow,
        form="json" if only_json else form,
    )


def _named(found: "Program", name: str, file: Path) -> "Table":
    if name in found.tables:
        return found.tables[name]
    if name in found.views:
        raise ConfigError(f"{name} is a view: its rows are in no topic. See: clickstream tables explain {file}")
    near = suggestions([name], found.tables)
    hint = f"Did you mean {near}?" if near else f"See them all with: clickstream tables show {file}"
    raise ConfigError(f"{file} has no table {name}. {hint}")


def _list(found: "Program", form: str) -> None:
    from clickstream.tables.looking.describe import as_json, key, origin, role

    if form == "json":
        echo_json(*(as_json(found, table) for table in found.tables.values()))
        return
    out = console()
    for number, table in enumerate(found.tables.values()):
        columns = [f"{one.name} {one.type}" + (f" ({origin(one)})" if origin(one) else "") for one in table.columns]
        lines = [f"topic    {table.topic}, {table.connector}", f"columns  {', '.join(columns)}"]
        if key(table):
            lines.insert(1, f"key      {key(table)}")
        click.echo("\n" * (number > 0) + terminal.escaped(f"{table.name} ({role(found, table)})"))
        for line in lines:
            width = out.width if out.is_terminal else len(line) + 2
            click.echo(textwrap.fill(terminal.escaped(line), width, initial_indent="  ", subsequent_indent=" " * 11))


def _rows(
    app: App, file: Path, found: "Program", table: "Table", *, limit: int, final: bool, follow: bool, form: str
) -> None:
    from clickstream.cli.tables.rows import printer
    from clickstream.tables.looking.describe import role
    from clickstream.tables.looking.look import Look

    missing = (
        f"This writes it: clickstream tables run {file}"
        if role(found, table) == "result"
        else "See what there is: clickstream topics list"
    )
    with app.connect() as cluster, Look(cluster, table, limit=limit, final=final, missing=missing) as look:
        stop = stop_event(drain_by_signal=NOTHING_TO_DRAIN)
        with passing(f"Reading {table.topic}", look.span) as advance:
            rows = look.rows(stop, advance)
        if stop.is_set():
            raise click.Abort
        out = printer(table.columns, form, console(), follow=follow, upsert=table.upsert)
        if rows or follow:
            out(rows)
        _summary(look, table, len(rows))
        unreadable = look.unreadable
        if follow:
            for more in look.changes(stop):
                if more:
                    out(more)
                if reader_left():
                    return
            _say_unreadable(look.unreadable - unreadable, table)


def _summary(look: "Look", table: "Table", shown: int) -> None:
    if shown == 0:
        say(f"{table.name} (topic {table.topic}) has no rows.", err=True)
    elif look.known is not None and (look.known > shown or not look.complete):
        more = "" if look.complete else "more than "
        click.echo(f"{shown:,} of {more}{look.known:,} rows, the newest. --limit shows more.", err=True)
    _say_unreadable(look.unreadable, table)


def _say_unreadable(number: int, table: "Table") -> None:
    if number:
        records = "1 record is" if number == 1 else f"{number:,} records are"
        say(f"{records} no row of {table.name}. See its topic: clickstream topics tail {table.topic}", err=True)
