"""What the collector takes and holds, as tables beside its targets."""

import os
import sys
from subprocess import PIPE, Popen

import pytest

from bench import collect_report
from bench.collect import CASES, DIVOLTE, Case, Result
from bench.collect_memory import Held, Memory, Plan, followed, summary
from bench.measure import peak_mb, resident_mb

PLAN = Plan(5_000, 300, 2, ["one"], ["kafka", "queue"])


def held(*memory: Memory) -> Held:
    return Held(PLAN.cases()[0], 1_500_000, 300.0, 0, 12.34, list(memory))


def result(case: Case, rate: float, cpu_us: float) -> Result:
    return Result(case, int(10 * rate), 10.0, cpu_us, 12.3, 45.6, 0, 100.0, int(10 * rate))


def test_beside_divolte_only_what_its_tag_sends_as_fast_as_it_can_is_compared() -> None:
    ours = [result(case, 12_000.0, 60.0) for case in CASES]
    _figures, ratios, *_targets = collect_report.texts([result(DIVOLTE, 8_000.0, 90.0), *ours])
    assert "| GET, `--ack queue` | 1.50 | 1.50 |" in ratios
    assert "| GET, `--ack kafka`, two workers | 1.50 | 1.50 |" in ratios
    assert "Divolte |" not in ratios
    assert "POST" not in ratios
    assert "5,000/s" not in ratios


def test_without_divolte_nothing_is_compared_with_it() -> None:
    assert not any("Divolte" in text for text in collect_report.texts([result(case, 1, 1) for case in CASES]))


def test_each_way_to_send_with_each_acknowledgement() -> None:
    cases = Plan(10, 60, 2, ["divolte", "batch"], ["kafka", "queue"]).cases()
    assert [(one.sends, one.ack, one.workers, one.rate) for one in cases] == [
        *(("divolte", "kafka", 2, 10), ("divolte", "queue", 2, 10)),
        *(("batch", "kafka", 2, 10), ("batch", "queue", 2, 10)),
    ]
    assert cases[0] == Case("GET, `--ack kafka`", "divolte", 2, "kafka", rate=10)


def test_growth_counts_once_all_is_filled() -> None:
    found = summary("worker 1", [50.0, 80.0, 100.0, 100.0, 101.0, 102.0, 102.0, 102.0, 103.0, 104.0, 105.0], 120.0)
    assert found == Memory("worker 1", 50.0, 100.0, 105.0, 120.0)
    assert found.growth == 5.0
    assert summary("worker 1", [50.0], 60.0) == Memory("worker 1", 50.0, 50.0, 50.0, 60.0)


def test_one_line_for_each_process() -> None:
    found = held(Memory("collector", 90, 95, 99, 101), Memory("worker 1", 80, 90, 95, 110))
    text = "\n".join(collect_report.memory([found], PLAN))
    assert "5,000 requests/s for 5 min; workers: 2." in text
    assert "| POST of one event, `--ack kafka` | 5,000 | 12.3 | 0 | collector | 90 | 95 | 99 | 101 |" in text
    assert "| worker 1 | 80 | 90 | 95 | 110 |" in text


@pytest.mark.parametrize(
    ("worker", "verdicts"),
    [
        (Memory("worker 1", 80, 90, 100, 150), ["| 150 | met |", "| 10 | met |"]),
        (Memory("worker 1", 80, 90, 101, 151), ["| 151 | **not met** |", "| 11 | **not met** |"]),
    ],
)
def test_targets_are_for_workers(worker: Memory, verdicts: list[str]) -> None:
    parent = Memory("collector", 100, 100, 300, 400)
    text = collect_report.memory([held(parent, worker)], PLAN)[-1]
    assert all(verdict in text for verdict in verdicts)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_process_is_followed_to_the_end_of_the_block() -> None:
    with followed([os.getpid()]) as samples:
        pass
    assert len(samples[os.getpid()]) == 2
    assert 0 < samples[os.getpid()][0] <= peak_mb(os.getpid())


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_process_that_ends_meanwhile_is_no_figure() -> None:
    with (
        Popen([sys.executable, "-c", "input()"], stdin=PIPE) as process,
        pytest.raises(FileNotFoundError),
        followed([process.pid]),
    ):
        process.communicate(b"\n")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_memory_is_in_millions_of_bytes() -> None:
    program = "held = bytearray(200_000_000); held[::4096] = b'x' * len(held[::4096]); print(flush=True); input()"
    with Popen([sys.executable, "-c", program], stdin=PIPE, stdout=PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert 200 <= resident_mb(process.pid) <= 240
        process.communicate(b"\n")
