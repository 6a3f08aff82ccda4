"""What the commands of `clickstream tables` share: their FILE, read and checked."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clickstream.cli.output import parsed, say
from clickstream.errors import ConfigError

if TYPE_CHECKING:
    from clickstream.tables.sql.check import Checked
    from clickstream.tables.sql.model import Program

FILE = click.Path(dir_okay=False, path_type=Path)
Variables = tuple[tuple[str, str], ...]
"""NAMEs with their values, as given."""


def _assignment(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ValueError(f"{text!r} is not NAME=VALUE")
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
def extra_needed() -> Iterator[None]:
    """Around imports: raises ConfigError when the extra `tables` is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("clickstream"):
            raise
        raise ConfigError(f"The tables need {error.name}. Install it: pip install 'clickstream[tables]'") from None


def checked(path: Path, variables: Variables) -> "Checked":
    """Raises ConfigError when the file cannot be read, or the extra `tables` is not installed."""
    with extra_needed():
        from clickstream.tables.sql.check import VARIABLES, check_file
    return check_file(path, {**VARIABLES, **dict(variables)})


def program(path: Path, variables: Variables) -> "Program":
    """The program of a file without problems; ends the command with exit code 1 when it has some, and shows them."""
    found = checked(path, variables)
    if found.problems:
        say(found.render() + "\n", err=True)
        raise click.exceptions.Exit(1)
    return found.program
