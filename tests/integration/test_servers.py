"""The Ansible role, on this machine, below a folder of its own: twice, and the second time nothing changes.

Ansible has an environment of its own: no test but this one needs it, and it would bring its pins into all of them.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration.support import ROOT
from tests.support import PATIENCE, missing

pytestmark = [pytest.mark.slow]
ANSIBLE = "ansible-core==2.19.14"
LIMIT_S = 1500
PLAYBOOK = ROOT / "deploy" / "ansible" / "site.yml"
SECRET = "sasl.password=not-for-others"


@pytest.fixture(scope="module")
def ansible(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `ansible-playbook` of an environment of its own."""
    venv = tmp_path_factory.mktemp("ansible") / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", ANSIBLE]
    done = subprocess.run(pip, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    if done.returncode != 0:
        missing(f"cannot install {ANSIBLE}: {done.stderr[-500:]}")
    return venv / "bin" / "ansible-playbook"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    done = subprocess.run(pip, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    if done.returncode != 0:
        missing(f"cannot build the package: {done.stderr[-500:]}")
    (found,) = folder.glob("*.whl")
    return found


def play(
    ansible: Path, root: Path, wheel: Path, *more: str, servers: Sequence[str] = ("localhost",), ends_well: bool = True
) -> str:
    """What the playbook said; all servers are this machine."""
    root.mkdir(exist_ok=True)
    inventory = root.parent / "inventory.ini"
    is_here = f"ansible_connection=local ansible_python_interpreter={ansible.parent / 'python'}"
    inventory.write_text("[clickstream]\n" + "".join(f"{one} {is_here}\n" for one in servers), "utf-8")
    given = {
        "clickstream_root": root,
        "clickstream_wheel": wheel,
        "clickstream_requirements": ROOT / "requirements.txt",
        "clickstream_bootstrap_servers": "kafka.example:9092",
        "clickstream_client_properties": SECRET,
        "clickstream_user": os.getuid(),
        "clickstream_group": os.getgid(),
        "clickstream_become": "false",
        "clickstream_python": sys.executable,
    }
    words = [word for name, value in given.items() for word in ("-e", f"{name}={value}")]
    done = subprocess.run(
        [ansible, "-i", inventory, PLAYBOOK, *words, *more],
        env={**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_LOCAL_TEMP": str(root.parent / "temporary")},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert (done.returncode == 0) == ends_well, done.stdout + done.stderr
    return done.stdout + done.stderr


def changed(said: str) -> int:
    found = re.search(r"changed=(\d+) .*failed=0", said)
    assert found is not None, said
    return int(found[1])


def test_the_syntax(ansible: Path, wheel: Path, tmp_path: Path) -> None:
    assert "playbook: " in play(ansible, tmp_path / "root", wheel, "--syntax-check")


def test_it_installs_everything_and_the_second_run_changes_nothing(ansible: Path, wheel: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"

    first = play(ansible, root, wheel)
    second = play(ansible, root, wheel)

    assert changed(first) >= 8
    assert changed(second) == 0, second
    assert SECRET not in first + second
    secret = root / "etc" / "clickstream" / "client.properties"
    assert secret.read_text("utf-8") == f"{SECRET}\n"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert (root / "etc" / "systemd" / "system" / "clickstream@.service").exists()
    for name in ("counter", "collector"):
        assert (root / "etc" / "clickstream" / "parts" / name).stat().st_mode & 0o777 == 0o640
    command = root / "opt" / "clickstream" / "venv" / "bin" / "clickstream"
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=False, timeout=120 * PATIENCE)
    assert done.returncode == 0, done.stderr

    # As after a run that failed before it was through.
    (root / "opt" / "clickstream" / "installed-wheel").unlink()
    third = play(ansible, root, wheel)

    assert re.search(r"Install the wheel\] \*+\nchanged:", third), third


def parts(**arguments: str) -> str:
    """An option that says what every server runs."""
    return json.dumps({"clickstream_parts": {name: {"arguments": one} for name, one in arguments.items()}})


@pytest.mark.parametrize("tables", ["tables run products clickstream --memory 2GB", "tables run /a/clickstream.sql"])
def test_tables_on_two_servers_are_refused_before_anything_is_done(
    ansible: Path, wheel: Path, tmp_path: Path, tables: str
) -> None:
    said = play(ansible, tmp_path / "root", wheel, "-e", parts(tables=tables), servers=("one", "two"), ends_well=False)

    assert "clickstream, clickstream" in " ".join(said.split())
    assert not (tmp_path / "root" / "opt").exists()


def test_other_tables_on_two_servers_are_taken(ansible: Path, wheel: Path, tmp_path: Path) -> None:
    """The value of an option that both have is no file. The Python that is none ends the play after the checks."""
    given = parts(counter="run-counter", tables="tables run {{ inventory_hostname }} --memory 2GB")
    more = ("-e", given, "-e", "clickstream_python=false")

    said = play(ansible, tmp_path / "root", wheel, *more, servers=("one", "two"), ends_well=False)

    assert "TASK [clickstream : Ask for the version of Python]" in said
