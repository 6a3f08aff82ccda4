"""Web clicks with their users and status codes, as in ksqlDB's clickstream demo."""

from collections.abc import Iterator
from functools import lru_cache

from clickstream.generate import site
from clickstream.generate.crowd import Crowd, Visitor
from clickstream.generate.moves import tables
from clickstream.generate.people import AGENTS, FIBONACCI, ROBOT, STRANGER_EVERY, crowd_size, person, user_number
from clickstream.generate.traffic import Traffic
from clickstream.logtime import log_time
from clickstream.records import CodeKey, StatusCode, UserKey, WebUser, encode

# Of ten users one is Platinum, three are Gold: there are some of each however few users there are.
LEVELS = ("Platinum", "Gold", "Gold", "Gold", *["Silver"] * 6)
DOWNLOADER_EVERY = 50
DOWNLOADER_AT = 3


def web(users: int, *, seed: int, skew: float = 0.0, topic: str, codes_topic: str, users_topic: str) -> Traffic:
    """Clicks of `users` registered users, and of one anonymous visitor for each ten of them."""
    moves = tables(site.positions())

    def meet(number: int) -> Visitor:
        ip, user = address(number), user_number(number)
        downloads = number % DOWNLOADER_EVERY == DOWNLOADER_AT
        return Visitor(
            ip,
            b'{"ip":"%s","userid":%s,"remote_user":null,"time":"' % (ip.encode(), encode(user)),
            b',"agent":%s}' % encode(agent(number)),
            moves[site.OUTSIDE_FOR_REPORTS if downloads else site.OUTSIDE],
        )

    return Traffic(
        "generate-web",
        topic,
        Crowd(crowd_size(users), meet, seed=seed, skew=skew),
        _stamp,
        ("status", "_time", "bytes", "userid"),
        {codes_topic: _codes(), users_topic: _users(users)},
    )


def address(visitor: int) -> str:
    """A visitor's address: another for each of the first 2**24, all private (RFC 1918)."""
    mixed = visitor * FIBONACCI % 2**24
    return f"10.{mixed >> 16}.{mixed >> 8 & 255}.{mixed & 255}"


def agent(visitor: int) -> str:
    """A visitor's browser; every other stranger is a robot."""
    if user_number(visitor) is None and visitor // STRANGER_EVERY % 2 == 0:
        return ROBOT
    return AGENTS[(visitor * FIBONACCI % 2**32 >> 12) % len(AGENTS)][1]


def user(number: int) -> WebUser:
    """The registered user with that number, from 1."""
    who = person(number)
    return WebUser(
        number,
        f"{who.first_name}{who.last_name}_{number}",
        who.registered_at,
        who.first_name,
        who.last_name,
        who.city,
        LEVELS[number % len(LEVELS)],
    )


def _codes() -> Iterator[tuple[bytes, bytes]]:
    for code, definition in site.CODES.items():
        yield encode(CodeKey(code)), encode(StatusCode(code, definition))


def _users(count: int) -> Iterator[tuple[bytes, bytes]]:
    for number in range(1, count + 1):
        yield encode(UserKey(number)), encode(user(number))


@lru_cache(maxsize=4096)
def _stamp(second: int) -> bytes:
    return f'{log_time(second * 1000, "+0000")}","_time":{second}'.encode()
