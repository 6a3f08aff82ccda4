"""Bulk requests of which every item's answer is read."""

import logging
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from clickstream.errors import ClickstreamError
from clickstream.kafka.patience import Stopped
from clickstream.sinks.opensearch.client import Client, path_of
from clickstream.sinks.opensearch.errors import Failure, Meaning, failure_of
from clickstream.sinks.opensearch.operations import Operation
from clickstream.sinks.target import Away
from clickstream.stop import Stop

log = logging.getLogger(__name__)

MOST_BYTES = 5 * 2**20
MOST_ITEMS = 5_000
TRIES = 6  # of what is too much just now, before the sink makes a new connection
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 3.0

Item = tuple[Operation, bytes]
"""An operation, and its lines."""


class Gone(Exception):
    """The alias or index that was written to is not there."""


@dataclass
class Outcome:
    """What was not done: `refused` for what is in the row, `conflicts` as the document has something newer."""

    refused: list[tuple[Operation, Failure]] = field(default_factory=list)
    conflicts: list[Operation] = field(default_factory=list)


class Bulk:
    """Writes operations in requests of bounded size. What the server has no room for is sent again, in smaller ones."""

    def __init__(self, client: Client, stop: Stop) -> None:
        self._client = client
        self._stop = stop
        self._most_items = MOST_ITEMS

    def write(self, index: str, items: Sequence[Item]) -> Outcome:
        """Raises Gone, Stopped, Away, and ClickstreamError for what does not pass by itself."""
        outcome = Outcome()
        pending = deque(items)
        tries = 0
        while pending:
            chunk = self._next(pending)
            try:
                again, why = self._send(index, chunk, outcome)
            except Away:
                # It may be more than the server does in the time that we wait.
                self._most_items = max(1, len(chunk) // 2)
                raise
            if not again:
                self._most_items = min(MOST_ITEMS, self._most_items * 2)
                tries = 0
                continue
            # One that was too large is sent in halves, at once.
            self._most_items = max(1, min(len(chunk), self._most_items) // 2)
            pending.extendleft(reversed(again))
            if why.meaning is Meaning.AWAY:
                tries += 1
                if tries >= TRIES:
                    raise self._client.raised(why)
                self._pause(tries)
        return outcome

    def _next(self, pending: "deque[Item]") -> list[Item]:
        chunk: list[Item] = []
        size = 0
        while pending and len(chunk) < self._most_items and (not chunk or size + len(pending[0][1]) <= MOST_BYTES):
            chunk.append(pending.popleft())
            size += len(chunk[-1][1])
        return chunk

    def _send(self, index: str, chunk: list[Item], outcome: Outcome) -> "tuple[list[Item], Failure]":
        """What is to be sent again, and why."""
        body = b"".join(lines for _, lines in chunk)
        status, answer = self._client.send("POST", path_of(index, "_bulk"), body, "application/x-ndjson")
        nothing = Failure(status, "", "")
        if status >= 300:
            failure = failure_of(status, answer)
            if failure.meaning is Meaning.AWAY or (failure.meaning is Meaning.ROW and len(chunk) > 1):
                return chunk, failure
            if failure.meaning is Meaning.GONE:
                raise Gone(str(failure))
            if failure.meaning is Meaning.ROW:
                outcome.refused.append((chunk[0][0], failure))
                return [], nothing
            raise self._client.raised(failure)
        results = self._results(answer, chunk)
        again: list[Item] = []
        why = nothing
        for item, result in zip(chunk, results, strict=True):
            found = _failure(item[0], result)
            if found is None:
                continue
            match found.meaning:
                case Meaning.AWAY:
                    again.append(item)
                    why = found
                case Meaning.CONFLICT:
                    outcome.conflicts.append(item[0])
                case Meaning.ROW:
                    outcome.refused.append((item[0], found))
                case Meaning.GONE:
                    raise Gone(str(found))
                case _:
                    raise self._client.raised(found)
        return again, why

    def _results(self, answer: Any, chunk: Sequence[Item]) -> list[Any]:
        items = answer.get("items") if isinstance(answer, dict) else None
        if not isinstance(items, list) or len(items) != len(chunk):
            raise ClickstreamError(
                f"{self._client.where} answers a bulk request of {len(chunk)} items with {len(items or [])}: it is no "
                "OpenSearch, or something between changes what it says."
            )
        return [next(iter(item.values())) for item in items]

    def _pause(self, tries: int) -> None:
        pause = min(FIRST_PAUSE_S * 2**tries, LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)
        if self._stop.wait(pause):
            raise Stopped(f"Stopped while {self._client.where} had no room: what it lacks is read again.")


def _failure(operation: Operation, result: Any) -> Failure | None:
    status = int(result.get("status", 0))
    error = result.get("error")
    if error is None:
        # Of a document that is not there, a deletion is answered with 404.
        fine = 200 <= status < 300 or (status == 404 and operation.source is None)
        return None if fine else Failure(status, "error", "no reason was given")
    return failure_of(status, error)
