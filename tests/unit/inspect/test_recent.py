from collections.abc import Sequence

from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from clickstream.inspect.recent import Latest, Place, Recent
from tests.unit.fakes import message


def records(*offsets: int) -> list[Message]:
    return [message(offset) for offset in offsets]


def keyed(*pairs: tuple[str, int]) -> list[Message]:
    return [message(offset, key=key.encode()) for key, offset in pairs]


def offsets(found: Sequence[Message]) -> list[int | None]:
    return [one.offset() for one in found]


# --- the last records


def test_a_first_look_finds_what_is_there_and_has_missed_nothing() -> None:
    recent = Recent(max_records=3)
    recent.add(records(*range(10)))
    found = recent.since(None)
    assert (offsets(found.records), found.skipped, found.anew) == ([7, 8, 9], 0, True)


def test_what_came_since_is_found_once() -> None:
    recent = Recent()
    recent.add(records(0, 1))
    place = recent.since(None).place
    assert not recent.has_news(place)
    recent.add(records(2, 3))
    assert recent.has_news(place)
    found = recent.since(place)
    assert (offsets(found.records), found.skipped, found.anew) == ([2, 3], 0, False)
    assert recent.since(found.place).records == []


def test_who_comes_late_is_told_how_much_is_gone() -> None:
    recent = Recent(max_records=3)
    place = recent.since(None).place
    recent.add(records(*range(10)))
    found = recent.since(place)
    assert (offsets(found.records), found.skipped) == ([7, 8, 9], 7)


def test_a_limit_leaves_the_newest_and_counts_the_others() -> None:
    recent = Recent()
    place = recent.since(None).place
    recent.add(records(0, 1, 2, 3))
    found = recent.since(place, 1)
    assert (offsets(found.records), found.skipped) == ([3], 3)
    assert recent.since(found.place, 1).skipped == 0


@given(st.lists(st.lists(st.integers(0, 99), max_size=30), max_size=10), st.integers(1, 20), st.integers(1, 40))
def test_what_is_taken_and_what_is_skipped_is_all_that_came(
    batches: list[list[int]], max_records: int, every: int
) -> None:
    recent = Recent(max_records=max_records)
    place: Place | None = recent.since(None).place
    taken = came = 0
    for number, batch in enumerate(batches):
        recent.add(records(*batch))
        came += len(batch)
        if number % every == 0:
            found = recent.since(place)
            place = found.place
            taken += len(found.records) + found.skipped
    found = recent.since(place)
    assert taken + len(found.records) + found.skipped == came


def test_large_records_push_others_out_but_never_the_last_one() -> None:
    recent = Recent(max_bytes=10_000)
    recent.add([message(number, b"x" * 4_000) for number in range(5)])
    assert offsets(recent.since(None).records) == [3, 4]
    recent.add([message(9, b"x" * 1_000_000)])
    assert offsets(recent.since(None).records) == [9]


def test_a_recreated_topic_begins_anew_for_everybody() -> None:
    recent = Recent()
    recent.add(records(0, 1))
    place = recent.since(None).place
    recent.forget()
    assert recent.has_news(place)
    recent.add(records(0))
    found = recent.since(place)
    assert (offsets(found.records), found.skipped, found.anew) == ([0], 0, True)


# --- the latest of every key


def test_the_latest_record_of_every_key_in_the_order_of_changes() -> None:
    latest = Latest()
    latest.add(keyed(("a", 0), ("b", 1), ("a", 2), ("c", 3)))
    assert offsets(latest.since(None).records) == [1, 2, 3]


def test_only_keys_that_changed_are_told_and_what_was_overwritten_is_counted() -> None:
    latest = Latest()
    latest.add(keyed(("a", 0), ("b", 1)))
    place = latest.since(None).place
    latest.add(keyed(("b", 2), ("b", 3), ("c", 4)))
    found = latest.since(place)
    assert (offsets(found.records), found.skipped) == ([3, 4], 1)


def test_a_tombstone_is_told() -> None:
    latest = Latest()
    latest.add(keyed(("a", 0)))
    place = latest.since(None).place
    latest.add([message(1, None, key=b"a")])
    assert [one.value() for one in latest.since(place).records] == [None]


def test_keys_beyond_the_bound_are_pushed_out_longest_unchanged_first() -> None:
    latest = Latest(max_keys=2)
    latest.add(keyed(("a", 0), ("b", 1), ("a", 2), ("c", 3)))
    assert (offsets(latest.since(None).records), latest.pushed_out) == ([2, 3], 1)


def test_bytes_are_bounded_and_a_key_that_changes_does_not_add_up() -> None:
    latest = Latest(max_bytes=10_000)
    for offset in range(100):
        latest.add([message(offset, b"x" * 4_000, key=b"%d" % (offset % 2))])
    assert offsets(latest.since(None).records) == [98, 99]
    latest.add([message(100, b"x" * 4_000, key=b"3")])
    assert offsets(latest.since(None).records) == [99, 100]
    latest.forget()
    assert latest.since(None).records == []
