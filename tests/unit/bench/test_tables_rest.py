"""What of a core the tables take, by process."""

import subprocess
import sys

from bench.measure import family_of
from bench.report import tables_rest
from bench.tables_rest import MAIN, READER, READING, Share, spent


def test_processes_that_a_process_has_started_are_of_its_family() -> None:
    sleeps = "import sys; sys.stdin.read()"
    starts = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {sleeps!r}, '{READING}'])"
    with subprocess.Popen([sys.executable, "-c", starts], stdin=subprocess.PIPE) as parent:
        try:
            while len(family_of(parent.pid)) < 2:
                assert parent.poll() is None
            assert spent(parent.pid).keys() == {MAIN, READER}
        finally:
            assert parent.stdin is not None
            parent.stdin.close()


def test_the_report_adds_the_processes_up() -> None:
    text = tables_rest([Share("nothing comes", {MAIN: 0.34, READER: 0.52})], 60.0)
    assert "| nothing comes | 0.3 | 0.5 | 0.9 |" in text
    assert "over 60 s" in text
