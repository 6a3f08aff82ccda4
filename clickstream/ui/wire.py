"""What a tab and the server say to each other over `/live`: JSON text frames, times in epoch ms."""

from typing import Annotated, Any

import msgspec

from clickstream.inspect.instant import LATEST_MS

MAX_FRAME_BYTES = 16 * 1024
MAX_ID_CHARACTERS = 64

_NONE = msgspec.Raw(b"{}")

encode = msgspec.json.encode

Instant = Annotated[int, msgspec.Meta(ge=0, le=LATEST_MS)]
"""A past instant that is asked for."""


class FromTab(msgspec.Struct, frozen=True):
    """One frame of a tab: it sets one of `open` (with `panel` and `params`), `close`, `hidden` and `beat`.

    Members that are not known are ignored: the page may be newer than the server.
    """

    open: str | None = None
    panel: str = ""
    params: msgspec.Raw = _NONE
    close: str | None = None
    hidden: bool | None = None
    beat: int | None = None


_decoder = msgspec.json.Decoder(FromTab)


def from_tab(frame: str) -> FromTab:
    """Raises msgspec.MsgspecError when it is none."""
    return _decoder.decode(frame)


class Hello(msgspec.Struct, frozen=True):
    """The first thing that a tab hears."""

    version: str
    address: str  # of Kafka
    boot: str  # of this start: after another one, what the page knows may be of another time
    control: bool  # whether this tab may send commands
    history_minutes: float
    now: int


class Feed(msgspec.Struct, frozen=True):
    """What came to a feed since the last time. `skipped`: how many more came, and are not here; `anew`: what was sent
    before means nothing any more; `stage` and `words` are those of the topic's reader (inspect/topicreader.py)."""

    rows: list[Any]
    skipped: int = 0
    anew: bool = False
    stage: str = ""
    words: str = ""


class Number(msgspec.Struct, frozen=True):
    """Beside the name of a page; `words` tell what it is, `bad` draws it as what breaks."""

    n: float
    unit: str = ""
    bad: bool = False
    words: str = ""


def hello(said: Hello) -> str:
    """The first frame of a connection."""
    return encode({"hello": said}).decode()


def beat(number: int, now: int) -> str:
    """The heartbeat, with the server's clock."""
    return encode({"beat": number, "now": now}).decode()


def bye(words: str) -> str:
    """The last frame before the server closes a connection, with the reason."""
    return encode({"bye": words}).decode()


def error(id_: str, words: str) -> str:
    """A panel that cannot be shown, with the reason."""
    return encode({"id": id_, "error": words}).decode()


def state(id_: str, now: int, encoded: str) -> str:
    """`encoded`: the state's JSON, which many tabs share."""
    return f'{{"id":{encode(id_).decode()},"now":{now},"state":{encoded}}}'


def feed(id_: str, now: int, news: Feed) -> str:
    """What came to a panel that is a feed."""
    return encode({"id": id_, "now": now, "feed": news}).decode()
