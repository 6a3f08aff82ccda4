"""`clickstream tables`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from clickstream.cli.output import echo_json, parsed
from clickstream.errors import ConfigError

if TYPE_CHECKING:
    from clickstream.tables.sql.check import Checked

_FILE = click.Path(dir_okay=False, path_type=Path)


def _assignment(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ValueError(f"{text!r} is not NAME=VALUE")
    return name, value


_variables = click.option(
    "--set", "given", multiple=True, metavar="NAME=VALUE", callback=parsed(_assignment), help="What ${NAME} stands for."
)


@click.group("tables")
def command() -> None:
    """Streaming tables: Flink SQL over topics."""


@command.command("check")
@click.argument("files", nargs=-1, required=True, type=_FILE, metavar="FILE...")
@click.option("-q", "--quiet", is_flag=True, help="Only what is wrong.")
@_variables
def check(files: tuple[Path, ...], quiet: bool, given: tuple[tuple[str, str], ...]) -> None:
    """Say what is wrong with files of SQL, without running them.

    Every problem is shown with its line and a caret under its place. Exit code 1: there are problems; 2: a file
    cannot be read.

    \b
    Example:
      clickstream tables check config/tables/clickstream.sql
    """
    wrong = 0
    for path in files:
        found = _checked(path, given)
        if found.problems:
            click.echo(found.render() + "\n", err=True)
            wrong += len(found.problems)
        elif not quiet:
            click.echo(f"{path}: {_count(len(found.statements), 'statement')}, no problems.")
            for name in dict.fromkeys(note.name for note in found.notes):
                lines = [note.line for note in found.notes if note.name == name]
                click.echo(f"  no effect here: {name} (line {', '.join(map(str, lines))})")
    if wrong:
        click.echo(f"{_count(wrong, 'problem')}. docs/sql.md says what is supported.", err=True)
        raise click.exceptions.Exit(1)


@command.command("explain")
@click.argument("file", type=_FILE)
@click.option("--format", "form", type=click.Choice(["text", "mermaid", "json"]), default="text", show_default=True)
@_variables
def explain(file: Path, form: str, given: tuple[tuple[str, str], ...]) -> None:
    """Show what a file of SQL does: topics, tables and views as a graph, and the steps of each statement."""
    found = _checked(file, given)
    if found.problems:
        click.echo(found.render() + "\n", err=True)
        raise click.exceptions.Exit(1)
    from clickstream.tables.sql.explain import as_json, mermaid, text

    if form == "json":
        echo_json(as_json(found.program))
    else:
        click.echo(text(found.program) if form == "text" else mermaid(found.program))


def _checked(path: Path, given: tuple[tuple[str, str], ...]) -> "Checked":
    try:
        from clickstream.tables.sql.check import VARIABLES, check_file
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("clickstream"):
            raise
        raise ConfigError(f"The tables need {error.name}. Install it: pip install 'clickstream[tables]'") from None
    return check_file(path, {**VARIABLES, **dict(given)})


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
