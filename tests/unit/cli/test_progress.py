import logging
import re
import threading

import pytest

from clickstream.cli import progress as module
from clickstream.cli.producer import _expected
from clickstream.cli.progress import figures, progress
from clickstream.parts.part import Part
from tests.support import PATIENCE


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


def test_a_line_says_how_much_how_fast_and_what_else_there_is() -> None:
    part = Working()
    assert figures("acknowledged", part.totals(), {"acknowledged": 617.0}, part.gauges()) == [
        "acknowledged 1,234 (617/s)",
        "sent 1,500",
        "dead letters 2",
        "queued 266",
    ]


def test_a_log_has_plain_lines(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(module, "IN_LOG_EVERY_S", 0.001)
    part = Working()
    with progress(part, "acknowledged", total=5_000):
        assert part.asked.wait(10 * PATIENCE)
    assert re.fullmatch(
        r"producer: acknowledged 1,234 \([\d,]+/s\) of 5,000, sent 1,500, dead letters 2, queued 266",
        caplog.records[0].getMessage(),
    )


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    part = Working()
    with progress(part, "acknowledged", quiet=True):
        pass
    assert capsys.readouterr() == ("", "")
    assert not part.asked.is_set()


def test_what_fails_inside_is_not_hidden() -> None:
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
