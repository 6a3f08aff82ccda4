from collections.abc import Iterator
from typing import Any

import pytest

from clickstream.transform.api import Record
from clickstream.transform.results import NoResult, results_of

GIVEN = Record(b"{}", b"key", (("h", b"1"),), 1_000, "clicks", 2, 7)
WHOLE = Record(b"v", b"k", (("h", None),), 5)


def test_nothing_is_no_result() -> None:
    assert results_of(None, GIVEN) == []
    assert results_of([], GIVEN) == []


def test_a_record_is_written_as_it_is_but_for_where_it_stood() -> None:
    assert results_of(WHOLE, GIVEN) == [WHOLE]
    assert results_of(GIVEN, GIVEN) == [Record(b"{}", b"key", (("h", b"1"),), 1_000)]


def test_a_record_without_a_time_has_that_of_the_given_one() -> None:
    assert results_of(Record(None), GIVEN) == [Record(None, None, (), 1_000)]


def test_a_dict_is_compact_json_with_the_key_and_time_of_the_given_one() -> None:
    assert results_of({"a": [1, None], "b": "ü"}, GIVEN) == [
        Record('{"a":[1,null],"b":"ü"}'.encode(), b"key", (), 1_000)
    ]


def test_several_keep_their_order() -> None:
    def generated() -> Iterator[Any]:
        yield WHOLE
        yield {}

    expected = [WHOLE, Record(b"{}", b"key", (), 1_000)]
    ways: list[Any] = [[WHOLE, {}], (WHOLE, {}), generated()]
    for several in ways:
        assert results_of(several, GIVEN) == expected


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ("text", "the result is str"),
        (b"bytes", "the result is bytes"),
        (7, "the result is int"),
        (iter([]), "the result is list_iterator"),
        ([WHOLE, None], "result 2 is NoneType"),
        ([[WHOLE]], "result 1 is list"),
        ({"a": object()}, "the result cannot be written as JSON"),
        (Record("text"), "the value of the result is str"),  # type: ignore[arg-type]
        (Record(b"", 1), "the key of the result is int"),  # type: ignore[arg-type]
        (Record(b"", timestamp=-1), "the timestamp of the result is -1"),
        (Record(b"", timestamp=1.5), "the timestamp of the result is 1.5"),  # type: ignore[arg-type]
        (Record(b"", timestamp=True), "the timestamp of the result is True"),
        (Record(b"", headers={"a": b"1"}), "the headers of the result are no pairs"),  # type: ignore[arg-type]
        (Record(b"", headers=(("a", "1"),)), "a header of the result is str and str"),  # type: ignore[arg-type]
        (Record(b"", headers=((1, b""),)), "a header of the result is int and bytes"),  # type: ignore[arg-type]
        (Record(b"", headers=(("\ud83d", b""),)), r"the name of a header of the result is no UTF-8: \\ud83d"),
        (Record(b"", headers=None), "the headers of the result are no pairs"),  # type: ignore[arg-type]
    ],
)
def test_anything_else_is_refused_with_words(returned: Any, words: str) -> None:
    with pytest.raises(NoResult, match=words):
        results_of(returned, GIVEN)


def test_what_a_generator_raises_is_raised() -> None:
    def generated() -> Iterator[Any]:
        yield WHOLE
        raise KeyError("no")

    with pytest.raises(KeyError):
        results_of(generated(), GIVEN)


def test_a_record_tells_where_it_stood_and_reads_its_value() -> None:
    assert GIVEN.id == "clicks/2/7"
    assert Record(b'{"a": 1}').json() == {"a": 1}
    for no_json in (Record(b"{"), Record(None)):
        with pytest.raises(ValueError, match=r"JSON|Input data"):
            no_json.json()
    assert GIVEN.changed(value=None).value is None
    assert GIVEN.changed(value=None).key == b"key"
