from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    ConfigEntry,
    ConfigSource,
    PartitionMetadata,
)

from clickstream.inspect import details
from clickstream.inspect.details import FullSetting
from clickstream.kafka.clients import Cluster
from clickstream.topics import Declared


def partitions(number: int, replicas: int) -> dict[int, PartitionMetadata]:
    found = {}
    for partition in range(number):
        found[partition] = PartitionMetadata()
        found[partition].replicas = list(range(replicas))
    return found


CONFIG = {
    "retention.ms": ConfigEntry("retention.ms", "1000"),
    "cleanup.policy": ConfigEntry("cleanup.policy", "delete,compact"),
}


@pytest.mark.parametrize(
    ("declared", "differences"),
    [
        (Declared("t"), []),
        (Declared("t", 3, 2, {"retention.ms": "1000"}), []),
        (Declared("t", 3, 2, {"cleanup.policy": "compact, delete"}), []),
        (Declared("t", 4), ["partitions 3, declared 4"]),
        (Declared("t", 3, 1), ["replication-factor 2, declared 1"]),
        (Declared("t", config={"retention.ms": "2000"}), ["retention.ms 1000, declared 2000"]),
        (Declared("t", config={"nonsense": "1"}), ["nonsense not set, declared 1"]),
        (Declared("t", 1, 1), ["partitions 3, declared 1", "replication-factor 2, declared 1"]),
    ],
)
def test_differences_from_the_declaration(declared: Declared, differences: list[str]) -> None:
    assert details.differences(declared, partitions(3, 2), CONFIG) == differences


def entry(name: str, value: str, source: ConfigSource, **synonyms: tuple[str, ConfigSource]) -> ConfigEntry:
    """`synonyms` by their names with _ for a dot."""
    named: Any = {
        key.replace("_", "."): ConfigEntry(key.replace("_", "."), other, source=by)
        for key, (other, by) in synonyms.items()
    }
    return ConfigEntry(name, value, source=source, synonyms=named)


OWN, BROKER, DEFAULT = (
    ConfigSource.DYNAMIC_TOPIC_CONFIG,
    ConfigSource.STATIC_BROKER_CONFIG,
    ConfigSource.DEFAULT_CONFIG,
)


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (
            entry("retention.ms", "604800000", DEFAULT, log_retention_hours=("168", DEFAULT)),
            FullSetting("retention.ms", "604800000", "604800000", ""),
        ),
        (
            entry("retention.ms", "1000", OWN, retention_ms=("1000", OWN), log_retention_hours=("168", DEFAULT)),
            FullSetting("retention.ms", "1000", "604800000", "topic"),
        ),
        (
            entry(
                "retention.ms",
                "60000",
                BROKER,
                log_retention_minutes=("1", BROKER),
                log_retention_hours=("168", DEFAULT),
            ),
            FullSetting("retention.ms", "60000", "604800000", "broker"),
        ),
        (
            entry("segment.bytes", "5", OWN, segment_bytes=("5", OWN), log_segment_bytes=("1073741824", DEFAULT)),
            FullSetting("segment.bytes", "5", "1073741824", "topic"),
        ),
        (entry("x.ms", "5", OWN), FullSetting("x.ms", "5", None, "topic")),
    ],
)
def test_a_setting_and_its_default_have_the_same_unit(
    found: ConfigEntry, shown: FullSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(details, "config", lambda *_asked: {found.name: found})
    assert details.settings(Cluster("k"), None, "t") == [shown]  # type: ignore[arg-type]
