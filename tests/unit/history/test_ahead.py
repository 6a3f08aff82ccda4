"""Records that came before their own time, as they are known again."""

import duckdb
import pytest

from clickstream.history.ahead import AnyRecord, LeftOut
from clickstream.history.decode import Click, ProductEvent
from clickstream.history.model import CLICKS, EVENTS
from clickstream.history.store import Store

NOW = 1_600_000_200_000
AHEAD = NOW + 60_001


def knows(left_out: LeftOut, record: AnyRecord) -> bool:
    return left_out.again()(record)


def test_a_record_is_known_by_what_is_in_it() -> None:
    left_out = LeftOut()
    assert not knows(left_out, Click(5))
    left_out.add([Click(5, ip="a"), Click(5, ip="b")])
    assert knows(left_out, Click(5, ip="b"))
    assert not knows(left_out, Click(5, ip="c"))
    assert not knows(left_out, Click(6, ip="b"))


def test_of_equal_ones_as_many_are_left_out_again_as_were() -> None:
    """One that came in its time is no other record than one that came before it."""
    left_out = LeftOut()
    left_out.add([Click(5), Click(5), Click(6)])
    for _ in range(2):
        is_left_out = left_out.again()
        assert [is_left_out(Click(5)) for _ in range(4)] == [True, True, False, False]


def test_of_too_many_the_last_are_known_and_it_says_of_which_time_the_others_are() -> None:
    left_out = LeftOut(most=3)
    left_out.add([Click(time) for time in (20, 10, 40)])
    assert not left_out.gave_up(0, 100)
    left_out.add([Click(50), Click(60)])
    assert [time for time in (10, 20, 40, 50, 60) if knows(left_out, Click(time))] == [40, 50, 60]
    left_out.add([Click(70)])
    spans = [(0, 10), (0, 11), (20, 21), (40, 41), (41, 99)]
    assert [left_out.gave_up(*span) for span in spans] == [False, True, True, True, False]
    left_out.add([Click(70)])
    assert knows(left_out, Click(50)), "one that came again is no more than one"


def test_the_store_knows_what_it_left_out_until_the_topic_is_recreated() -> None:
    store = Store(clock=lambda: NOW)
    event = ProductEvent("2033-01-01T00:00:00UTC")
    store.add_clicks([Click(AHEAD), Click(AHEAD - 1)])
    store.add_events([event])
    assert [knows(store.left_out[CLICKS], Click(time)) for time in (AHEAD, AHEAD - 1)] == [True, False]
    store.forget(CLICKS)
    assert not knows(store.left_out[CLICKS], Click(AHEAD))
    assert knows(store.left_out[EVENTS], event)


def test_of_a_batch_that_could_not_be_added_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes again, perhaps in its own time."""
    store = Store(clock=lambda: NOW)

    def fail() -> bool:
        raise duckdb.OutOfMemoryException("full")

    with monkeypatch.context() as full:
        full.setattr(store, "_evict", fail)
        with pytest.raises(duckdb.OutOfMemoryException):
            store.add_clicks([Click(AHEAD)])
    assert not knows(store.left_out[CLICKS], Click(AHEAD))
