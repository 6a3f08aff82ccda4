"""A record on its way through a function, and how calls come out."""

import queue
from dataclasses import dataclass
from typing import Protocol

from clickstream.errors import ClickstreamError
from clickstream.kafka import transactions
from clickstream.transform.api import Record


@dataclass(frozen=True)
class Options:
    """What a transform does. `name` tells it apart from others of the same topics.

    `in_flight` is the number of calls under way, or waiting for an earlier one, in each partition. A call that fails
    in a way that may pass is made again `retries` times.
    """

    from_topic: str
    to_topic: str
    dead_letter_topic: str
    name: str
    in_flight: int = 64
    retries: int = 3
    exit_at_end: bool = False
    start_over: bool = False


@dataclass(eq=False)
class Call:
    """One record: `finished` are the records to write for it, once it is known what became of it.

    `failures` counts attempts that failed, `waits` those that found something away.
    """

    record: Record
    failures: int = 0
    waits: int = 0
    finished: list[transactions.Record] | None = None
    set_aside: bool = False  # `finished` is a dead letter

    @property
    def attempt(self) -> int:
        """1 for the first."""
        return 1 + self.failures + self.waits


@dataclass(frozen=True)
class Answered:
    """The results."""

    results: list[Record]


@dataclass(frozen=True)
class Failed:
    """It failed; `may_pass`: another attempt may succeed. `kind` is the reason as a word."""

    reason: str
    kind: str
    may_pass: bool = False


@dataclass(frozen=True)
class FunctionAway:
    """Nobody has looked at the record: it waits, however long that takes."""

    reason: str


Outcome = Answered | Failed | FunctionAway | ClickstreamError
"""A ClickstreamError ends the command: it is not the record that is wrong."""

Outcomes = queue.Queue[tuple[Call, Outcome]]
"""No SimpleQueue: of that a get() with a time-out may wait for ever when a signal comes as the time is over, before
Python 3.13."""


class Caller(Protocol):
    """Whoever calls the function, on threads of its own."""

    where: str
    """For people: `vip.py:message`, `the server at localhost:50051`."""

    outcomes: Outcomes
    """One for each call that was asked for, in any order."""

    def start(self) -> None:
        """Raises ClickstreamError when there is no such function."""
        ...

    def ask(self, call: Call) -> None:
        """Have it made; does not wait."""
        ...

    def close(self) -> None:
        """End it; calls under way are given up."""
        ...
