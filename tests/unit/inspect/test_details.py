import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    ConfigEntry,
    PartitionMetadata,
)

from clickstream.inspect import details
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
