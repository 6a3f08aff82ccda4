import functools
import re
from collections import Counter

import pytest

from clickstream.generate.products import BLOCK_SIZE, POOL_SIZE, ProductEvents, dated
from clickstream.records import EVENT_NAMES, Event, decode

DATE = "2020-03-25T19:05:49UTC"

# Making the pools takes a tenth of a second.
stream = functools.cache(ProductEvents)


def events(source: ProductEvents, *blocks: int) -> list[Event]:
    return [
        decode(message["value"], Event)  # type: ignore[arg-type]
        for number in blocks
        for message in dated(source.block(number), DATE)
    ]


def test_a_block_is_1000_events() -> None:
    assert BLOCK_SIZE == 1_000
    assert len(stream(1).block(0)) == BLOCK_SIZE


def test_an_event_is_exactly_this_json() -> None:
    message = dated(stream(1).block(0)[:1], DATE)[0]
    assert isinstance(message["value"], bytes)
    assert re.fullmatch(
        rb'\{"date":"2020-03-25T19:05:49UTC","productId":"[a-z0-9]{15}",'
        rb'"eventName":"(productview|purchase|addtobasket|removefrombasket)","userId":"[a-z0-9]{8}"\}',
        message["value"],
    )


def test_every_event_reads_as_the_record_that_it_is() -> None:
    for event in events(stream(1), 0, 1):
        assert event.date == DATE
        assert re.fullmatch("[a-z0-9]{15}", event.product_id)
        assert re.fullmatch("[a-z0-9]{8}", event.user_id)
        assert event.event_name in EVENT_NAMES


def test_ids_use_the_whole_alphabet() -> None:
    used = {letter for event in events(stream(1), 0) for letter in event.product_id + event.user_id}
    assert len(used) == 36


def test_ids_come_from_pools_so_that_products_and_users_come_back() -> None:
    found = events(stream(1), *range(5))
    products, users = ({getattr(event, name) for event in found} for name in ("product_id", "user_id"))
    assert 0.9 * POOL_SIZE < len(products) <= POOL_SIZE
    assert 0.9 * POOL_SIZE < len(users) <= POOL_SIZE


def test_keys_are_random_and_do_not_come_back() -> None:
    keys = [key for number in range(3) for key, _ in stream(1).block(number)]
    assert all(re.fullmatch("[0-9a-f]{16}", key) for key in keys)
    assert len(set(keys)) == len(keys)


# --- the same again


def test_the_same_seed_gives_the_same_blocks_in_any_order() -> None:
    one, other = stream(1), ProductEvents(1)
    assert [one.block(number) for number in (0, 1, 2)] == [other.block(number) for number in (2, 1, 0)][::-1]


def test_a_seeds_events_stay_the_same_from_release_to_release() -> None:
    assert stream(7).block(0)[0] == (
        "a015b8b4d19fb35a",
        b'","productId":"xrauc38s9v0rz1u","eventName":"purchase","userId":"4w9xh9dz"}',
    )


@pytest.mark.parametrize("seeds", [(1, 7), (1, -1)])
def test_another_seed_gives_other_events(seeds: tuple[int, int]) -> None:
    one, other = (set(stream(seed).block(0)) for seed in seeds)
    assert not one & other


def test_blocks_differ() -> None:
    assert not set(stream(1).block(0)) & set(stream(1).block(1))


# --- weights


def shares(weights: dict[str, float] | None, blocks: int = 10) -> dict[str, float]:
    names = Counter(event.event_name for event in events(ProductEvents(11, weights), *range(blocks)))
    return {name: count / names.total() for name, count in names.items()}


def test_without_weights_all_names_are_alike() -> None:
    assert shares(None) == {name: pytest.approx(0.25, abs=0.02) for name in EVENT_NAMES}


def test_weights_are_proportions() -> None:
    found = shares({"productview": 6.0, "purchase": 1.5, "addtobasket": 2.5})
    assert found == {
        "productview": pytest.approx(0.6, abs=0.02),
        "purchase": pytest.approx(0.15, abs=0.02),
        "addtobasket": pytest.approx(0.25, abs=0.02),
    }


def test_a_weight_of_0_is_never() -> None:
    assert shares({"purchase": 0.0, "addtobasket": 3.0}, 2) == {"addtobasket": 1.0}


# --- dates


def test_the_date_is_the_only_thing_that_dating_adds() -> None:
    block = stream(1).block(0)
    early, late = dated(block, "2020-01-01T00:00:00UTC"), dated(block, "2021-12-31T23:59:59UTC")
    for one, other in zip(early, late, strict=True):
        assert isinstance(one["value"], bytes)
        assert one["key"] == other["key"]
        assert one["value"].replace(b"2020-01-01T00:00:00UTC", b"2021-12-31T23:59:59UTC") == other["value"]
