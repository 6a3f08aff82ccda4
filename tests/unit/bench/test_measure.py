"""What a program costs, seen from outside."""

import os
import sys
import time

import pytest

from bench.measure import PeakOfTree, cpu_seconds, describe, family, parent_and_pages, peak_of, run, ticks_of
from clickstream.errors import ClickstreamError

STATUS = "Name:\tjava\nVmPeak:\t 3000000 kB\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\n"


def test_the_peak_is_the_high_water_mark_not_the_present_size() -> None:
    assert peak_of(STATUS) == 204_800 * 1024


def test_an_ended_process_has_no_peak() -> None:
    assert peak_of("Name:\tpython\nState:\tZ (zombie)\n") == 0


def test_cpu_ticks_are_user_and_system_time() -> None:
    assert ticks_of("42 (java) S 1 42 42 0 -1 4194560 9 8 7 6 1200 34 5 6 20 0 3 0 99") == 1234


def test_a_name_with_spaces_and_brackets_does_not_shift_the_fields() -> None:
    assert ticks_of("42 (a) (b c) S 1 42 42 0 -1 4194560 9 8 7 6 1200 34 5 6 20 0 3 0 99") == 1234


def test_a_running_process_has_used_cpu_time() -> None:
    assert 0 < cpu_seconds(os.getpid()) < 86_400


def test_the_machine_is_described_without_its_name() -> None:
    cpuinfo = "processor\t: 0\nmodel name\t: Some CPU\nprocessor\t: 1\nmodel name\t: Some CPU\n"
    assert describe(2, cpuinfo, "MemTotal: 8000000 kB\n") == "2 CPU cores (Some CPU), 8 GB of memory"


def test_a_machine_that_does_not_tell_its_model() -> None:
    assert "unknown model" in describe(4, "processor\t: 0\n", "MemTotal: 8000000 kB\n")


def test_a_run_costs_time_cpu_and_memory() -> None:
    # 64 MB that are written to, and at least 0.2 s of CPU time.
    code = "import time\nb = bytearray(b'x') * 64_000_000\nwhile time.process_time() < 0.3: pass\nprint(len(b))"
    before = time.monotonic()
    ended = run([sys.executable, "-c", code])
    assert ended.stdout == "64000000\n"
    assert 0.3 <= ended.usage.cpu <= ended.usage.seconds * 2
    assert ended.usage.seconds <= time.monotonic() - before
    assert 64 < ended.usage.peak_mb < 200


def test_the_size_of_the_measuring_process_is_not_counted() -> None:
    ballast = bytearray(b"x") * 150_000_000
    ended = run([sys.executable, "-c", "import time; time.sleep(0.2)"])
    assert len(ballast) == 150_000_000
    assert 0 < ended.usage.peak_mb < 100


def test_a_process_has_a_parent_and_pages_in_memory() -> None:
    stat = "42 (a) (b c) S 7 42 42 0 -1 4194560 9 8 7 6 1200 34 5 6 20 0 3 0 99 1000 250 18446744073709551615"
    assert parent_and_pages(stat) == (7, 250)


def test_a_family_is_a_process_and_all_its_descendants() -> None:
    assert family(2, {2: 1, 3: 2, 4: 3, 5: 1, 6: 5, 7: 2}) == {2, 3, 4, 7}


def test_the_memory_of_children_counts_when_the_whole_tree_is_followed() -> None:
    child = "b = bytearray(b'x') * 64_000_000; import time; time.sleep(0.5)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert run([sys.executable, "-c", code]).usage.peak_mb < 64
    assert 64 < run([sys.executable, "-c", code], memory_of=PeakOfTree).usage.peak_mb < 200


def test_the_cpu_time_of_children_counts() -> None:
    child = "import time\nwhile time.process_time() < 0.3: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert run([sys.executable, "-c", code]).usage.cpu >= 0.3


def test_a_program_that_fails_is_an_error_with_its_last_words() -> None:
    with pytest.raises(ClickstreamError, match="ended with 3:\nhow sad"):
        run([sys.executable, "-c", "import sys; print('how sad', file=sys.stderr); sys.exit(3)"])


def test_a_program_that_does_not_end_is_ended() -> None:
    with pytest.raises(ClickstreamError, match="did not end within 0 s"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)
