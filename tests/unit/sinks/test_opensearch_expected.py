"""What an index should hold, by id, in a file: what differs is told and found again."""

from collections.abc import Iterator

import pytest

from clickstream.sinks.opensearch.expected import CHANGED, FOREIGN, MISSING, Differing, Document, Expected

HELD = {"if_seq_no": 0, "if_primary_term": 1}


@pytest.fixture
def expected() -> Iterator[Expected]:
    with Expected() as one:
        yield one


def document(offset: int, partition: int = 0) -> Document:
    return Document(partition, offset, b"digest %d" % offset)


def test_the_last_word_of_a_batch_and_of_batches_counts(expected: Expected) -> None:
    expected.put([("a", document(0)), ("b", document(1)), ("", document(2)), ("\0ü", document(3))])
    expected.put([("a", None), ("b", document(4))])
    expected.put([("a", document(5))])
    expected.put([("", None), ("none", None)])
    assert expected.finish() == (3, 0)
    assert expected.find(["a", "b", "", "\0ü", "none"]) == {
        "a": document(5),
        "b": document(4),
        "\0ü": document(3),
    }


def test_what_was_not_seen_is_missing_and_what_is_left_out_is_nothing(expected: Expected) -> None:
    expected.put([("a", document(0)), ("b", document(1)), ("c", document(2, 1)), ("d", document(9, 1))])
    expected.leave_out(["b", "z"])
    expected.leave_out(["b"])
    assert expected.finish() == (3, 2)
    assert expected.left_out(["a", "b", "z"]) == {"b", "z"}
    expected.find(["a", "b"])
    expected.note([Differing("a", CHANGED, 0, 0, HELD), Differing("x", FOREIGN, None, None, HELD)])
    expected.note_missing()
    assert expected.counts() == {CHANGED: 1, FOREIGN: 1, MISSING: 2}
    assert expected.examples(3) == [("a", CHANGED), ("c", MISSING), ("d", MISSING)]
    assert expected.spans() == {0: (0, 1), 1: (2, 10)}
    # A condition with 0 in it is one.
    assert expected.to_write(0, 0, 10) == [Differing("a", CHANGED, 0, 0, HELD)]
    assert expected.to_write(1, 3, 10) == [Differing("d", MISSING, 1, 9, None)]
    assert expected.missing_among(["a", "c", "x", "none"]) == ["c"]


def test_what_should_not_be_there_comes_a_piece_at_a_time(expected: Expected) -> None:
    expected.note(Differing(f"{number:02}", FOREIGN, None, None, HELD) for number in range(5))
    first = expected.foreign(None, 3)
    assert [one.id for one in first] == ["00", "01", "02"]
    assert [one.id for one in expected.foreign(first[-1].id, 3)] == ["03", "04"]
    assert expected.foreign("04", 3) == []
