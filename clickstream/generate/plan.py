"""What a run of a generator is asked to do, and whether that makes sense."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clickstream.errors import ConfigError
from clickstream.generate.cue import AT_ONCE
from clickstream.generate.flaws import NO_FLAWS, Flaws
from clickstream.generate.timeline import Phase, Timeline

MAX = float("inf")
EVENT_RATE_AT_MAX = 1000.0


@dataclass(frozen=True)
class Plan:
    """When clicks happen, when they are sent, and how many.

    `timeline` None: they happen when they are sent. `start_ms` None: the first happens when it is sent.
    """

    seed: int
    timeline: Timeline | None
    stretch: float  # as that of a Cue
    start_ms: int | None = None
    count: int | None = None
    flaws: Flaws = NO_FLAWS

    @property
    def follows_clock(self) -> bool:
        """Whether a click's time is that of its sending, also after an outage that was not made up."""
        return self.start_ms is None and self.stretch == 1.0

    def earliest_ms(self, now_ms: int) -> int:
        """The earliest time that a click of a run begun at `now_ms` can have, in epoch ms."""
        start_ms = self.start_ms if self.start_ms is not None else now_ms
        return start_ms - (self.flaws.late_by_ms if self.flaws.late else 0)

    @property
    def rate(self) -> float | None:
        """Clicks sent per second while any are sent: MAX, or None when a schedule says the rates."""
        nominal = self._nominal
        if self.stretch == AT_ONCE:
            return MAX
        return None if nominal is None else nominal / self.stretch

    @property
    def _nominal(self) -> float | None:
        """Clicks per second of their own time; None: they have no such, or several."""
        if self.timeline is None:
            return None
        rates = {phase.rate for phase in self.timeline.phases if phase.rate}
        return rates.pop() if len(rates) == 1 else None

    def at_rate(self, rate: float) -> "Plan":
        """This plan with so many clicks per second sent, MAX: at once. Those with pauses keep them.

        Clicks whose own time is not that of their sending keep that, too: they are sent faster or slower. Raises
        ValueError, with words, where that makes no sense.
        """
        if self.timeline is None:
            return self if rate == MAX else replace(self, timeline=Timeline([Phase(rate)]), stretch=1.0)
        if not self.follows_clock:
            nominal = self._nominal
            if nominal is None:
                raise ValueError("it follows a schedule of several rates")
            return replace(self, stretch=AT_ONCE if rate == MAX else nominal / rate)
        if self._nominal is None:
            raise ValueError("it follows a schedule of several rates")
        phases = self.timeline.phases
        if rate == MAX:
            if len(phases) > 1:
                raise ValueError("with pauses between, it cannot be as fast as it can")
            return replace(self, timeline=None, stretch=AT_ONCE)
        try:
            timeline = Timeline([replace(phase, rate=rate if phase.rate else 0.0) for phase in phases])
        except ValueError:
            raise ValueError("no click falls into the active part of its sessions at that rate") from None
        return replace(self, timeline=timeline)

    def expected(self, duration_ms: int | None) -> int | None:
        """How many clicks a bounded run will send, as far as that is known beforehand."""
        bounds = [] if self.count is None else [self.count]
        if duration_ms is not None and self.timeline is not None and self.stretch != AT_ONCE:
            bounds.append(self.timeline.before(int(duration_ms / self.stretch)))
        return min(bounds) if bounds else None


def timing(
    rate: float,
    *,
    rate_given: bool,
    start_given: bool,
    event_rate: float | None = None,
    sessions: tuple[int, int] | None = None,
    schedule: Sequence[Phase] | None = None,
) -> tuple[Timeline | None, float]:
    """A plan's timeline and stretch. Raises ConfigError for options that contradict each other.

    `rate` is events sent per second, or MAX; `rate_given` whether somebody asked for it in this run.
    """
    if schedule is not None:
        if sessions is not None:
            raise ConfigError("--sessions and --rate-schedule exclude each other: write the pause as 0x35s.")
        if event_rate is not None:
            raise ConfigError("--event-rate and --rate-schedule exclude each other: the schedule says the rates.")
        if rate_given and rate != MAX:
            raise ConfigError("With --rate-schedule, --rate can only be max: the schedule says the rates.")
        return Timeline(schedule), AT_ONCE if rate_given else 1.0
    if rate == MAX and not start_given and event_rate is None and sessions is None:
        return None, AT_ONCE
    nominal = event_rate or (EVENT_RATE_AT_MAX if rate == MAX else rate)
    phases = [Phase(nominal)] if sessions is None else [Phase(nominal, sessions[0]), Phase(0.0, sessions[1])]
    try:
        timeline = Timeline(phases)
    except ValueError:
        raise ConfigError("No event falls into the active part of --sessions: raise the rate.") from None
    return timeline, AT_ONCE if rate == MAX else nominal / rate
