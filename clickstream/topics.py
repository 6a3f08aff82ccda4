"""The declared topics, created through AdminClient where they are missing."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka.cimpl import NewTopic

from clickstream.config import SETTINGS, config_dir, toml_of
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.kafka.admin import create, existing, refuse_hidden, wait_until_led
from clickstream.kafka.clients import Cluster

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

    def request(self) -> NewTopic:
        """What the broker is asked to create."""
        return NewTopic(
            self.name, num_partitions=self.partitions, replication_factor=self.replication, config=self.config
        )


def declared(path: Path | None = None) -> dict[str, Declared]:
    """The topics of `path` (default: config/topics.toml) by name; raises ConfigError when it is malformed."""
    path = path or config_dir() / "topics.toml"
    tables = toml_of(path)
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


def ensure(cluster: Cluster, wanted: Iterable[str | Declared], stop: threading.Event | None = None) -> list[str]:
    """Create the topics that are missing, as declared or else with the broker's defaults; returns their names.

    Existing topics are left as they are. Raises ClickstreamError when one can be neither found nor created, Stopped
    when `stop` is set while Kafka is away.
    """
    known = declared()
    topics = [topic if isinstance(topic, Declared) else known.get(topic, Declared(topic)) for topic in wanted]
    admin = cluster.admin()
    present = existing(cluster, admin, stop)
    missing = [topic for topic in topics if topic.name not in present]
    created = [topic.name for topic in missing if create(cluster, topic.request(), admin, stop)]
    wait_until_led(cluster, {topic.name for topic in missing}, admin, stop)
    return created


def require(cluster: Cluster, name: str, stop: threading.Event | None = None) -> int:
    """The partition count of an input topic.

    On the embedded broker a declared topic is created; on a cluster of someone else's a missing input is an
    error that names it, because it is more likely a typing error than a wish.
    """
    if cluster.embedded and name in declared():
        ensure(cluster, [name], stop)
    present = existing(cluster, stop=stop)
    if name not in present:
        refuse_hidden(cluster, [name])
        raise ClickstreamError(
            f"Topic {name} does not exist at {cluster.address}. "
            f"Check the name, or create it with: clickstream topics create {name}"
        )
    return present[name]
