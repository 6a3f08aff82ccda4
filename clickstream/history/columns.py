"""Records as columns of numbers, as they are kept."""

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

import pyarrow as pa

from clickstream.enrich.agents import agent
from clickstream.enrich.places import Places
from clickstream.enrich.referrers import referrer
from clickstream.enrich.requests import request
from clickstream.history.codes import Codes, Coding, Numbers
from clickstream.history.decode import (
    MAX_TEXT,
    SOUND_BYTES,
    SOUND_STATUSES,
    Click,
    ProductEvent,
    VipAction,
)

CLICK_COLUMNS = {
    "time": "BIGINT",
    "bytes": "BIGINT",
    "status": "INTEGER",
    "page": "INTEGER",
    "referrer": "INTEGER",
    "browser": "INTEGER",
    "os": "INTEGER",
    "device": "INTEGER",
    "bot": "INTEGER",
    "country": "INTEGER",
    "city": "INTEGER",
    "user": "INTEGER",
    "ip": "INTEGER",
    "visitor": "INTEGER",
}
EVENT_COLUMNS = {"time": "BIGINT", "name": "INTEGER", "product": "INTEGER", "user": "INTEGER"}
VIP_COLUMNS = {"time": "BIGINT", "user": "INTEGER", "page": "INTEGER", "action": "INTEGER", "device": "INTEGER"}

# Texts whose codes are remembered, of each kind: looking a request up costs 0.05 us, taking it apart 2.
REMEMBERED = 50_000

Value = TypeVar("Value")


def _number(value: int | None, limits: range) -> int | None:
    return value if value is not None and value in limits else None


class ClickColumns:
    """Gives the values of clicks their codes. `own_hosts` of the site are no referrers."""

    def __init__(self, places: Places, own_hosts: Collection[str] = ()) -> None:
        self._places = places
        self._own_hosts = frozenset(own_hosts)
        self.codes = {
            name: Codes()
            for name in ("page", "referrer", "browser", "os", "device", "bot", "country", "city", "user", "ip")
        }
        self.codings: dict[str, Coding] = {**self.codes, "status": Numbers()}
        self.forget()

    def forget(self) -> None:
        """Codes may have been given up: ask for them anew."""
        self._pages: dict[str | None, int | None] = {}
        self._referrers: dict[str | None, int] = {}
        self._agents: dict[str | None, tuple[int, int, int, int]] = {}
        self._addresses: dict[str | None, tuple[int | None, int | None, int | None]] = {}

    @property
    def bytes(self) -> int:
        """What the texts take, about."""
        return sum(codes.bytes for codes in self.codes.values())

    def table(self, clicks: Sequence[Click]) -> pa.Table:
        """The rows of CLICK_COLUMNS."""
        pages = [_known(self._pages, click.request, self._page) for click in clicks]
        referrers = [_known(self._referrers, click.referrer, self._referrer) for click in clicks]
        agents = [_known(self._agents, click.agent, self._agent) for click in clicks]
        addresses = [_known(self._addresses, click.ip, self._address) for click in clicks]
        user = self.codes["user"].code
        users = [None if click.userid is None else user(str(click.userid)) for click in clicks]
        numbers: dict[str, list[int | None]] = {
            "status": [_number(click.status, SOUND_STATUSES) for click in clicks],
            "page": pages,
            "referrer": list(referrers),
            "browser": [one[0] for one in agents],
            "os": [one[1] for one in agents],
            "device": [one[2] for one in agents],
            "bot": [one[3] for one in agents],
            "country": [one[1] for one in addresses],
            "city": [one[2] for one in addresses],
            "user": users,
            "ip": [one[0] for one in addresses],
            "visitor": [
                2 * user if user is not None else None if one[0] is None else 2 * one[0] + 1
                for user, one in zip(users, addresses, strict=True)
            ],
        }
        columns: dict[str, pa.Array] = {
            "time": pa.array([click.time for click in clicks], pa.int64()),
            "bytes": pa.array([_number(click.bytes, SOUND_BYTES) or 0 for click in clicks], pa.int64()),
            **{name: pa.array(values, pa.int32()) for name, values in numbers.items()},
        }
        return pa.table({name: columns[name] for name in CLICK_COLUMNS})

    def _page(self, line: str | None) -> int | None:
        page = request(line).page
        return None if page is None else self.codes["page"].code(page)

    def _referrer(self, text: str | None) -> int:
        return self.codes["referrer"].code(referrer(text, self._own_hosts))

    def _agent(self, text: str | None) -> tuple[int, int, int, int]:
        found = agent(text)
        return (
            self.codes["browser"].code(found.browser),
            self.codes["os"].code(found.os),
            self.codes["device"].code(found.device),
            self.codes["bot"].code("true" if found.bot else "false"),
        )

    def _address(self, ip: str | None) -> tuple[int | None, int | None, int | None]:
        if not ip:
            return None, None, None
        country, city = self._places.place(ip)
        return (
            self.codes["ip"].code(ip[:MAX_TEXT]),
            None if country is None else self.codes["country"].code(country),
            None if city is None else self.codes["city"].code(city),
        )


def _known(cache: dict[str | None, Value], text: str | None, find: Callable[[str | None], Value]) -> Value:
    try:
        return cache[text]
    except KeyError:
        if len(cache) >= REMEMBERED:
            cache.clear()
        return cache.setdefault(text, find(text))


class EventColumns:
    """Gives the values of product events their codes."""

    def __init__(self) -> None:
        self.codes = {name: Codes() for name in ("name", "product", "user")}

    def table(self, events: Sequence[ProductEvent]) -> pa.Table:
        """The rows of EVENT_COLUMNS."""
        return _table(
            [event.time for event in events],
            {
                "name": _coded(self.codes["name"], [event.name for event in events]),
                "product": _coded(self.codes["product"], [event.product for event in events]),
                "user": _coded(self.codes["user"], [event.user for event in events]),
            },
        )


class VipColumns:
    """Gives the values of VIP clicks their codes."""

    def __init__(self) -> None:
        self.codes = {name: Codes() for name in ("user", "action", "device")}

    def table(self, actions: Sequence[VipAction]) -> pa.Table:
        """The rows of VIP_COLUMNS."""
        return _table(
            [action.time for action in actions],
            {
                "user": _coded(self.codes["user"], [action.user for action in actions]),
                "page": [_number(action.page, SOUND_STATUSES) for action in actions],
                "action": _coded(self.codes["action"], [action.action for action in actions]),
                "device": _coded(self.codes["device"], [action.device for action in actions]),
            },
        )


def _coded(codes: Codes, values: Sequence[str | None]) -> list[int | None]:
    code = codes.code
    return [None if value is None else code(value[:MAX_TEXT]) for value in values]


def _table(times: list[int], columns: dict[str, list[int | None]]) -> pa.Table:
    arrays = {name: pa.array(values, pa.int32()) for name, values in columns.items()}
    return pa.table({"time": pa.array(times, pa.int64()), **arrays})
