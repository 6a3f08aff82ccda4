import threading

import pytest
from confluent_kafka import Message

from clickstream.errors import ClickstreamError
from clickstream.inspect import letters
from clickstream.inspect.letters import Letter
from clickstream.inspect.offsets import Limits
from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import FoundLetter, Origin
from tests.unit.inspect.records import Log, record


def letter(**changes: object) -> FoundLetter:
    given: dict[str, object] = {
        "part": "counter",
        "reason": "no JSON",
        "origin": Origin("clicks", 0, 7),
        "time": 1,
        "key": b"k",
        "value": b"abc",
        "headers": (),
        "length": 3,
    }
    return FoundLetter(**{**given, **changes})  # type: ignore[arg-type]


def test_a_whole_letter_of_a_topic_can_be_sent_again() -> None:
    assert letters.why_not(Letter(0, 1, letter(), False)) == ""
    assert letters.why_not(Letter(0, 1, letter(value=None, length=0), False)) == ""


@pytest.mark.parametrize(
    ("found", "retried", "says"),
    [
        (None, False, "no dead letter"),
        (letter(), True, "sent again already"),
        (letter(origin=Origin(file="access.log", line=3)), False, "from a file, access.log line 3"),
        (letter(origin=Origin(request="POST /e", index=3)), False, "with a request, POST /e event 3"),
        (letter(length=1_000_000), False, "the value behind byte 3 was too large"),
        (letter(left_out=frozenset({"key", "headers"})), False, "headers and key was too large"),
    ],
)
def test_why_others_cannot(found: FoundLetter | None, retried: bool, says: str) -> None:
    assert says in letters.why_not(Letter(0, 1, found, retried))


def test_a_mark_names_the_letter() -> None:
    assert letters.mark_of(record(9, None, headers=[(letters.RETRIED_OFFSET, b"7")])) == 7
    assert letters.mark_of(record(9, None, headers=[(letters.RETRIED_OFFSET, b"x")])) is None
    assert letters.mark_of(record(9, None, headers=[("reason", b"7")])) is None
    assert letters.mark_of(record(9, None, headers=[(letters.RETRIED_OFFSET, b"7" * 5_000)])) is None


class StoppedLog(Log):
    """A dead-letter topic with a letter at 0 and its mark at 1. `stop` is set after so many records were read."""

    def __init__(self, after: int) -> None:
        origin = {"origin-topic": b"clicks", "origin-partition": b"0", "origin-offset": b"7"}
        headers = {"part": b"counter", "reason": b"no JSON", "length": b"2", **origin}
        mark = record(1, None, headers=[(letters.RETRIED_OFFSET, b"0")])
        super().__init__([record(0, headers=list(headers.items())), mark], {("t", 0): 2})
        self.stop = threading.Event()
        self._after = after
        if not after:
            self.stop.set()

    def consume(self, number: int, timeout: float) -> list[Message]:
        found = super().consume(min(number, 1), timeout) if not self.stop.is_set() else []
        if len(self.read) >= self._after:
            self.stop.set()
        return found


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The topics that something was sent to."""
    found: list[str] = []
    monkeypatch.setattr(letters, "find", lambda _cluster, _admin, topics, *_: {(topics[0], 0): Limits(0, 2)})
    monkeypatch.setattr(letters, "_send", lambda _cluster, topic, *_: found.append(topic))
    monkeypatch.setattr(Cluster, "admin", lambda _self: None)
    return found


@pytest.mark.parametrize("after", [0, 1])
def test_a_letter_whose_mark_was_not_looked_for_to_the_end_is_not_sent(
    after: int, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = StoppedLog(after)
    monkeypatch.setattr(letters, "reader", lambda _cluster: log)
    with pytest.raises(ClickstreamError, match="Stopped while looking for letter 0:0 of t, and for its mark"):
        letters.retry(Cluster("k"), "t", 0, 0, log.stop)
    assert sent == []


def test_a_letter_is_not_sent_once_it_is_stopped(sent: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()

    def later(*_: object) -> None:
        stop.set()

    monkeypatch.setattr(letters, "letter", lambda *_: Letter(0, 0, letter(), False))
    monkeypatch.setattr(letters, "_later", later)
    with pytest.raises(letters.NotSent, match="Letter 0:0 of t is not sent again: stopped before"):
        letters.retry(Cluster("k"), "t", 0, 0, stop)
    assert sent == []
