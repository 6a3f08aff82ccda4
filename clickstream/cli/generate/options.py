"""Options that all generators have, and the plan that they add up to."""

import dataclasses
import functools
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from clickstream.cli.options import allow_control_option, metrics_options
from clickstream.cli.output import parsed
from clickstream.errors import ConfigError
from clickstream.generate import timeline
from clickstream.generate.flaws import Flaws
from clickstream.generate.plan import Plan, timing
from clickstream.generate.timeline import Phase
from clickstream.generate.traffic import EARLIEST_MS, LATEST_MS

MAX_USERS = 10_000_000


@dataclass(frozen=True)
class Asked:
    """The options that all generators have."""

    count: int | None
    duration: int | None
    users: int
    skew: float
    seed: int | None
    start: int | None
    event_rate: float | None
    sessions: tuple[int, int] | None
    rate_schedule: list[Phase] | None
    late: float | None
    late_by: int | None
    malformed: float
    quiet: bool
    allow_control: bool


def _number(minimum: float, maximum: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not minimum <= number <= maximum:
            raise ValueError(f"{text!r}: a number from {minimum:g} to {maximum:,g} is expected")
        return number

    return parse


def _option(name: str, metavar: str, parse: Callable[[str], Any], help: str, **more: Any) -> Callable[..., Any]:
    return click.option(name, metavar=metavar, callback=parsed(parse), help=help, **more)


_OPTIONS = (
    click.option("--count", type=click.IntRange(min=0), metavar="N", help="Stop after N clicks."),
    _option("--duration", "TIME", timeline.duration_ms, "Stop after that long, such as 90s or 2m."),
    click.option(
        "--users",
        type=click.IntRange(1, MAX_USERS),
        default=100,
        metavar="N",
        help="Users; for each ten of them comes one visitor more who is none.  [default: 100]",
    ),
    _option(
        "--skew",
        "S",
        _number(0, 10),
        "Visitor n comes in proportion to 1/n^S (Zipf); 0: all alike.  [default: 0]",
        default="0",
    ),
    click.option("--seed", type=int, help="Same seed, count and start: the same records, byte for byte."),
    _option("--start", "TIME", timeline.moment_ms, "When the first click happens (ISO 8601).  [default: now]"),
    _option(
        "--event-rate",
        "R",
        _number(0.001, 1e9),
        "Clicks per second of their own time, where that is not --rate.",
    ),
    _option(
        "--sessions", "ACTIVE/PAUSE", timeline.sessions, "Activity, then silence, in turn: 90s/35s makes sessions."
    ),
    _option("--rate-schedule", "RxTIME,...", timeline.schedule, "Rates in turn, for ever, such as 100x60s,1000x10s."),
    _option(
        "--late",
        "PERCENT",
        _number(0, 100),
        "Share of clicks that come late: with an earlier time than their neighbours.",
    ),
    _option("--late-by", "TIME", timeline.duration_ms, "How late at most.  [default: 60s]"),
    _option(
        "--malformed",
        "PERCENT",
        _number(0, 100),
        "Share of records that cannot be read.  [default: 0]",
        default="0",
    ),
    click.option("--quiet", is_flag=True, help="No progress, only the summary."),
    allow_control_option,
    metrics_options,
)


def traffic_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that all generators have; the command gets them as `asked`."""

    @functools.wraps(command)
    def run(**given: Any) -> Any:
        asked = Asked(**{field.name: given.pop(field.name) for field in dataclasses.fields(Asked)})
        return command(asked=asked, **given)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


def planned(asked: Asked, rate: float, rate_given: bool) -> Plan:
    """What the options ask for; raises ConfigError when they contradict each other."""
    if asked.late_by is not None and asked.late is None:
        raise ConfigError("--late-by needs --late PERCENT: how many clicks are late.")
    flaws = Flaws((asked.late or 0.0) / 100, asked.late_by or 60_000, asked.malformed / 100)
    if asked.start is not None and not EARLIEST_MS + flaws.late_by_ms <= asked.start < LATEST_MS:
        raise ConfigError("--start must be a time from 1970-01-02, and later by --late-by, to the year 9987.")
    times, stretch = timing(
        rate,
        rate_given=rate_given,
        start_given=asked.start is not None,
        event_rate=asked.event_rate,
        sessions=asked.sessions,
        schedule=asked.rate_schedule,
    )
    seed = secrets.randbits(64) if asked.seed is None else asked.seed
    return Plan(seed, times, stretch, asked.start, asked.count, flaws)
