"""The scripts in bin/ and the .venv that they make, in small checkouts without any dependency."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.support import ROOT, environment_of_a_command
from tests.support import PATIENCE, missing

NOBODY = 65534
PACKAGE = "import os, sys\nprint(os.path.dirname(__file__), *sys.argv[1:])\n"
# What Python, venv and pip import, and what the package does.
PLANTED = ("click.py", "json.py", "sysconfig.py", "venv.py", "pip.py", "fcntl.py", "encodings.py", "clickstream.py")


@pytest.fixture(scope="module")
def original() -> Iterator[Path]:
    """A checkout whose .venv works."""
    # Not below pytest's own folder, which is closed to other users.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        checkout = Path(folder, "with blanks")
        shutil.copytree(ROOT / "bin", checkout / "bin")
        (checkout / "requirements.txt").touch()
        (checkout / "clickstream").mkdir()
        (checkout / "clickstream" / "__main__.py").write_text(PACKAGE)
        yield checkout


@pytest.fixture
def checkout(original: Path) -> Path:
    """The same one, made sure of that its .venv works."""
    done = run(original)
    assert done.returncode == 0, done.stderr
    return original


def run(checkout: Path, cwd: Path | None = None, user: int | None = None) -> "subprocess.CompletedProcess[str]":
    """`bin/clickstream one two`, from a folder."""
    return subprocess.run(
        [checkout / "bin" / "clickstream", "one", "two"],
        cwd=cwd,
        env=environment_of_a_command({}),
        capture_output=True,
        text=True,
        check=False,
        timeout=240 * PATIENCE,
        user=user,
        group=user,
    )


def ran_well(done: "subprocess.CompletedProcess[str]", checkout: Path) -> bool:
    assert done.returncode == 0, done.stderr
    return done.stdout == f"{checkout / 'clickstream'} one two\n"


def test_nothing_in_the_current_folder_is_executed(checkout: Path, tmp_path: Path) -> None:
    for name in PLANTED:
        (tmp_path / name).write_text("raise SystemExit('planted: ' + __file__)\n")
    assert ran_well(run(checkout, tmp_path), checkout)
    shutil.rmtree(checkout / ".venv")
    done = run(checkout, tmp_path)
    assert ran_well(done, checkout)
    assert done.stderr == "clickstream: making .venv\nclickstream: installing requirements.txt\n"


def test_a_venv_that_works_is_left_alone(checkout: Path) -> None:
    assert run(checkout).stderr == ""


def _does_not_run(checkout: Path) -> None:
    python = checkout / ".venv" / "bin" / "python"
    python.unlink()
    python.write_text("no program")
    python.chmod(0o755)


def _another_python(checkout: Path) -> None:
    """As after an upgrade of the Python that bin/python leads to."""
    (lib,) = (checkout / ".venv" / "lib").iterdir()
    lib.rename(lib.with_name("python3.0"))
    (checkout / ".venv" / "made-for").write_text(f"3.0 {checkout}\n")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (_does_not_run, "its Python does not run"),
        (_another_python, "it is not complete, or of another Python"),
    ],
)
def test_a_venv_that_does_not_work_is_made_again(checkout: Path, damage: Callable[[Path], None], why: str) -> None:
    damage(checkout)
    done = run(checkout)
    assert ran_well(done, checkout)
    assert done.stderr == f"clickstream: making .venv again: {why}\nclickstream: installing requirements.txt\n"


def test_a_copied_checkout_runs_its_own_code(checkout: Path) -> None:
    copy = checkout.with_name("copy")
    shutil.copytree(checkout, copy, symlinks=True)
    done = run(copy)
    assert ran_well(done, copy)
    assert "it was made for another Python or another place" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run something as another user")
def test_a_checkout_that_this_user_cannot_write(original: Path) -> None:
    checkout = original.with_name("fresh")
    shutil.copytree(original, checkout, ignore=shutil.ignore_patterns(".venv*"))
    done = run(checkout, Path("/"), user=NOBODY)
    if "needs Python" in done.stderr:
        missing("no Python that another user may run")
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first == f"clickstream: cannot make {checkout / '.venv'}: Permission denied."
    assert second.startswith("clickstream: have its owner run the command once")
    assert second.endswith(f"pip install '{checkout}[tables]'")


def test_every_pinned_package_has_its_hashes() -> None:
    for path in ROOT.glob("requirements*.txt"):
        entries = path.read_text("utf-8").replace("\\\n", " ").splitlines()
        assert entries
        assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
