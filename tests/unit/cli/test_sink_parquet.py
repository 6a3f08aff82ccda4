"""`clickstream sink parquet`, `replay --from-archive` and `query --archive`: what is refused before anything starts."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import PATIENCE
from tests.unit.cli.conftest import Run

# Runs the command in a process where a module cannot be imported.
WITHOUT = "import sys; sys.modules[sys.argv.pop(1)] = None; from clickstream.cli import process; process()"


def without(module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, module, *arguments], capture_output=True, text=True, timeout=120 * PATIENCE
    )


@pytest.mark.parametrize(
    ("module", "to", "extra"),
    [
        ("pyarrow", "archive", "parquet"),
        ("numpy", "archive", "parquet"),
        ("boto3", "s3://bucket/x", "s3"),
    ],
)
def test_a_missing_extra_is_named(tmp_path: Path, module: str, to: str, extra: str) -> None:
    done = without(module, "sink", "parquet", "clicks", "--to", to)
    assert done.returncode == 2
    assert done.stderr == f"Error: An archive needs {module}. Install it: pip install 'clickstream[{extra}]'\n"


def test_help_needs_no_extra() -> None:
    done = without("pyarrow", "sink", "parquet", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--to DIR|s3://BUCKET/PREFIX" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sink", "parquet", "clicks"), "--to"),
        (
            ("sink", "parquet", "clicks", "--to", "ftp://host/x"),
            "ftp://host/x is no folder and does not begin with s3://",
        ),
        (("sink", "parquet", "clicks", "--to", "s3://"), "Give an object store as s3://bucket/prefix"),
        (
            ("sink", "parquet", "clicks", "--to", "x", "--columns", "_key INT"),
            "the archive has its own column of that name",
        ),
        (("sink", "parquet", "clicks", "--to", "x", "--every", "0"), "a time such as 500ms"),
        (("sink", "parquet", "a-b", "a_b", "--to", "x"), "Two inputs are table a_b"),
        (("replay", "--from-archive", "x", "one", "two"), "--from-archive needs one TOPIC"),
        (("replay", "--from-archive", "x", "--shift-to-now", "one"), "has neither --shift-to-now"),
        (("replay", "--table", "x", "access.log"), "it needs --from-archive"),
        (("replay", "--from-archive", "no-such", "one"), "no-such is no archive: there is no table"),
    ],
)
def test_what_does_not_fit_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.code == 2
    assert words in done.err
    assert list(tmp_path.iterdir()) == []


def test_an_archive_is_asked_without_kafka(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("query", "--archive", "nothing", "SELECT 1 FROM clicks")
    assert done.code == 1
    assert "There is no table clicks" in done.err
    assert list(tmp_path.iterdir()) == []
