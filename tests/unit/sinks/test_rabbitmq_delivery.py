import pytest

from clickstream.sinks.rabbitmq.delivery import Delivery
from clickstream.sinks.rabbitmq.message import MAX_SHORT_BYTES, Outgoing, message_id


def messages(count: int) -> list[Outgoing]:
    return [Outgoing(("t", 0, number), f"t/0/{number}", b"k", b"", "x", {}, None) for number in range(count)]


def published(delivery: Delivery, first: int = 1) -> int:
    """Publish as many as the window takes; returns the next tag."""
    while delivery.next() is not None:
        delivery.sent(first)
        first += 1
    return first


def test_no_more_are_under_way_than_the_window_has_room_for() -> None:
    delivery = Delivery(messages(5), window=2)
    assert published(delivery) == 3
    delivery.confirm(1, multiple=False, taken=True)
    assert published(delivery, 3) == 4
    assert not delivery.finished.is_set()


def test_a_confirmation_may_be_of_all_up_to_a_tag() -> None:
    delivery = Delivery(messages(3), window=10)
    published(delivery, 41)
    delivery.confirm(43, multiple=True, taken=True)
    assert delivery.confirmed == {0, 1, 2}
    assert delivery.finished.is_set()


def test_what_was_returned_is_not_confirmed_though_rabbitmq_says_so() -> None:
    delivery = Delivery(messages(2), window=10)
    published(delivery)
    delivery.return_("t/0/1", 312, "NO_ROUTE")
    delivery.confirm(2, multiple=True, taken=True)
    assert (delivery.confirmed, delivery.returned) == ({0}, {1: (312, "NO_ROUTE")})


def test_what_is_not_taken_is_known() -> None:
    delivery = Delivery(messages(2), window=10)
    published(delivery)
    delivery.confirm(1, multiple=False, taken=False)
    delivery.confirm(2, multiple=False, taken=True)
    assert (delivery.confirmed, delivery.not_taken, delivery.finished.is_set()) == ({1}, {0}, True)


def test_after_one_that_is_not_taken_nothing_more_is_published() -> None:
    delivery = Delivery(messages(5), window=2)
    published(delivery)
    delivery.confirm(1, multiple=False, taken=False)
    assert delivery.next() is None
    assert not delivery.finished.is_set()
    delivery.confirm(2, multiple=False, taken=True)
    assert (delivery.confirmed, delivery.not_taken, delivery.finished.is_set()) == ({1}, {0}, True)


def test_a_slow_start_is_one_message_and_one_more_for_each_that_is_taken() -> None:
    delivery = Delivery(messages(10), window=4, slow_start=True)
    assert published(delivery) == 2
    delivery.confirm(1, multiple=False, taken=True)
    assert published(delivery, 2) == 4
    delivery.confirm(3, multiple=True, taken=True)
    assert published(delivery, 4) == 8  # four are under way, no more than the window
    delivery.confirm(7, multiple=True, taken=True)
    assert published(delivery, 8) == 11


def test_a_channel_that_closes_ends_it() -> None:
    delivery = Delivery(messages(2), window=1)
    published(delivery)
    delivery.confirm(1, multiple=False, taken=True)
    delivery.fail(OSError("gone"))
    assert delivery.finished.is_set()
    assert delivery.next() is None
    assert delivery.confirmed == {0}


def test_nothing_to_publish_is_done() -> None:
    assert Delivery([], window=1).finished.is_set()


@pytest.mark.parametrize("topic", ["t", "x" * 249])
def test_an_id_fits_into_amqp_and_is_of_one_record(topic: str) -> None:
    ids = {message_id(topic, number, 2**62 + number) for number in range(10)}
    assert len(ids) == 10
    assert all(len(one) <= MAX_SHORT_BYTES for one in ids)
