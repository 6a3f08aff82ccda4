"""What got lost on the way to the collector is told, as often as it happened."""

import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterable
from http.client import HTTPConnection
from pathlib import Path

from clickstream.records import LossKey, WebLoss, decode
from tests.integration.collectsupport import AGENT, Collecting, collecting, event
from tests.integration.support import records
from tests.support import PATIENCE, wait_until

EVENTS = 10_000
DROPPED_EVERY = 33
VISITORS = 40
PAGES = 100  # of those who are cookieless, each a sequence of its own


def numbered(count: int) -> list[dict[str, object]]:
    """Events of visitors who take turns at random, some of them cookieless, as a tag numbers them."""
    chance = random.Random(1)
    streams = [f"v{number}" for number in range(VISITORS)] + [f"p{number}" for number in range(PAGES)]
    numbers: Counter[str] = Counter()
    found = []
    for _ in range(count):
        stream = chance.choice(streams)
        sent = event(stream=stream, sequence=numbers[stream], source="tag", visitor=stream)
        if stream.startswith("p"):
            del sent["visitor"]
            sent["cookieless"] = True
        found.append(sent)
        numbers[stream] += 1
    return found


def seen_missing(sent: Iterable[dict[str, object]], dropped: set[object]) -> int:
    """Of what was dropped, what can be seen: something of its stream came later, and before, unless it begins at 0."""
    by_stream: dict[object, list[bool]] = {}
    for one in sent:
        by_stream.setdefault(one["stream"], []).append(one["id"] not in dropped)
    missing = 0
    for stream, arrived in by_stream.items():
        if not any(arrived):
            continue
        first = 0 if str(stream).startswith("p") else arrived.index(True)
        last = len(arrived) - 1 - arrived[::-1].index(True)
        missing += arrived[first : last + 1].count(False)
    return missing


def through_a_lossy_proxy(port: int, sent: list[dict[str, object]]) -> tuple[set[object], int]:
    """Passes events on, but for every 33rd; the ids of those. Some come twice, as after an answer that got lost: how
    many."""
    dropped, doubled = set(), 0
    connection = HTTPConnection("127.0.0.1", port, timeout=30 * PATIENCE)
    batch: list[dict[str, object]] = []
    for number, one in enumerate(sent, start=1):
        if number % DROPPED_EVERY == 0:
            dropped.add(one["id"])
        else:
            batch.append(one)
        if len(batch) == 20 or number == len(sent):
            again = not doubled or number == len(sent)
            doubled += len(batch) * again
            for _ in range(1 + again):
                connection.request("POST", "/e", json.dumps(batch).encode(), {"User-Agent": AGENT})
                answer = connection.getresponse()
                assert json.loads(answer.read())["refused"] == []
            batch = []
    connection.close()
    return dropped, doubled


def told(found: Collecting) -> WebLoss:
    """The latest words on every hour, added up."""
    latest = {record.key(): record.value() for record in records(found.kafka, f"{found.name}-loss")}
    hours = [decode(value, WebLoss) for value in latest.values()]
    assert {(hour.site, hour.hour) for hour in hours} == {
        (key.site, key.hour) for key in (decode(key, LossKey) for key in latest)
    }
    sums = {name: sum(getattr(hour, name) for hour in hours) for name in ("sent", "received", "missing", "doubled")}
    return WebLoss("shop.example", 0, **sums, last=max((hour.last or 0 for hour in hours), default=0))


def shown(found: Collecting, name: str) -> float:
    """A number of the site's among the metrics."""
    text = found.ask("GET", "/metrics").body.decode()
    metric = re.escape(f'clickstream_web_events_{name}{{site="shop.example"}}')
    [value] = re.findall(rf"^{metric} (\S+)$", text, re.MULTILINE)
    return float(value)


def test_every_33rd_of_ten_thousand_is_missing(kafka: str, topic_name: str, tmp_path: Path) -> None:
    sent = numbered(EVENTS)
    begun = time.time()
    with collecting(kafka, topic_name, tmp_path, "--workers", "2") as found:
        dropped, doubled = through_a_lossy_proxy(found.port, sent)
        assert len(dropped) == EVENTS // DROPPED_EVERY
        expected = WebLoss("shop.example", 0, 0, EVENTS - len(dropped), seen_missing(sent, dropped), 0)
        assert len(dropped) - expected.missing < 10  # the test would say little of what nobody can see
        wait_until(lambda: told(found).received >= expected.received, 60, lambda: f"all is told: {told(found)}")
        before = told(found)
        # What one worker saw twice it drops; what two workers saw comes again, and is told.
        assert doubled >= 20
        wait_until(
            lambda: found.metrics()["duplicates"] + told(found).doubled == doubled,
            30,
            lambda: f"{doubled} doubled: {found.metrics()['duplicates']} and {told(found).doubled}",
        )
        assert (before.sent, before.received, before.missing) == (
            expected.received + expected.missing,
            expected.received,
            expected.missing,
        )
        # A worker shows what the collector told it a second ago.
        wait_until(lambda: shown(found, "missing") == expected.missing, 30, lambda: f"{shown(found, 'missing')}")
        last = shown(found, "last_timestamp_seconds")
        assert begun < last < time.time()
        assert begun < (before.last or 0) / 1000 < time.time()
    # Another collector reads all of it back, and says the same.
    with collecting(kafka, topic_name, tmp_path) as again:
        again.post(event(stream="v0", sequence=sum(one["stream"] == "v0" for one in sent), visitor="v0", source="tag"))
        wait_until(lambda: told(again).received > before.received, 60, lambda: f"more is told: {told(again)}")
        assert told(again).received == before.received + 1
        assert told(again).doubled == before.doubled
