"""Command lines and variables, as they stand in documents and deployments, judged by the real command line.

Nothing is executed, and files that are named need not exist.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from itertools import pairwise

import click

from clickstream.cli import clickstream
from clickstream.config import load
from clickstream.errors import ClickstreamError
from clickstream.kafka.properties import from_environment

# What Kubernetes, systemd, libpq and Python read, and nobody else.
OTHERS = frozenset(
    {"HOME", "PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "HEALTH_URL", "PGPASSWORD", "ARGUMENTS"}
)


def problem(words: Sequence[str]) -> str | None:
    """Why `clickstream WORDS` would be refused for what it is told; None: it would begin."""
    command: click.Command = clickstream
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(click.Context(command), rest[0])
        if found is None:
            return f"no command {rest[0]}"
        command, rest = found, rest[1:]
    if isinstance(command, click.Group) or "--help" in rest or "-h" in rest:
        known = {name for one in command.params for name in one.opts} | {"--help", "-h", "--version"}
        unknown = [word for word in rest if re.match(r"--?[a-zA-Z]", word) and word.split("=")[0] not in known]
        return f"unknown {unknown}" if unknown else None
    # Commands keep the option --help that they made for their first context: it has to be like that of the real ones.
    context = click.Context(command, parent=click.Context(clickstream, **clickstream.context_settings))
    try:
        values, extra, given = command.make_parser(context).parse_args(rest)
        for parameter in given:
            _convert(parameter, values[str(parameter.name)], context)
    except click.UsageError as error:
        return error.format_message()
    return f"unexpected {extra}" if extra else None


def _convert(parameter: click.Parameter, value: object, context: click.Context) -> None:
    if isinstance(parameter.type, click.Path | click.File):
        return
    # An argument that was left out comes as click's own word for nothing.
    if isinstance(value, str | bool | int) or (isinstance(value, list | tuple) and value):
        parameter.type_cast_value(context, value)


def options(words: Sequence[str]) -> dict[str, str]:
    """The options with a value, by name without dashes, as `--port 8321`."""
    return {
        name.removeprefix("--"): value
        for name, value in pairwise(words)
        if name.startswith("--") and not value.startswith("--")
    }


def environment_problem(variables: Mapping[str, str]) -> str | None:
    """Why a part would refuse these variables, or ignore one of them."""
    ours = {name: value for name, value in variables.items() if name not in OTHERS}
    ignored = [name for name in ours if not name.startswith("CLICKSTREAM_") and not from_environment({name: "x"})]
    if ignored:
        return f"ignored: {ignored}"
    try:
        load(None, ours)
    except ClickstreamError as error:
        return str(error)
    return None


def command_line(text: str) -> list[str] | None:
    """The words after `clickstream`, of a line as a shell takes it; None: it is another command's."""
    words = shlex.split(re.sub(r"\s(<|2?>>?)\s*[^\s'\"=]+", "", text), comments=True)
    words = [word for word in words if word != "&"]
    if not words:
        return None
    name = words[0].rpartition("/")[2]
    if name == "clickstream":
        return words[1:]
    return [name, *words[1:]] if name in ("run-producer", "run-counter", "demo") else None
