"""Questions to the history, and its answers. Times are epoch ms of event time; ranges include their start only."""

from collections.abc import Sequence

import msgspec

CLICKS, EVENTS, VIP = "clicks", "events", "vip"

# What clicks can be filtered and counted by.
DIMENSIONS = ("page", "referrer", "browser", "os", "device", "status", "country", "city", "user", "ip", "bot")

SESSION_GAP_MS = 30_000  # as in config/tables/clickstream.sql
CURRENT_MS = 300_000  # a visitor is here with a click in the last 5 min
ERROR_STATUS = 400  # and above


class Filter(msgspec.Struct, frozen=True):
    """Clicks whose `dim` is (`include`) or is not `value`; None is a value that is not known.

    Several that include the same dimension: any of them.
    """

    dim: str
    include: bool
    value: str | None


class Question(msgspec.Struct, frozen=True):
    """Clicks from `start` until before `end` that fit all filters, in buckets of `bucket` ms.

    Buckets begin at multiples of their length; the first and the last may reach out of the range, and count only what
    is in it.
    """

    start: int
    end: int
    bucket: int = 60_000
    filters: tuple[Filter, ...] = ()

    @property
    def before(self) -> "Question":
        """The same of the period before, which is as long."""
        return msgspec.structs.replace(self, start=2 * self.start - self.end, end=self.start)

    def bucket_starts(self) -> range:
        """The starts of the buckets that the range touches."""
        return range(self.start // self.bucket * self.bucket, self.end, self.bucket)


class Totals(msgspec.Struct, frozen=True):
    """`errors` are clicks with a status of 400 or more."""

    hits: int
    bytes: int
    errors: int


class Traffic(msgspec.Struct, frozen=True):
    """By bucket; None in buckets that the history reaches not at all or only in part.

    `totals` are of [covered_from, end), which is the whole range unless the history reaches only so far.
    """

    times: list[int]
    hits: list[int | None]
    bytes: list[int | None]
    errors: list[int | None]
    statuses: dict[str, list[int | None]]
    totals: Totals
    covered_from: int


class TopRow(msgspec.Struct, frozen=True):
    """How often `value` was there, and in the period before (None: the history does not reach so far)."""

    value: str
    hits: int
    before: int | None


class Top(msgspec.Struct, frozen=True):
    """The most frequent values: `more` others are not shown, `total` is of all, `unknown` those without a value.

    Countries count visitors, everything else counts clicks.
    """

    rows: list[TopRow]
    more: int
    total: int
    unknown: int
    covered_from: int


class Coverage(msgspec.Struct, frozen=True):
    """From when on questions with filters (`rows_from`), and without (`rollups_from`), are answered in full.

    None: nothing has been read yet. `newest` is the time of the newest click.
    """

    rows_from: int | None
    rollups_from: int | None
    newest: int | None


class Session(msgspec.Struct, frozen=True):
    """Clicks of a user (and address, where asked) of which none is more than 30 s after the one before.

    `clicks` are the times of the last of them. `open`: a click may still belong to it. `cut`: it may have begun
    earlier than the history reaches, or than was looked for.
    """

    user: str
    ip: str | None
    start: int
    last: int
    hits: int
    bytes: int
    errors: int
    clicks: list[int]
    last_page: str | None
    open: bool
    cut: bool


class Sessions(msgspec.Struct, frozen=True):
    """The sessions with the last clicks, newest first; how many there are in all, and how many of them are open."""

    rows: list[Session]
    total: int
    open: int
    covered_from: int


class Step(msgspec.Struct, frozen=True):
    """`users` got here. `conversion` is their share of those of the step before, `overall` of the first step's.

    `median_ms` is the time from the step before, of half of them at most that; None without any.
    """

    name: str
    users: int
    conversion: float | None
    overall: float | None
    median_ms: int | None
    p90_ms: int | None


class Funnel(msgspec.Struct, frozen=True):
    """`users`: with any event in the range."""

    steps: list[Step]
    users: int
    covered_from: int


class EventTally(msgspec.Struct, frozen=True):
    """Product events by bucket: of each name, and how many different users."""

    times: list[int]
    names: dict[str, list[int | None]]
    users: list[int | None]
    totals: dict[str, int]
    covered_from: int


def known_dimensions(names: Sequence[str]) -> None:
    """Raises ValueError, which says what there is, for a dimension that there is not."""
    unknown = [name for name in names if name not in DIMENSIONS]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no such dimension; there are {', '.join(DIMENSIONS)}.")
