"""How fast a sink's target follows a topic, beside a plain way to fill it: what the benches of sinks share."""

import json
import random
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from bench.broker import BenchKafka, bench_kafka
from bench.measure import run
from bench.table import Cost, Row, row
from clickstream.kafka.produce import Sender

COLUMNS = "id BIGINT NOT NULL, name STRING, hits BIGINT, share DOUBLE, seen TIMESTAMP(3)"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """`records` over `keys`, and a short run whose cost is subtracted; `address`: None is a server of its own."""

    records: int
    keys: int
    short: int
    rounds: int
    address: str | None


class Subject(Protocol):
    """A kind of target. Both ways fill a `space` of their own in it: a schema, or the prefix of an index."""

    kind: str
    peer: str
    """What the plain way is, for people; it is the module `bench.KIND_rows`."""

    def server(self, address: str | None) -> AbstractContextManager[str]:
        """The address of one that runs."""
        ...

    def options(self, space: str, address: str) -> Sequence[str]:
        """Of `clickstream sink`."""
        ...

    def must_have(self, address: str, space: str, topic: str, rows: int) -> None:
        """Make sure that a space has so many rows, and delete it. Raises ClickstreamError."""
        ...


def measure(subject: Subject, plan: Plan, say: Say) -> list[Row]:
    """A row for each way."""
    titles = {"sink": f"clickstream sink {subject.kind}", "rows": subject.peer}
    costs: dict[str, list[Cost]] = {name: [] for name in titles}
    with bench_kafka(say) as kafka, subject.server(plan.address) as address:
        topics = {count: fill(kafka, count, plan.keys) for count in (plan.short, plan.records)}
        for number in range(plan.rounds):
            for name, title in titles.items():
                usages = {}
                for count, topic in topics.items():
                    space = f"bench_{name}_{number}_{count}_"
                    usages[count] = run(_command(subject, name, kafka.address, topic, space, address)).usage
                    subject.must_have(address, space, topic, min(count, plan.keys))
                cost = Cost(plan.records, usages[plan.records], plan.short, usages[plan.short])
                costs[name].append(cost)
                say(f"{title}: {cost.rate:,.0f} rows/s")
    return [row(name, titles[name], found) for name, found in costs.items()]


def _command(subject: Subject, name: str, kafka: str, topic: str, space: str, address: str) -> list[str]:
    if name == "rows":
        return [sys.executable, "-m", f"bench.{subject.kind}_rows", kafka, topic, space, address]
    return [
        *(sys.executable, "-m", "clickstream", "sink", subject.kind, topic, "-b", kafka, "--columns", COLUMNS),
        *("--key", "id", "--exit-at-end", "--quiet", *subject.options(space, address)),
    ]


def fill(kafka: BenchKafka, count: int, keys: int) -> str:
    """A topic of so many records of COLUMNS; returns its name."""
    topic = kafka.topic(f"hits_{count}")
    chance = random.Random(1)
    sender = Sender(kafka.cluster.producer())
    for number in range(count):
        # The first ones are all keys, so that a table has as many rows as there are keys.
        key = number if number < keys else chance.randrange(keys)
        value = {"id": key, "name": f"page /item/{key}", "hits": number, "share": number / count,
                 "seen": f"2026-01-01 00:00:{number % 60:02}.{number % 1000:03}"}  # fmt: skip
        sender.send(topic, json.dumps(value).encode(), b'{"id":%d}' % key)
    sender.must_have_delivered("The records")
    return topic
