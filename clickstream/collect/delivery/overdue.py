"""Since when the client owes a report of what it was given."""

from collections import deque

from confluent_kafka import KafkaError

from clickstream.collect.delivery.tickets import Reported


class Owed:
    """Of one producer. Times are those of a monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._awaited: deque[tuple[float, Reported]] = deque()
        self._given = 0  # records, since the beginning
        self._mark: tuple[float, int] | None = None

    def note(self, records: int) -> None:
        """So many were handed over."""
        self._given += records

    def awaits(self, ticket: Reported, now: float) -> None:
        """Its records were handed over, and it hears of success, too."""
        self._awaited.append((now, ticket))

    def since(self, queued: int, now: float) -> float | None:
        """When the oldest was handed over that is not reported yet, of the `queued` ones; None: there is none.

        Of what hears of failures only, it is known how many are left, and not which: they count as those that came
        last. It is noticed when nothing of them moves, then, but not when one is stuck and others are not.
        """
        while self._awaited and self._awaited[0][1].over:
            self._awaited.popleft()
        if self._awaited:
            return self._awaited[0][0]
        if not queued:
            self._mark = None
        elif self._mark is None or self._given - queued >= self._mark[1]:
            self._mark = now, self._given
        return None if self._mark is None else self._mark[0]

    def give_up(self, error: KafkaError) -> None:
        """Let all that hear of success fail now, in the order in which they were handed over."""
        while self._awaited:
            self._awaited.popleft()[1].give_up(error)
