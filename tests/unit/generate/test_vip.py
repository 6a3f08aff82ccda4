import json

import pytest

from clickstream.generate.moves import shares
from clickstream.generate.traffic import Traffic
from clickstream.generate.vip import OUTSIDE, positions, user, vip
from clickstream.records import VipClick, VipUser, VipUserKey, decode, encode

START_MS = 1_767_225_600_000


def traffic(users: int = 100, seed: int = 1) -> Traffic:
    return vip(users, seed=seed, topic="clicks", users_topic="users")


def values(source: Traffic, blocks: int = 10) -> list[bytes]:
    return [
        message["value"]
        for _ in range(blocks)
        for message in source.messages(source.crowd.block()[1], range(START_MS, START_MS + 1_000))
    ]


def clicks(source: Traffic) -> list[VipClick]:
    return [decode(value, VipClick) for value in values(source)]


def test_a_click_is_exactly_the_record() -> None:
    assert all(encode(decode(value, VipClick)) == value for value in values(traffic()))


def test_the_key_is_the_customer() -> None:
    source = traffic()
    _, block = source.crowd.block()
    for place, message in enumerate(source.messages(block, range(START_MS, START_MS + 1_000))):
        click = decode(message["value"], VipClick)
        assert (message["key"], click.event_time) == (click.user_id, START_MS + place)


def test_a_customer_keeps_device_and_browser() -> None:
    found = {(click.user_id, click.device, click.agent) for click in clicks(traffic())}
    assert len(found) == 110
    assert {device for _, device, _ in found} == {"mobile", "computer", "tablet"}


def test_customers_are_known_and_guests_are_not() -> None:
    source = traffic()
    known = {decode(value, VipUser).user_id for _, value in source.references["users"]}
    came = {click.user_id for click in clicks(source)}
    assert known < came
    assert {id_[0] for id_ in came - known} == {"g"}
    assert len(came - known) == 10


def test_what_happens_in_the_shop() -> None:
    found = clicks(traffic())
    assert {click.action for click in found} == {
        "vitrine_nav",
        "products",
        "selection",
        "product_detail",
        "cart",
        "checkout",
    }
    assert all(1 <= click.page <= 100_000 for click in found)


def test_a_checkout_comes_from_the_cart_and_a_cart_from_a_product() -> None:
    before: dict[str, str] = {}
    for click in clicks(traffic()):
        if click.action == "checkout":
            assert before[click.user_id] == "cart"
        if click.action == "cart":
            assert before[click.user_id] == "product_detail"
        before[click.user_id] = click.action


def test_every_position_can_be_reached_and_every_move_be_made() -> None:
    found = positions()
    seen, todo = set(), [OUTSIDE]
    while todo:
        position = todo.pop()
        if position not in seen:
            seen.add(position)
            assert all(shares([move.weight for move in found[position]]))
            todo += [move.to for move in found[position]]
    assert seen == set(found)


def test_the_customers() -> None:
    found = list(traffic(25).references["users"])
    customers = [decode(value, VipUser) for _, value in found]
    assert [key for key, _ in found] == [encode(VipUserKey(customer.user_id)) for customer in customers]
    assert found[16][0] == b'{"user_id":"u17"}'
    assert len({customer.user_id for customer in customers}) == 25
    assert json.loads(found[0][1]).keys() == {"user_id", "name", "level"}


@pytest.mark.parametrize(("level", "count"), [("PLATINUM", 1), ("GOLD", 2), ("SILVER", 3), ("BRONZE", 4)])
def test_levels_of_ten(level: str, count: int) -> None:
    assert [user(number).level for number in range(1, 11)].count(level) == count
