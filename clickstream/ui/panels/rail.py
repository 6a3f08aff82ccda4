"""Numbers beside the names of pages in the rail, of those pages that are about topics and parts."""

from collections.abc import Collection, Sequence

from clickstream.inspect.letters import mark_of
from clickstream.inspect.names import is_internal
from clickstream.inspect.render import timestamp_of
from clickstream.parts.status import Seen, living
from clickstream.ui.flow.holds import trouble_of
from clickstream.ui.services import Services
from clickstream.ui.wire import Number as Number

LETTERS_OF_MS = 5 * 60_000
# What runs a flow, and which of its rates is that of the rows that it takes in.
FLOWS = {"tables": "rows", "counter": "counted"}


class RailNumbers:
    """Topics that are there, letters of the last 5 min, rows that flow per second, and parts that report."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._letters: NewLetters | None = None

    def numbers(self, now: int, names: Collection[str] | None) -> dict[str, Number]:
        """By page; what is not known is not there. `now` is in epoch ms; `names` are those of all topics."""
        parts = self._services.statuses.parts(now / 1000)
        reporting = len(living(parts, now / 1000))
        numbers = {"sources": Number(reporting, words="parts that report"), **flow(parts, now)}
        if names is not None:
            own = sum(not is_internal(name) for name in names)
            numbers["topics"] = Number(own, words="topics, without Kafka's own")
            if self._services.settings["dead-letter-topic"] in names:
                numbers["dead"] = self._new_letters(now)
        return numbers

    def close(self) -> None:
        if self._letters is not None:
            self._letters.close()

    def _new_letters(self, now: int) -> Number:
        # Only once the topic is there: a reader that waits for one asks again and again.
        if self._letters is None:
            self._letters = NewLetters(self._services)
        found = self._letters.count(now - LETTERS_OF_MS, now)
        return Number(found, bad=found > 0, words="dead letters of the last 5 min")


class NewLetters:
    """Counts the dead letters of the last minutes as they come, by the second: there may be many."""

    def __init__(self, services: Services) -> None:
        self._listener = services.hub.recent(services.settings["dead-letter-topic"])
        self._by_second: dict[int, int] = {}

    def count(self, since: int, now: int) -> int:
        """How many were written since then (epoch ms); what came too fast to be looked at counts as written now."""
        news = self._listener.take()
        if news.anew:
            self._by_second = {}
        for record in news.records:
            if mark_of(record) is None:
                self._add(timestamp_of(record), 1)
        if news.skipped:
            self._add(now, news.skipped)
        self._by_second = {second: number for second, number in self._by_second.items() if second * 1000 >= since}
        return sum(self._by_second.values())

    def close(self) -> None:
        self._listener.close()

    def _add(self, time: int | None, number: int) -> None:
        if time is not None:
            self._by_second[time // 1000] = self._by_second.get(time // 1000, 0) + number


def flow(parts: Sequence[Seen], now: int) -> dict[str, Number]:
    """Rows per second through all tables and counters; bad while one of them is in trouble. Empty: none runs."""
    running = [part for part in parts if part.status.kind in FLOWS]
    if not running:
        return {}
    troubles = [trouble_of(part, now / 1000) for part in running]
    rate = sum(
        part.status.rates.get(FLOWS[part.status.kind], 0.0)
        for part, trouble in zip(running, troubles, strict=True)
        if not trouble
    )
    words = "; ".join(filter(None, troubles)) or "rows per second into tables and counters"
    return {"flow": Number(rate, "/s", bad=any(troubles), words=words)}
