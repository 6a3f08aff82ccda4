"""Python processes of ours find our package, and nothing that lies in the current folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clickstream import interpreter

ASK = "import sys, clickstream; from clickstream.interpreter import command_for, environment; import subprocess;"
SHOW = "raise SystemExit(subprocess.call([*command_for('clickstream.where')], env=environment(), cwd=sys.argv[1]))"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with a copy of the package in which a module tells where it is."""
    copy = tmp_path / "checkout" / "clickstream"
    copy.mkdir(parents=True)
    (copy / "__init__.py").touch()
    shutil.copy(interpreter.__file__, copy)
    (copy / "where.py").write_text("import json\nprint(__file__)\n")
    return copy.parent


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with files that a child must not take for modules."""
    folder = tmp_path / "elsewhere"
    (folder / "clickstream").mkdir(parents=True)
    (folder / "clickstream" / "where.py").write_text("raise SystemExit('planted')\n")
    (folder / "json.py").write_text("raise SystemExit('planted')\n")
    return folder


@pytest.mark.parametrize("how", ["found in the current folder", "on the path"])
def test_a_child_runs_our_module(package: Path, elsewhere: Path, how: str) -> None:
    words = [sys.executable, *(["-P"] if how == "on the path" else []), "-c", ASK + SHOW, str(elsewhere)]
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    if how == "on the path":
        environment["PYTHONPATH"] = str(package)

    done = subprocess.run(words, cwd=package, env=environment, capture_output=True, text=True, check=True)

    assert done.stdout == f"{package / 'clickstream' / 'where.py'}\n"
