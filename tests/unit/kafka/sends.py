"""Both ways in which a sender takes records."""

from collections.abc import Callable

import pytest

from clickstream.kafka.produce import Sender


def batch(count: int) -> list[dict[str, bytes]]:
    return [{"key": b"%d" % number, "value": b"%d" % number} for number in range(count)]


def send_one_by_one(sender: Sender, count: int) -> None:
    for entry in batch(count):
        sender.send("t", entry["value"], entry["key"])


def send_in_a_batch(sender: Sender, count: int) -> None:
    sender.send_batch("t", batch(count))


both_ways = pytest.mark.parametrize("send", [send_one_by_one, send_in_a_batch])
Send = Callable[[Sender, int], None]
