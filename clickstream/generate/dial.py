"""What a generator is asked for while it runs: to wait, another rate, flaws in what comes next."""

import threading
import time
from collections.abc import Callable

from clickstream.generate.pace import LOOK_EVERY_S
from clickstream.generate.plan import MAX
from clickstream.parts.part import Controls
from clickstream.records import Action

MAX_RATE = 1e9
MAX_FLAWS = 100_000
LATE_BY_MS = 60_000


class Dial(Controls):
    """Set by the thread that reads commands, looked at by those that send."""

    def __init__(
        self,
        rate: float | None,
        *,
        on_rate: Callable[[float], object] = lambda rate: None,
        late_by_ms: int = LATE_BY_MS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`rate` is that of the start, in records per second: MAX, or None where no single number says it.

        `on_rate` is told of another one; it raises ValueError, with words, for one that the generator cannot have. A
        record that is asked to be late is `late_by_ms` earlier than its neighbours.
        """
        self.rate = rate
        self.late_by_ms = late_by_ms
        self._on_rate = on_rate
        self._clock = clock
        self._paused = False
        self._lock = threading.Lock()
        self._owed = {"late": 0, "malformed": 0}

    # --- what commands do

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def wanted_rate(self) -> float | None:
        return None if self.rate == MAX else self.rate

    def obey(self, action: Action, value: float | None) -> str:
        match action:
            case "pause":
                self._paused = True
                return "paused"
            case "resume":
                self._paused = False
                return "goes on"
            case "rate":
                return self._turn(value)
            case "late" | "malformed":
                return self._owe(action, value)

    def _turn(self, value: float | None) -> str:
        rate = MAX if value is None else value
        if not (0 < rate <= MAX_RATE or rate == MAX):
            raise ValueError(f"a rate above 0, up to {MAX_RATE:,.0f} records per second, is expected")
        self._on_rate(rate)
        self.rate = rate
        return "as fast as it can" if rate == MAX else f"{rate:,g} records per second"

    def _owe(self, flaw: str, value: float | None) -> str:
        if value is None or not 1 <= value <= MAX_FLAWS or value != int(value):
            raise ValueError(f"a whole number of records from 1 to {MAX_FLAWS:,} is expected")
        with self._lock:
            self._owed[flaw] = min(MAX_FLAWS, self._owed[flaw] + int(value))
        by = f" by {self.late_by_ms / 1000:g} s" if flaw == "late" else ""
        return f"{int(value):,} of the next records are {flaw}{by}"

    # --- what generators do

    def take(self, flaw: str, at_most: int) -> int:
        """How many of the next `at_most` records are to be `late` or `malformed`: they are owed no more."""
        if not self._owed[flaw]:
            return 0
        with self._lock:
            taken = min(at_most, self._owed[flaw])
            self._owed[flaw] -= taken
            return taken

    def wait(self, stop: threading.Event, idle: Callable[[], None] = lambda: None) -> float:
        """Wait while it is paused, or until `stop` is set; how long that was in seconds. `idle` is called meanwhile."""
        if not self._paused:
            return 0.0
        begun = self._clock()
        while self._paused and not stop.wait(LOOK_EVERY_S):
            idle()
        return self._clock() - begun
