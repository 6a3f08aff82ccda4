"""The FILE of `tables` and `flink`: a path, or the name of a shipped file."""

import subprocess
import sys
from pathlib import Path

import pytest

from clickstream.shipped import tables
from tests.unit.cli.conftest import Run


def test_a_name_is_a_shipped_file(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vip").write_text("nonsense")
    for name, path in tables().items():
        outcome = run("tables", "check", name)
        assert (outcome.code, outcome.out.split(":")[0]) == (0, str(path))


@pytest.mark.parametrize("command", [("tables", "run"), ("tables", "check"), ("tables", "show"), ("flink", "submit")])
def test_an_unknown_name_lists_the_shipped_ones(run: Run, command: tuple[str, ...]) -> None:
    outcome = run(*command, "clickstraem")
    assert outcome.code == 2
    assert f"'clickstraem' is no shipped file (they are {', '.join(tables())})" in " ".join(outcome.err.split())


def test_a_file_here_needs_no_slash(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text("SET 'a' = 'b';")
    (tmp_path / "clickstream.sql").write_text("SET 'a' = 'b';")
    for name in ("mine", "clickstream.sql", "./mine"):
        assert "Unknown setting a." in run("tables", "check", name).err


DEMO_WITHOUT = """
import sys
sys.modules[sys.argv.pop(1)] = None
from clickstream.cli import main
main()
"""


@pytest.mark.parametrize("missing", ["sqlglot", "duckdb", "pyarrow"])
def test_a_demo_without_its_extra_says_so_before_anything_starts(tmp_path: Path, missing: str) -> None:
    words = [sys.executable, "-c", DEMO_WITHOUT, missing, "demo", "--state-dir", str(tmp_path / "state")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"The tables need {missing}. Install it: pip install 'clickstream[tables]'" in done.stderr
    assert "--only heart" in done.stderr
    assert not (tmp_path / "state").exists()
