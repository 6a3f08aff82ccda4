"""Everything about one topic, and where it differs from its declaration."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    PartitionMetadata,
)

from clickstream.errors import ClickstreamError
from clickstream.inspect import offsets
from clickstream.inspect.offsets import Limits
from clickstream.kafka.admin import REQUEST_TIMEOUT_S, describe
from clickstream.kafka.asking import Admin
from clickstream.kafka.clients import Cluster
from clickstream.kafka.errors import answer_of, error_of, explain
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
    """All about one topic; `config` has the settings that are not Kafka's defaults."""

    name: str
    topic_id: str
    partitions: list[PartitionDetails]
    config: dict[str, Setting] | None
    """None: this user may not see it."""


def details(cluster: Cluster, admin: Admin, name: str, partitions: Mapping[int, PartitionMetadata]) -> TopicDetails:
    """Of a topic; `partitions` is its part of metadata(). Raises ClickstreamError, but not without DescribeConfigs."""
    limits = offsets.limits(cluster, admin, offsets.led({name: partitions}, [name]))
    return TopicDetails(
        name=name,
        topic_id=describe(cluster, name, admin).topic_id,
        partitions=[
            PartitionDetails(number, found.leader, found.replicas, found.isrs, limits.get((name, number)))
            for number, found in sorted(partitions.items())
        ],
        config=_own_settings(cluster, admin, name),
    )


def _own_settings(cluster: Cluster, admin: Admin, name: str) -> dict[str, Setting] | None:
    try:
        found = config(cluster, admin, name)
    except NotAllowed:
        return None
    return {key: Setting(_value(one), _source(one)) for key, one in sorted(found.items()) if not _is_default(one)}


class NotAllowed(ClickstreamError):
    """The cluster does not let this user see the settings of a topic."""


def config(cluster: Cluster, admin: Admin, name: str) -> dict[str, ConfigEntry]:
    """Every setting of the topic, defaults included. Raises NotAllowed, or another ClickstreamError."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)
    try:
        futures = admin.describe_configs([resource], request_timeout=REQUEST_TIMEOUT_S)
        entries: dict[str, ConfigEntry] = answer_of(futures[resource])
    except KafkaException as problem:
        error = error_of(problem)
        if error is not None and error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise NotAllowed(f"not allowed (DescribeConfigs on topic {name})") from problem
        raise explain(problem, f"Reading the settings of topic {name}", cluster.address) from problem
    return entries


@dataclass(frozen=True)
class FullSetting:
    """A setting of a topic, in the setting's own unit. `value` is the one that holds, `default` Kafka's (None: it does
    not say), `source` who set it: topic, broker or ""."""

    name: str
    value: str
    default: str | None
    source: str


def settings(cluster: Cluster, admin: Admin, name: str) -> list[FullSetting]:
    """Every setting of the topic by name; those with a source are not Kafka's defaults. Raises ClickstreamError."""
    return [
        FullSetting(key, _value(entry), _default(entry), "" if _is_default(entry) else _source(entry))
        for key, entry in sorted(config(cluster, admin, name).items())
    ]


def _default(entry: ConfigEntry) -> str | None:
    if _is_default(entry):
        return _value(entry)
    found = [one for one in entry.synonyms.values() if ConfigSource(one.source) == ConfigSource.DEFAULT_CONFIG]
    return _in_unit_of(entry.name, found[0]) if found else None


_MS = {"hours": 3_600_000, "minutes": 60_000}


def _in_unit_of(name: str, entry: ConfigEntry) -> str:
    """A broker's setting as the topic's setting `name` that it stands for: log.retention.hours is retention.ms."""
    value = _value(entry)
    factor = _MS.get(entry.name.rpartition(".")[2])
    if factor is None or not name.endswith(".ms") or not value.isdecimal():
        return value
    return str(int(value) * factor)


def configs(cluster: Cluster, admin: Admin, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """The settings of many topics in one request, defaults included; a topic that cannot be asked is left out."""
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    if not resources:
        return {}
    found = {}
    for resource, future in admin.describe_configs(resources, request_timeout=REQUEST_TIMEOUT_S).items():
        try:
            entries = answer_of(future)
        except KafkaException:
            continue  # deleted meanwhile, or hidden from this user
        found[str(resource.name)] = {key: _value(entry) for key, entry in entries.items()}
    return found


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
