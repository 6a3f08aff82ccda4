"""Alerts: runs of windows in which a status came too often, as the tables write them.

A row of the topic is one status in one window of a minute, and there is one only where the limit was passed. Windows
overlap; those of a status that touch make one alert.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

import msgspec

from clickstream.inspect.hub import Hub, Listener
from clickstream.inspect.topicreader import Stage
from clickstream.ui.panels.codes import Codes

TOPIC = "errors_per_min_alert"
CODES_TOPIC_SETTING = "generate-web.codes-topic"
# An alert goes on while the last of its windows ended no longer ago than that: the next one may still be open.
OPEN_MS = 60_000
# Before what is shown: no later question reaches back so far.
KEPT_MS = 86_400_000


class Row(msgspec.Struct, frozen=True):
    """A row of the table errors_per_min_alert; times as SQL writes them, in UTC."""

    status: int
    window_start: str
    window_end: str
    errors: int


class Alert(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """`peak` and `now` are the most and the latest number of a window. Times are epoch ms."""

    status: str
    name: str
    from_: int
    to: int
    peak: int
    now: int


@dataclass(frozen=True)
class Window:
    """An error status in one window [start, end) of the alert's table (epoch ms)."""

    status: int
    start: int
    end: int
    errors: int


class Alerts:
    """Listens to the topic until it is closed. For one thread at a time."""

    def __init__(self, hub: Hub, codes: Codes, topic: str = TOPIC) -> None:
        """`codes` name the statuses; they are not closed here."""
        self._listener: Listener = hub.latest(topic)
        self._codes = codes
        self._windows: dict[bytes, Window] = {}

    @property
    def are_computed(self) -> bool:
        """Whether there is such a topic: else no tables compute them."""
        return self._listener.state.stage is not Stage.MISSING

    @property
    def listener(self) -> Listener:
        """To the topic: how reading it is going."""
        return self._listener

    def since(self, start: int, until: int | None = None) -> list[Alert]:
        """The alerts that ended after `start` (epoch ms), by their ends; with `until`, as they were then.

        `start` may move on from question to question; a day behind it windows are forgotten.
        """
        self._take()
        self._windows = {key: window for key, window in self._windows.items() if window.end > start - KEPT_MS}
        known = (window for window in self._windows.values() if until is None or window.end <= until)
        recent = [window for window in known if window.end > start]
        return [
            Alert(
                str(run[0].status),
                self._codes.name(str(run[0].status)),
                run[0].start,
                max(window.end for window in run),
                max(window.errors for window in run),
                run[-1].errors,
            )
            for run in sorted(runs(recent), key=lambda run: run[-1].end)
        ]

    def close(self) -> None:
        self._listener.close()

    def _take(self) -> None:
        news = self._listener.take()
        if news.anew:
            self._windows = {}
        for record in news.records:
            key, value = record.key() or b"", record.value()
            window = None if value is None else window_of(value)
            if window is None:
                self._windows.pop(key, None)
            else:
                self._windows[key] = window


def window_of(value: bytes) -> Window | None:
    """None if it is no row of that table."""
    try:
        row = msgspec.json.decode(value, type=Row)
        return Window(row.status, _ms(row.window_start), _ms(row.window_end), row.errors)
    except (msgspec.MsgspecError, ValueError):
        return None


def runs(windows: list[Window]) -> list[list[Window]]:
    """Windows of a status that overlap or touch, together; each run in the order of time."""
    found: list[list[Window]] = []
    ordered = sorted(windows, key=lambda window: (window.status, window.start))
    for _status, of_status in groupby(ordered, key=lambda window: window.status):
        run: list[Window] = []
        for window in of_status:
            if run and window.start > run[-1].end:
                found.append(run)
                run = []
            run.append(window)
        found.append(run)
    return found


def _ms(sql: str) -> int:
    """Raises ValueError for what is no time."""
    at = datetime.fromisoformat(sql)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
