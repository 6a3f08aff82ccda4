"""What the demo runs beside the heart: visitors and customers made up, and the shipped tables over them."""

import logging
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path

from clickstream.config import config_dir
from clickstream.demo.demo import Minute, TableLine
from clickstream.demo.traffic import TABLE, TrafficReader
from clickstream.generate.feed import Feed
from clickstream.generate.plan import Plan
from clickstream.generate.timeline import Phase, Timeline
from clickstream.generate.traffic import Traffic
from clickstream.generate.vip import vip
from clickstream.generate.web import web
from clickstream.kafka.admin import cluster_id
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.parts.part import Part, Rates, run_noting_failure
from clickstream.parts.threads import Threads
from clickstream.stop import Stop
from clickstream.tables.run import Tables, options_for
from clickstream.tables.sql.check import check_file
from clickstream.topics import ensure

log = logging.getLogger(__name__)

# Visitors come and go, so that sessions end: what `generate --sessions 90s/35s` means.
ACTIVE_MS, PAUSE_MS = 90_000, 35_000
USERS = 100
FEEDS_DRAIN_S = 5.0


class Beside:
    """Feeds and tables in threads of their own. `problem` is what stopped them, None while all is well."""

    def __init__(self, feeds: Sequence[Feed], tables: Tables, made_up: Stop, traffic: TrafficReader) -> None:
        """`made_up` ends the feeds: it is the one that their senders know."""
        self._traffic = traffic
        self._feeds = feeds
        self._tables = tables
        self._made_up = made_up
        self._computed = threading.Event()
        self._feeding = Threads(self._say)
        self._computing = Threads(self._say)
        self._rates = Rates()

    @property
    def parts(self) -> list[Part]:
        """All that is watched."""
        return [*self._feeds, *self._tables.engines.values()]

    @property
    def problem(self) -> BaseException | None:
        """What stopped the tables or the feeds, the tables' first."""
        return self._computing.problem or self._feeding.problem

    def start(self) -> None:
        """Start all of it, each part on a thread of its own."""
        for feed in self._feeds:
            self._feeding.start(run_noting_failure, feed, self._made_up)
        self._computing.start(self._tables.run, self._computed)
        self._computing.start(self._traffic.run, self._computed)

    def ask_to_stop(self) -> None:
        """All at the same time: while Kafka is away, each takes seconds. What was sent last is taken in next time."""
        self._made_up.set()
        self._computed.set()

    def stop(self) -> None:
        """Ask, and wait until all have ended."""
        self.ask_to_stop()
        self._feeding.wait()
        self._computing.wait()

    def minutes(self) -> list[Minute]:
        """The traffic, newest minute first."""
        return self._traffic.minutes

    def lines(self) -> list[TableLine]:
        """Each result, in the order of the files."""
        rows = {
            result.name: result.written + result.early
            for engine in self._tables.engines.values()
            for result in engine.now.results()
        }
        rates = self._rates.of(rows)
        return [TableLine(name, count, rates[name]) for name, count in rows.items()]

    def summary(self) -> str:
        """What was made up and computed, in one line."""
        clicks = sum(feed.totals()["acknowledged"] for feed in self._feeds)
        totals = self._tables.totals()
        return (
            f"Clicks made up: {clicks:,}. Tables: {totals['rows']:,} rows read, "
            f"{totals['written'] + totals['early']:,} written."
        )

    def _say(self) -> None:
        """At once: the demo tells its outcome only at its end."""
        log.error("%s", self.problem)


def beside(
    cluster: Cluster,
    state_dir: Path,
    *,
    dead_letter_topic: str,
    web_rate: float,
    vip_rate: float,
    allow_control: bool = False,
) -> Beside:
    """The generators, at so many clicks per second, and all shipped tables, on their declared topics."""
    site = web(
        USERS,
        seed=secrets.randbits(32),
        topic="clickstream",
        codes_topic="clickstream_codes",
        users_topic="clickstream_users",
    )
    shop = vip(USERS, seed=secrets.randbits(32), topic="vip-clicks", users_topic="vip-users")
    paths = sorted((config_dir() / "tables").glob("*.sql"))
    this = cluster_id(cluster)
    options = [options_for(path, state_dir, this, dead_letter_topic=dead_letter_topic, changes=True) for path in paths]
    checked = [check_file(path) for path in paths]
    tables = Tables(cluster, checked, options)
    traffic = next(one.program.tables[TABLE] for one in checked if TABLE in one.program.tables)
    stop = Stop(FEEDS_DRAIN_S)
    return Beside(
        [
            _feed(cluster, traffic, rate, stop, allow_control=allow_control)
            for traffic, rate in ((site, web_rate), (shop, vip_rate))
        ],
        tables,
        stop,
        TrafficReader(cluster, traffic),
    )


def _feed(cluster: Cluster, traffic: Traffic, rate: float, stop: Stop, *, allow_control: bool) -> Feed:
    """A live feed of `traffic`, with pauses."""
    ensure(cluster, [traffic.topic, *traffic.references])
    timeline = Timeline([Phase(rate, ACTIVE_MS), Phase(0.0, PAUSE_MS)])
    producer = cluster.producer(patient=True)
    plan = Plan(secrets.randbits(32), timeline, 1.0)
    return Feed(traffic, plan, Sender(producer, stop), Sender(producer, stop), allow_control=allow_control)
