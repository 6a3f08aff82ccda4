"""Producer and counter in one process, and whether what was acknowledged was counted."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from clickstream.counter import Counter
from clickstream.errors import ClickstreamError
from clickstream.kafka.produce import shortfall
from clickstream.parts.part import Rates, run_noting_failure
from clickstream.parts.renewed import Renewed
from clickstream.parts.threads import Threads
from clickstream.producer import EventProducer
from clickstream.stop import Stop

CATCH_UP_WITHIN_S = 600.0
COUNTED_WITHIN_S = 60.0
COUNTED_AT_LEAST_S = 1.0  # for the counter, also when confirmations took all the time that there was
LOOK_EVERY_S = 0.25
HISTORY = 40


@dataclass(frozen=True)
class TableLine:
    """How one streaming table does: rows written so far, final and early, and per second."""

    name: str
    rows: int
    rate: float


@dataclass(frozen=True)
class Minute:
    """What happened on the web site in a minute, which begins at `start_ms` since 1970; `early`: so far."""

    start_ms: int
    hits: int
    visitors: int
    octets: int
    errors: int
    early: bool


@dataclass
class Snapshot:
    """What the view shows: rates are per second, `tally` and `lag` are as last published."""

    address: str
    phase: str
    seconds: float = 0.0
    acknowledged: int = 0
    counted: int = 0
    rate_in: float = 0.0
    rate_out: float = 0.0
    lag: float = 0.0
    tally: dict[str, int] = field(default_factory=dict)
    history_in: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    history_out: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    tables: list[TableLine] = field(default_factory=list)
    minutes: list[Minute] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """Events acknowledged and counted by this run; `shortfall` says which were not acknowledged, if any.

    Those that were `malformed`, as somebody had asked for, are acknowledged and not counted.
    """

    acknowledged: int
    counted: int
    shortfall: str | None = None
    malformed: int = 0

    @property
    def equal(self) -> bool:
        """Whether every event was acknowledged, and counted once, but for the malformed ones."""
        return self.acknowledged == self.counted + self.malformed and self.shortfall is None


class Demo:
    """Runs the counter until it has counted what was there before, then the producer beside it."""

    def __init__(
        self,
        address: str,
        producer: EventProducer,
        counter: Renewed[Counter],
        tables: Callable[[], list[TableLine]] = list,
        minutes: Callable[[], list[Minute]] = list,
        ending: Callable[[], None] = lambda: None,
    ) -> None:
        """`tables` says how the tables beside the heart do, `minutes` what one of them holds, newest first.

        `ending` is called once the producer is asked to end: what runs beside can end at the same time.
        """
        self._ending = ending
        self._tables = tables
        self._minutes = minutes
        self._producer = producer
        self._counter = counter
        self._snapshot = Snapshot(address, "joining")
        self._rates = Rates()
        self._published: Mapping[str, int] = {}
        self._since = time.monotonic()
        self._failed = threading.Event()
        # Of each its own, as the producer ends first.
        self._counting = Threads(self._failed.set)
        self._producing = Threads(self._failed.set)

    def run(self, stop: Stop, show: Callable[[Snapshot], None], duration: float | None) -> Outcome:
        """Run until `stop`, or `duration` seconds after the first event; `show` is called four times a second.

        What was acknowledged is counted within the time that `stop` leaves for draining, and at least a second.

        Raises ClickstreamError when a part fails, or what was there before cannot be counted in ten minutes.
        """
        counting = threading.Event()
        self._counting.start(run_noting_failure, self._counter, counting)
        try:
            self._watch(
                show, lambda: stop.is_set() or self._counter.now.settled, CATCH_UP_WITHIN_S, "counting what was there"
            )
            before = sum(self._tally().values())
            produces = not stop.is_set()
            if produces:
                self._produce(stop, show, duration, before)
                self._drain(stop, show, before)
        finally:
            self._ending()
            counting.set()
            self._counting.wait()
        self._raise()
        if not produces:
            return Outcome(0, 0)  # what was counted after `before` was there before
        counted = sum(self._tally().values()) - before
        totals = self._producer.totals()
        missing = shortfall("events", self._producer.sender)
        return Outcome(totals["acknowledged"], counted, missing, totals.get("malformed", 0))

    def _produce(self, stop: Stop, show: Callable[[Snapshot], None], duration: float | None, before: int) -> None:
        self._producing.start(run_noting_failure, self._producer, stop)
        end = time.monotonic() + duration if duration is not None else float("inf")
        try:
            self._watch(show, lambda: stop.is_set() or time.monotonic() > end, float("inf"), "running", before)
        finally:
            stop.set_for(COUNTED_WITHIN_S)
            self._ending()
            self._producing.wait()

    def _drain(self, stop: Stop, show: Callable[[Snapshot], None], before: int) -> None:
        """Until all is counted, or the time is over: the outcome says so."""
        totals = self._producer.totals()
        wanted = before + totals["acknowledged"] - totals.get("malformed", 0)
        end = time.monotonic() + COUNTED_AT_LEAST_S

        def over() -> bool:
            late = stop.drain_time_left() == 0 and time.monotonic() >= end
            return late or sum(self._tally().values()) >= wanted

        self._watch(show, over, float("inf"), "draining", before)

    def _watch(
        self,
        show: Callable[[Snapshot], None],
        until: Callable[[], bool],
        within: float,
        phase: str,
        before: int | None = None,
    ) -> None:
        deadline = time.monotonic() + within
        while not until():
            self._raise()
            if time.monotonic() > deadline:
                raise TimeoutError(phase)
            show(self._look(phase, before))
            self._failed.wait(LOOK_EVERY_S)
        show(self._look(phase, before))

    def _look(self, phase: str, before: int | None) -> Snapshot:
        view = self._snapshot
        totals = {"in": self._producer.totals()["acknowledged"], "out": self._counter.totals()["counted"]}
        rates = self._rates.of(totals)
        view.phase = phase
        view.seconds = time.monotonic() - self._since
        view.tally = dict(self._tally())
        view.acknowledged = totals["in"]
        view.counted = sum(view.tally.values()) - before if before is not None else 0
        view.rate_in, view.rate_out = rates["in"], rates["out"]
        view.lag = self._counter.gauges()["lag"]
        view.history_in.append(view.rate_in)
        view.history_out.append(view.rate_out)
        view.tables = self._tables()
        view.minutes = self._minutes()
        return view

    def _tally(self) -> Mapping[str, int]:
        """The last one that was published, also by a counter that was recreated since."""
        self._published = self._counter.now.tally or self._published
        return self._published

    def _raise(self) -> None:
        self._counting.raise_problem()
        self._producing.raise_problem()


def explain_outcome(outcome: Outcome, topic: str) -> str:
    """The summary line; raises ClickstreamError when the two numbers differ."""
    malformed = f" Malformed, as was asked for: {outcome.malformed:,}." if outcome.malformed else ""
    line = f"Acknowledged by this run: {outcome.acknowledged:,}. Counted by this run: {outcome.counted:,}.{malformed}"
    if outcome.equal:
        return f"{line} Equal." if outcome.acknowledged else f"{line} Nothing was produced yet."
    if outcome.shortfall is not None:
        raise ClickstreamError(f"{line} {outcome.shortfall}")
    if outcome.counted + outcome.malformed > outcome.acknowledged:
        raise ClickstreamError(f"{line} Not equal: does another producer write to {topic}?")
    raise ClickstreamError(f"{line} Not equal: not everything was counted in time.")
