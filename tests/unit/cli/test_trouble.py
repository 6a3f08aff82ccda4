"""What the operating system refuses a command, in processes of their own: one line, exit code 1."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from clickstream.cli.trouble import explained
from clickstream.config import config_dir

PRODUCTS = config_dir() / "tables" / "products.sql"
CLICKSTREAM = (sys.executable, "-P", "-m", "clickstream")
# Opens more files than it may, inside a command.
OPENING = """
import sys, types
import click
from clickstream import cli

@click.command()
def command():
    files = [open("/dev/null") for _ in range(200)]

sys.modules["clickstream.cli.probe"] = types.SimpleNamespace(command=command)
cli.COMMANDS["probe"] = ("probe", "")
sys.argv = ["clickstream", "probe"]
cli.main()
"""


def shell(line: str, tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": "/usr/bin:/bin", "CLICKSTREAM_STATE_DIR": str(tmp_path), "HOME": str(tmp_path)}
    return subprocess.run(["/bin/sh", "-c", line], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", ["--help", "config show", "broker status", f"tables check {PRODUCTS}"])
def test_standard_output_on_a_full_disk(tmp_path: Path, arguments: str) -> None:
    done = shell(f"{shlex.join(CLICKSTREAM)} {arguments} > /dev/full", tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert line.startswith("Error: Cannot write to standard output: No space left on device.")


def test_standard_error_on_a_full_disk_too(tmp_path: Path) -> None:
    assert shell(f"{shlex.join(CLICKSTREAM)} config show > /dev/full 2> /dev/full", tmp_path).returncode == 1


def test_too_few_open_files_for_a_command(tmp_path: Path) -> None:
    done = shell(f"ulimit -n 64; exec {shlex.join([sys.executable, '-c', OPENING])}", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Too many open files: 64 are allowed. Raise that (ulimit -n 1024)")
    assert len(done.stderr.splitlines()) == 1


def test_a_command_raises_a_soft_limit_itself(tmp_path: Path) -> None:
    done = shell(f"ulimit -Sn 64; exec {shlex.join([sys.executable, '-c', OPENING])}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_too_few_open_files_for_a_jvm(tmp_path: Path) -> None:
    done = shell(f"ulimit -n 64; {shlex.join(CLICKSTREAM)} broker start", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: 64 open files per process are allowed here, a JVM of Kafka or Flink needs")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["demo", "topics list", f"tables run {PRODUCTS}"])
def test_too_few_open_files_for_a_command_with_clients(tmp_path: Path, command: str) -> None:
    done = shell(f"ulimit -n 128; {shlex.join(CLICKSTREAM)} {command} -b 127.0.0.1:1", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: 128 open files per process are allowed here, clickstream needs 512.")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "/a/b"), "Cannot use /a/b: Permission denied."),
        (OSError(12, "Cannot allocate memory"), "The operating system refused something: Cannot allocate memory."),
        (OSError("odd"), "The operating system refused something: odd."),
    ],
)
def test_other_refusals(error: OSError, words: str) -> None:
    assert str(explained(error)) == words
