"""What the documents show is what the program says and has."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream.cli import COMMANDS
from clickstream.config import SETTINGS
from docs.generate import BLOCK, ROOT, documents, fresh
from tests.unit.commandlines import command_line, problem

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
    lines = list(_command_lines(path.read_text("utf-8")))

    assert [f"{line}: {found}" for line in lines if (found := problem(command_line(line) or []))] == []


@pytest.mark.parametrize("path", DOCUMENTS)
def test_tests_that_are_named_exist(path: Path) -> None:
    named = set(re.findall(r"`(test_\w+)`", path.read_text("utf-8")))
    written = {
        name for one in (ROOT / "tests").rglob("*.py") for name in re.findall(r"def (test_\w+)", one.read_text("utf-8"))
    }

    assert named - written == set()


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
