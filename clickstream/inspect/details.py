"""Everything about one topic, and where it differs from its declaration."""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    AdminClient,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    PartitionMetadata,
)

from clickstream.inspect import offsets
from clickstream.inspect.offsets import Limits
from clickstream.kafka.admin import REQUEST_TIMEOUT_S, describe
from clickstream.kafka.clients import Cluster
from clickstream.kafka.errors import explain
from clickstream.topics import BROKER_DEFAULT, Declared

HIDDEN = "[hidden]"


@dataclass(frozen=True)
class PartitionDetails:
    """`leader` -1 is none; without a leader the offsets are unknown."""

    number: int
    leader: int
    replicas: list[int]
    isr: list[int]
    limits: Limits | None


@dataclass(frozen=True)
class Setting:
    """A topic's setting that is not Kafka's default, and who set it: `topic` or `broker`."""

    value: str
    source: str


@dataclass(frozen=True)
class TopicDetails:
    name: str
    topic_id: str
    partitions: list[PartitionDetails]
    config: dict[str, Setting]


def details(
    cluster: Cluster, admin: AdminClient, name: str, partitions: Mapping[int, PartitionMetadata]
) -> TopicDetails:
    """`partitions` is the topic's part of metadata()."""
    limits = offsets.limits(cluster, admin, offsets.led({name: partitions}, [name]))
    return TopicDetails(
        name=name,
        topic_id=describe(cluster, name, admin).topic_id,
        partitions=[
            PartitionDetails(number, found.leader, found.replicas, found.isrs, limits.get((name, number)))
            for number, found in sorted(partitions.items())
        ],
        config={
            key: Setting(_value(entry), _source(entry))
            for key, entry in sorted(config(cluster, admin, name).items())
            if not _is_default(entry)
        },
    )


def config(cluster: Cluster, admin: AdminClient, name: str) -> dict[str, ConfigEntry]:
    """Every setting of the topic, defaults included."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)
    try:
        futures = admin.describe_configs([resource], request_timeout=REQUEST_TIMEOUT_S)
        entries: dict[str, ConfigEntry] = futures[resource].result()
    except KafkaException as problem:
        raise explain(problem, f"Reading the settings of topic {name}", cluster.address) from problem
    return entries


def _is_default(entry: ConfigEntry) -> bool:
    # The client gives a bare number where its types promise the enumeration.
    return ConfigSource(entry.source) in (ConfigSource.DEFAULT_CONFIG, ConfigSource.UNKNOWN_CONFIG)


def _source(entry: ConfigEntry) -> str:
    return "topic" if ConfigSource(entry.source) == ConfigSource.DYNAMIC_TOPIC_CONFIG else "broker"


def _value(entry: ConfigEntry) -> str:
    return HIDDEN if entry.is_sensitive or entry.value is None else str(entry.value)


def differences(
    declared: Declared, partitions: Mapping[int, PartitionMetadata], config: Mapping[str, ConfigEntry]
) -> list[str]:
    """How the topic is against how it is declared, one phrase each: `partitions 1, declared 3`."""
    replicas = {len(found.replicas) for found in partitions.values()}
    found = []
    if declared.partitions not in (BROKER_DEFAULT, len(partitions)):
        found.append(f"partitions {len(partitions)}, declared {declared.partitions}")
    if declared.replication != BROKER_DEFAULT and replicas != {declared.replication}:
        actual = " and ".join(map(str, sorted(replicas)))
        found.append(f"replication-factor {actual}, declared {declared.replication}")
    for key, wanted in sorted(declared.config.items()):
        value = _value(config[key]) if key in config else "not set"
        if not _same(value, wanted):
            found.append(f"{key} {value}, declared {wanted}")
    return found


def _same(actual: str, wanted: str) -> bool:
    """Lists (`compact,delete`) are equal in any order."""
    return sorted(map(str.strip, actual.split(","))) == sorted(map(str.strip, wanted.split(",")))
