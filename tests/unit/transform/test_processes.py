"""Processes that run a function, and what they leave behind: nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clickstream.errors import ConfigError
from clickstream.transform.api import Record
from clickstream.transform.model import Answered, Call, Failed, Outcome
from clickstream.transform.processes import Processes
from tests.support import PATIENCE, wait_until

WITHIN_S = 60.0
STARTS = "subprocess.Popen(['sleep', '600'], stdout=alive)"
FORKS = "os.fork() or time.sleep(600)"


@contextmanager
def function(folder: Path, *lines: str) -> Iterator[tuple[Processes, int]]:
    """A function that does this in a process of its own, and a pipe that all it starts holds open, as `alive`."""
    fifo, path = folder / "alive", folder / "function.py"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    body = "\n    ".join([f"alive = open({str(fifo)!r}, 'wb')", "alive.write(b'x')", "alive.flush()", *lines])
    path.write_text(f"import os, subprocess, time\n\n\ndef f(record):\n    {body}\n")
    processes = Processes(f"{path}:f", 1, WITHIN_S * PATIENCE)
    try:
        processes.start()
        yield processes, reader
    finally:
        processes.close()
        os.close(reader)


def outcome(processes: Processes) -> Outcome:
    """Of one record."""
    call = Call(Record(b"1", b"k", (), 5, "t", 0, 3))
    processes.ask(call)
    answered, found = processes.outcomes.get(timeout=WITHIN_S * PATIENCE / 2)
    assert answered is call
    return found


def nobody_holds(reader: int) -> bool:
    try:
        return not os.read(reader, 100)
    except BlockingIOError:
        return False


@pytest.mark.parametrize("starts", [STARTS, FORKS])
@pytest.mark.parametrize("ends", ["os._exit(3)", "os.abort()"])
def test_what_a_function_has_started_ends_with_its_process(tmp_path: Path, starts: str, ends: str) -> None:
    with function(tmp_path, starts, ends) as (processes, reader):
        failed = outcome(processes)
        assert isinstance(failed, Failed)
        assert failed.kind == "died"
        assert failed.reason.endswith("ended with code 3" if "3" in ends else "was killed by SIGABRT")
        wait_until(lambda: nobody_holds(reader), WITHIN_S, "all of it is gone")


def test_what_a_function_has_started_ends_with_the_command(tmp_path: Path) -> None:
    with function(tmp_path, STARTS, "return {}") as (processes, reader):
        assert isinstance(outcome(processes), Answered)
        assert not nobody_holds(reader)
        processes.close()
        wait_until(lambda: nobody_holds(reader), WITHIN_S, "all of it is gone")


def test_a_function_whose_name_is_no_utf_8_is_told_before_anything_starts(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=r"--function f\\udcff\.py:f: its name is no UTF-8"):
        Processes(os.fsdecode(b"f\xff.py:f"), 1, WITHIN_S).start()
    assert capfd.readouterr().err == ""


def test_a_module_that_raises_what_is_no_utf_8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(r"raise ValueError('no user \ud83d')")
    with pytest.raises(ConfigError, match=r"cannot be imported: ValueError: no user \\ud83d \(broken\.py line 1\)"):
        Processes(f"{path}:f", 1, WITHIN_S).start()
