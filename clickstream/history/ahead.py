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
        self._found: dict[int, tuple[int, int]] = {}  # event time and number by hash, those that came last at the end
        self._given_up: tuple[int, int] | None = None  # the first and last event time of those that were too many

    def add(self, records: Iterable[AnyRecord]) -> None:
        """They may come more than once: each time they are left out, until their time has come."""
        found = dict(self._found)
        for record in records:
            key = _hash(record)
            _time, number = found.pop(key, (0, 0))
            found[key] = record.time, number + 1
        too_many = max(0, len(found) - self._most)
        if too_many:
            gone = [*(time for time, _number in islice(found.values(), too_many)), *(self._given_up or ())]
            self._given_up = min(gone), max(gone)
        self._found = dict(islice(found.items(), too_many, None))

    def again(self) -> Callable[[AnyRecord], bool]:
        """For reading all of them again: whether a record is one that was left out. It was so often and no oftener."""
        left = {key: number for key, (_time, number) in self._found.items()}

        def is_left_out(record: AnyRecord) -> bool:
            number = left.get(key := _hash(record), 0) if left else 0
            if number:
                left[key] = number - 1
            return number > 0

        return is_left_out

    def gave_up(self, start: int, end: int) -> bool:
        """Whether records of [start, end), epoch ms, may be among those that were too many."""
        return self._given_up is not None and self._given_up[0] < end and start <= self._given_up[1]

    def clear(self) -> None:
        self._found, self._given_up = {}, None

    def kept(self) -> Callable[[], None]:
        """What makes it as it is now once more."""
        found, given_up = self._found, self._given_up

        def restore() -> None:
            self._found, self._given_up = found, given_up

        return restore


def _hash(record: AnyRecord) -> int:
    return hash(msgspec.structs.astuple(record))
