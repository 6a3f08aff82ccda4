"""A topic's records as they come, with previews; the filter is applied here, once a tab."""

from typing import Any

import msgspec

from clickstream.errors import ClickstreamError
from clickstream.inspect import conditions, position, shown
from clickstream.inspect.search import Question, newest_first
from clickstream.inspect.topicreader import Stage
from clickstream.ui.panels.contract import FeedKind
from clickstream.ui.services import Services
from clickstream.ui.wire import Feed

# Twice a second: more than anybody can read. What is beyond is counted.
MAX_ROWS = 200


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which topic; `filter` as in inspect/conditions.py, its times in `zone` (an IANA name) if they say none,
    `columns` the paths of fields that rows have as cells."""

    topic: str
    filter: str = ""
    zone: str | None = None
    partition: int | None = None
    key: str | None = None
    columns: list[str] = []


class Tail:
    """Rows come oldest first, between partitions by timestamp."""

    def __init__(self, services: Services, params: Params) -> None:
        """Raises ClickstreamError for a filter that is none."""
        try:
            zone = None if params.zone is None else position.zone_of(params.zone)
            condition = conditions.parse(params.filter, zone)
        except ValueError as error:
            raise ClickstreamError(f"Filter: {error}.") from None
        if len(params.columns) > shown.MAX_COLUMNS:
            raise ClickstreamError(f"At most {shown.MAX_COLUMNS} columns are shown.")
        key = None if params.key is None else params.key.encode()
        self._asked = Question(params.topic, partition=params.partition, key=key, condition=condition)
        self._columns = params.columns
        self._listener = services.hub.recent(params.topic)
        self._is_live = False
        self._command = services.hints.command(params.topic)

    def take(self) -> Feed:
        news = self._listener.take()
        fitting = [
            one for one in newest_first(news.records) if self._wants(one.partition()) and self._asked.accepts(one)
        ]
        rows = [shown.row(one, self._columns) for one in fitting[:MAX_ROWS]]
        # What was there before we came is history: nobody has missed it.
        missed = news.skipped + len(fitting) - len(rows) if self._is_live and not news.anew else 0
        self._is_live = news.state.stage is Stage.LIVE or (self._is_live and not news.anew)
        words = news.state.words
        if news.state.stage is Stage.MISSING:
            words = f"{words.rstrip('.')}. Fill it with: {self._command}"
        return Feed(rows[::-1], missed, news.anew, news.state.stage.value, words)

    def _wants(self, partition: int | None) -> bool:
        return self._asked.partition in (None, partition)

    def close(self) -> None:
        self._listener.close()


def _make(services: Services, params: Any) -> Tail:
    return Tail(services, params)


KIND = FeedKind(Params, _make)
