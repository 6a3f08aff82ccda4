"""A real Kafka broker with passwords and ACLs: everybody is refused what no ACL allows, but for its administrator."""

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from clickstream.broker.serverconfig import log_config
from clickstream.java import ports
from clickstream.kafka.clients import Cluster
from tests.integration.brokers import Programs, last_words
from tests.integration.librdkafka import admin_of
from tests.support import free_port, wait_until

ADMINISTRATOR = "admin"
USERS = tuple(f"user{number}" for number in range(100))
_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


@dataclass(frozen=True, order=True)
class Right:
    """What an ACL allows: an operation on a topic, a group, a transactional id, or the cluster."""

    kind: str
    name: str
    operation: str

    def __str__(self) -> str:
        return f"{self.operation} on {self.kind} {self.name}"

    def binding(self, user: str) -> AclBinding:
        return AclBinding(
            ResourceType[self.kind.upper().replace("CLUSTER", "BROKER").replace(" ", "_")],
            self.name,
            ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            AclOperation[re.sub("(?<=[a-z])(?=[A-Z])", "_", self.operation).upper()],
            AclPermissionType.ALLOW,
        )


def login(user: str) -> dict[str, str]:
    """The client properties of a user."""
    return {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": user,
        "sasl.password": f"{user}-secret",
    }


class GuardedBroker:
    """Broker and controller in one, on loopback. `cluster` is the administrator's way to it."""

    def __init__(self, root: Path, java_setting: str) -> None:
        """Formats the storage. Raises ClickstreamError when there is no Java or no Kafka to be had."""
        self._root = root
        self._programs = Programs(java_setting)
        self._process: subprocess.Popen[bytes] | None = None
        port, controller = free_port(), free_port()
        self.address = f"{ports.HOST}:{port}"
        self.cluster = Cluster(self.address, common=login(ADMINISTRATOR))
        (root / "server.properties").write_text(_properties(self.address, f"{ports.HOST}:{controller}", root / "data"))
        (root / "log4j2.properties").write_text(log_config(root / "kafka.log"))
        self._programs.format(root)

    def start(self) -> None:
        """Returns once it answers."""
        process = self._process = self._programs.launch(self._root, "kafka.Kafka", "server.properties")
        admin = self.cluster.admin()

        def answers() -> bool:
            assert process.poll() is None, f"the broker ended: {last_words(self._root)}"
            try:
                return bool(admin.list_topics(timeout=2).brokers)
            except KafkaException:
                return False

        wait_until(answers, 120, "the broker answers", 0.2)

    def allow(self, user: str, rights: Iterable[Right]) -> None:
        """Give rights to a user; returns once the broker knows them."""
        wanted = [right.binding(user) for right in rights]
        if not wanted:
            return
        admin = admin_of(self.cluster)
        for future in admin.create_acls(wanted).values():
            future.result()
        everything = AclBindingFilter(
            ResourceType.ANY,
            None,  # type: ignore[arg-type]
            ResourcePatternType.ANY,
            f"User:{user}",
            None,  # type: ignore[arg-type]
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        wait_until(lambda: len(admin.describe_acls(everything).result()) >= len(wanted), 60, f"the rights of {user}")

    def end(self) -> None:
        """Kill it, and remove what it wrote."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
        shutil.rmtree(self._root, ignore_errors=True)


def _properties(address: str, controller: str, data: Path) -> str:
    known = " ".join(f'user_{user}="{user}-secret"' for user in (ADMINISTRATOR, *USERS))
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"CLIENT://{address},CONTROLLER://{controller}",
        "advertised.listeners": f"CLIENT://{address}",
        "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.client.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.client.plain.sasl.jaas.config": (
            f'{_LOGIN} username="{ADMINISTRATOR}" password="{ADMINISTRATOR}-secret" {known};'
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # The controller's own listener knows no users.
        "super.users": f"User:{ADMINISTRATOR};User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "false",
        "log.dirs": data,
        "group.initial.rebalance.delay.ms": 0,
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())
