"""Real Kafka brokers on this machine that can be killed, frozen and started again: one, and a cluster of three.

Each of the three is broker and controller (KRaft), on loopback; topics, the internal ones too, are replicated three
times and take writes while two replicas are in sync. Time-outs are cut, so that leaders change within seconds.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException

from clickstream.broker import EmbeddedBroker
from clickstream.broker.classdata import ClassData
from clickstream.broker.embedded import JAR_SET
from clickstream.broker.serverconfig import JVM_OPTIONS, log_config
from clickstream.java import jars, ports, runtime
from clickstream.kafka.clients import Cluster
from tests.support import PATIENCE, free_port, wait_until

NODES = (1, 2, 3)
# What a client has to be told so that it gives up on a broker that is frozen after 5 s instead of 60.
SHORT_TIMEOUTS = {"socket.timeout.ms": "5000", "topic.metadata.refresh.interval.ms": "5000"}
_HEAP = ("-Xmx256m", "-Xms64m", "-XX:TieredStopAtLevel=1")


def _properties(node: int, client_ports: dict[int, int], controller_ports: dict[int, int], data: Path) -> str:
    settings = {
        "process.roles": "broker,controller",
        "node.id": node,
        "controller.quorum.voters": ",".join(f"{one}@{ports.HOST}:{controller_ports[one]}" for one in NODES),
        "controller.listener.names": "CONTROLLER",
        "listeners": f"CLIENT://{ports.HOST}:{client_ports[node]},CONTROLLER://{ports.HOST}:{controller_ports[node]}",
        "advertised.listeners": f"CLIENT://{ports.HOST}:{client_ports[node]}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "log.dirs": data,
        "group.initial.rebalance.delay.ms": 0,
        "auto.create.topics.enable": "false",
        "default.replication.factor": 3,
        "min.insync.replicas": 2,
        "offsets.topic.replication.factor": 3,
        "transaction.state.log.replication.factor": 3,
        "transaction.state.log.min.isr": 2,
        "share.coordinator.state.topic.replication.factor": 3,
        "share.coordinator.state.topic.min.isr": 2,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.num.partitions": 4,
        # A broker that does not answer is out after 3 s, and a replica that does not follow out of sync after 4 s.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "replica.lag.time.max.ms": 4000,
        "log.segment.bytes": 64 * 1024 * 1024,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


class Programs:
    """Kafka's programs, run from the jars of the embedded Kafka."""

    def __init__(self, java_setting: str) -> None:
        """Raises ClickstreamError when there is no Java or no Kafka to be had."""
        self._java = str(runtime.find(java_setting).path)
        class_path = [str(path) for path in jars.ensure(JAR_SET, lambda _line: None)]
        self._class_path = ":".join(class_path)
        class_data = ClassData(jars.cache_dir().parent / "class-data", self._java, class_path)
        self._options = [*JVM_OPTIONS, *(class_data.options() if class_data.archive.exists() else [])]

    def launch(self, root: Path, main_class: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one in `root`, which holds log4j2.properties; what it prints goes to jvm.out there."""
        with (root / "jvm.out").open("ab") as console:
            return subprocess.Popen(
                [
                    *(self._java, *_HEAP, *self._options, "-Dlog4j2.configurationFile=log4j2.properties"),
                    *("-cp", self._class_path, main_class, *arguments),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                cwd=root,
                start_new_session=True,
            )

    def format(self, root: Path, *words: str) -> None:
        """Format the storage that server.properties in `root` names."""
        words = ("format", "--cluster-id", random_id(), "--config", "server.properties", *words)
        process = self.launch(root, "kafka.tools.StorageTool", *words)
        assert process.wait(120 * PATIENCE) == 0, last_words(root)


def last_words(root: Path) -> str:
    return (root / "jvm.out").read_text()[-2000:]


@dataclass
class MortalBroker:
    """A broker of its own, for tests that kill it; its supervisor starts it again."""

    broker: EmbeddedBroker
    address: str

    def kill(self) -> None:
        """SIGKILL, and wait until its successor answers at the same address."""
        before = self.broker.status()
        assert before.pid is not None
        os.kill(before.pid, signal.SIGKILL)
        wait_until(lambda: self.broker.status().restarts > before.restarts, 30, "the supervisor sees it")
        wait_until(lambda: self.broker.status().state == "running", 60, "it is back")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It neither answers nor refuses."""
        pid = self.broker.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


class ThreeBrokers:
    """The cluster. `address` names all three."""

    def __init__(self, directory: Path, java_setting: str) -> None:
        """Formats the storage. Raises ClickstreamError when there is no Java or no Kafka to be had."""
        self._directory = directory
        self._programs = Programs(java_setting)
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._clients = {node: free_port() for node in NODES}
        controllers = {node: free_port() for node in NODES}
        self.address = ",".join(f"{ports.HOST}:{self._clients[node]}" for node in NODES)
        self.cluster = Cluster(self.address)
        for node in NODES:
            root = self._root(node)
            root.mkdir()
            (root / "server.properties").write_text(_properties(node, self._clients, controllers, root / "data"))
            (root / "log4j2.properties").write_text(log_config(root / "kafka.log"))
        self._format()

    def _root(self, node: int) -> Path:
        return self._directory / f"node-{node}"

    def _format(self) -> None:
        """Kafka's tool formats the first; the others differ in two ids, and the tool takes seconds of CPU each time."""
        first = self._root(NODES[0])
        self._programs.format(first)
        for node in NODES[1:]:
            data = self._root(node) / "data"
            shutil.copytree(first / "data", data)
            properties = data / "meta.properties"
            changed = re.sub(r"^node\.id=.*$", f"node.id={node}", properties.read_text(), flags=re.MULTILINE)
            changed = re.sub(r"^directory\.id=.*$", f"directory.id={random_id()}", changed, flags=re.MULTILINE)
            properties.write_text(changed)

    # --- to be broken

    def start(self, *nodes: int) -> None:
        for node in nodes or NODES:
            self._processes[node] = self._programs.launch(self._root(node), "kafka.Kafka", "server.properties")

    def kill(self, *nodes: int) -> None:
        """SIGKILL."""
        for node in nodes or NODES:
            self._processes[node].kill()
            self._processes[node].wait()

    @contextmanager
    def frozen(self, *nodes: int) -> Iterator[None]:
        """They hold their connections and do not answer (SIGSTOP)."""
        self._signal(signal.SIGSTOP, *nodes)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT, *nodes)

    def _signal(self, number: int, *nodes: int) -> None:
        for node in nodes or NODES:
            os.kill(self._processes[node].pid, number)

    def end(self) -> None:
        """Kill all that run, and remove what they wrote."""
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    # --- to be asked

    def wait_until_whole(self, timeout: float = 120.0) -> None:
        """Until all three are there and every replica of every partition is in sync."""
        begun = time.monotonic()
        admin = self.cluster.admin()

        def whole() -> bool:
            for node, process in self._processes.items():
                assert process.poll() is None, f"broker {node} ended: {last_words(self._root(node))}"
            try:
                found = admin.list_topics(timeout=5 * PATIENCE)
            except KafkaException:
                return False
            partitions = [one for topic in found.topics.values() for one in topic.partitions.values()]
            return len(found.brokers) == len(NODES) and all(len(one.isrs) == len(one.replicas) for one in partitions)

        wait_until(whole, timeout - (time.monotonic() - begun), "all brokers and replicas are there", 0.2)

    def leader(self, topic: str, partition: int = 0) -> int:
        """The node that leads the partition now."""
        admin = self.cluster.admin()

        def found() -> int:
            try:
                return max(admin.list_topics(timeout=5 * PATIENCE).topics[topic].partitions[partition].leader, 0)
            except (KafkaException, KeyError):
                return 0

        return wait_until(found, 60, f"{topic} has a leader", 0.2)

    def group_coordinator(self, group: str) -> int:
        """The node that coordinates a consumer group."""
        return self.leader("__consumer_offsets", _hashed(group, 4))

    def transaction_coordinator(self, transactional_id: str) -> int:
        return self.leader("__transaction_state", _hashed(transactional_id, 4))


def random_id() -> str:
    return urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "a")


def _hashed(text: str, partitions: int) -> int:
    """Kafka's choice: Utils.abs(text.hashCode()) % partitions."""
    value = 0
    for character in text:
        value = (31 * value + ord(character)) & 0xFFFFFFFF
    signed = value - 0x100000000 if value >= 0x80000000 else value
    return 0 if signed == -0x80000000 else abs(signed) % partitions
