"""Lanes keep their users."""

from typing import Any

from clickstream.history.model import Session
from clickstream.ui.lanes import Lanes, by_user
from clickstream.ui.panels.sessions import rounded_up, sizes


def session(user: str, start: int, last: int, **members: Any) -> Session:
    usual: dict[str, Any] = {"ip": None, "hits": 1, "bytes": 0, "errors": 0, "clicks": [], "last_page": None}
    return Session(user, start=start, last=last, **{**usual, "open": False, "cut": False, **members})


def test_a_user_keeps_the_lane_until_no_session_is_in_view() -> None:
    lanes = Lanes(2)
    assert lanes.place(by_user([session("a", 10, 20), session("b", 5, 30)])) == ["b", "a"]
    assert lanes.place(by_user([session("a", 10, 20), session("b", 5, 30), session("c", 40, 50)])) == ["b", "a"]
    assert lanes.place(by_user([session("a", 10, 20), session("c", 40, 50)])) == ["c", "a"]
    assert lanes.place(by_user([session("c", 40, 50)])) == ["c", None]
    assert lanes.place(by_user([session("b", 60, 70), session("c", 40, 50)])) == ["c", "b"]


def test_a_free_lane_goes_to_the_one_who_came_last() -> None:
    lanes = Lanes(1)
    assert lanes.place(by_user([session("a", 0, 1)])) == ["a"]
    assert lanes.place(by_user([session("b", 5, 9), session("c", 7, 8)])) == ["c"]


def test_those_who_come_and_go_most_get_the_first_lanes() -> None:
    rare = [session(f"r{number}", number, number + 1) for number in range(5)]
    lively = [session("z", 100 * number, 100 * number + 1) for number in range(4)]
    here = session("here", 500, 501, open=True)
    assert Lanes(2).place(by_user([*rare, *lively, here])) == ["z", "here"]


def test_sizes_are_rounded_up_to_two_digits() -> None:
    assert [rounded_up(octets) for octets in (0, 7, 99, 100, 101, 499_999, 500_000, 500_001)] == [
        0,
        7,
        99,
        100,
        110,
        500_000,
        500_000,
        510_000,
    ]


def test_what_is_over_any_threshold_of_two_digits_can_be_counted_exactly() -> None:
    octets = [0, 1, 499_999, 500_000, 500_001, 509_999, 510_000, 510_001, 4_000_000]
    found = sizes([session("a", number, number, bytes=one, open=one > 600_000) for number, one in enumerate(octets)])
    for threshold in (2_000, 490_000, 500_000, 510_000):
        over = sum(closed + still for size, closed, still in found if size > threshold)
        assert over == sum(one > threshold for one in octets)
    assert found[-1] == (4_000_000, 0, 1)
