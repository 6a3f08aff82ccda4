from hypothesis import given
from hypothesis import strategies as st

from clickstream.transform.api import Record
from clickstream.transform.model import Call
from clickstream.transform.window import Window


def calls(count: int) -> list[Call]:
    return [Call(Record(None, offset=offset)) for offset in range(count)]


def test_a_window_has_room_for_so_many() -> None:
    window = Window(2)
    assert window.room == 2
    for call in calls(2):
        window.enter(call)
    assert (window.room, len(window)) == (0, 2)


def test_what_is_done_waits_for_an_earlier_one() -> None:
    first, second = calls(2)
    window = Window(2)
    window.enter(first)
    window.enter(second)
    second.finished = []
    assert list(window.leave()) == []
    first.finished = []
    assert list(window.leave()) == [first, second]
    assert window.room == 2


@given(st.permutations(range(8)))
def test_all_leave_once_and_in_order(done: list[int]) -> None:
    entered = calls(8)
    window = Window(8)
    for call in entered:
        window.enter(call)
    left: list[Call] = []
    for number in done:
        entered[number].finished = []
        left += window.leave()
    assert left == entered
