import json
from collections.abc import Iterator

import pytest

from clickstream.generate import site
from clickstream.generate.moves import Move, shares

POSITIONS = site.positions()
PAGES = [name for name in POSITIONS if name.startswith("/") and "," not in name]


def moves() -> Iterator[tuple[str, Move, dict[str, object]]]:
    for position, found in POSITIONS.items():
        for move in found:
            yield position, move, json.loads(b"{" + move.text[1:] + b"}")


def test_every_position_can_be_reached() -> None:
    seen, todo = set(), [site.OUTSIDE, site.OUTSIDE_FOR_REPORTS]
    while todo:
        position = todo.pop()
        if position not in seen:
            seen.add(position)
            todo += [move.to for move in POSITIONS[position]]
    assert seen == set(POSITIONS)


def test_every_move_is_made_by_some_byte() -> None:
    for position, found in POSITIONS.items():
        assert all(shares([move.weight for move in found])), position


def test_the_referrer_is_the_page_where_the_visitor_is_unless_a_visit_begins() -> None:
    for position, move, members in moves():
        page = position.split(",")[0]
        if members["referrer"] in (None, site.SEARCH_ENGINE):
            assert move.to in PAGES
        elif position == site.SIGNED_IN:
            assert members["referrer"] == site.HOST + site.LOGIN
        else:
            assert members["referrer"] == site.HOST + page


def test_visits_begin_with_a_page_and_no_referrer_of_the_site() -> None:
    for position in (site.OUTSIDE, site.OUTSIDE_FOR_REPORTS):
        for move in POSITIONS[position]:
            assert site.HOST.encode() not in move.text
            assert move.to in PAGES


def test_a_page_that_is_answered_leads_to_that_page() -> None:
    for _, move, members in moves():
        _, path, _ = str(members["request"]).split(" ")
        if members["status"] == 200 and ".html" in path:
            assert move.to == path


def test_images_and_errors_leave_the_visitor_where_he_is() -> None:
    for position, move, members in moves():
        if "/images/" in str(members["request"]) or members["status"] not in (200, 302):
            assert move.to.split(",")[0] == position.split(",")[0]


def test_a_login_is_answered_with_a_redirect_that_is_followed() -> None:
    posts = [(move, members) for _, move, members in moves() if members["request"] == f"POST {site.LOGIN} HTTP/1.1"]
    assert {members["status"] for _, members in posts} == {302}
    assert {move.to for move, _ in posts} == {site.SIGNED_IN}
    (follow,) = POSITIONS[site.SIGNED_IN]
    assert f"GET {site.ACCOUNT} HTTP/1.1".encode() in follow.text


def test_all_codes_of_the_demo_are_answered_and_no_others() -> None:
    assert {members["status"] for _, _, members in moves()} == set(site.CODES) == {200, 302, 404, 405, 406, 407}


@pytest.mark.parametrize("status", [404, 405, 406, 407])
def test_a_code_comes_from_one_request(status: int) -> None:
    assert len({members["request"] for _, _, members in moves() if members["status"] == status}) == 1


def test_a_page_always_has_the_same_size() -> None:
    sizes: dict[object, set[object]] = {}
    for _, _, members in moves():
        if members["status"] == 200 and "/downloads/" not in str(members["request"]):
            sizes.setdefault(members["request"], set()).add(members["bytes"])
    assert all(len(found) == 1 for found in sizes.values())
    assert {size for found in sizes.values() for size in found} <= set(site.SIZES)
