"""How the sources and results of a running program do, for the live view."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistyped:
    """How many values of a column's field were not of its type, and are NULL. `type`: as in SQL."""

    column: str
    type: str
    count: int


@dataclass(frozen=True)
class SourceReport:
    """`watermark` is in ms since 1970, None: none yet; `delay` in s behind the wall clock.

    `nulled`: fields of another type, `mistyped`: the same by column; `untimed`: rows without an event time.
    """

    name: str
    topic: str
    rows: int
    dead_letters: int
    nulled: int
    watermark: int | None
    delay: float | None
    untimed: int = 0
    mistyped: tuple[Mistyped, ...] = ()


@dataclass(frozen=True)
class ResultReport:
    """Rows since the start; `late`: rows that came too late for every window; `dropped`: with a NULL in the key."""

    name: str
    topic: str
    written: int
    early: int
    dropped: int
    late: int
