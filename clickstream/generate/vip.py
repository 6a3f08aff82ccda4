"""Customers with a level, and what they do in a shop: the streaming-ETL sample that finds the VIPs among them."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from clickstream.generate.crowd import Crowd, Visitor
from clickstream.generate.moves import Move, tables
from clickstream.generate.people import AGENTS, FIBONACCI, crowd_size, person, user_number
from clickstream.generate.traffic import Traffic
from clickstream.records import VipUser, VipUserKey, encode

# Of ten users one is PLATINUM: there are some of each level however few users there are.
LEVELS = ("PLATINUM", "GOLD", "GOLD", *["SILVER"] * 3, *["BRONZE"] * 4)

KINDS = range(6)
ITEMS = range(5)
OUTSIDE, SHOP_WINDOW, CART = "outside", "shop window", "cart"
CART_PAGE, CHECKOUT_PAGE = 2, 3


def vip(users: int, *, seed: int, skew: float = 0.0, topic: str, users_topic: str) -> Traffic:
    """Clicks of `users` known customers, and of one guest, known nowhere, for each ten of them."""
    moves = tables(positions())

    def meet(number: int) -> Visitor:
        customer = user_number(number)
        id_ = f"g{number}" if customer is None else user_id(customer)
        device, agent = AGENTS[(number * FIBONACCI % 2**32 >> 12) % len(AGENTS)]
        return Visitor(
            id_,
            b'{"user_id":"%s","event_time":' % id_.encode(),
            b',"device":%s,"agent":%s}' % (encode(device), encode(agent)),
            moves[OUTSIDE],
        )

    return Traffic(
        "generate-vip",
        topic,
        Crowd(crowd_size(users), meet, seed=seed, skew=skew),
        _stamp,
        ("page", "event_time"),
        {users_topic: _users(users)},
    )


def user_id(number: int) -> str:
    """Of the customer with that number."""
    return f"u{number}"


def user(number: int) -> VipUser:
    """The customer with that number, from 1."""
    who = person(number)
    return VipUser(user_id(number), f"{who.first_name} {who.last_name}", LEVELS[number % len(LEVELS)])


def _users(count: int) -> Iterator[tuple[bytes, bytes]]:
    for number in range(1, count + 1):
        yield encode(VipUserKey(user_id(number))), encode(user(number))


def positions() -> Mapping[str, Sequence[Move]]:
    """Where a customer may be: the shop window, the list of a kind of product, a product, the cart."""
    found: dict[str, Sequence[Move]] = {
        OUTSIDE: [_window(1.0)],
        SHOP_WINDOW: [*(_list(1.0, kind) for kind in KINDS), _window(1.0)],
        CART: [Move(4.0, _click(CHECKOUT_PAGE, "checkout"), OUTSIDE), *(_list(0.5, kind) for kind in KINDS)],
    }
    for kind in KINDS:
        chosen = Move(2.0, _click(100 + kind, "selection"), _list_of(kind))
        found[_list_of(kind)] = [*(_detail(1.2, kind, item) for item in ITEMS), chosen, _window(1.0)]
        for item in ITEMS:
            others = [_detail(0.6, kind, other) for other in ITEMS if other != item]
            into_cart = Move(2.5, _click(CART_PAGE, "cart"), CART)
            found[_detail_of(kind, item)] = [into_cart, chosen, *others, _window(2.0)]
    return found


def _list_of(kind: int) -> str:
    return f"list {kind}"


def _detail_of(kind: int, item: int) -> str:
    return f"product {kind}/{item}"


def _window(weight: float) -> Move:
    return Move(weight, _click(1, "vitrine_nav"), SHOP_WINDOW)


def _list(weight: float, kind: int) -> Move:
    return Move(weight, _click(10 + kind, "products"), _list_of(kind))


def _detail(weight: float, kind: int, item: int) -> Move:
    return Move(weight, _click(1000 * (kind + 1) + item, "product_detail"), _detail_of(kind, item))


def _click(page: int, action: str) -> bytes:
    return b',"page":%d,"action":%s' % (page, encode(action))


@lru_cache(maxsize=4096)
def _stamp(second: int) -> bytes:
    return b"%d" % second
