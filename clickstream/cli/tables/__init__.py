"""`clickstream tables`."""

from pathlib import Path

import click

from clickstream.cli.output import echo_json, say
from clickstream.cli.tables.file import FILE, checked, extra_needed, program, variables_option
from clickstream.cli.tables.preview import preview
from clickstream.cli.tables.run import run
from clickstream.cli.tables.show import show
from clickstream.shipped import SQL_GUIDE


@click.group("tables")
def command() -> None:
    """Streaming tables: Flink SQL over topics."""


command.add_command(run)
command.add_command(preview)
command.add_command(show)


@command.command("check")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option("-q", "--quiet", is_flag=True, help="Only what is wrong.")
@variables_option
def check(files: tuple[Path, ...], quiet: bool, variables: tuple[tuple[str, str], ...]) -> None:
    """Say what is wrong with files of SQL, without running them.

    Every problem is shown with its line and a caret under its place, then what has no effect here, and what runs here
    and would fail on Flink. Exit code 1: there are problems; 2: a file
    cannot be read.

    \b
    Example:
      clickstream tables check clickstream
    """
    with extra_needed():
        from clickstream.tables.sql.onflink import troubles

    wrong = 0
    for path in files:
        found = checked(path, variables)
        if found.problems:
            say(found.render() + "\n", err=True)
            wrong += len(found.problems)
        elif not quiet:
            say(f"{path}: {_count(len(found.statements), 'statement')}, no problems.")
            for name in dict.fromkeys(note.name for note in found.notes):
                lines = [note.line for note in found.notes if note.name == name]
                say(f"  no effect here: {name} (line {', '.join(map(str, lines))})")
            for trouble in troubles(found):
                say(f"  fails on Flink: {trouble.words} (line {trouble.line})")
    if wrong:
        click.echo(f"{_count(wrong, 'problem')}. {SQL_GUIDE} says what is supported.", err=True)
        raise click.exceptions.Exit(1)


@command.command("explain")
@click.argument("file", type=FILE)
@click.option("--format", "form", type=click.Choice(["text", "mermaid", "json"]), default="text", show_default=True)
@variables_option
def explain(file: Path, form: str, variables: tuple[tuple[str, str], ...]) -> None:
    """Show what a file of SQL does: topics, tables and views as a graph, and the steps of each statement."""
    found = program(file, variables)
    from clickstream.tables.sql.explain import as_json, mermaid, text

    if form == "json":
        echo_json(as_json(found))
    else:
        say(text(found) if form == "text" else mermaid(found))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
