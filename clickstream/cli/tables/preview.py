"""`clickstream tables preview`: what a file would write, over the records that are there."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clickstream.cli import complete
from clickstream.cli.looking import cancelling, limit_option, records_option, within_option
from clickstream.cli.options import App, cluster_options
from clickstream.cli.output import console, csv_asked, echo_json, formats, parsed, say
from clickstream.cli.progress import passing
from clickstream.cli.tables.file import FILE, Variables, extra_needed, variables_option, without_problems
from clickstream.errors import ConfigError
from clickstream.inspect import position

if TYPE_CHECKING:
    from clickstream.tables.preview.preview import Preview, Progress, Result

MAX_RECORDS = 500_000
MAX_ROWS = 10_000


def _since(text: str) -> int:
    """Epoch ms; raises ValueError for what is no time."""
    found = position.parse(text)
    if not isinstance(found, position.Time):
        raise ValueError(f"{text!r}: a time such as 2026-03-25T19:05:49Z is expected (without a zone: local)")
    return found.timestamp


@click.command("preview")
@click.argument("file", type=FILE)
@click.argument("table", required=False, shell_complete=complete.tables)
@records_option(MAX_RECORDS, "source")
@click.option(
    "--since",
    metavar="TIME",
    callback=parsed(_since),
    help=f"Instead, its records from then on ({MAX_RECORDS:,} at most).",
)
@within_option(60)
@limit_option(MAX_ROWS, 20, "Rows of each result to show.")
@formats()
@variables_option
@cluster_options
def preview(
    app: App,
    file: Path,
    table: str | None,
    records: int,
    since: int | None,
    within: float,
    limit: int,
    json: bool,
    variables: Variables,
) -> None:
    """Try a file of SQL: show what it would write of the records that are there, without writing any topic.

    The last records of each source, and all of what it is joined with, go through the engine that `tables run
    --exit-at-end` is: windows close by the events' own time, late rows are left out, and at the end all that is open
    closes. The newest rows of each result are shown, or those of TABLE alone. Nothing stays on the disk.

    JSON has an object per line, of several results each with its "$table". CSV needs a TABLE.

    \b
    Examples:
      clickstream tables preview my.sql
      clickstream tables preview clickstream errors_per_min --since 2026-03-25T19:00Z
    """
    given = tuple({"BOUNDED": "latest-offset", "REF_IDLE": "0 s", **dict(variables)}.items())
    (found,) = without_problems([file], given)
    with extra_needed():
        from clickstream.tables.preview.limits import Limits
        from clickstream.tables.preview.preview import preview as run
    if csv_asked() and table is None and len(found.program.inserts) > 1:
        raise ConfigError(f"{file} has {len(found.program.inserts)} results: for CSV name one of them.")
    limits = Limits(records=records, since=since, seconds=within, rows=limit)
    with app.connect() as cluster, cancelling() as stop, passing(f"Previewing {file.name}", 0) as advance:
        shown = run(cluster, found, limits, only=table, tell=_advancing(advance), cancel=stop)
    _show(shown, "json" if json else "csv" if csv_asked() else "table")
    _sum_up(shown)


def _advancing(advance: Callable[[int], None]) -> "Callable[[Progress], None]":
    """Records that were read, for a bar that does not know how many there are."""
    before = 0

    def tell(progress: "Progress") -> None:
        nonlocal before
        if progress.total == 0:
            advance(progress.done - before)
            before = progress.done

    return tell


def _show(shown: "Preview", form: str) -> None:
    from clickstream.cli.tables.rows import JsonLines, printer

    several = len(shown.results) > 1
    for number, result in enumerate(shown.results):
        if form == "json":
            lines = JsonLines(result.table.columns)
            named = {"$table": result.table.name} if several else {}
            echo_json(*({**named, **lines.object(row)} for row in result.rows))
            continue
        if form == "table":
            say("\n" * (number > 0) + _heading(result))
        if result.rows or form == "csv":
            printer(result.table.columns, form, console(), follow=False, upsert=result.table.upsert)(result.rows)


def _heading(result: "Result") -> str:
    shown, report = len(result.rows), result.report
    rows = _number(result.known, "row") if result.known == shown else f"the newest {shown:,} of {result.known:,} rows"
    late = f"; {_number(report.late, 'row')} came too late" if report.late else ""
    dropped = f"; {_number(report.dropped, 'row')} without a key" if report.dropped else ""
    return f"{result.table.name}: {rows}{late}{dropped}"


def _sum_up(shown: "Preview") -> None:
    read = ", ".join(f"{_number(count, 'record')} of {name}" for name, count in shown.records.items())
    say(f"Over {read}{'' if shown.whole else ': the last ones'}. No topic was written.", err=True)
    for line in _troubles(shown):
        say(line, err=True)


def _troubles(shown: "Preview") -> Sequence[str]:
    """What hints at a mistake in the file."""
    lines = []
    for source in shown.sources:
        if source.dead_letters:
            lines.append(f"{_number(source.dead_letters, 'record')} of {source.topic} cannot be read as {source.name}.")
        if source.untimed:
            lines.append(f"{_number(source.untimed, 'row')} of {source.name} without an event time.")
        lines += [
            f"{_number(one.count, 'value')} of {source.name}.{one.column}: no {one.type}, and so NULL."
            for one in source.mistyped
        ]
    return lines


def _number(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number:,} {what}s"
