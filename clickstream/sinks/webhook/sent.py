"""Which keys were told already: kept with the place of their partition, and forgotten after a while.

A row's key is that of its table, with the window if the table has one; all rows of a key are in one partition. What is
kept of it is a hash, and the time of its window.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from clickstream.errors import ClickstreamError
from clickstream.kafka.offsets import Partition

# 2,000 keys are about 70 kB in Kafka's topic, for each partition and post.
MOST_KEYS = 2_000
HASH_BYTES = 8  # of 2,000 keys, two are taken for one with a chance of 1 in a trillion


def key_hash(values: Mapping[str, Any]) -> str:
    """Of the values that make a key, by their names."""
    text = msgspec.json.encode(values, order="sorted")
    return hashlib.blake2b(text, digest_size=HASH_BYTES).hexdigest()


class Sent:
    """What was told of each partition, by hash with its time in epoch ms."""

    def __init__(self, remember_s: float, clock: Callable[[], float] = time.time) -> None:
        """Keys of windows that are older than the newest one by `remember_s` are forgotten."""
        self._remember_ms = round(remember_s * 1000)
        self._clock = clock
        self._by_partition: dict[Partition, dict[str, int]] = {}

    def load(self, extras: Mapping[Partition, str]) -> None:
        """What `text` gave, in place of all that is here. Raises ClickstreamError when it is not understood."""
        try:
            self._by_partition = {
                place: msgspec.json.decode(text, type=dict[str, int]) for place, text in extras.items()
            }
        except msgspec.MsgspecError as problem:
            raise ClickstreamError(
                f"What was kept of the keys that were posted is not understood ({problem}). "
                "Give the sink another --name, or start it over with --reset."
            ) from None

    def has(self, place: Partition, key: str) -> bool:
        return key in self._by_partition.get(place, ())

    def add(self, place: Partition, key: str, time_ms: int) -> None:
        """Note that it was told, and forget what is too old, or too much: the oldest."""
        own = self._by_partition.setdefault(place, {})
        own[key] = time_ms
        # A window in the future, of a clock that is wrong, must not make all others old.
        newest = min(max(own.values()), round(self._clock() * 1000))
        for one in [one for one, at in own.items() if at < newest - self._remember_ms and one != key]:
            del own[one]
        if len(own) > MOST_KEYS:
            for one in sorted(own, key=own.__getitem__)[: len(own) - MOST_KEYS]:
                del own[one]

    def text(self, place: Partition) -> str:
        """To be kept with the place of a partition."""
        return msgspec.json.encode(self._by_partition.get(place, {})).decode()
