"""Which records came too long before their own time to be taken, so that a recount leaves out the same ones.

Nothing in a record tells it later: a clock that is ahead sets its Kafka timestamp as well as its own time.
"""

from collections.abc import Callable, Iterable
from itertools import islice

import msgspec

from clickstream.history.decode import Click, ProductEvent, VipAction

AnyRecord = Click | ProductEvent | VipAction

# About 100 bytes each. There are more where a clock stays ahead: nothing of what it is on is taken then.
MOST = 20_000


class LeftOut:
    """The last ones, as a hash of what is in each: texts may be as long as anybody likes.

    Each change makes a new dictionary, so that others may look while records come.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._times: dict[int, int] = {}  # event time by hash, in the order in which they came
        self._given_up: tuple[int, int] | None = None  # the first and last event time of those that were too many

    def add(self, records: Iterable[AnyRecord]) -> None:
        """Equal ones are one."""
        times = self._times | {_hash(record): record.time for record in records}
        too_many = max(0, len(times) - self._most)
        if too_many:
            gone = [*islice(times.values(), too_many), *(self._given_up or ())]
            self._given_up = min(gone), max(gone)
        self._times = dict(islice(times.items(), too_many, None))

    def __contains__(self, record: AnyRecord) -> bool:
        return bool(self._times) and _hash(record) in self._times

    def gave_up(self, start: int, end: int) -> bool:
        """Whether records of [start, end), epoch ms, may be among those that were too many."""
        return self._given_up is not None and self._given_up[0] < end and start <= self._given_up[1]

    def clear(self) -> None:
        self._times, self._given_up = {}, None

    def kept(self) -> Callable[[], None]:
        """What makes it as it is now once more."""
        times, given_up = self._times, self._given_up

        def restore() -> None:
            self._times, self._given_up = times, given_up

        return restore


def _hash(record: AnyRecord) -> int:
    return hash(msgspec.structs.astuple(record))
