"""The calls of a transform: each record enters the window of its partition, and leaves it when it is done.

Calls that find the function away are made again for as long as it takes, and those that fail in a way that may pass,
some times more. What has left its window waits here, with the places after it, until it is written.
"""

import heapq
import itertools
import logging
import queue
import random
import time

from clickstream.errors import ClickstreamError
from clickstream.kafka import transactions
from clickstream.kafka.deadletter import DeadLetter, DeadLetters, Origin, headers_of
from clickstream.kafka.produce import record_time
from clickstream.transform.api import Record
from clickstream.transform.model import Answered, Call, Caller, Failed, FunctionAway, Options, Outcome
from clickstream.transform.reading import Input
from clickstream.transform.window import Window

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
SAY_EVERY_S = 30.0


class Collected:
    """Takes the dead letters of DeadLetters, for the transaction that they belong to."""

    def __init__(self) -> None:
        self.records: list[transactions.Record] = []

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        *,
        headers: list[tuple[str, str | bytes | None]] | None = None,
    ) -> None:
        """Keep a record until it is taken."""
        self.records.append(transactions.Record(topic, key, value, headers))

    def take(self) -> list[transactions.Record]:
        """Those that were kept."""
        taken, self.records = self.records, []
        return taken


class Calls:
    """What is asked of the caller, and what came of it, in the order of each partition's records.

    `places` are the offsets after what has left the windows.
    """

    def __init__(self, caller: Caller, options: Options) -> None:
        self._caller = caller
        self._options = options
        self._collected = Collected()
        self._letters = DeadLetters(self._collected, options.dead_letter_topic, "transform")
        self._windows: dict[int, Window] = {}
        self._under_way: set[Call] = set()
        self._again: list[tuple[float, int, Call]] = []  # a heap: when to ask once more
        self._number = itertools.count()
        self._done: list[Call] = []  # left their windows, not written yet
        self._bytes = 0  # of their results
        self._away_said_at: float | None = None
        self.places: dict[int, int] = {}
        self.retried = 0

    @property
    def under_way(self) -> int:
        """How many the caller has not answered."""
        return len(self._under_way)

    @property
    def done(self) -> int:
        """How many have left their windows and wait to be written."""
        return len(self._done)

    @property
    def done_bytes(self) -> int:
        """The values of their results."""
        return self._bytes

    @property
    def waiting_in_windows(self) -> bool:
        """Whether there are calls that have not left: under way, to be made again, or behind such ones."""
        return any(map(len, self._windows.values()))

    @property
    def away(self) -> bool:
        """Whether the function was away when it was last heard of."""
        return self._away_said_at is not None

    def begin(self, places: dict[int, int]) -> None:
        """Begin at `places`, with nothing under way."""
        self.places = dict(places)
        self._windows.clear()
        self._under_way.clear()
        self._again.clear()
        self._done.clear()
        self._bytes = 0

    def ask(self, source: Input) -> None:
        """Have the function called for what may enter the windows, and for what is to be tried again."""
        now = time.monotonic()
        while self._again and self._again[0][0] <= now:
            self._ask_for(heapq.heappop(self._again)[2])
        for number, waiting in source.waiting.items():
            window = self._windows.setdefault(number, Window(self._options.in_flight))
            for _ in range(min(window.room, len(waiting))):
                message = source.next(number)
                kind, timestamp = message.timestamp()
                call = Call(
                    Record(
                        message.value(),
                        message.key(),
                        tuple(headers_of(message)),
                        timestamp if kind and timestamp >= 0 else None,
                        self._options.from_topic,
                        number,
                        message.offset() or 0,
                    )
                )
                window.enter(call)
                self._ask_for(call)

    def hear(self, source: Input, timeout: float) -> None:
        """Take what came of calls; wait up to `timeout` s for the first. Raises what ends the transform."""
        heard: set[int] = set()
        with_patience = timeout > 0
        while True:
            try:
                call, outcome = self._caller.outcomes.get(with_patience, timeout if with_patience else None)
            except queue.Empty:
                break
            with_patience = False
            if isinstance(outcome, ClickstreamError):
                raise outcome
            if call in self._under_way:  # and not one of those from before we began again
                self._under_way.remove(call)
                self._note(call, outcome)
                heard.add(call.record.partition)
        for number in heard:
            for call in self._windows[number].leave():
                self._done.append(call)
                self._bytes += sum(len(record.value or b"") for record in call.finished or ())
                self.places[number] = call.record.offset + 1
        for number, end in source.ended.items():
            # Behind the last record there may be offsets that no record has.
            if not len(self._windows.get(number, ())) and not source.waiting[number]:
                self.places[number] = end

    def take_done(self) -> list[Call]:
        """Those that wait to be written, which are the taker's from now on."""
        taken, self._done, self._bytes = self._done, [], 0
        return taken

    def set_aside(self, call: Call, reason: str, kind: str) -> None:
        """A dead letter is all that comes of it; `kind` is the reason as a word."""
        record = call.record
        origin = Origin(record.topic, record.partition, record.offset)
        self._letters.send(DeadLetter(record.value, reason, origin, headers=record.headers, kind=kind), record.key)
        call.finished = self._collected.take()
        call.set_aside = True

    def _ask_for(self, call: Call) -> None:
        self._under_way.add(call)
        self._caller.ask(call)

    def _note(self, call: Call, outcome: Outcome) -> None:
        if isinstance(outcome, FunctionAway):
            call.waits += 1
            self._say_away(outcome)
            self._ask_later(call, call.waits)
            return
        self._note_answer()
        if isinstance(outcome, Answered):
            call.finished = [
                transactions.Record(
                    self._options.to_topic, one.key, one.value, list(one.headers), record_time(one.timestamp)
                )
                for one in outcome.results
            ]
            return
        assert isinstance(outcome, Failed)
        call.failures += 1
        if outcome.may_pass and call.failures <= self._options.retries:
            self.retried += 1
            self._ask_later(call, call.failures)
            return
        tried = f" ({call.failures} attempts)" if call.failures > 1 else ""
        self.set_aside(call, f"{outcome.reason}{tried}", outcome.kind)

    def _ask_later(self, call: Call, times: int) -> None:
        pause = min(FIRST_PAUSE_S * 2 ** min(times, 10), LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)
        heapq.heappush(self._again, (time.monotonic() + pause, next(self._number), call))

    def _say_away(self, away: FunctionAway) -> None:
        now = time.monotonic()
        if self._away_said_at is None or now > self._away_said_at + SAY_EVERY_S:
            self._away_said_at = now
            log.warning("%s is away (%s); waiting for it.", self._caller.where, away.reason)

    def _note_answer(self) -> None:
        if self._away_said_at is not None:
            self._away_said_at = None
            log.info("%s is back.", self._caller.where)
