"""How a process ends."""

import os
import subprocess
import sys

import pytest

from tests.support import PATIENCE

# A daemon that waits for ever holds a database, as a page's question does that waits for Kafka.
QUIET = """
import atexit, threading
import duckdb
from clickstream.leaving import leave
held = threading.Event()
def hold():
    connection = duckdb.connect()
    relation = connection.sql("SELECT 1")
    held.set()
    threading.Event().wait()
threading.Thread(target=hold, daemon=True).start()
held.wait()
"""
HOLDS = f"""{QUIET}
def finish():
    ended.wait()
    print("the thread has ended")
ended = threading.Event()
threading.Thread(target=finish).start()
atexit.register(lambda: print("cleaned up"))
threading.Timer(0.2, ended.set).start()
"""


@pytest.mark.parametrize("code", [0, 3])
def test_what_daemons_hold_is_not_listed(code: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", f"{HOLDS}\nleave({code})"], capture_output=True, text=True, timeout=60 * PATIENCE
    )
    assert (ended.returncode, ended.stderr) == (code, "")
    assert ended.stdout == "the thread has ended\ncleaned up\n"


def test_nothing_is_taken_down_piece_by_piece() -> None:
    # A thread of granian's that asks for the interpreter meanwhile would abort the process.
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            "from clickstream.leaving import leave\n"
            "class Held:\n"
            "    def __del__(self): print('taken down')\n"
            "held = Held()\n"
            "leave(0)",
        ],
        capture_output=True,
        text=True,
        timeout=60 * PATIENCE,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_what_nobody_reads_any_more_is_no_trouble() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        # Not as the tests may run: buffered, as a command is.
        [sys.executable, "-E", "-c", f"{QUIET}\nprint('unread')\nleave(0)"],
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60 * PATIENCE,
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr.decode()) == (0, "")
