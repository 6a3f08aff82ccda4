"""Standard streams that a shell closed."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import PATIENCE
from tests.unit.test_leftovers import OURS, fill

CLICKSTREAM = shlex.join((sys.executable, "-P", "-m", "clickstream"))


def shell(line: str, folder: Path, encoding: str = "utf-8", **more: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "CLICKSTREAM_STATE_DIR": str(folder / "state"), **more}
    return subprocess.run(
        ["/bin/sh", "-c", line],
        env=environment,
        cwd=folder,
        capture_output=True,
        encoding=encoding,
        timeout=60 * PATIENCE,
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("arguments", "code"), [("--version", 0), ("config show", 0), ("broker status", 1), ("no", 2)])
def test_a_command_has_its_own_exit_code_whatever_is_closed(
    tmp_path: Path, closed: str, arguments: str, code: int
) -> None:
    done = shell(f"{CLICKSTREAM} {arguments} {closed}", tmp_path)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_no_file_takes_the_place_of_an_output_that_is_closed(tmp_path: Path) -> None:
    """Also not in a child process, which would write its errors there."""
    program = (
        "import os, subprocess, sys\n"
        "from clickstream.cli import streams\n"
        "streams.set_up()\n"
        "file = os.open('file', os.O_CREAT | os.O_WRONLY)\n"
        "subprocess.run(['/bin/sh', '-c', 'echo out; echo err >&2'], check=True)\n"
    )
    done = shell(f"{shlex.join((sys.executable, '-c', program))} <&- >&- 2>&-", tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize(
    "arguments",
    [
        "replay -",
        "topics produce clicks",
        "query -",
        "dead-letters retry 0:1 --value -",
    ],
)
def test_standard_input_that_is_closed_cannot_be_read(tmp_path: Path, arguments: str) -> None:
    done = shell(f"{CLICKSTREAM} {arguments} <&-", tmp_path)
    assert done.returncode == 2
    assert "-: standard input is closed" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", ["run-counter --reset", "clean"])
def test_where_standard_input_is_closed_nobody_can_be_asked(tmp_path: Path, arguments: str) -> None:
    fill(tmp_path, OURS)
    done = shell(f"{CLICKSTREAM} {arguments} <&-", tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "--yes" in done.stderr


NOT_IN_LATIN_1 = """
import sys, types
import click
from clickstream import cli
from clickstream.cli.output import console, echo_json, say, show, write_csv
from clickstream.screen.layout import Column

@click.command()
def command():
    words = "Zoë €5 \U0001f600"
    show([Column("WORDS")], [[words]])
    echo_json(words)
    write_csv([], [[words]])
    say(words)
    say(words, err=True)
    click.echo(words)

sys.modules["clickstream.cli.probe"] = types.SimpleNamespace(command=command)
cli.COMMANDS["probe"] = ("probe", "")
sys.argv = ["clickstream", "probe"]
cli.process()
"""


def test_what_an_encoding_does_not_have_is_escaped_as_in_json(tmp_path: Path) -> None:
    (tmp_path / "probe.py").write_text(NOT_IN_LATIN_1, "utf-8")
    done = shell(f"{sys.executable} probe.py", tmp_path, encoding="latin-1", PYTHONIOENCODING="latin-1")
    words = r"Zoë \u20ac5 \ud83d\ude00"
    assert done.returncode == 0
    assert done.stdout.splitlines() == ["WORDS", words, f'"{words}"', words, words, words]
    assert done.stderr == f"{words}\n"


def test_a_table_for_an_output_that_is_ascii(tmp_path: Path) -> None:
    """What click writes is UTF-8 there: it takes an ASCII stream for one whose locale is not set up."""
    (tmp_path / "probe.py").write_text(NOT_IN_LATIN_1, "utf-8")
    done = shell(f"{sys.executable} probe.py", tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.splitlines()[:2] == ["WORDS", r"Zo\u00eb \u20ac5 \ud83d\ude00"]


def test_a_query_that_is_no_text_is_refused_in_a_line(tmp_path: Path) -> None:
    done = shell(rf"printf 'SELECT \377' | {CLICKSTREAM} query -", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: Cannot read -: 'utf-8' codec can't decode byte 0xff")
