"""Clicks, and answers about them by plain Python: nothing of the history's columns, sums or SQL."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from clickstream.enrich.places import MadeUpPlaces
from clickstream.history.decode import Click
from clickstream.history.model import Filter, Question

PLACES = MadeUpPlaces()
BASE = 1_600_000_000_000 // 3_600_000 * 3_600_000

PAGES = {"GET /a?x=1 HTTP/1.1": "/a", "GET /b HTTP/1.1": "/b", "POST /c HTTP/1.1": "/c", None: None}
REFERRERS = {None: "(none)", "https://search.example/?q=1": "search.example", "http://[": "(other)"}
AGENTS = {
    None: ("other", "other", "robot", "true"),
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0": ("Firefox", "Linux", "desktop", "false"),
}
IPS = ("10.0.0.1", "10.0.0.2", "10.9.8.7", "10.77.1.1", "192.168.0.1", None)
STATUSES = (200, 302, 404, 500, None)
USERS = (1, 2, 3, None)


def values(click: Click) -> dict[str, str | None]:
    browser, os, device, bot = AGENTS[click.agent]
    place = PLACES.place(click.ip)
    return {
        "page": PAGES[click.request],
        "referrer": REFERRERS[click.referrer],
        "browser": browser,
        "os": os,
        "device": device,
        "bot": bot,
        "status": None if click.status is None else str(click.status),
        "country": place.country,
        "city": place.city,
        "user": None if click.userid is None else str(click.userid),
        "ip": click.ip,
    }


def visitor(click: Click) -> tuple[str, object] | None:
    if click.userid is not None:
        return "user", click.userid
    return None if click.ip is None else ("ip", click.ip)


def passes(click: Click, filters: Sequence[Filter]) -> bool:
    own = values(click)
    for dim in {one.dim for one in filters}:
        wanted = [one.value for one in filters if one.dim == dim and one.include]
        unwanted = [one.value for one in filters if one.dim == dim and not one.include]
        if (wanted and own[dim] not in wanted) or own[dim] in unwanted:
            return False
    return True


@dataclass
class Answer:
    """By start of the bucket where it is a dictionary."""

    hits: Counter[int]
    bytes: Counter[int]
    errors: Counter[int]
    visitors: dict[int, int]
    statuses: Counter[tuple[str, int]]
    different: int


def chosen(clicks: Sequence[Click], question: Question) -> list[Click]:
    return [one for one in clicks if question.start <= one.time < question.end and passes(one, question.filters)]


def traffic(clicks: Sequence[Click], question: Question) -> Answer:
    hits, octets, errors = Counter[int](), Counter[int](), Counter[int]()
    statuses = Counter[tuple[str, int]]()
    who: dict[int, set[object]] = {}
    for click in chosen(clicks, question):
        start = click.time - click.time % question.bucket
        hits[start] += 1
        octets[start] += click.bytes or 0
        errors[start] += click.status is not None and click.status >= 400
        if click.status is not None:
            statuses[str(click.status), start] += 1
        who.setdefault(start, set()).add(visitor(click))
    everybody = set().union(*who.values()) - {None}
    return Answer(
        hits, octets, errors, {start: len(own - {None}) for start, own in who.items()}, statuses, len(everybody)
    )


def top(clicks: Sequence[Click], question: Question, dim: str) -> dict[str, int]:
    counts = Counter[str]()
    who: dict[str, set[object]] = {}
    for click in chosen(clicks, question):
        value = values(click)[dim]
        if value is not None:
            counts[value] += 1
            who.setdefault(value, set()).add(visitor(click))
    if dim == "country":
        return {value: len(own - {None}) for value, own in who.items()}
    return dict(counts)


def active(clicks: Sequence[Click], end: int, filters: Sequence[Filter] = ()) -> int:
    return len({one.userid for one in clicks if end - 30_000 <= one.time < end and passes(one, filters)} - {None})


def sessions(clicks: Sequence[Click], start: int, end: int) -> list[tuple[str, int, int, int, int]]:
    """User, first, last, hits and bytes of the sessions with a click in the range, as they were at its end."""
    found = []
    for user in USERS:
        own = sorted((one for one in clicks if one.userid == user and one.time < end), key=lambda one: one.time)
        groups: list[list[Click]] = []
        for click in own if user is not None else []:
            if groups and click.time - groups[-1][-1].time <= 30_000:
                groups[-1].append(click)
            else:
                groups.append([click])
        found += [
            (str(user), group[0].time, group[-1].time, len(group), sum(one.bytes or 0 for one in group))
            for group in groups
            if group[-1].time >= start
        ]
    return sorted(found)
