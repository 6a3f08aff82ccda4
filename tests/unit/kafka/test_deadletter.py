import logging

import pytest

from clickstream.kafka import deadletter
from clickstream.kafka.deadletter import (
    MAX_HEADERS_BYTES,
    MAX_KEY_BYTES,
    MAX_VALUE_BYTES,
    DeadLetter,
    DeadLetters,
    FoundLetter,
    Origin,
    found_letter,
)
from tests.hostile import HOSTILE, SHOWN
from tests.unit.fakes import Clock, Kept, Sent, arrived, message

IN_TOPIC = Origin(topic="event-topic", partition=2, offset=17)
IN_FILE = Origin(file="access.log", line=4)
IN_REQUEST = Origin(request="POST /e", index=0)


@pytest.fixture
def sender() -> Kept:
    return Kept()


@pytest.fixture
def letters(sender: Kept) -> DeadLetters:
    return DeadLetters(sender, "dead", "counter-1")


def headers(record: Sent) -> dict[str, bytes]:
    assert record.headers is not None
    found = dict(record.headers)
    assert len(found) == len(record.headers), "no header twice"
    return found


def test_a_letter_is_the_record_with_its_reason_and_its_place_in_a_topic(sender: Kept, letters: DeadLetters) -> None:
    letters.send(DeadLetter(b"\xff{", "invalid UTF-8 at byte 0", IN_TOPIC), b"key")
    (record,) = sender.records
    assert (record.topic, record.value, record.key) == ("dead", b"\xff{", b"key")
    assert headers(record) == {
        "reason": b"invalid UTF-8 at byte 0",
        "part": b"counter-1",
        "length": b"2",
        "origin-topic": b"event-topic",
        "origin-partition": b"2",
        "origin-offset": b"17",
    }


def test_a_reason_that_quotes_the_record_does_nothing_to_a_terminal(sender: Kept, letters: DeadLetters) -> None:
    letters.send(DeadLetter(b"x", f"no number: {HOSTILE}", IN_TOPIC))
    assert headers(sender.records[0])["reason"].decode() == f"no number: {SHOWN}"


def test_a_place_in_a_file(sender: Kept, letters: DeadLetters) -> None:
    letters.send(DeadLetter(b"x", "no log line", IN_FILE))
    found = headers(sender.records[0])
    assert {name: value for name, value in found.items() if name.startswith("origin-")} == {
        "origin-file": b"access.log",
        "origin-line": b"4",
    }


def test_partition_0_and_offset_0_are_places_too(sender: Kept, letters: DeadLetters) -> None:
    letters.send(DeadLetter(b"x", "r", Origin(topic="t", partition=0, offset=0)))
    found = headers(sender.records[0])
    assert (found["origin-partition"], found["origin-offset"]) == (b"0", b"0")


def test_a_tombstone_stays_one(sender: Kept, letters: DeadLetters) -> None:
    letters.send(DeadLetter(None, "no value (a tombstone)", IN_TOPIC))
    assert sender.records[0].value is None
    assert headers(sender.records[0])["length"] == b"0"


@pytest.mark.parametrize(
    ("length", "kept"), [(MAX_VALUE_BYTES, MAX_VALUE_BYTES), (MAX_VALUE_BYTES + 1, MAX_VALUE_BYTES), (0, 0)]
)
def test_the_value_is_cut_to_fit_and_its_length_noted(
    sender: Kept, letters: DeadLetters, length: int, kept: int
) -> None:
    value = bytes(index % 251 for index in range(length))
    letters.send(DeadLetter(value, "r", IN_TOPIC))
    assert sender.records[0].value == value[:kept]
    assert headers(sender.records[0])["length"] == str(length).encode()


def test_the_largest_letter_fits_a_broker_with_default_limits(sender: Kept, letters: DeadLetters) -> None:
    assert MAX_VALUE_BYTES == 900_000
    letters.send(DeadLetter(b"x" * 8_000_000, "\N{SNOWMAN}" * 100_000, IN_TOPIC), b"k" * 45_000)
    record = sender.records[0]
    assert record.value is not None
    assert isinstance(record.key, bytes)
    size = len(record.value) + len(record.key) + sum(len(name) + len(value) for name, value in record.headers or [])
    assert size < 1_048_588 - 10_000


def test_a_key_that_is_too_long_is_left_out(sender: Kept, letters: DeadLetters) -> None:
    letters.send(DeadLetter(b"x", "r", IN_TOPIC), b"k" * 45_001)
    assert sender.records[0].key is None


def test_names_that_are_no_text_are_no_obstacle(sender: Kept, letters: DeadLetters) -> None:
    letters.send(DeadLetter(b"x", "half of a pair: \ud83d", Origin(file="caf\udce9.log", line=1)))
    assert headers(sender.records[0])["origin-file"] == b"caf?.log"


def test_every_letter_is_sent_and_counted_but_said_once_in_a_while(
    sender: Kept, letters: DeadLetters, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    monkeypatch.setattr(deadletter, "time", clock)
    for offset in range(100):
        letters.send(DeadLetter(b"x", "null", Origin(topic="t", partition=0, offset=offset)))
    clock.now += deadletter.SAY_EVERY_S + 0.1
    letters.send(DeadLetter(b"x", "late", IN_FILE))
    assert (letters.count, len(sender.records)) == (101, 101)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, "Dead letter to dead: t partition 0 offset 0: null. So far: 1."),
        (logging.WARNING, "Dead letter to dead: access.log line 4: late. So far: 101."),
    ]


# --- reading them back


def read_back(sender: Kept, timestamp: int = 1_000) -> FoundLetter:
    letter = found_letter(arrived(sender.records[-1], timestamp=timestamp))
    assert letter is not None
    return letter


@pytest.mark.parametrize("origin", [IN_TOPIC, IN_FILE, IN_REQUEST, Origin(topic="t", partition=0, offset=0)])
@pytest.mark.parametrize("value", [b"\xff{", b"", None])
@pytest.mark.parametrize("key", [b"key", b"", None])
def test_a_letter_is_read_as_it_was_written(
    sender: Kept, letters: DeadLetters, origin: Origin, value: bytes | None, key: bytes | None
) -> None:
    own = [("reason", b"the record's own"), ("header-a", None), ("a", b"\xff"), ("a", b"twice")]
    letters.send(DeadLetter(value, "no name", origin, headers=own), key)
    assert read_back(sender, timestamp=77) == FoundLetter(
        part="counter-1",
        reason="no name",
        origin=origin,
        time=77,
        key=key,
        value=value,
        headers=tuple(own),
        length=len(value or b""),
    )
    assert read_back(sender).whole


def test_a_reason_has_its_kind_where_there_is_a_set_of_them(sender: Kept, letters: DeadLetters) -> None:
    letters.send(DeadLetter(b"x", "not-json: the body is not JSON", IN_REQUEST, kind="not-json"))
    assert read_back(sender).kind == "not-json"
    assert str(read_back(sender).origin) == "POST /e event 0"
    letters.send(DeadLetter(b"x", "r", IN_TOPIC))
    assert read_back(sender).kind is None


def test_a_value_that_was_cut_says_so(sender: Kept, letters: DeadLetters) -> None:
    letters.send(DeadLetter(b"x" * (MAX_VALUE_BYTES + 1), "r", IN_TOPIC))
    found = read_back(sender)
    assert (found.length, found.whole, found.left_out) == (MAX_VALUE_BYTES + 1, False, frozenset())
    letters.send(DeadLetter(b"the beginning of a line", "r", IN_FILE, length=100_000))
    assert (read_back(sender).length, read_back(sender).whole) == (100_000, False)


def test_what_was_too_large_to_keep_is_named(sender: Kept, letters: DeadLetters) -> None:
    letters.send(DeadLetter(b"x", "r", IN_TOPIC, headers=[("h", b"v" * MAX_HEADERS_BYTES)]), b"k" * (MAX_KEY_BYTES + 1))
    found = read_back(sender)
    assert (found.key, found.headers, found.left_out) == (None, (), frozenset({"key", "headers"}))
    assert not found.whole


NOT_LETTERS: list[list[tuple[str, bytes | None]]] = [
    [],
    [("reason", b"r")],
    [("reason", b"r"), ("part", b"p"), ("length", b"many"), ("origin-file", b"f"), ("origin-line", b"1")],
    [("reason", b"r"), ("part", b"p"), ("length", b"1"), ("origin-file", b"f")],
    [("reason", b"r"), ("part", b"p"), ("length", b"1"), ("origin-request", b"POST /e")],
    [("reason", b"r"), ("part", b"p"), ("length", b"1"), ("origin-topic", b"t"), ("origin-partition", b"x")],
    [("reason", None), ("part", None), ("length", None)],
]


@pytest.mark.parametrize("headers", NOT_LETTERS)
def test_what_somebody_else_wrote_is_no_letter(headers: list[tuple[str, bytes]]) -> None:
    assert found_letter(arrived(Sent("dead", b"x", headers=headers))) is None
    assert found_letter(message(0)) is None
