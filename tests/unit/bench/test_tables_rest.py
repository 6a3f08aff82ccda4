"""What of a core the tables take, by process."""

import os
import subprocess
import sys
import time

import pytest

from bench.measure import family_of
from bench.report import tables_rest
from bench.tables_rest import MAIN, READER, READING, Share, spent
from clickstream.errors import ClickstreamError


def _spent_or_none(pid: int) -> dict[str, float] | None:
    try:
        return spent(pid)
    except ClickstreamError:
        return None


def test_processes_that_a_process_has_started_are_of_its_family() -> None:
    sleeps = "import sys; sys.stdin.read()"
    starts = f"import os, subprocess, sys; subprocess.run([sys.executable, '-c', {sleeps!r}, os.environ['READING']])"
    with subprocess.Popen(
        [sys.executable, "-c", starts], stdin=subprocess.PIPE, env={**os.environ, "READING": READING}
    ) as parent:
        try:
            deadline = time.monotonic() + 60
            while (found := _spent_or_none(parent.pid)) is None:  # a new process has its parent's name for a moment
                assert parent.poll() is None
                assert time.monotonic() < deadline
            assert found.keys() == {MAIN, READER}
            assert len(family_of(parent.pid)) == 2
        finally:
            assert parent.stdin is not None
            parent.stdin.close()


def test_a_command_without_its_reading_process_is_not_measured() -> None:
    with pytest.raises(ClickstreamError, match="have ended"):
        spent(os.getpid())


def test_the_report_adds_the_processes_up() -> None:
    text = tables_rest([Share("nothing comes", {MAIN: 0.34, READER: 0.52})], 60.0)
    assert "| nothing comes | 0.3 | 0.5 | 0.9 |" in text
    assert "over 60 s" in text
