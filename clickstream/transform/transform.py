"""A function between two topics: each record's results are written exactly once, in the order of the records.

Records enter the window of their partition and the function is called for all in it at once. Calls that are done leave
in the order of their offsets. About ten times a second, what has left is written in one Kafka transaction: the results,
the dead letters, and the places after them on the state topic. A crash undoes all of it or nothing; what was under way
is called for again, with the same id.
"""

import logging
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Sequence

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.log import identify
from clickstream.kafka.patience import Stopped
from clickstream.kafka.transactions import Fenced, RefusedRecord, Transactions
from clickstream.parts.part import Part
from clickstream.records import Position, TransformOwner, utc_text
from clickstream.stop import Stop
from clickstream.topics import ensure
from clickstream.transform.calls import Calls
from clickstream.transform.model import Call, Caller, Options
from clickstream.transform.reading import Input
from clickstream.transform.state import State, read_state, state_topic

log = logging.getLogger(__name__)

COMMIT_EVERY_S = 0.1
COMMIT_AT_MOST = 5_000  # records of the input
COMMIT_AT_MOST_BYTES = 16_000_000  # of results
IDLE_S = 0.1
BUSY_S = 0.02
# A call that is under way when the stop comes is waited for so long: what it did is not done again.
FINISHES_WITHIN_S = 3.0
# Whoever fences us says who it is, right afterwards.
NEWER_SAYS_SO_WITHIN_S = 5.0
LOOK_EVERY_S = 0.2
ATTEMPTS = 5


class TakenOver(ClickstreamError):
    """A newer process runs this transform."""


class Transform(Part):
    """Reads one topic, has a function called, and writes another one."""

    kind = "transform"

    def __init__(self, cluster: Cluster, caller: Caller, options: Options) -> None:
        self._cluster = cluster
        self._caller = caller
        self._options = options
        self.name = options.name
        self.topics = [options.from_topic, options.to_topic]
        self._id = f"clickstream-transform-{options.name}"  # of transactions, and of the group that shows the lag
        self.group = self._id
        self._owner = TransformOwner(
            id=uuid.uuid4().hex, process=f"{socket.gethostname()} pid {os.getpid()}", since=utc_text(time.time())
        )
        self._admin = cluster.admin()
        self._stop = threading.Event()
        self._calls = Calls(caller, options)
        self._transactions: Transactions | None = None
        self._input: Input | None = None
        self._state = State("")
        self.starts_over = options.start_over  # once: the places of before are to be forgotten
        self._saved: dict[int, int] = {}
        self._committed_at = 0.0
        self._lag = 0
        self._last_success: float | None = None
        self.processed = 0
        self.results = 0
        self.dead_lettered = 0

    # --- what a part tells

    @property
    def retried(self) -> int:
        """Attempts that failed and were made once more."""
        return self._calls.retried

    def totals(self) -> dict[str, int]:
        """Records whose results are committed, and these results; attempts that failed."""
        return {
            "processed": self.processed,
            "results": self.results,
            "dead_lettered": self.dead_lettered,
            "retried": self.retried,
        }

    def gauges(self) -> dict[str, float]:
        """`function_away`: 1 while what the function needs does not answer."""
        return {
            "in_flight": self._calls.under_way,
            "lag": self._lag,
            "function_away": 1.0 if self._calls.away else 0.0,
        }

    def last_success(self) -> float | None:
        """When results were last committed."""
        return self._last_success

    def positions(self) -> list[Position]:
        """The offsets that were committed with the results."""
        return [Position(self._options.from_topic, number, at) for number, at in sorted(self._saved.items())]

    # --- its work

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, or with `exit_at_end` until the topic's end; while Kafka is away, wait for it.

        Raises TakenOver, LogChanged, or another ClickstreamError when it cannot go on.
        """
        self._stop = stop
        try:
            self._caller.start()
            self._open()
            while not stop.is_set() and not self._at_end():
                self._step()
            self._finish()
        except Stopped as stopped:
            # What is not committed is read again at the next start.
            log.info("%s", stopped)
        finally:
            self._caller.close()
            if self._input is not None:
                self._input.close()
            if self._transactions is not None:
                self._transactions.close()

    def _step(self) -> None:
        assert self._input is not None
        try:
            self._input.take(self._patience())
            self._look_at_owner()
            self._calls.ask(self._input)
            self._calls.hear(self._input, BUSY_S if self._calls.under_way else 0.0)
            if not self._calls.done and self._transactions is not None:
                self._transactions.poll()
            full = self._calls.done >= COMMIT_AT_MOST or self._calls.done_bytes >= COMMIT_AT_MOST_BYTES
            if full or time.monotonic() >= self._committed_at + COMMIT_EVERY_S:
                self._commit()
        except Fenced as fence:
            self._go_on_after(fence)

    def _patience(self) -> float:
        """How long to wait for records: not while calls are under way, nor longer than until the next commit."""
        if self._calls.under_way:
            return 0.0
        return max(0.001, self._committed_at + COMMIT_EVERY_S - time.monotonic()) if self._calls.done else IDLE_S

    def _at_end(self) -> bool:
        """With `exit_at_end`: all is read, and what came of it is committed."""
        if not self._options.exit_at_end or self._input is None:
            return False
        return (
            len(self._input.ended) == len(self._input.position)
            and not any(self._input.waiting.values())
            and not self._calls.waiting_in_windows
            and not self._calls.done
            and self._calls.places == self._saved
        )

    def _finish(self) -> None:
        """Wait a moment for calls under way, and commit what is done."""
        assert self._input is not None
        try:
            deadline = time.monotonic() + FINISHES_WITHIN_S
            while self._calls.under_way and time.monotonic() < deadline:
                self._calls.hear(self._input, BUSY_S)
            self._commit()
        except Fenced as fence:
            raise Stopped(f"Stopped while another process took over ({fence}).") from fence

    # --- beginning, and beginning again

    def _open(self) -> None:
        declared = state_topic(self._options.name)
        ensure(self._cluster, [declared], self._stop)
        identity = identify(self._cluster, self._options.from_topic, self._admin, stop=self._stop)
        self._identity = identity
        self._input = Input(self._cluster, identity, self._id, self._admin, self._stop)
        if not self.starts_over:
            # Whoever runs a transform of this name is not to be fenced by a start that was a mistake.
            state = read_state(self._cluster, declared.name, self._stop)
            state.check(identity, self._options.to_topic, self._options.name)
        self._take_over(declared.name)
        self._begin()

    def _take_over(self, topic: str) -> None:
        """Fence whoever runs this transform, then read how far it came; at last say who runs it now."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._transactions = Transactions(self._cluster, self._id, self._stop, doing="Writing results")
                state = read_state(self._cluster, topic, self._stop)
                # Only once: what was done since is not to be forgotten.
                forgotten = state.forgotten() if self.starts_over else []
                self._transactions.commit([*forgotten, state.owned(self._owner)])
                break
            except Fenced as fence:
                # Two were started at the same time: whichever comes last stays.
                log.debug("Fenced while taking over: %s", fence)
                if attempt == ATTEMPTS:
                    raise TakenOver(f"Transform {self._options.name} is started elsewhere at the same time.") from fence
                self._stop.wait(random.uniform(0.0, 2 * LOOK_EVERY_S))
        if self.starts_over:
            state.places.clear()
            self.starts_over = False
        state.owner = self._owner
        self._state = state

    def _begin(self) -> None:
        """Begin where the state says, with nothing under way."""
        assert self._input is not None
        self._state.check(self._identity, self._options.to_topic, self._options.name)
        self._input.begin(self._state)
        self._saved = {number: place.next_offset for number, place in self._state.places.items()}
        self._calls.begin(self._saved)

    def _look_at_owner(self) -> None:
        newest = self._state.owner
        if newest is not None and newest.id != self._owner.id:
            raise TakenOver(
                f"Another process ({newest.process}, since {newest.since}) runs transform {self._options.name} now: "
                "the newest one goes on, this one ends. To run both, give one another --name."
            )

    def _go_on_after(self, fence: Fenced) -> None:
        """Our transactions are over. Unless a newer process runs this transform, the broker ended them: go on anew."""
        assert self._transactions is not None
        self._transactions.close()
        deadline = time.monotonic() + NEWER_SAYS_SO_WITHIN_S
        while time.monotonic() < deadline:
            self._state = read_state(self._cluster, self._state.topic, self._stop)
            self._look_at_owner()
            if self._stop.wait(LOOK_EVERY_S):
                raise Stopped("Stopped while the broker did not say who runs the transform.")
        log.warning("The broker ended the transactions of %s (%s); going on.", self._options.name, fence)
        self._take_over(self._state.topic)
        self._begin()

    # --- writing

    def _commit(self) -> None:
        """Write what is done, with the places after it."""
        assert self._input is not None
        self._committed_at = time.monotonic()
        self._lag = self._input.lag({number: self._saved.get(number, 0) for number in self._input.position})
        if self._calls.places == self._saved:
            return
        self._input.make_sure()
        self._write(self._calls.take_done())
        # Ends without records.
        rest = [place for place in self._calls.places.items() if self._saved.get(place[0]) != place[1]]
        if rest:
            self._write_places((), rest)
        self._input.show(self._saved)

    def _write(self, done: Sequence[Call]) -> None:
        """In one transaction; if the broker refuses something in it, in two: down to the record it is of."""
        if not done:
            return
        places = {call.record.partition: call.record.offset + 1 for call in done}
        try:
            self._write_places(done, list(places.items()))
        except RefusedRecord as problem:
            if len(done) > 1:
                if isinstance(self._stop, Stop) and not self._stop.drain_time_left():
                    raise Stopped("Stopped while it was looked for which results are refused.") from problem
                self._write(done[: len(done) // 2])
                self._write(done[len(done) // 2 :])
                return
            if done[0].set_aside:
                raise
            self._calls.set_aside(done[0], f"its results are refused: {problem}", problem.kind)
            self._write(done)

    def _write_places(self, done: Sequence[Call], places: Sequence[tuple[int, int]]) -> None:
        assert self._transactions is not None
        records = [record for call in done for record in call.finished or ()]
        self._transactions.commit([*records, *self._state.saved(self._identity, self._options.to_topic, places)])
        self._saved |= dict(places)
        self._last_success = time.time()
        aside = sum(call.set_aside for call in done)
        self.processed += len(done)
        self.dead_lettered += aside
        self.results += len(records) - aside
