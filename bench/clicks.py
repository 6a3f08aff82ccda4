"""Clicks for the measurements of the tables: the fields of generate-web's, in 200 to 240 bytes instead of 350."""

from collections.abc import Iterator
from functools import lru_cache
from random import Random

from clickstream.generate.people import crowd_size, user_number
from clickstream.generate.web import address
from clickstream.logtime import log_time

BLOCK = 1_000
# Clicks of a partition come up to a second out of order: less than the tables' watermark allows, so none is late.
DISORDER_MS = 1_000

AGENTS = ("Firefox/127.0", "Chrome/126.0", "Edg/126.0", "curl/8.8.0")
# Of the requests 58 % are for pages, 9 % fail, 7 % are redirects.
REQUESTS = (
    *[("GET", "/index.html", 200, 1289), ("GET", "/site/login.html", 200, 2048)] * 3,
    *[("GET", "/site/search.html", 200, 4096), ("GET", "/site/user.html", 200, 4006)] * 5,
    *[("GET", "/site/item.html", 200, 14096)] * 10,
    *[("GET", "/images/logo.png", 200, 4196), ("GET", "/images/track.png", 200, 278)] * 6,
    *[("POST", "/site/login", 302, 278)] * 3,
    *[("GET", "/site/offers", 404, 278), ("POST", "/site/index", 405, 278)],
    *[("GET", "/images/banner", 406, 278), ("GET", "/partners", 407, 278)],
)
REFERRERS = ("/index.html", "/site/search.html", "/site/user.html", "/site/login.html")


class Clicks:
    """`count` clicks of `users` registered users, and of a stranger for each ten of them, in order of their number.

    Click n happens at `start_ms` + n / count * `spread_ms`, or up to DISORDER_MS earlier. The same arguments give the
    same clicks.
    """

    def __init__(self, users: int, count: int, start_ms: int, spread_ms: int, *, seed: int = 1) -> None:
        self._visitors = crowd_size(users)
        self._count = count
        self._start_ms = start_ms
        self._spread_ms = spread_ms
        self._seed = seed

    def blocks(self, first: int) -> Iterator[list[tuple[str, bytes]]]:
        """The `first` of them in blocks of BLOCK: key (the address) and value."""
        for start in range(0, first, BLOCK):
            draw = Random(f"{self._seed}/{start}")
            chosen = draw.choices(range(self._visitors), k=BLOCK)
            requests = draw.choices(_TEXTS, k=BLOCK)
            early = draw.choices(range(DISORDER_MS), k=BLOCK)
            size = min(BLOCK, first - start)
            yield [
                click(chosen[place], self._time(start + place) - early[place], requests[place]) for place in range(size)
            ]

    def _time(self, number: int) -> int:
        return self._start_ms + number * self._spread_ms // self._count


def click(visitor: int, ms: int, request: bytes | None = None) -> tuple[str, bytes]:
    """Key and value of a visitor's click at an epoch millisecond; without a request it is one for a page."""
    key, head, tail = _visitor(visitor)
    second, rest = divmod(ms, 1000)
    return key, b"%b%b%03d%b%b" % (head, _stamp(second), rest, request or _TEXTS[0], tail)


@lru_cache(maxsize=100_000)
def _visitor(number: int) -> tuple[str, bytes, bytes]:
    key = address(number)
    user = user_number(number)
    head = f'{{"ip":"{key}","userid":{"null" if user is None else user},"remote_user":null,"time":"'
    return key, head.encode(), b',"agent":"%b"}' % AGENTS[number % len(AGENTS)].encode()


@lru_cache(maxsize=4096)
def _stamp(second: int) -> bytes:
    return f'{log_time(second * 1000, "+0000")}","_time":{second}'.encode()


def _text(number: int, method: str, path: str, status: int, size: int) -> bytes:
    referrer = REFERRERS[number % len(REFERRERS)]
    line = f"{method} {path} HTTP/1.1"
    return f',"request":"{line}","status":{status},"bytes":{size},"referrer":"{referrer}"'.encode()


_TEXTS = [_text(number, *request) for number, request in enumerate(REQUESTS)]
