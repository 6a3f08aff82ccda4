"""Parts at work on a cluster whose brokers die, freeze and move, and what holds once everything has come through."""

import json
import threading
from collections import Counter as Counts
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from psycopg.errors import UndefinedTable

from clickstream.kafka.clients import Cluster
from clickstream.topics import Declared, ensure
from tests.integration import collectsupport
from tests.integration.brokers import SHORT_TIMEOUTS
from tests.integration.rabbit import Rabbit
from tests.integration.support import Part, command_of, decreases, records, running, tallies, value, written
from tests.postgres import PostgresServer
from tests.support import PATIENCE, wait_until
from tests.unit.sinks.archives import ask

CUT = [word for setting in SHORT_TIMEOUTS.items() for word in ("-X", "=".join(setting))]
LONG = 120.0  # s: a broker that is killed comes back within 10 s on an idle machine

Trouble = Callable[[Callable[[], None]], None]
"""Something that happens to brokers; it calls what it is given when all have to go on meanwhile."""


@dataclass
class Participant:
    """A part at work, how far it has come, and what holds once everything that was produced has come through.

    `end` is called before that is asked, where it feeds itself.
    """

    name: str
    part: Part
    progress: Callable[[], int]
    complete: Callable[[dict[str, int]], bool]
    end: Callable[[], None] = field(default=lambda: None)


def counter(address: str, topic: str, *, each: bool) -> Participant:
    """A counter of the topic's events."""
    name = f"{topic}-each" if each else f"{topic}-interval"
    out = f"{name}-tally"
    ensure(Cluster(address), [out])
    names = {"to_topic": out, "group": f"{name}-group", "dead_letter_topic": f"{name}-dead"}
    words = [*command_of(topic, **names), "-b", address, *CUT, *(["--emit", "each"] if each else [])]

    def complete(produced: dict[str, int]) -> bool:
        found = tallies(address, out)
        assert decreases(found) == []
        if each:
            sums = [sum(tally.values()) for tally in found]
            assert sums == list(range(1, len(sums) + 1)), "a tally per event, each once"
        return bool(found) and found[-1] == produced

    return Participant(name, Part(*words), lambda: written(address, out), complete)


TABLE = """
CREATE TABLE events (eventName STRING, userId STRING) WITH (
  'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}',
  'format' = 'json', 'scan.startup.mode' = 'earliest-offset');
CREATE TABLE passed (eventName STRING, userId STRING) WITH (
  'connector' = 'kafka', 'topic' = '{out}', 'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}',
  'format' = 'json');
INSERT INTO passed SELECT eventName, userId FROM events;
"""


def tables(address: str, topic: str, directory: Path) -> Participant:
    """A table that passes each event on, to the topic `TOPIC-passed`."""
    out = f"{topic}-passed"
    ensure(Cluster(address), [out])
    path = directory / "passed.sql"
    path.write_text(TABLE.format(topic=topic, out=out), "utf-8")
    words = ["tables", "run", str(path), "-b", address, "--quiet", "--state-dir", str(directory / "state")]

    def complete(produced: dict[str, int]) -> bool:
        rows = Counts(json.loads(value(record))["eventName"] for record in records(address, out))
        assert all(rows[name] <= count for name, count in produced.items()), "no row twice"
        return rows == produced

    words += ["--dead-letter-topic", f"{topic}-dead", *CUT]
    return Participant("tables", Part(*words), lambda: written(address, out), complete)


def archive(address: str, topic: str, directory: Path) -> Participant:
    """A sink into Parquet files."""
    to, name = directory / "archive", topic.replace("-", "_")
    words = ["sink", "parquet", topic, "--to", str(to), "--every", "1", "--quiet", "-b", address, *CUT]

    def rows() -> list[tuple[object, ...]]:
        return ask(to, f"SELECT _value FROM {name}") if (to / "archive.sql").exists() else []

    def complete(produced: dict[str, int]) -> bool:
        found = Counts(json.loads(bytes(one[0]))["eventName"] for one in rows())  # type: ignore[call-overload]
        assert all(found[event] <= count for event, count in produced.items()), "no record twice"
        return found == produced

    words += ["--dead-letter-topic", f"{topic}-dead"]
    return Participant("archive", Part(*words), lambda: len(rows()), complete)


def database(address: str, topic: str, server: PostgresServer) -> Participant:
    """A sink into PostgreSQL, which keeps the offsets there."""
    words = ["sink", "postgres", topic, "--quiet", "-b", address, "--dead-letter-topic", f"{topic}-dead", *CUT]
    part = Part(*words, CLICKSTREAM_SINK_POSTGRES=server.dsn)
    table = topic.replace("-", "_")

    def rows() -> list[str]:
        try:
            return [value for (value,) in server.execute(f'SELECT value FROM "{table}"')]
        except UndefinedTable:
            return []

    def complete(produced: dict[str, int]) -> bool:
        found = Counts(json.loads(value)["eventName"] for value in rows())
        assert all(found[event] <= count for event, count in produced.items()), "no record twice"
        return found == produced

    return Participant("database", part, lambda: len(rows()), complete)


def queue(address: str, topic: str, rabbit: Rabbit) -> Participant:
    """A sink into a queue of RabbitMQ, which keeps the offsets in Kafka: each record once or more, told by its id."""
    rabbit.make_queue(topic)
    words = ["sink", "rabbitmq", topic, "--quiet", "-b", address, "--dead-letter-topic", f"{topic}-dead", *CUT]
    part = Part(*words, CLICKSTREAM_SINK_RABBITMQ=rabbit.url)
    names: dict[str, str] = {}

    def received() -> int:
        for properties, body in rabbit.messages(topic):
            names[properties.message_id] = json.loads(body)["eventName"]
        return len(names)

    def complete(produced: dict[str, int]) -> bool:
        received()
        return Counts(names.values()) == produced

    return Participant("queue", part, received, complete)


def collector(address: str, topic: str, directory: Path) -> Participant:
    """A collector that is sent an event ten times a second: those that it answered with 2xx are in its topic, and no
    others. What Kafka took without saying so in time is spooled, too, and told by its id."""
    name = f"{topic}-collect"
    ensure(Cluster(address), [Declared(f"{name}-{kind}") for kind in ("events", "clicks", "dead", "loss")])
    part = Part(*collectsupport.command(address, name, directory / "collector"))
    port = collectsupport.served_port(part)
    taken: set[str] = set()
    stop = threading.Event()

    def send() -> None:
        while not stop.wait(0.1):
            event = collectsupport.event()
            body = json.dumps(event).encode()
            if collectsupport.ask(port, "POST", "/e", body).status < 300:
                taken.add(event["id"])

    sender = threading.Thread(target=send, name="visitors")
    sender.start()

    def end() -> None:
        stop.set()
        sender.join(60 * PATIENCE)

    def complete(_produced: dict[str, int]) -> bool:
        return {json.loads(value(one))["id"] for one in records(address, f"{name}-events")} == taken

    return Participant("collector", part, lambda: written(address, f"{name}-events"), complete, end)


def rounds(
    address: str, topic: str, participants: Sequence[Participant], troubles: Sequence[Trouble], rate: int = 300
) -> None:
    """A producer and all participants at work, through all troubles: everybody goes on, nothing is lost or doubled."""
    with ExitStack() as stack:
        for one in participants:
            stack.callback(one.part.end)
            stack.callback(one.end)
        words = ["run-producer", "-b", address, "--topic", topic, "--rate", str(rate), "--quiet", *CUT]
        producer = stack.enter_context(running(*words))

        def go_on() -> None:
            _go_on(address, topic, producer, participants)

        go_on()
        for trouble in troubles:
            trouble(go_on)
        assert producer.stop(60) == 0, producer.said()
        produced = dict(Counts(json.loads(value(one))["eventName"] for one in records(address, topic)))
        assert f"acknowledged {sum(produced.values()):,}, failed 0" in producer.said()
        for one in participants:
            one.end()
            wait_until(partial(_is_complete, one, produced), LONG, one.name, 1.0)
            assert one.part.stop(60) == 0, one.part.said()
            assert "Traceback" not in one.part.said()


def _go_on(address: str, topic: str, producer: Part, others: Sequence[Participant]) -> None:
    """Everybody still runs, and makes progress."""

    def wait_for_more(name: str, progress: Callable[[], int]) -> None:
        before = progress()

        def went_on() -> bool:
            for part in (producer, *(one.part for one in others)):
                assert part.running, part.said()
            return progress() > before

        wait_until(went_on, LONG, f"{name} goes on", 0.2)

    wait_for_more("the producer", lambda: written(address, topic))
    for one in others:
        wait_for_more(one.name, one.progress)


def _is_complete(one: Participant, produced: dict[str, int]) -> bool:
    assert one.part.running, one.part.said()
    return one.complete(produced)
