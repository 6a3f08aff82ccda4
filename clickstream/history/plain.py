"""Numbers counted plainly, one record after the other: nothing of the history's columns, sums or SQL.

A recount from the topic is of use only if it goes another way than what it proves.
"""

from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import median_low

from clickstream.history.decode import MAX_TEXT, SOUND_BYTES, Click, ProductEvent
from clickstream.history.model import ERROR_STATUS, SESSION_GAP_MS, Totals

Values = Mapping[str, str | None]
"""A click's value in each dimension (recount.values_of)."""


class ClickTotals:
    """Clicks, bytes, errors, different visitors, and how often each value of `dims` came."""

    def __init__(self, dims: Sequence[str] = ()) -> None:
        self._dims = dims
        self._hits = self._bytes = self._errors = 0
        self._visitors: set[str] = set()
        self._met: set[str] = set()
        self._values: dict[str, Counter[str | None]] = defaultdict(Counter)
        self._visitors_by: dict[str, dict[str | None, set[str]]] = defaultdict(lambda: defaultdict(set))

    def take(self, click: Click, values: Values) -> None:
        self._hits += 1
        self._bytes += octets_of(click)
        user, ip = values["user"], values["ip"]
        is_error = has_failed(values)
        self._errors += is_error
        visitor = f"user {user}" if user is not None else f"ip {ip}" if ip else None
        if visitor:
            self._visitors.add(visitor)
            if is_error:
                self._met.add(visitor)
        for dim in self._dims:
            value = values[dim]
            if dim == "country":
                if visitor:
                    self._visitors_by[dim][value].add(visitor)
            else:
                self._values[dim][value] += 1

    @property
    def totals(self) -> Totals:
        return Totals(self._hits, self._bytes, self._errors)

    @property
    def visitors(self) -> int:
        """Different ones."""
        return len(self._visitors)

    @property
    def met(self) -> int:
        """Different visitors with an error."""
        return len(self._met)

    def counts(self, dim: str) -> dict[str | None, int]:
        """All values of a dimension, and None for what has no value; countries count visitors."""
        if dim == "country":
            return {value: len(visitors) for value, visitors in self._visitors_by[dim].items()}
        return dict(self._values[dim])

    def top(self, dim: str) -> dict[str, int]:
        """The same without None."""
        return {value: number for value, number in self.counts(dim).items() if value is not None}


class SessionCount:
    """Sessions: clicks of a user of which none is more than 30 s after the one before."""

    def __init__(self) -> None:
        self._times: dict[str, array[int]] = defaultdict(lambda: array("q"))
        self._bytes: dict[str, array[int]] = defaultdict(lambda: array("q"))

    def take(self, click: Click, values: Values) -> None:
        user = values["user"]
        if user is not None:
            self._times[user].append(click.time)
            self._bytes[user].append(octets_of(click))

    def sessions(self, start: int) -> Iterator[tuple[int, int]]:
        """Last click and bytes of each session with a click at `start` or later."""
        for user, times in self._times.items():
            last, octets = min(times), 0
            for at, more in sorted(zip(times, self._bytes[user], strict=True)):
                if at - last > SESSION_GAP_MS:
                    if last >= start:
                        yield last, octets
                    octets = 0
                last, octets = at, octets + more
            if last >= start:
                yield last, octets


class EventCount:
    """Product events of each name, and different users."""

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()
        self.users: set[str] = set()

    def take(self, event: ProductEvent) -> None:
        if event.name is not None:
            self.names[event.name[:MAX_TEXT]] += 1
        if event.user is not None:
            self.users.add(event.user[:MAX_TEXT])


class FunnelCount:
    """How far each user gets through the steps, in order and within `window` ms of the first. See funnel.py."""

    def __init__(self, steps: Sequence[str], window: int) -> None:
        self._steps = [name[:MAX_TEXT] for name in steps]
        self._window = window
        self._times: dict[str, dict[str, array[int]]] = {}

    def take(self, event: ProductEvent) -> None:
        name = None if event.name is None else event.name[:MAX_TEXT]
        if event.user is None or name not in self._steps:
            return
        own = self._times.setdefault(event.user[:MAX_TEXT], {step: array("q") for step in self._steps})
        own[name].append(event.time)

    def steps(self) -> list[tuple[int, int | None, int | None]]:
        """Of each step: how many users got there, and how long half and 90 % of them took at most from the step
        before (ms)."""
        passages = [passage for own in self._times.values() if (passage := self._best(own))]
        found: list[tuple[int, int | None, int | None]] = []
        for number in range(len(self._steps)):
            here = [passage for passage in passages if len(passage) > number]
            waits = sorted(passage[number] - passage[number - 1] for passage in here) if number else []
            slow = waits[(len(waits) * 9 - 1) // 10] if waits else None
            found.append((len(here), median_low(waits) if waits else None, slow))
        return found

    def _best(self, own: Mapping[str, Sequence[int]]) -> list[int]:
        """The times of the passage that gets furthest; of several the first."""
        in_order = [sorted(own[name]) for name in self._steps]
        best: list[int] = []
        for begin in in_order[0]:
            passage = [begin]
            for times in in_order[1:]:
                place = bisect_left(times, passage[-1])
                if place == len(times) or times[place] > begin + self._window:
                    break
                passage.append(times[place])
            if len(passage) > len(best):
                best = passage
        return best


def has_failed(values: Values) -> bool:
    """Whether a click with these values is an error."""
    status = values["status"]
    return status is not None and int(status) >= ERROR_STATUS


def octets_of(click: Click) -> int:
    """0 for what is no sound number."""
    return click.bytes if click.bytes is not None and click.bytes in SOUND_BYTES else 0
