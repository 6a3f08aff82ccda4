"""Kafka's and log4j's configuration, and the JVM's options. Paths in it are relative to the state directory,
where the JVM runs: both formats would take some characters of an absolute path for syntax.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clickstream.broker.disk import DEFAULT, segment_bytes
from clickstream.java.ports import HOST

NODE_ID = 1

# Against G1, the default: 10-20 % less CPU and 340 MB instead of 455 after 4M events (-Xmx512m, 2 cores).
JVM_OPTIONS = ("-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData", "-XX:ErrorFile=hs_err.log")


@dataclass(frozen=True)
class Node:
    """One of several nodes. `voters` are the ports of all controllers by the ids of their nodes, which are texts."""

    id: int
    cluster_id: str
    voters: Mapping[str, int]


def server_properties(
    port: int,
    controller_port: int,
    log_dir: Path,
    disk: int = DEFAULT,
    node: Node | None = None,
    *,
    after_kill: bool = False,
) -> str:
    """A node that is broker and controller, reachable from this machine only; `disk` bytes are its bound.

    Without `node` it is the only one; `after_kill` tells that the one before it on this storage was killed.
    """
    voters = {str(NODE_ID): controller_port} if node is None else node.voters
    replicas = len(voters)
    in_sync = max(1, replicas - 1)  # one may be away
    settings = {
        "process.roles": "broker,controller",
        "node.id": NODE_ID if node is None else node.id,
        "controller.quorum.voters": ",".join(f"{one}@{HOST}:{voters[one]}" for one in voters),
        "controller.listener.names": "CONTROLLER",
        "listeners": f"CLIENT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"CLIENT://{HOST}:{port}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "log.dirs": log_dir.name,
        # The first member of a group need not wait 3 s for others to come.
        "group.initial.rebalance.delay.ms": 0,
        "auto.create.topics.enable": "false",
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        # Instead of 50, which suit a cluster: each costs a directory and open files, and time at every start.
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.num.partitions": 8,
        "share.coordinator.state.topic.num.partitions": 8,
        "broker.session.timeout.ms": _session_timeout_ms(replicas, after_kill=after_kill),
        "broker.heartbeat.interval.ms": 200 if replicas == 1 else 500,
        # The bound on the disk is what deletes records: by their age, old logs that are replayed with their own times
        # would be gone at the next check.
        "log.retention.ms": -1,
        # After a kill, the newest segment of every partition is read through.
        "log.segment.bytes": segment_bytes(disk),
        # Instead of 5 minutes and 1 minute: until then what is above the bound stays on the disk. See disk.py.
        "log.retention.check.interval.ms": 10_000,
        "log.segment.delete.delay.ms": 5_000,
        "num.recovery.threads.per.data.dir": 2,
        # Part of the heap; the default, 128 MB, suits a heap of gigabytes.
        "log.cleaner.dedupe.buffer.size": 32 * 1024 * 1024,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _session_timeout_ms(nodes: int, *, after_kill: bool) -> int:
    """How long a broker may be silent before it is fenced, and how long one that was killed counts as registered."""
    if nodes > 1:
        return 3000  # one that is merely slow would lose what it leads
    # The registration of a killed broker expires after 1 s: its successor need not wait longer for that. Otherwise an
    # hour, and not 9 s, Kafka's default: nothing can take over from the only broker, and after a pause of the machine
    # it would be fenced until its next heartbeat and tell clients that there are no brokers, and of librdkafka's, some
    # have none for ever after such an answer (https://github.com/confluentinc/librdkafka/issues/5301, mended by pull
    # request 5303).
    return 1_000 if after_kill else 3_600_000


def log_config(log_file: Path) -> str:
    """log4j2 writes at most three files of 10 MB. Without this configuration nothing would be written."""
    return f"""\
status=error
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName={log_file.name}
appender.file.filePattern={log_file.name}.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{{yyyy-MM-dd HH:mm:ss.SSS}} %p %m (%c{{1}})%n%throwable
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=10MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=2
rootLogger.level=info
rootLogger.appenderRef.file.ref=file
"""
