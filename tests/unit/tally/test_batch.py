import json
import logging
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.errors import ClickstreamError
from clickstream.kafka.consume import Run
from clickstream.kafka.deadletter import DeadLetters
from clickstream.tally.batch import MAX_NAMES, Tallier
from clickstream.tally.members import PartitionCounts
from tests.unit.fakes import Kept, message
from tests.unit.tally.doubles import state

NULL = b'{"name":null}'


class Count:
    """A tallier with one partition, and the dead letters that it wrote."""

    def __init__(self, next_offset: int = 0, counts: dict[str, int] | None = None) -> None:
        self.sender = Kept()
        self.letters = DeadLetters(self.sender, "dead", "g")
        self.tallier = Tallier("name", self.letters)
        self.own = PartitionCounts(state(0, next_offset, counts=counts or {}))

    def add(self, *values: bytes | None, start: int = 0) -> None:
        messages = [message(offset, value, key=b"k", topic="clicks") for offset, value in enumerate(values, start)]
        self.tallier.add(Run("clicks", 0, messages), self.own)


def named(value: Any) -> bytes:
    return json.dumps({"other": 1, "name": value}).encode()


@pytest.fixture
def count() -> Count:
    return Count()


# --- counting


def test_a_run_is_counted_into_its_partition(count: Count) -> None:
    count.add(named("purchase"), named("purchase"), named("productview"), start=5)
    assert count.own.counts == {"purchase": 2, "productview": 1}
    assert (count.own.next_offset, count.own.unsaved, count.tallier.counted) == (8, True, 3)


def test_counts_go_on_from_the_restored_ones() -> None:
    count = Count(5, {"purchase": 4})
    count.add(named("purchase"), start=5)
    assert count.own.counts == {"purchase": 5}
    assert count.tallier.counted == 1, "since this start"


def test_texts_numbers_and_booleans_stay_apart_but_for_their_text(count: Count) -> None:
    count.add(named(True), named(1), named("1"), named("true"), named(False), named(0))
    assert count.own.counts == {"true": 2, "1": 2, "false": 1, "0": 1}


def test_records_before_the_offset_are_not_counted_again() -> None:
    count = Count(7)
    count.add(named("a"), named("b"), named("c"), named("d"), start=5)
    assert count.own.counts == {"c": 1, "d": 1}
    assert count.own.next_offset == 9


def test_a_run_of_known_records_changes_nothing() -> None:
    count = Count(7)
    count.add(named("a"), NULL, start=5)
    assert (count.own.counts, count.own.next_offset, count.own.unsaved) == ({}, 7, False)
    assert count.letters.count == 0


def test_gaps_in_the_offsets_are_passed(count: Count) -> None:
    """Compaction and transactions leave them."""
    messages = [message(offset, named("a")) for offset in (3, 4, 9)]
    count.tallier.add(Run("clicks", 0, messages), count.own)
    assert (count.own.counts, count.own.next_offset) == ({"a": 3}, 10)


# --- what has no name


def test_what_has_no_name_becomes_a_dead_letter_and_the_rest_is_counted(count: Count) -> None:
    count.add(named("purchase"), NULL, named("purchase"), b'{"name":"\xff"}', start=10)
    assert count.own.counts == {"purchase": 2}
    assert (count.own.next_offset, count.tallier.counted, count.letters.count) == (14, 2, 2)
    found = [(record.value, record.key, dict(record.headers or [])) for record in count.sender.records]
    assert [(value, key, headers["origin-offset"], headers["reason"]) for value, key, headers in found] == [
        (NULL, b"k", b"11", b"field name is null, not a string, an integer or a boolean"),
        (b'{"name":"\xff"}', b"k", b"13", b"invalid UTF-8 at byte 9"),
    ]
    assert found[0][2]["origin-topic"] == b"clicks"
    assert found[0][2]["origin-partition"] == b"0"


def test_a_run_without_any_name_is_passed(count: Count) -> None:
    count.add(None, NULL, named("receiveAt"))
    assert (count.own.counts, count.own.next_offset, count.own.unsaved) == ({}, 3, True)
    assert count.letters.count == 3


names = st.one_of(st.sampled_from(["a", "b", "1", "true", "receiveAt"]), st.integers(0, 2), st.booleans(), st.none())


@given(st.lists(names, max_size=20), st.lists(st.integers(1, 7), max_size=5), st.integers(0, 20))
def test_how_records_are_cut_into_runs_never_matters(values: list[Any], cuts: list[int], next_offset: int) -> None:
    """The state is a function of the log's records alone; also when some of them come twice."""
    count = Count(next_offset)
    records = [named(value) for value in values]
    start = 0
    for size in [*cuts, len(records)]:
        if records[start : start + size]:
            count.add(*records[start : start + size], start=start)
        start = max(0, start + size - 2)  # the last two come again
    texts = [{True: "true", False: "false"}[value] if isinstance(value, bool) else value for value in values]
    expected = Counter(
        str(text)
        for offset, text in enumerate(texts)
        if offset >= next_offset and text is not None and text != "receiveAt"
    )
    assert count.own.counts == expected
    assert count.own.next_offset == max(next_offset, len(records))
    assert count.letters.count == sum(
        1 for offset, text in enumerate(texts) if offset >= next_offset and text in (None, "receiveAt")
    )


# --- names never seen before


def test_a_name_never_seen_before_is_counted_and_said_once(count: Count, caplog: pytest.LogCaptureFixture) -> None:
    count.add(named("purchase"), named("wish"), named("wish"))
    count.add(named("wish"), start=3)
    assert count.own.counts["wish"] == 3
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, "A name never seen before in field name: 'wish'.")
    ]


def test_a_name_is_new_only_once_in_all_partitions(count: Count, caplog: pytest.LogCaptureFixture) -> None:
    for partition in range(3):
        own = PartitionCounts(state(partition, 0, counts={}))
        count.tallier.add(Run("clicks", partition, [message(0, named("wish"), partition=partition)]), own)
    assert len(caplog.records) == 1


def test_names_that_the_state_knows_are_not_new(caplog: pytest.LogCaptureFixture) -> None:
    count = Count(5, {"wish": 4})
    count.add(named("wish"), start=5)
    assert caplog.records == []


def test_the_names_of_events_are_not_new(count: Count, caplog: pytest.LogCaptureFixture) -> None:
    count.add(*map(named, ["productview", "purchase", "addtobasket", "removefrombasket"]))
    assert caplog.records == []


# --- too many names


def test_as_many_names_as_a_tally_may_have() -> None:
    assert MAX_NAMES == 10_000
    count = Count()
    count.add(*map(named, range(MAX_NAMES)))
    count.tallier.check_names(count.own.counts)
    assert len(count.own.counts) == MAX_NAMES


def test_one_name_more_stops_before_it_is_counted() -> None:
    count = Count(0, {str(number): 1 for number in range(MAX_NAMES)})
    with pytest.raises(ClickstreamError, match=r"name has more than 10,000 different values: .*--field; --reset"):
        count.add(named("purchase"), named("one more"))
    assert (len(count.own.counts), count.own.next_offset, count.own.unsaved) == (MAX_NAMES, 0, False)


def test_known_event_names_do_not_get_around_the_limit_of_a_tally() -> None:
    count = Count(0, {str(number): 1 for number in range(MAX_NAMES)})
    count.add(named("purchase"))
    with pytest.raises(ClickstreamError, match="more than 10,000"):
        count.tallier.check_names(count.own.counts)
