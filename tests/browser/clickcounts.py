"""What the pages about clicks have to show, counted by plain Python in the records of the topic: nothing here is from
the history or its panels."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any
from urllib.parse import urlsplit

SECOND, MINUTE = 1_000, 60_000
BUCKETS = {5: 5, 15: 10, 30: 15, 60: 30}  # seconds, of so many minutes
FINE = (1, 2, 5, 10, 15, 30, 60)
COUNTRIES = ("DE", "FR", "US")
# What is in an agent's text, the first that fits: browser, system and device.
AGENTS = (
    ("Googlebot", ("Googlebot", "other", "robot")),
    ("iPad", ("Mobile Safari", "iOS", "tablet")),
    ("iPhone", ("Mobile Safari", "iOS", "phone")),
    ("Android 14; Mobile; rv", ("Firefox Mobile", "Android", "phone")),
    ("Android", ("Chrome Mobile", "Android", "phone")),
    ("Edg/", ("Edge", "Windows", "desktop")),
    ("Windows NT 10.0; Win64; x64; rv", ("Firefox", "Windows", "desktop")),
    ("Windows", ("Chrome", "Windows", "desktop")),
    ("Macintosh", ("Safari", "Mac OS X", "desktop")),
    ("Linux", ("Firefox", "Linux", "desktop")),
)

Filters = Sequence[tuple[str, str, str]]  # dimension, = or !=, value


@dataclass(frozen=True)
class Click:
    """`values` by dimension; those that are not known are not among them."""

    time: int
    bytes: int
    error: bool
    user: int | None
    visitor: str
    values: dict[str, str]


def country_of(ip: str) -> str:
    """A geography of the tests' own."""
    return COUNTRIES[int(ip.rpartition(".")[2]) % len(COUNTRIES)]


def clicks(values: Iterable[bytes | None]) -> list[Click]:
    """Of what can be read, and has a time."""
    return [click for click in map(_click, values) if click is not None]


def _click(value: bytes | None) -> Click | None:
    try:
        found = json.loads(value or b"")
    except ValueError:
        return None
    if not isinstance(found, dict) or not isinstance(found["_time"], int):
        return None
    status, user, octets = (_number(found[name]) for name in ("status", "userid", "bytes"))
    agent = next(told for part, told in AGENTS if part in found["agent"])
    values = {
        "page": found["request"].split(" ")[1].partition("?")[0],
        "referrer": urlsplit(found["referrer"]).netloc if found["referrer"] else "(none)",
        **dict(zip(("browser", "os", "device"), agent, strict=True)),
        "country": country_of(found["ip"]),
        **({} if status is None else {"status": str(status)}),
    }
    visitor = found["ip"] if user is None else str(user)
    return Click(found["_time"], octets or 0, (status or 0) >= 400, user, visitor, values)


def _number(found: Any) -> int | None:
    return found if isinstance(found, int) else None


def fitting(found: Iterable[Click], filters: Filters) -> list[Click]:
    def fits(click: Click) -> bool:
        return all((click.values.get(name) == value) == (sign == "=") for name, sign, value in filters)

    return [click for click in found if fits(click)]


def between(found: Iterable[Click], start: int, end: int) -> list[Click]:
    return [click for click in found if start <= click.time < end]


def begin(to: int, range_ms: int) -> tuple[int, int]:
    """Where the time begins that is shown of a range, and the length of its buckets."""
    seconds = BUCKETS.get(range_ms // MINUTE) if range_ms % MINUTE == 0 else None
    bucket = SECOND * (seconds or next(one for one in FINE if range_ms <= one * SECOND * 130))
    return (to - range_ms) // bucket * bucket, bucket


def visitors(found: Iterable[Click]) -> int:
    return len({click.visitor for click in found})


def active(found: Iterable[Click], at: int) -> int:
    """Users whose session is open."""
    return len({click.user for click in between(found, at - 30 * SECOND, at)} - {None})


def error_rate(found: Sequence[Click]) -> float:
    """In percent."""
    return 100 * sum(click.error for click in found) / len(found)


def figures(found: Sequence[Click], at: int) -> dict[str, float]:
    """Those of the Overview at an instant."""
    last = between(found, at - MINUTE, at)
    return {
        "Visitors now": visitors(between(found, at - 5 * MINUTE, at)),
        "Hits per minute": len(last),
        "Bandwidth": sum(click.bytes for click in last) / 60,
        "Error rate": error_rate(last),
        "Active sessions": active(found, at),
    }


def figures_of_all(found: Sequence[Click], start: int, end: int, bucket: int) -> dict[str, float]:
    """Those of a time that was dragged."""
    shown = between(found, start, end)
    ends = [min(at + bucket, end) for at in range(start, end, bucket)]
    return {
        "Visitors": visitors(shown),
        "Hits per minute": len(shown) * MINUTE / (end - start),
        "Bandwidth": sum(click.bytes for click in shown) * SECOND / (end - start),
        "Error rate": error_rate(shown),
        "Active sessions": fmean(active(found, at) for at in ends),
    }


def top(found: Sequence[Click], dim: str, filters: Filters) -> list[tuple[str, int]]:
    """The nine most frequent values, of equal ones the first by its name. A dimension of which one value is chosen is
    counted without that choice."""
    counted = fitting(found, [one for one in filters if one[0] != dim or one[1] != "="])
    if dim == "country":
        seen = defaultdict(set)
        for click in counted:
            seen[click.values[dim]].add(click.visitor)
        counts = Counter({value: len(who) for value, who in seen.items()})
    else:
        counts = Counter(click.values[dim] for click in counted if dim in click.values)
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:9]


def statuses(found: Iterable[Click], key: Callable[[Click], bool] = lambda _click: True) -> Counter[str]:
    return Counter(click.values["status"] for click in found if key(click) and "status" in click.values)
