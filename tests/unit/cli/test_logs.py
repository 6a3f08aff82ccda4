import logging
import re
from typing import Any

import pytest
from confluent_kafka import KafkaError

from clickstream.cli.logs import REPEAT_AFTER_S, LogLines
from clickstream.kafka.clients import ErrorLog


class Lines:
    """A command's log, without the times of its lines, on a clock that is set."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self.now = 0.0
        self._captured = captured
        self.handler = LogLines(lambda: self.now)

    def log(self, level: int, words: str, *arguments: Any) -> None:
        given = {"levelno": level, "levelname": logging.getLevelName(level), "msg": words, "args": arguments}
        self.handler.handle(logging.makeLogRecord(given))

    def written(self) -> list[str]:
        """What it wrote since the last call."""
        return re.sub(r"(?m)^\d\d:\d\d:\d\d ", "", self._captured.readouterr().err).splitlines()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return Lines(capsys)


def test_what_a_line_quotes_does_nothing_to_a_terminal(lines: Lines) -> None:
    lines.log(logging.INFO, "A name: %s", "\x1b]0;title\x07\u202e\n00:00:00 ERROR made up")
    assert lines.written() == ["INFO A name: \\u001b]0;title\\u0007\\u202e", "  00:00:00 ERROR made up"]


def test_a_warning_is_said_once(lines: Lines) -> None:
    for topic in ("a", "b", "a", "a"):
        lines.log(logging.WARNING, "Topic %s does not exist yet.", topic)
    assert lines.written() == ["WARNING Topic a does not exist yet.", "WARNING Topic b does not exist yet."]


def test_a_warning_that_comes_again_later_says_how_many_were_held_back(lines: Lines) -> None:
    for lines.now in (0.0, 1.0, 2.0, REPEAT_AFTER_S, REPEAT_AFTER_S + 1, 3 * REPEAT_AFTER_S, 5 * REPEAT_AFTER_S):
        lines.log(logging.WARNING, "Away.")
    assert lines.written() == [
        "WARNING Away.",
        "WARNING Away. (and 2 more like it)",
        "WARNING Away. (and 1 more like it)",
        "WARNING Away.",
    ]


def test_news_that_are_no_warnings_are_always_said(lines: Lines) -> None:
    for _ in range(2):
        lines.log(logging.INFO, "rows 10")
    assert lines.written() == ["INFO rows 10", "INFO rows 10"]


def test_all_clients_together_say_once_that_the_broker_is_away(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    log = logging.getLogger("clickstream.kafka.clients")
    monkeypatch.setattr(log, "handlers", [lines.handler])
    for address, reason in (("a:1", "refused"), ("a:1", "reset"), ("b:1", "refused")):
        client = ErrorLog(address)
        client(KafkaError(KafkaError._TRANSPORT, reason))
        client(KafkaError(KafkaError._ALL_BROKERS_DOWN, "all"))
    assert lines.written() == [
        "WARNING Kafka at a:1 does not answer (refused); waiting for it.",
        "WARNING Kafka at b:1 does not answer (refused); waiting for it.",
    ]
