"""What a target of a sink must do, and how it says what went wrong."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from confluent_kafka import Message

from clickstream.errors import ClickstreamError
from clickstream.sinks.model import Batch, Claim, Input, Stored, Written


class Away(ClickstreamError):
    """The target does not answer, has no room, or takes nothing just now: the same batch is tried again later."""


class Refused(Exception):
    """The target refuses a batch for what is in it. `code` is the target's own, `column` is named where it is known."""

    def __init__(self, code: str, reason: str, column: str | None = None) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.column = column


class RefusedRows(Exception):
    """The target tells at once which rows it refuses, and why. Of the others it may have some: they come again."""

    def __init__(self, rows: Sequence[tuple[Message, Refused]]) -> None:
        super().__init__(f"{len(rows)} rows, the first with {rows[0][1]}")
        self.rows = rows


class Fenced(ClickstreamError):
    """A newer process writes for this sink: the message names it."""


class Target(Protocol):
    """A connection to one target, by which one sink writes. Used on one thread.

    Any method raises Away for what passes by itself (it is then closed, and connected anew before the next try),
    Fenced, or another ClickstreamError, with words, for what does not pass: a right that is missing, a table of another
    shape. Messages hold no secrets.
    """

    kind: str
    """In metrics, dead letters and messages: `postgres`."""

    where: str
    """For people, without secrets: `shop at db.example:5432`."""

    def connect(self) -> None:
        """A new connection; the one before, if there is any, is closed."""
        ...

    def prepare(self, inputs: Sequence[Input]) -> None:
        """Make what is missing for these inputs, such as tables. Called after each `connect`."""
        ...

    def claim(self, claim: Claim) -> Stored:
        """Take over (a claim without an epoch), or make sure that the own epoch still holds; raises Fenced if not."""
        ...

    def write(self, batch: Batch) -> Written:
        """Write all of the batch, with its places, in one commit, if the own epoch still holds.

        Raises Refused when the target refuses something in it: then nothing of it was written. A target of which each
        row may come again without harm may raise RefusedRows instead: then the places are as before.
        """
        ...

    def forget(self, inputs: Sequence[Input], sink: str) -> None:
        """Delete what `sink` wrote of these inputs, and its places: it then begins from the start."""
        ...

    def close(self) -> None:
        """Let go of the connection, whatever state it is in; never raises."""
        ...


@runtime_checkable
class TellsMore(Protocol):
    """A target that has states of its own to tell: they are among its sink's gauges. Asked from another thread."""

    def gauges(self) -> dict[str, float]:
        """What goes up and down, or is 1 while it holds: `target_blocked`."""
        ...


@runtime_checkable
class Tended(Protocol):
    """A target with a Kafka client of its own, which has to be served now and then while there is nothing to write."""

    def tend(self) -> None:
        """Serve it. Raises LostBrokers."""
        ...
