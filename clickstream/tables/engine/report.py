"""How the sources and results of a running program do, for the live view."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from clickstream.records import LeftOut


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


def left_out(sources: Iterable[SourceReport], results: Iterable[ResultReport]) -> Iterator[LeftOut]:
    """What did not take part, of the tables that have some."""
    for source in sources:
        if source.dead_letters or source.untimed or source.nulled:
            yield LeftOut(
                source.name,
                source.topic,
                dead_letters=source.dead_letters,
                untimed=source.untimed,
                nulled=source.nulled,
            )
    for result in results:
        if result.late or result.dropped:
            yield LeftOut(result.name, result.topic, late=result.late, dropped=result.dropped)
