"""Topics through AdminClient: the declared ones, and creating, checking, identifying and deleting them."""

import threading
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from clickstream.config import SETTINGS, config_dir
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.describe import ANSWER_WITHIN_S, describe, look_around
from clickstream.kafka.errors import error_of, explain, is_transient
from clickstream.kafka.patience import patiently

REQUEST_TIMEOUT_S = 15.0
BROKER_DEFAULT = -1
MAX_NUMBER = 10_000

legal_name: Callable[[Any], str] = SETTINGS["replay.topic"].cast
"""The name, or ValueError when Kafka allows no such topic."""


@dataclass(frozen=True)
class Declared:
    """A topic as it should be; -1 leaves partitions or replicas to the broker's default."""

    name: str
    partitions: int = BROKER_DEFAULT
    replication: int = BROKER_DEFAULT
    config: dict[str, str] = field(default_factory=dict)


def declared(path: Path | None = None) -> dict[str, Declared]:
    """The topics of `path` (default: config/topics.toml) by name; raises ConfigError when it is malformed."""
    path = path or config_dir() / "topics.toml"
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from None
    try:
        return {name: _declared(name, table) for name, table in tables.items()}
    except ValueError as error:
        raise ConfigError(f"{path}: {error}.") from None


def _declared(name: str, table: Any) -> Declared:
    try:
        legal_name(name)
    except ValueError as error:
        raise ValueError(f"[{name}]: {error}") from None
    unknown = set(table) - {"partitions", "replication-factor", "config"} if isinstance(table, dict) else {name}
    if unknown:
        raise ValueError(
            f"[{name}]: unknown {', '.join(sorted(unknown))}; a topic is a table with partitions, "
            "replication-factor and config"
        )
    for key in ("partitions", "replication-factor"):
        number = table.get(key, BROKER_DEFAULT)
        whole = isinstance(number, int) and not isinstance(number, bool)
        if not whole or (number != BROKER_DEFAULT and not 1 <= number <= MAX_NUMBER):
            raise ValueError(
                f"[{name}]: {key} is {number!r}; a whole number from 1 to {MAX_NUMBER:,} (or -1) is expected"
            )
    config = table.get("config", {})
    if not isinstance(config, dict):
        raise ValueError(f"[{name}]: config must be a table of Kafka's topic settings, not {config!r}")
    return Declared(
        name,
        table.get("partitions", BROKER_DEFAULT),
        table.get("replication-factor", BROKER_DEFAULT),
        {key: _text(f"[{name}]: {key}", value) for key, value in _leaves(config)},
    )


def _leaves(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """TOML reads an unquoted `retention.ms = 1` as nested tables."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _text(place: str, value: Any) -> str:
    """A setting's value as the broker takes it; Kafka's lists are separated by commas."""
    match value:
        case bool():
            return str(value).lower()
        case str() | int() | float():
            return str(value)
        case list() if all(isinstance(one, str) for one in value):
            return ",".join(value)
    raise ValueError(f"{place} is {value!r}; a text, a number, true or false is expected")


def ensure(cluster: Cluster, wanted: Iterable[str | Declared]) -> list[str]:
    """Create the topics that are missing, as declared or else with the broker's defaults; returns their names.

    Existing topics are left as they are. Raises ClickstreamError when one can be neither found nor created.
    """
    known = declared()
    topics = [topic if isinstance(topic, Declared) else known.get(topic, Declared(topic)) for topic in wanted]
    admin = cluster.admin()
    present = existing(cluster, admin)
    missing = [topic for topic in topics if topic.name not in present]
    created = [topic.name for topic in missing if create(cluster, topic, admin)]
    _wait_until_led(cluster, admin, {topic.name for topic in missing})
    return created


def create(cluster: Cluster, topic: Declared, admin: AdminClient | None = None) -> bool:
    """Create one topic; False when it was there already. Raises ClickstreamError when the broker refuses."""
    admin = admin or cluster.admin()  # kept in a name: a client that nobody holds ends before it answers
    new = NewTopic(
        topic.name,
        num_partitions=topic.partitions,
        replication_factor=topic.replication,
        config=topic.config,
    )
    doing = f"Creating topic {topic.name}"

    def ask() -> bool:
        try:
            admin.create_topics([new], request_timeout=REQUEST_TIMEOUT_S)[topic.name].result()
        except KafkaException as problem:
            error = error_of(problem)
            if error is not None and error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            if is_transient(problem):
                look_around(admin)  # the controller that it knows may be the one that is away
            raise
        return True

    return patiently(ask, doing, cluster.address)


def existing(cluster: Cluster, admin: AdminClient | None = None) -> dict[str, int]:
    """Number of partitions of every topic that the cluster shows us."""
    asked = admin or cluster.admin()
    metadata = patiently(lambda: asked.list_topics(timeout=ANSWER_WITHIN_S), "Listing topics", cluster.address)
    return {name: len(topic.partitions) for name, topic in metadata.topics.items() if topic.error is None}


def require(cluster: Cluster, name: str) -> int:
    """The partition count of an input topic.

    On the embedded broker a declared topic is created; on a cluster of someone else's a missing input is an
    error that names it, because it is more likely a typing error than a wish.
    """
    if cluster.embedded and name in declared():
        ensure(cluster, [name])
    present = existing(cluster)
    if name not in present:
        raise ClickstreamError(
            f"Topic {name} does not exist at {cluster.address}. "
            f"Check the name, or create it with: clickstream topics create {name}"
        )
    return present[name]


def topic_id(cluster: Cluster, name: str, admin: AdminClient | None = None) -> str:
    """The id that the broker gave the topic: one recreated under the same name has another (see kafka.log)."""
    return describe(cluster, name, admin).topic_id


def delete(cluster: Cluster, names: Iterable[str]) -> None:
    """Delete topics and their records; raises ClickstreamError naming the first that cannot be deleted."""
    admin = cluster.admin()
    futures = admin.delete_topics(list(names), request_timeout=REQUEST_TIMEOUT_S)
    for name, future in futures.items():
        try:
            future.result()
        except KafkaException as problem:
            raise explain(problem, f"Deleting topic {name}", cluster.address) from problem


def _wait_until_led(cluster: Cluster, admin: AdminClient, names: set[str]) -> None:
    """A created topic takes a moment until every partition has a leader; clients would log errors meanwhile."""
    deadline = time.monotonic() + REQUEST_TIMEOUT_S
    pause = threading.Event()
    while names:
        metadata = patiently(
            lambda: admin.list_topics(timeout=ANSWER_WITHIN_S), "Listing topics", cluster.address
        ).topics
        names = {
            name
            for name in names
            if name not in metadata
            or not metadata[name].partitions
            or any(partition.leader < 0 for partition in metadata[name].partitions.values())
        }
        if names and time.monotonic() > deadline:
            raise ClickstreamError(
                f"Topic {min(names)} was created but has no leader after 15 s. See the broker's log."
            )
        if names:
            pause.wait(0.02)
