"""What the documents show is what the program says and has."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from clickstream.cli import COMMANDS, clickstream
from clickstream.config import SETTINGS
from docs.generate import BLOCK, ROOT, documents, fresh

SHELL_BLOCK = re.compile(r"```(?:sh|bash|console)\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
DOCUMENTS = [pytest.param(path, id=path.name) for path in documents()]


@pytest.mark.parametrize("path", DOCUMENTS)
def test_generated_blocks_are_fresh(path: Path) -> None:
    text = path.read_text("utf-8")

    assert fresh(text) == text, "stale: run  .venv/bin/python docs/generate.py"


def test_every_command_shows_its_help_in_the_docs() -> None:
    shown = {block["name"] for path in documents() for block in BLOCK.finditer(path.read_text("utf-8"))}

    missing = {f"help {name}" for name in COMMANDS} - shown

    assert not missing


@pytest.mark.parametrize("path", DOCUMENTS)
def test_links_lead_to_files(path: Path) -> None:
    missing = [link for link in LINK.findall(path.read_text("utf-8")) if not (path.parent / link).exists()]

    assert not missing


@pytest.mark.parametrize("path", DOCUMENTS)
def test_shown_commands_exist_with_their_options(path: Path) -> None:
    problems = [f"{line}: {problem}" for line in _command_lines(path.read_text("utf-8")) if (problem := _problem(line))]

    assert not problems


def test_shipped_settings_file_names_every_setting() -> None:
    text = (ROOT / "config" / "clickstream.toml").read_text("utf-8")

    missing = [
        name for name in SETTINGS if not re.search(rf"^# {re.escape(name.split('.')[-1])} = ", text, re.MULTILINE)
    ]

    assert not missing


def _command_lines(text: str) -> Iterator[str]:
    for block in SHELL_BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"\s*(?:\||&&)\s*", line.removeprefix("$ ")):
                if re.match(r"(bin/)?(clickstream|run-producer|run-counter|demo)\b", part):
                    yield part


def _problem(line: str) -> str | None:
    """Why the command line would be refused, or None."""
    words = shlex.split(line, comments=True)
    name = words[0].removeprefix("bin/")
    arguments = words[1:] if name == "clickstream" else [name, *words[1:]]
    arguments = [word for word in arguments if word not in ("&",) and not word.startswith((">", "2>"))]
    command: click.Command = clickstream
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        context = click.Context(command)
        found = command.get_command(context, arguments[0])
        if found is None:
            return f"no command {arguments[0]}"
        command, arguments = found, arguments[1:]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h", "--version"}
    unknown = [word for word in arguments if re.match(r"--?[a-zA-Z]", word) and word.split("=")[0] not in known]
    return f"unknown {unknown}" if unknown else None
