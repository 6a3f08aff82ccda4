"""`broker start --nodes 3`, and what the parts make of it when a node dies, freezes, stops or leads no more."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import ElectionType, TopicPartition

from clickstream.broker import EmbeddedBroker
from clickstream.broker.nodes import EmbeddedCluster
from clickstream.broker.serverconfig import Node
from clickstream.kafka.admin import metadata
from clickstream.kafka.clients import Cluster
from tests.integration import participants
from tests.integration.librdkafka import admin_of
from tests.integration.participants import LONG, rounds
from tests.integration.rabbit import rabbit_in
from tests.integration.support import make_topic, records, run, running, written
from tests.postgres import server
from tests.support import PATIENCE, wait_until

AWAY_S = 60.0


@dataclass
class Nodes:
    """The cluster as it was started by the command."""

    address: str
    state_dir: Path
    java: str

    def make(self, directory: Path, node: Node | None) -> EmbeddedBroker:
        return EmbeddedBroker(directory, java=self.java, port=0, notify=lambda _line: None, node=node)

    @property
    def cluster(self) -> EmbeddedCluster:
        return EmbeddedCluster(self.state_dir, self.make)

    def leader(self, topic: str) -> int:
        """Of its first partition; 0: none just now."""
        cluster = Cluster(self.address)
        return max(0, metadata(cluster, cluster.admin())[topic][0].leader)

    def pid(self, number: int) -> int:
        found = self.cluster.status()[number].pid
        assert found is not None
        return found

    def wait_until_whole(self, topic: str) -> None:
        """All run, and follow."""

        def whole() -> bool:
            cluster = Cluster(self.address)
            # Of a topic that is new, the node that is asked may know nothing yet.
            partitions = metadata(cluster, cluster.admin()).get(topic, {}).values()
            running = all(one.state == "running" for one in self.cluster.status().values())
            return running and bool(partitions) and all(len(one.isrs) == 3 for one in partitions)

        wait_until(whole, LONG, "all nodes are there again", 0.2)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, broker_java: str) -> Iterator[Nodes]:
    state_dir = tmp_path_factory.mktemp("nodes")
    command = ("broker", "start", "--nodes", "3", "--state-dir", str(state_dir))
    started = run(*command, timeout=LONG, CLICKSTREAM_JAVA=broker_java)
    found = Nodes(started.printed.strip(), state_dir, broker_java)
    try:
        assert started.code == 0, started.said
        yield found
    finally:
        found.cluster.stop(force=True)


def test_a_topic_is_on_all_nodes_and_takes_writes_while_one_is_away(nodes: Nodes, topic_name: str) -> None:
    make_topic(nodes.address, topic_name)
    nodes.wait_until_whole(topic_name)
    words = ("run-producer", "-b", nodes.address, "--topic", topic_name, "--rate", "300", "--quiet")
    with running(*words) as producer:
        wait_until(lambda: written(nodes.address, topic_name) > 100, LONG, producer.said)
        killed = nodes.leader(topic_name)
        os.kill(nodes.pid(killed), signal.SIGKILL)
        before = written(nodes.address, topic_name)
        wait_until(lambda: written(nodes.address, topic_name) > before + 300, LONG, producer.said)
        wait_until(lambda: nodes.cluster.status()[killed].restarts == 1, LONG, "its supervisor starts it again")
        nodes.wait_until_whole(topic_name)
        assert producer.stop() == 0, producer.said()
        count = len(records(nodes.address, topic_name))
        assert f"acknowledged {count:,}, failed 0" in producer.said()

    state = ("--state-dir", str(nodes.state_dir))
    assert "A Kafka of three nodes" in run("clean", "--yes", *state).said
    shown = run("broker", "status", *state)
    assert (shown.code, shown.printed.count("running, 127.0.0.1:")) == (0, 3)

    assert run("broker", "stop", *state).code == 0
    assert run("broker", "status", *state).code == 1
    nodes.address = nodes.cluster.start()
    assert len(records(nodes.address, topic_name)) == count, "what was acknowledged outlives a stop"


def _leader_killed(nodes: Nodes, topic: str, go_on: Callable[[], None]) -> None:
    os.kill(nodes.pid(nodes.leader(topic)), signal.SIGKILL)
    go_on()
    nodes.wait_until_whole(topic)
    go_on()


def _leader_moved(nodes: Nodes, topic: str, go_on: Callable[[], None]) -> None:
    """Back to the node that is first among the replicas, which lost it when it was killed."""
    before = nodes.leader(topic)
    admin = admin_of(Cluster(nodes.address))
    admin.elect_leaders(ElectionType.PREFERRED, [TopicPartition(topic, 0)]).result(60 * PATIENCE)
    wait_until(lambda: nodes.leader(topic) not in (0, before), LONG, "another node leads")
    go_on()


def _one_away_for_a_minute(nodes: Nodes, topic: str, go_on: Callable[[], None]) -> None:
    pid = nodes.pid(nodes.leader(topic))
    os.kill(pid, signal.SIGSTOP)
    try:
        go_on()
        threading.Event().wait(AWAY_S)
        go_on()
    finally:
        os.kill(pid, signal.SIGCONT)
    nodes.wait_until_whole(topic)
    go_on()


def _rolling_restart(nodes: Nodes, topic: str, go_on: Callable[[], None]) -> None:
    for number in nodes.cluster.status():
        nodes.make(nodes.state_dir / "nodes" / str(number), None).stop(force=True)
        go_on()
        nodes.cluster.start()
        nodes.wait_until_whole(topic)
    go_on()


@pytest.mark.slow
def test_nobody_loses_or_doubles_anything(
    nodes: Nodes, topic_name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    make_topic(nodes.address, topic_name)
    nodes.wait_until_whole(topic_name)
    with server() as postgres, rabbit_in(tmp_path_factory.mktemp("rabbit")) as rabbit:
        everybody = [
            participants.counter(nodes.address, topic_name, each=False),
            participants.counter(nodes.address, topic_name, each=True),
            participants.tables(nodes.address, topic_name, tmp_path),
            participants.archive(nodes.address, topic_name, tmp_path),
            participants.database(nodes.address, topic_name, postgres),
            participants.queue(nodes.address, topic_name, rabbit),
            participants.collector(nodes.address, topic_name, tmp_path),
        ]
        happens = (_leader_killed, _leader_moved, _one_away_for_a_minute, _rolling_restart)
        rounds(nodes.address, topic_name, everybody, [partial(one, nodes, topic_name) for one in happens], rate=100)
