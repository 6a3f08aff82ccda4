"""PostgreSQL as sinks fill it for dashboards: an hour of the shop, computed by the shipped files from real topics."""

import json
import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from clickstream.collect.intake import Intake, IntakeOptions
from clickstream.collect.model import Request
from tests.dashboards import WEB_EVENTS_COLUMNS, Target, as_postgres_gets_it
from tests.integration.collectsupport import AGENT
from tests.integration.support import make_topic, produce, records, run, value
from tests.integration.tablesupport import generate, shipped, table
from tests.postgres import execute, given_or_own

FILES = ("clickstream", "products", "web-events")
Row = dict[str, Any]

# Of visitors, by their numbers.
COUNTRIES = ("US", "US", "US", "DE", "DE", "FR", "GB", "JP", "BR", "IN", "ZA", "AU", None)
AGENTS = (
    AGENT,
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
    "Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
    "Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
)
REFERRERS = (None, None, "https://www.google.com/", "https://www.reddit.com/", "https://partner.example/", "/")


@dataclass(frozen=True)
class Filled:
    """Tables in a schema, the topics that they are of, and the time that panels look at."""

    kafka: str
    prefix: str
    dsn: str
    schema: str
    since: datetime
    until: datetime

    def rows(self, topic: str) -> list[Row]:
        """The rows of a table, as its topic has them."""
        return [read(row) for row in table(self.kafka, f"{self.prefix}-{topic}").values()]

    def stream(self, topic: str) -> list[Row]:
        """The rows of a stream, as its topic has them."""
        return [read(json.loads(value(record))) for record in records(self.kafka, f"{self.prefix}-{topic}")]

    def shown(self, panel: Target) -> list[tuple[Any, ...]]:
        """What Grafana would get for a panel, as a user who can only read."""
        sql = as_postgres_gets_it(panel.text, self.since, self.until)
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f"SET ROLE {self.schema}")
            connection.execute(f"SET search_path = {self.schema}")
            connection.execute("SET TimeZone = 'UTC'")
            return [tuple(map(plain, row)) for row in connection.execute(sql.encode()).fetchall()]


def read(row: Row) -> Row:
    """Its times as times."""
    times = ("window_start", "window_end", "ts")
    return {
        name: datetime.fromisoformat(of.replace("Z", "")).replace(tzinfo=UTC) if name in times and of else of
        for name, of in row.items()
    }


def plain(of: Any) -> Any:
    """Numbers as Grafana has them: doubles."""
    return float(of) if isinstance(of, int | Decimal) else of


@contextmanager
def fill(kafka: str, folder: Path, name: str) -> Iterator[Filled]:
    """50 minutes of clicks, events of two sites, and events of products, computed by the shipped files and sunk; for
    `name`, a kind of dashboard, there is a role that can only read."""
    prefix = f"{name}-{uuid.uuid4().hex[:8]}"
    schema = prefix.replace("-", "_")
    until = datetime.now(UTC)
    since = until - timedelta(hours=3)
    begin = (until - timedelta(hours=2)).replace(second=0, microsecond=0)  # each minute is a whole one
    clicks = ("--count", "30000", "--event-rate", "10", "--sessions", "90s/35s", "--seed", "3")
    generate(kafka, prefix, *clicks, "--start", begin.isoformat())
    made = run("run-producer", "-b", kafka, "--topic", f"{prefix}-event-topic", "--count", "3000", "--rate", "max")
    assert made.code == 0, made.said
    make_topic(kafka, f"{prefix}-web-events")
    produce(kafka, f"{prefix}-web-events", list(web_events(begin)))
    files = [str(shipped(name, folder, prefix, prefix)) for name in FILES]
    done = run("tables", "run", *files, "-b", kafka, "--state-dir", str(folder), "--exit-at-end", timeout=300)
    assert done.code == 0, done.said
    with given_or_own() as dsn:
        topic = (f"{prefix}-web-events", "--columns", WEB_EVENTS_COLUMNS)
        for what in (files, topic):
            sink = ("sink", "postgres", *what, "-b", kafka, "--schema", schema, "--exit-at-end")
            done = run(*sink, CLICKSTREAM_SINK_POSTGRES=dsn, timeout=300)
            assert done.code == 0, done.said
        # The name that it has where the topic has no prefix.
        execute(dsn, f"ALTER TABLE {schema}.{schema}_web_events RENAME TO web_events")
        # As docs/deploy says.
        execute(dsn, f"CREATE ROLE {schema} LOGIN")
        execute(dsn, f"GRANT USAGE ON SCHEMA {schema} TO {schema}")
        execute(dsn, f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {schema}")
        execute(dsn, f"ALTER ROLE {schema} SET search_path = {schema}")
        yield Filled(kafka, prefix, dsn, schema, since, until)
        execute(dsn, f"DROP SCHEMA {schema} CASCADE")
        execute(dsn, f"DROP ROLE {schema}")


def web_events(begin: datetime) -> Iterator[bytes]:
    """Records of the collector: two sites, visitors from several countries and from nowhere known, and a robot."""
    chance = random.Random(7)
    intake = Intake(IntakeOptions())
    start = int(begin.timestamp() * 1000)
    for number in range(4_000):
        visitor = int(chance.triangular(0, 300, 300))
        at = start + number * 750
        site = chance.choice(("shop", "shop", "blog"))
        event = {
            "id": f"e{number}",
            "event": chance.choice(("pageview", "pageview", "scroll", "addtobasket")),
            "url": f"https://{site}.example{chance.choice(('/', '/', '/basket', '/products/42?a=b', '/products/7'))}",
            "properties": {"product": f"product {int(chance.triangular(1, 9, 2))}"},
            "referrer": (f"https://{site}.example/" if (known := chance.choice(REFERRERS)) == "/" else known),
            "visitor": f"visitor {visitor}",
            "time": at,
        }
        agent = (
            "Googlebot/2.1 (+http://www.google.com/bot.html)" if visitor == 299 else AGENTS[visitor * 7 % len(AGENTS)]
        )
        request = Request("POST", "/e", "", {"user-agent": agent}, "203.0.113.7", at, json.dumps(event).encode())
        [outgoing] = intake.take(request).events
        record = json.loads(outgoing.records[0].value or b"")
        yield json.dumps({**record, "country": COUNTRIES[visitor % len(COUNTRIES)]}).encode()
