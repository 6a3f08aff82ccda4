"""The broker's state directory: what lies where, the status that supervisor and clients share, Kafka's settings."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

KAFKA_VERSION = "4.3.1"
FORMAT = 1  # of the directory's layout and of broker.json

NODE_ID = 1


@dataclass(frozen=True)
class StateDir:
    """The paths below one state directory."""

    root: Path

    @property
    def data(self) -> Path:
        """Kafka's log.dirs."""
        return self.root / "data"

    @property
    def status_file(self) -> Path:
        return self.root / "broker.json"

    @property
    def lease_lock(self) -> Path:
        """Held shared by everyone who uses the broker."""
        return self.root / "lease.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held exclusively by the supervisor for as long as it lives."""
        return self.root / "supervisor.lock"

    @property
    def jvm_lock(self) -> Path:
        """Held exclusively by a JVM on data/ until it is dead: nothing formats or starts without it."""
        return self.root / "jvm.lock"

    @property
    def jvm_pid_file(self) -> Path:
        """Written by the process that holds jvm_lock."""
        return self.root / "jvm.pid"

    @property
    def pinned(self) -> Path:
        """Exists while the broker shall stay up without users."""
        return self.root / "pinned"

    @property
    def log_file(self) -> Path:
        """What Kafka logs, rotated."""
        return self.root / "kafka.log"

    @property
    def console_file(self) -> Path:
        """What the JVM prints besides, anew at each start."""
        return self.root / "jvm.out"

    @property
    def supervisor_log(self) -> Path:
        return self.root / "supervisor.log"

    @property
    def properties(self) -> Path:
        return self.root / "server.properties"

    @property
    def log_config(self) -> Path:
        return self.root / "log4j2.properties"

    @property
    def tmp(self) -> Path:
        """The JVM's java.io.tmpdir: a killed JVM leaves its unpacked native libraries there."""
        return self.root / "tmp"


@dataclass
class Status:
    """What broker.json says. `state` is starting, running, stopping, stopped or failed."""

    state: str = "stopped"
    address: str = ""
    port: int = 0
    controller_port: int = 0
    supervisor_pid: int = 0
    pid: int = 0
    cluster_id: str = ""
    java: str = ""
    started_at: float = 0.0  # s since 1970, of the JVM
    restarts: int = 0
    error: str = ""
    kafka_version: str = KAFKA_VERSION
    format: int = FORMAT


class NewerVersionError(Exception):
    """The directory was written by a newer version of this package, or by a newer Kafka."""


def read_status(state: StateDir) -> Status | None:
    """The last written status; None if there is none or it is unreadable (it is then written anew: the data
    does not depend on it). Raises NewerVersionError, or OSError if it cannot be read.
    """
    try:
        found: Any = json.loads(state.status_file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(found, dict):
        return None
    if _number(found.get("format")) > FORMAT:
        raise NewerVersionError(f"layout {found['format']}, while this version knows {FORMAT}")
    version = str(found.get("kafka_version", ""))
    if _version(version) > _version(KAFKA_VERSION):
        raise NewerVersionError(f"Kafka {version}, while this version has {KAFKA_VERSION}")
    types = {field.name: type(field.default) for field in fields(Status)}
    if any(key in found and not _fits(found[key], kind) for key, kind in types.items()):
        return None
    return Status(**{key: value for key, value in found.items() if key in types})


def write_status(state: StateDir, status: Status) -> None:
    """Replace broker.json in one step. Raises OSError."""
    replace_text(state.status_file, json.dumps(asdict(status), indent=1) + "\n")


def replace_text(path: Path, text: str) -> None:
    """Write a file so that readers see the old or the new content, also after a crash or on a full disk."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _fits(value: object, kind: type) -> bool:
    return isinstance(value, (int, float)) if kind is float else isinstance(value, kind)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


def server_properties(state: StateDir, port: int, controller_port: int) -> str:
    """Kafka's configuration: one node that is broker and controller, reachable from this machine only."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": NODE_ID,
        "controller.quorum.voters": f"{NODE_ID}@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"CLIENT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"CLIENT://127.0.0.1:{port}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "log.dirs": state.data,
        # A new group need not wait for more members: there are few, and they come one by one.
        "group.initial.rebalance.delay.ms": 0,
        "auto.create.topics.enable": "false",
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # Fewer than the 50 that suit a cluster: each costs a directory and open files, at every start.
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.num.partitions": 8,
        "share.coordinator.state.topic.num.partitions": 4,
        # A killed broker's registration expires after a second: its successor need not wait 9 s for that.
        "broker.session.timeout.ms": 1000,
        "broker.heartbeat.interval.ms": 200,
        "log.retention.hours": 168,
        "log.segment.bytes": 256 * 1024 * 1024,
        "num.recovery.threads.per.data.dir": 2,
        # Buffers of the log cleaner count against a heap of 512 MB; the default is 128 MB.
        "log.cleaner.dedupe.buffer.size": 32 * 1024 * 1024,
    }
    return "".join(f"{key}={_escape(str(value))}\n" for key, value in settings.items())


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").encode("unicode_escape").decode("ascii").replace("\\\\\\\\", "\\\\")


def log_config(state: StateDir) -> str:
    """log4j2's configuration: kafka.log, at most three files of 10 MB."""
    # Paths come as a system property: this syntax would interpret a $ or a backslash in them.
    return """\
status=error
name=broker
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName=${sys:clickstream.log}
appender.file.filePattern=${sys:clickstream.log}.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{yyyy-MM-dd HH:mm:ss.SSS} %p %m (%c{1})%n%throwable
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=10MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=2
rootLogger.level=info
rootLogger.appenderRef.file.ref=file
"""
