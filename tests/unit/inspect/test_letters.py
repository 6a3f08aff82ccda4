import pytest

from clickstream.inspect import letters
from clickstream.inspect.letters import Letter
from clickstream.kafka.deadletter import FoundLetter, Origin
from tests.unit.inspect.records import record


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
