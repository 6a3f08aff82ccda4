"""What the best customers do, as it happens: the result vip-action; where that is missing, the clicks it is made of."""

from typing import Any

import msgspec
from confluent_kafka import Message

from clickstream.inspect.hub import Listener, News
from clickstream.inspect.render import timestamp_of
from clickstream.inspect.search import newest_first
from clickstream.inspect.topicreader import Stage
from clickstream.ui.keyed import Keyed, epoch_ms, reader
from clickstream.ui.panels.contract import At, FeedKind
from clickstream.ui.services import Services
from clickstream.ui.wire import Feed

RESULT = "vip-action"
PLATINUM = "PLATINUM"
# Twice a second: more than anybody can read. What is beyond is counted.
MAX_ROWS = 30


class Action(msgspec.Struct, frozen=True):
    """A row of the result, or a click (records.VipClick) of which the name is not known; its time is a text or ms."""

    user_id: str | None = None
    name: str | None = None
    page: int | None = None
    action: str | None = None
    event_time: str | int | None = None


class Customer(msgspec.Struct, frozen=True):
    """As records.VipUser."""

    user_id: str
    name: str | None = None
    level: str | None = None


class Row(msgspec.Struct, frozen=True):
    """`id` is the record's partition and offset; `time` is epoch ms of event time, None is unknown."""

    id: str
    time: int | None
    user: str
    name: str
    action: str
    page: int | None


class Vip:
    """Rows come oldest first."""

    def __init__(self, services: Services, until: int | None = None) -> None:
        """`until`: what was done after that instant (epoch ms) is left out, and nothing comes any more."""
        self._until = until
        self._had_any = False
        self._reaches = False  # something of before the instant was there
        self._command = services.hints.command(RESULT)
        self._result = services.hub.recent(RESULT)
        self._clicks: Listener = services.hub.recent(services.settings["generate-vip.topic"])
        self._customers = Keyed(services, services.settings["generate-vip.users-topic"], reader(Customer))
        self._from_result = False

    def take(self) -> Feed:
        result, clicks = self._result.take(), self._clicks.take()
        from_result = result.state.stage is not Stage.MISSING
        changed = from_result is not self._from_result
        self._from_result = from_result
        if from_result:
            return self._feed(self._result.snapshot() if changed else result, _rows_of_results, "")
        if changed:
            clicks = self._clicks.snapshot()
        words = f"There is no topic {RESULT}: these are the clicks of {self._clicks.topic.topic}. Fill it with: "
        return self._feed(clicks, self._rows_of_clicks, words + self._command)

    def close(self) -> None:
        self._result.close()
        self._clicks.close()
        self._customers.close()

    def _feed(self, news: News, rows_of: Any, words: str) -> Feed:
        rows: list[Row] = rows_of(newest_first(news.records))
        said = words or news.state.words
        if self._until is not None:
            return self._past(rows, news, said)
        beyond = 0 if news.anew else max(0, len(rows) - MAX_ROWS)
        return Feed(rows[:MAX_ROWS][::-1], news.skipped + beyond, news.anew, news.state.stage.value, said)

    def _past(self, rows: list[Row], news: News, words: str) -> Feed:
        until = self._until or 0
        found = [row for row in rows if row.time is not None and row.time <= until][:MAX_ROWS]
        self._had_any, self._reaches = self._had_any or bool(rows), self._reaches or bool(found)
        if self._had_any and not self._reaches:
            words = "What they did until then is not among the last records of the topic."
        return Feed(found[::-1], 0, news.anew, news.state.stage.value, words)

    def _rows_of_clicks(self, messages: list[Message]) -> list[Row]:
        known = {one.user_id: one for one in self._customers.rows()}
        rows = []
        for row in _rows_of_results(messages):
            customer = known.get(row.user)
            if customer is not None and customer.level == PLATINUM:
                rows.append(msgspec.structs.replace(row, name=customer.name or ""))
        return rows


_action = reader(Action)


def _rows_of_results(messages: list[Message]) -> list[Row]:
    return [row for row in map(_row, messages) if row is not None]


def _row(message: Message) -> Row | None:
    found = _action(message)
    if found is None:
        return None
    return Row(
        id=f"{message.partition()}:{message.offset()}",
        time=_time(found.event_time, message),
        user=found.user_id or "",
        name=found.name or "",
        action=found.action or "",
        page=found.page,
    )


def _time(time: str | int | None, message: Message) -> int | None:
    if isinstance(time, int):
        return time
    try:
        return timestamp_of(message) if time is None else epoch_ms(time)
    except ValueError:
        return timestamp_of(message)


def _make(services: Services, params: At) -> Vip:
    return Vip(services, params.at)


KIND = FeedKind(At, _make)
