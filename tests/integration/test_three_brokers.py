"""One of several brokers dies or freezes, again and again: nobody ends, nothing is lost or doubled."""

import json
from collections import Counter as Counts
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from clickstream.errors import ClickstreamError
from clickstream.topics import ensure
from tests.integration.brokers import SHORT_TIMEOUTS, ThreeBrokers
from tests.integration.support import Part, command_of, decreases, make_topic, records, running, tallies, value, written
from tests.support import missing, wait_until

CUT = [word for setting in SHORT_TIMEOUTS.items() for word in ("-X", "=".join(setting))]
LONG = 120.0  # s: a broker that is killed comes back within 10 s on an idle machine


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory, broker_java: str) -> Iterator[ThreeBrokers]:
    try:
        found = ThreeBrokers(tmp_path_factory.mktemp("three"), broker_java)
    except ClickstreamError as error:
        missing(f"no Kafka: {error}")
    try:
        found.start()
        found.wait_until_whole()
        yield found
    finally:
        found.end()


@dataclass
class Participant:
    """A part at work, how far it has come, and what holds once everything that was produced has come through."""

    name: str
    part: Part
    progress: Callable[[], int]
    complete: Callable[[dict[str, int]], bool]


def _counter(brokers: ThreeBrokers, topic: str, each: bool) -> Participant:
    name = f"{topic}-each" if each else f"{topic}-interval"
    out = f"{name}-tally"
    ensure(brokers.cluster, [out])
    names = {"to_topic": out, "group": f"{name}-group", "dead_letter_topic": f"{name}-dead"}
    words = [*command_of(topic, **names), "-b", brokers.address, *CUT, *(["--emit", "each"] if each else [])]

    def complete(produced: dict[str, int]) -> bool:
        found = tallies(brokers.address, out)
        assert decreases(found) == []
        if each:
            sums = [sum(tally.values()) for tally in found]
            assert sums == list(range(1, len(sums) + 1)), "a tally per event, each once"
        return bool(found) and found[-1] == produced

    return Participant(name, Part(*words), lambda: written(brokers.address, out), complete)


TABLE = """
CREATE TABLE events (eventName STRING, userId STRING) WITH (
  'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}',
  'format' = 'json', 'scan.startup.mode' = 'earliest-offset');
CREATE TABLE passed (eventName STRING, userId STRING) WITH (
  'connector' = 'kafka', 'topic' = '{out}', 'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}',
  'format' = 'json');
INSERT INTO passed SELECT eventName, userId FROM events;
"""


def _tables(brokers: ThreeBrokers, topic: str, directory: Path) -> Participant:
    out = f"{topic}-passed"
    ensure(brokers.cluster, [out])
    path = directory / "passed.sql"
    path.write_text(TABLE.format(topic=topic, out=out), "utf-8")
    words = ["tables", "run", str(path), "-b", brokers.address, "--quiet", "--state-dir", str(directory / "state")]

    def complete(produced: dict[str, int]) -> bool:
        rows = Counts(json.loads(value(record))["eventName"] for record in records(brokers.address, out))
        assert all(rows[name] <= count for name, count in produced.items()), "no row twice"
        return rows == produced

    words += ["--dead-letter-topic", f"{topic}-dead", *CUT]
    return Participant("tables", Part(*words), lambda: written(brokers.address, out), complete)


@dataclass
class Trouble:
    """Which broker, chosen by what it does, and how it is hurt."""

    whom: Callable[[], int]
    kill: bool

    def make(self, brokers: ThreeBrokers, go_on: Callable[[], None]) -> None:
        node = self.whom()
        if self.kill:
            brokers.kill(node)
            go_on()
            brokers.start(node)
        else:
            with brokers.frozen(node):
                go_on()
        brokers.wait_until_whole(LONG)
        go_on()


def _troubles(brokers: ThreeBrokers, topic: str) -> list[Trouble]:
    """Leaders of the source and of both kinds of coordinators, killed and frozen."""
    group = f"{topic}-each-group"

    def leader() -> int:
        return brokers.leader(topic)

    def of_group() -> int:
        return brokers.group_coordinator(group)

    def of_transactions() -> int:
        return brokers.transaction_coordinator(group)

    return [
        Trouble(of_transactions, kill=True),
        Trouble(leader, kill=False),
        Trouble(of_group, kill=True),
        Trouble(leader, kill=True),
        Trouble(of_transactions, kill=False),
        Trouble(of_group, kill=False),
    ]


def _leaders(brokers: ThreeBrokers, topic: str, out: str) -> list[Trouble]:
    """Of the source and of the result of tables, which need no coordinator."""
    return [
        Trouble(lambda: brokers.leader(topic), kill=True),
        Trouble(lambda: brokers.leader(topic), kill=False),
        Trouble(lambda: brokers.leader(out), kill=True),
    ]


def _go_on(brokers: ThreeBrokers, topic: str, producer: Part, others: list[Participant]) -> None:
    """Everybody still runs, and makes progress."""

    def wait_for_more(name: str, progress: Callable[[], int]) -> None:
        before = progress()

        def went_on() -> bool:
            for part in (producer, *(one.part for one in others)):
                assert part.running, part.said()
            return progress() > before

        wait_until(went_on, LONG, f"{name} goes on", 0.2)

    wait_for_more("the producer", lambda: written(brokers.address, topic))
    for one in others:
        wait_for_more(one.name, one.progress)


def _is_complete(one: Participant, produced: dict[str, int]) -> bool:
    assert one.part.running, one.part.said()
    return one.complete(produced)


def _rounds(
    brokers: ThreeBrokers, topic: str, participants: list[Participant], troubles: list[Trouble], rate: int = 300
) -> None:
    with ExitStack() as stack:
        for one in participants:
            stack.callback(one.part.end)
        words = ["run-producer", "-b", brokers.address, "--topic", topic, "--rate", str(rate), "--quiet", *CUT]
        producer = stack.enter_context(running(*words))

        def go_on() -> None:
            _go_on(brokers, topic, producer, participants)

        go_on()
        for trouble in troubles:
            trouble.make(brokers, go_on)
        assert producer.stop(60) == 0, producer.said()
        produced = dict(Counts(json.loads(value(one))["eventName"] for one in records(brokers.address, topic)))
        assert f"acknowledged {sum(produced.values()):,}, failed 0" in producer.said()
        for one in participants:
            wait_until(partial(_is_complete, one, produced), LONG, one.name, 1.0)
            assert one.part.stop(60) == 0, one.part.said()
            assert "Traceback" not in one.part.said()


@pytest.mark.timeout(600)
def test_counters_go_on_while_brokers_die_and_freeze(brokers: ThreeBrokers, topic_name: str) -> None:
    make_topic(brokers.address, topic_name)
    participants = [_counter(brokers, topic_name, each) for each in (False, True)]
    _rounds(brokers, topic_name, participants, _troubles(brokers, topic_name)[:3])


@pytest.mark.timeout(600)
def test_tables_go_on_while_brokers_die_and_freeze(brokers: ThreeBrokers, topic_name: str, tmp_path: Path) -> None:
    make_topic(brokers.address, topic_name)
    participants = [_tables(brokers, topic_name, tmp_path)]
    _rounds(brokers, topic_name, participants, _leaders(brokers, topic_name, f"{topic_name}-passed"))


@pytest.mark.slow
def test_everybody_goes_on_through_many_deaths(brokers: ThreeBrokers, topic_name: str, tmp_path: Path) -> None:
    make_topic(brokers.address, topic_name)
    participants = [_counter(brokers, topic_name, each) for each in (False, True)]
    participants.append(_tables(brokers, topic_name, tmp_path))
    _rounds(brokers, topic_name, participants, _troubles(brokers, topic_name) * 2)
