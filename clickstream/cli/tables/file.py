"""What the commands of `clickstream tables` share: their FILE, read and checked."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from clickstream.cli.output import parsed, say
from clickstream.cli.registry import avro_needed
from clickstream.errors import ConfigError
from clickstream.shipped import tables

if TYPE_CHECKING:
    from clickstream.tables.sql.check import Checked
    from clickstream.tables.sql.model import Program


class SqlFile(click.ParamType[Path]):
    """The path of a file of SQL; a name without `/` and `.sql` is one that is shipped."""

    name = "file"

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        if isinstance(value, Path) or "/" in value or value.endswith(".sql"):
            return Path(value)
        shipped = tables()
        if value in shipped:
            return shipped[value]
        if not Path(value).is_file():
            self.fail(f"{value!r} is no shipped file (they are {', '.join(shipped)}), and none here.", param, ctx)
        return Path(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        names = [CompletionItem(name, help="shipped") for name in tables() if name.startswith(incomplete)]
        return [*names, CompletionItem(incomplete, type="file")]


FILE = SqlFile()
Variables = tuple[tuple[str, str], ...]
"""NAMEs with their values, as given."""


def _assignment(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ValueError("NAME=VALUE is expected; what was given is not shown, it may be a secret")
    return name, value


variables_option = click.option(
    "--set",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    callback=parsed(_assignment),
    help="What ${NAME} stands for.",
)


@contextmanager
def extra_needed(instead: str = "") -> Iterator[None]:
    """Around imports: raises ConfigError, which ends with `instead`, when the extra `tables` is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("clickstream"):
            raise
        raise ConfigError(
            f"The tables need {error.name}. Install it: pip install 'clickstream[tables]'{instead}"
        ) from None


def checked(path: Path, variables: Variables) -> "Checked":
    """Raises ConfigError when the file cannot be read, or the extra `tables` is not installed."""
    with extra_needed():
        from clickstream.tables.sql.check import VARIABLES, check_file
    return check_file(path, {**VARIABLES, **dict(variables)})


def without_problems(paths: Iterable[Path], variables: Variables) -> "list[Checked]":
    """The files, checked; ends the command with exit code 1 when there are problems, and shows all of them."""
    found = [checked(path, variables) for path in paths]
    for one in found:
        if one.problems:
            say(one.render() + "\n", err=True)
    if any(one.problems for one in found):
        raise click.exceptions.Exit(1)
    return found


def program(path: Path, variables: Variables) -> "Program":
    """The program of a file without problems; ends the command as `without_problems` does."""
    (found,) = without_problems([path], variables)
    need_avro(found.program)
    return found.program


def need_avro(program: "Program") -> None:
    """Raises ConfigError when a table is Avro and the extra `avro` is not installed."""
    if any(table.avro() or table.avro("key") for table in program.tables.values()):
        with avro_needed():
            import clickstream.avro.codec  # noqa: F401
