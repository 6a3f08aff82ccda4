"""Every record that crosses a topic: its type, its encoder and its decoder."""

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

EVENT_NAMES = ("productview", "purchase", "addtobasket", "removefrombasket")

# The member of a tally that is not a name: no counted value may be called so.
RECEIVE_AT = "receiveAt"


def utc_text(seconds: float) -> str:
    """Epoch seconds as the events' date, `2020-03-25T19:05:49UTC`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SUTC")


def utc_seconds(text: str) -> int:
    """The epoch seconds of such a date; raises ValueError when it is none."""
    return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SUTC").replace(tzinfo=UTC).timestamp())


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


class WebEvent(msgspec.Struct, frozen=True):
    """What somebody did on a web site, on `web-events`; its key is `visitor`.

    Times are epoch ms. What is not known is null.
    """

    id: str  # made once where the event happened: what has the same one, of one site, is the same event
    event: str  # "pageview", or any other name
    site: str  # as told, or the host of `url`
    url: str  # as told, without user and password
    visitor: str | None
    session: str | None
    page: str | None  # id of the page view that it happened on
    time: int  # when it happened, by the collector's clock
    received_at: int
    created_at: int | None = None  # when it happened, by the visitor's clock
    sent_at: int | None = None  # when it was sent, by the visitor's clock
    stream: str | None = None  # what `sequence` counts in: a visitor, or one page when cookieless
    sequence: int | None = None  # 0, 1, 2, ... of `stream` at its `site`, on over its pages
    source: str = "json"  # by which way it came: "tag", "json", "pixel" or "divolte"
    cookieless: bool = False  # `visitor` is a hash of the day
    new_session: bool = False  # the first event of `session`
    duplicate: bool = False  # the same id was seen shortly before
    corrupt: bool = False  # its checksum did not match
    referrer: str | None = None  # as told, without user and password
    referrer_class: str | None = None  # "direct", "internal", "search", "social", "campaign" or "link"
    campaign_source: str | None = None
    campaign_medium: str | None = None
    campaign: str | None = None
    campaign_term: str | None = None
    campaign_content: str | None = None
    agent: str | None = None  # the User-Agent header
    browser: str | None = None
    os: str | None = None
    device: str | None = None  # "phone", "tablet", "desktop" or "robot"
    bot: str | None = None  # why it is taken for no person: "list", "empty", "headless", "webdriver" or "prefetch"
    address: str | None = None  # truncated to /24 or /48, unless the collector was told otherwise
    country: str | None = None
    city: str | None = None
    language: str | None = None
    viewport_width: int | None = None  # CSS pixels
    viewport_height: int | None = None
    screen_width: int | None = None
    screen_height: int | None = None
    properties: dict[str, Any] = {}


class LossKey(msgspec.Struct, frozen=True):
    """The key of a WebLoss."""

    site: str
    hour: int  # epoch ms of its beginning


class WebLoss(msgspec.Struct, frozen=True):
    """How much of what a site's tag sent in an hour arrived, on `web-events-loss`; its key is a LossKey.

    By the sequences of its streams: `missing` are numbers that did not come though later ones did, `doubled` are
    events that came again.
    """

    site: str
    hour: int  # epoch ms of its beginning, by when events happened
    sent: int
    received: int
    missing: int
    doubled: int
    last: int | None = None  # epoch ms: when a collector received the last of them


class StatusCode(msgspec.Struct, frozen=True):
    """What an HTTP status means, on `clickstream_codes`; its key is a CodeKey."""

    code: int
    definition: str


class CodeKey(msgspec.Struct, frozen=True):
    """The key of a StatusCode."""

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
    """The key of a WebUser."""

    user_id: int


class VipUser(msgspec.Struct, frozen=True):
    """A customer on `vip-users`; its key is a VipUserKey."""

    user_id: str
    name: str
    level: str


class VipUserKey(msgspec.Struct, frozen=True):
    """The key of a VipUser."""

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
        """All names together."""
        return sum(self.counts.values())

    def encode(self) -> bytes:
        """As JSON: a number for each name, and RECEIVE_AT."""
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


class TransformKey(msgspec.Struct, frozen=True):
    """Key of a TransformPlace; that of the TransformOwner has no partition."""

    partition: int | None


class TransformPlace(msgspec.Struct, frozen=True, kw_only=True, tag="place"):
    """How far a transform is in one partition: all results before `next_offset` are on `output`."""

    topic: str
    topic_id: str
    output: str
    partition: int
    next_offset: int


class TransformOwner(msgspec.Struct, frozen=True, kw_only=True, tag="owner"):
    """The process that runs a transform: the newest one."""

    id: str  # of this start
    process: str  # for people: host and process id
    since: str


class Position(msgspec.Struct, frozen=True):
    """How far a part is in one partition: everything before `next_offset` is in its stored results."""

    topic: str
    partition: int
    next_offset: int
    table: str | None = None  # that reads the topic
    watermark: int | None = None  # epoch ms; None: none yet, or the part has none
    idle: bool = False  # silent for so long that it holds the table's watermark back no more
    silent_s: float = 0.0  # for how long there has been nothing to read: its end was confirmed again and again
    idle_after_s: float | None = None  # it is idle when it has been silent for so long; None: never
    lag: int | None = None  # records behind `next_offset`, as far as the client knows the end; None: not told


class LeftOut(msgspec.Struct, frozen=True):
    """How many rows of a table that a part reads or writes did not take part, since the start.

    `late` for every window, `dropped` with a NULL in the key, `dead_letters` that could not be read, `untimed` without
    an event time; `nulled` are fields that were not of their type.
    """

    table: str
    topic: str
    late: int = 0
    dropped: int = 0
    dead_letters: int = 0
    untimed: int = 0
    nulled: int = 0


# The `state` of a Status: that of a part that runs, and the last one of a part that failed, with the reason as `error`.
RUNNING = "running"
FAILED = "failed"

Action = Literal["pause", "resume", "rate", "late", "malformed"]


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a running part is asked for, on the control topic; keyed by `part`.

    `value` goes with some actions: records per second for `rate` (None: as fast as it can), how many of the next
    records are flawed for `late` and `malformed`.
    """

    id: str  # of this command: the part's answer has it
    part: str  # id of its Status
    action: Action
    value: float | None
    sent_at: int  # epoch ms


class Answer(msgspec.Struct, frozen=True):
    """What came of a command. `words` say what was done, or why it was not."""

    id: str  # of the command
    done: bool
    words: str
    at: int  # epoch ms


class Status(msgspec.Struct, frozen=True):
    """What a long-running part is and how it is doing, every 2 s on the status topic; keyed by `id`.

    Other records on that topic have a key that goes on after the id: see RunningSql and Requests. Readers ignore what
    they do not know, and fields are only ever added, with a default.
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
    error: str | None = None  # the last warning or error that may be about it; it may quote what is not ours
    error_at: str | None = None
    control: bool = False  # it heeds commands on the control topic
    wanted_rate: float | None = None  # records per second; None: as fast as it can, or it has no such rate
    answers: list[Answer] = []  # to the latest commands, the last one last
    said_at: int | None = None  # when this was said, epoch ms by the clock of its host; None: an older version
    left_out: list[LeftOut] = []  # only tables that have something left out


SQL_KEY_END = b"/plan"


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
        """Of its record on the status topic."""
        return self.id + SQL_KEY_END.decode()


REQUESTS_KEY_END = b"/requests"


class Requests(msgspec.Struct, frozen=True):
    """The last requests of a collector that explains them, the oldest first; keyed by `id`/requests.

    Each is as `clickstream/collect/explain.py` tells it: `received_at` (epoch ms), `endpoint`, `status`, `address`
    (truncated, or null), `steps` and `events`, which have steps of their own: `step`, `verdict` and `detail`.
    """

    id: str  # of its Status
    requests: list[dict[str, Any]]

    @property
    def key(self) -> str:
        """Of its record on the status topic."""
        return self.id + REQUESTS_KEY_END.decode()


class SinkKey(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """Key of a record on the sink topic: of the owner of a sink whose target holds no offsets (without a topic), of
    its place in a partition, or, with `extra`, of what its target keeps with that place."""

    kind: str
    name: str
    topic: str | None = None
    partition: int | None = None
    extra: bool = False


class SinkOwner(msgspec.Struct, frozen=True):
    """Who writes for a sink: the process with the highest epoch."""

    epoch: int
    owner: str  # host and process, for people
    where: str  # the target, without secrets
    topics: list[str]


class SinkPlace(msgspec.Struct, frozen=True):
    """What a target has of a partition: everything before `offset` of the topic with that id."""

    epoch: int
    owner: str
    topic_id: str
    offset: int


class SinkExtra(msgspec.Struct, frozen=True):
    """What a target keeps with the place of a partition, as it wants: written in the same transaction."""

    epoch: int
    extra: str


encode = msgspec.json.encode


def decode(value: bytes | None, record: type[Any]) -> Any:
    """`value` as a `record`; raises msgspec.MsgspecError (also for a tombstone) or UnicodeDecodeError."""
    return msgspec.json.decode(value or b"", type=record)
