"""Every record that crosses a topic: its type, its encoder and its decoder."""

from datetime import UTC, datetime
from typing import Any

import msgspec

EVENT_NAMES = ("productview", "purchase", "addtobasket", "removefrombasket")

# The member of a tally that is not a name: no counted value may be called so.
RECEIVE_AT = "receiveAt"


def utc_text(seconds: float) -> str:
    """Epoch seconds as the events' date, `2020-03-25T19:05:49UTC`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SUTC")


class Event(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A product event on `event-topic`."""

    date: str
    product_id: str
    event_name: str
    user_id: str


class WebClick(msgspec.Struct, frozen=True):
    """One request of a web server's log on `clickstream`; its key is `ip`."""

    ip: str
    userid: int | None
    remote_user: str | None
    time: str
    time_ms: int = msgspec.field(name="_time")
    request: str | None
    status: int | None
    bytes: int
    referrer: str | None
    agent: str | None


class StatusCode(msgspec.Struct, frozen=True):
    """What an HTTP status means, on `clickstream_codes`; its key is a CodeKey."""

    code: int
    definition: str


class CodeKey(msgspec.Struct, frozen=True):
    code: int


class WebUser(msgspec.Struct, frozen=True):
    """A registered user of the web site on `clickstream_users`; its key is a UserKey."""

    user_id: int
    username: str
    registered_at: int  # epoch ms
    first_name: str
    last_name: str
    city: str
    level: str


class UserKey(msgspec.Struct, frozen=True):
    user_id: int


class VipUser(msgspec.Struct, frozen=True):
    """A customer on `vip-users`; its key is a VipUserKey."""

    user_id: str
    name: str
    level: str


class VipUserKey(msgspec.Struct, frozen=True):
    user_id: str


class VipClick(msgspec.Struct, frozen=True):
    """What somebody did in the shop, on `vip-clicks`; its key is `user_id`."""

    user_id: str
    event_time: int  # epoch ms
    page: int
    action: str
    device: str
    agent: str


class Tally(msgspec.Struct, frozen=True):
    """How often each name was seen, and when that was said; keyed by the counter's group."""

    counts: dict[str, int]
    receive_at: str

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def encode(self) -> bytes:
        return msgspec.json.encode({**self.counts, RECEIVE_AT: self.receive_at})

    @staticmethod
    def decode(value: bytes) -> "Tally":
        """Raises msgspec.MsgspecError when `value` is no tally."""
        fields: dict[str, int | str] = msgspec.json.decode(value, type=dict[str, int | str])
        receive_at = fields.pop(RECEIVE_AT, None)
        if not isinstance(receive_at, str) or any(isinstance(count, str) for count in fields.values()):
            raise msgspec.ValidationError("not a tally")
        return Tally(fields, receive_at)  # type: ignore[arg-type]


# Of the counting logic: counts that another logic has made are refused, not continued.
COUNTING_VERSION = 1


class StateKey(msgspec.Struct, frozen=True):
    """Key of a CounterState. With the epoch in it, compaction keeps no late record of an old epoch instead."""

    epoch: int
    partition: int


class CounterState(msgspec.Struct, frozen=True, kw_only=True):
    """One partition's counts up to, not including, `next_offset`: the offset travels with the result."""

    version: int = COUNTING_VERSION
    epoch: int
    topic: str
    topic_id: str
    field: str
    output: str
    partition: int
    next_offset: int
    counts: dict[str, int]
    at_end: bool = False  # the partition's end was seen at next_offset


class Position(msgspec.Struct, frozen=True):
    """How far a part is in one partition: everything before `next_offset` is in its stored results."""

    topic: str
    partition: int
    next_offset: int
    table: str | None = None  # that reads the topic
    watermark: int | None = None  # epoch ms; None: none yet, or the part has none
    idle: bool = False  # silent for so long that it holds the table's watermark back no more


class Status(msgspec.Struct, frozen=True):
    """What a long-running part is and how it is doing, every 2 s on the status topic; keyed by `id`.

    Other records on that topic have a key that goes on after the id: see RunningSql. Readers ignore what they do not
    know, and fields are only ever added, with a default.
    """

    id: str
    kind: str
    host: str
    since: str
    state: str
    rates: dict[str, float]  # of the totals, per second
    topics: list[str]
    name: str | None = None  # which of its kind: the file of tables
    group: str | None = None
    totals: dict[str, int] = {}
    gauges: dict[str, float] = {}
    positions: list[Position] = []
    paused: bool = False
    last_success: str | None = None
    error: str | None = None  # the last warning or error that its process logged; it may quote what comes from outside
    error_at: str | None = None


class RunningSql(msgspec.Struct, frozen=True):
    """What a running file of SQL does, once on the status topic; keyed by `id`/plan.

    `sql` is the file as it is written, without its secrets; `plan` is what `tables explain --format json` shows.
    """

    id: str  # of its Status
    name: str
    sql: str
    plan: dict[str, Any]

    @property
    def key(self) -> str:
        return f"{self.id}/plan"


encode = msgspec.json.encode


def decode(value: bytes | None, record: type[Any]) -> Any:
    """`value` as a `record`; raises msgspec.MsgspecError (also for a tombstone) or UnicodeDecodeError."""
    return msgspec.json.decode(value or b"", type=record)
