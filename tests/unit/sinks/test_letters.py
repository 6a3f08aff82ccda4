"""Which dead letters a sink sends, and how many refused rows it goes on with."""

from collections import Counter

import pytest

from clickstream.errors import ClickstreamError
from clickstream.kafka.deadletter import DeadLetters, FoundLetter, found_letter
from clickstream.sinks import letters as letters_module
from clickstream.sinks.letters import SinkLetters
from clickstream.sinks.target import Refused
from clickstream.stop import Stop
from tests.unit.fakes import Clock, Kept, arrived, message
from tests.unit.sinks.memory import MemoryTarget

RECORD = message(7, b"{}", partition=2, key=b"k")


@pytest.fixture
def sender() -> Kept:
    return Kept()


@pytest.fixture
def letters(sender: Kept) -> SinkLetters:
    return SinkLetters(DeadLetters(sender, "dead", "sink-memory"), sender, MemoryTarget(), refused_per_minute=2)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(letters_module, "time", found)
    return found


def only_letter(sender: Kept) -> FoundLetter:
    [record] = sender.records
    found = found_letter(arrived(record))
    assert found is not None
    return found


def test_a_record_that_is_no_row_says_why(letters: SinkLetters, sender: Kept) -> None:
    letters.send_unreadable(RECORD, "no JSON")
    letters.deliver(Stop())
    found = only_letter(sender)
    assert (found.reason, found.kind, found.key, found.value) == ("no JSON", None, b"k", b"{}")
    assert (found.origin.topic, found.origin.partition, found.origin.offset) == ("t", 2, 7)
    assert (letters.unreadable, letters.refused, letters.kept) == (1, 0, 0)


@pytest.mark.parametrize(("column", "reason"), [("n", "memory 22P02, column n: bad"), (None, "memory 22P02: bad")])
def test_a_row_that_is_refused_says_by_which_code(
    letters: SinkLetters, sender: Kept, column: str | None, reason: str
) -> None:
    letters.send_refused(RECORD, Refused("22P02", "bad", column))
    found = only_letter(sender)
    assert (found.reason, found.kind) == (reason, "22P02")
    assert (letters.unreadable, letters.refused, letters.kept) == (0, 1, 0)


def test_an_original_says_what_is_changed_in_its_row(letters: SinkLetters, sender: Kept) -> None:
    letters.send_changed(RECORD, Counter({("s", "NUL"): 2, ("d", "YEAR"): 1}))
    found = only_letter(sender)
    assert found.reason == "kept as it was, and written with changes: column d: YEAR; column s: NUL"
    assert found.kind == "changed"
    assert (letters.unreadable, letters.refused, letters.kept) == (0, 0, 1)


def test_too_many_refused_rows_within_a_minute_stop_it(letters: SinkLetters, clock: Clock) -> None:
    refused = Refused("22P02", "poison")
    for _ in range(6):
        letters.send_refused(RECORD, refused)
        clock.now += 31  # the third one is never within a minute of the first
    letters.send_refused(RECORD, refused)
    with pytest.raises(ClickstreamError, match="memory refused more than 2 rows within a minute; the last with 22P02"):
        letters.send_refused(RECORD, refused)
    assert letters.refused == 7
