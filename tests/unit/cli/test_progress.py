import io
import logging
import threading

import pytest
from rich.console import Console

from clickstream.cli import progress as module
from clickstream.cli.producer import _expected
from clickstream.cli.progress import passing, progress
from clickstream.parts.part import Part, Rates
from tests.hostile import HOSTILE, SHOWN
from tests.unit.fakes import Clock


class Working(Part):
    kind = "producer"

    def __init__(self) -> None:
        self.topics = ["events"]
        self.asked = threading.Event()

    def run(self, stop: threading.Event) -> None:
        stop.wait()

    def totals(self) -> dict[str, int]:
        self.asked.set()
        return {"sent": 1_500, "acknowledged": 1_234, "failed": 0, "dead_letters": 2}

    def gauges(self) -> dict[str, float]:
        return {"queued": 266.0}


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is drawn on a terminal 120 characters wide."""
    found = io.StringIO()
    monkeypatch.setattr(
        module, "console", lambda err: Console(file=found, force_terminal=True, width=120, color_system=None)
    )
    return found


def test_a_line_says_how_much_how_fast_and_what_else_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("clickstream.parts.part.time", clock)
    rates = Rates()
    clock.now += 2
    line = module._line(Working(), "acknowledged", rates)
    assert line == "acknowledged 1,234 (617/s) sent 1,500, dead letters 2, queued 266"


@pytest.mark.parametrize("total", [None, 2_468])
def test_a_terminal_shows_the_last_figures_even_of_a_short_run(screen: io.StringIO, total: int | None) -> None:
    with progress(Working(), "acknowledged", total=total):
        pass
    assert "acknowledged 1,234" in screen.getvalue()
    assert ("50%" in screen.getvalue()) is (total is not None)


def test_a_name_beside_a_bar_is_no_markup_and_no_format(screen: io.StringIO) -> None:
    with passing(HOSTILE[-30:] + "{task}", 2) as advance:
        advance(1)
    assert SHOWN[-30:] + "{task}" in screen.getvalue()


def test_a_log_has_plain_lines(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(module, "IN_LOG_EVERY_S", 0.001)
    part = Working()
    monkeypatch.setattr(module, "console", lambda err: Console(file=io.StringIO()))
    with progress(part, "acknowledged", total=5_000):
        assert part.asked.wait(10)
    assert caplog.records[0].getMessage().startswith("acknowledged 1,234 (")
    assert caplog.records[0].getMessage().endswith(" of 5,000")


def test_quiet_shows_nothing(screen: io.StringIO) -> None:
    part = Working()
    with progress(part, "acknowledged", quiet=True):
        pass
    assert screen.getvalue() == ""
    assert not part.asked.is_set()


def test_what_fails_inside_is_not_hidden(screen: io.StringIO) -> None:
    with pytest.raises(ValueError, match="inside"), progress(Working(), "acknowledged"):
        raise ValueError("inside")


@pytest.mark.parametrize(
    ("count", "duration", "rate", "expected"),
    [
        (None, None, 100.0, None),
        (500, None, 100.0, 500),
        (None, 10.0, 100.0, 1_000),
        (500, 10.0, 100.0, 500),
        (5_000, 10.0, 100.0, 1_000),
        (None, 10.0, float("inf"), None),
        (0, None, 100.0, 0),
    ],
)
def test_how_much_a_bounded_run_will_make(
    count: int | None, duration: float | None, rate: float, expected: int | None
) -> None:
    assert _expected(count, duration, rate) == expected
