"""One of several brokers dies or freezes, again and again: nobody ends, nothing is lost or doubled."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from clickstream.errors import ClickstreamError
from tests.integration import participants
from tests.integration.brokers import ThreeBrokers
from tests.integration.participants import LONG, rounds
from tests.integration.support import make_topic
from tests.support import PATIENCE, missing


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


def _troubles(brokers: ThreeBrokers, topic: str) -> list[participants.Trouble]:
    """Leaders of the source and of both kinds of coordinators, killed and frozen."""
    group = f"{topic}-each-group"

    def leader() -> int:
        return brokers.leader(topic)

    def of_group() -> int:
        return brokers.group_coordinator(group)

    def of_transactions() -> int:
        return brokers.transaction_coordinator(group)

    troubles = [
        Trouble(of_transactions, kill=True),
        Trouble(leader, kill=False),
        Trouble(of_group, kill=True),
        Trouble(leader, kill=True),
        Trouble(of_transactions, kill=False),
        Trouble(of_group, kill=False),
    ]
    return [partial(one.make, brokers) for one in troubles]


def _leaders(brokers: ThreeBrokers, topic: str, out: str) -> list[participants.Trouble]:
    """Of the source and of the result of tables, which need no coordinator."""
    troubles = [
        Trouble(lambda: brokers.leader(topic), kill=True),
        Trouble(lambda: brokers.leader(topic), kill=False),
        Trouble(lambda: brokers.leader(out), kill=True),
    ]
    return [partial(one.make, brokers) for one in troubles]


@pytest.mark.timeout(600 * PATIENCE)
def test_counters_go_on_while_brokers_die_and_freeze(brokers: ThreeBrokers, topic_name: str) -> None:
    make_topic(brokers.address, topic_name)
    counters = [participants.counter(brokers.address, topic_name, each=each) for each in (False, True)]
    rounds(brokers.address, topic_name, counters, _troubles(brokers, topic_name)[:3])


@pytest.mark.timeout(600 * PATIENCE)
def test_tables_go_on_while_brokers_die_and_freeze(brokers: ThreeBrokers, topic_name: str, tmp_path: Path) -> None:
    make_topic(brokers.address, topic_name)
    tables = participants.tables(brokers.address, topic_name, tmp_path)
    rounds(brokers.address, topic_name, [tables], _leaders(brokers, topic_name, f"{topic_name}-passed"))


@pytest.mark.slow
def test_everybody_goes_on_through_many_deaths(brokers: ThreeBrokers, topic_name: str, tmp_path: Path) -> None:
    make_topic(brokers.address, topic_name)
    everybody = [participants.counter(brokers.address, topic_name, each=each) for each in (False, True)]
    everybody.append(participants.tables(brokers.address, topic_name, tmp_path))
    rounds(brokers.address, topic_name, everybody, _troubles(brokers, topic_name) * 2)
