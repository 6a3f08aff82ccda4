import pytest

from clickstream.errors import ClickstreamError
from clickstream.inspect.names import is_internal, must_exist
from clickstream.kafka.clients import Cluster

CLUSTER = Cluster("kafka:9092")
KNOWN = ["event-topic", "unique-event-topic", "clickstream"]


def test_a_known_topic_passes() -> None:
    must_exist(CLUSTER, ["clickstream"], KNOWN)


def test_an_unknown_topic_is_named_with_those_that_look_like_it() -> None:
    with pytest.raises(ClickstreamError) as raised:
        must_exist(CLUSTER, ["clickstream", "event-topics"], KNOWN)
    assert str(raised.value) == (
        "Topic event-topics does not exist at kafka:9092. Did you mean event-topic or unique-event-topic?"
    )
    assert raised.value.exit_code == 1


def test_several_unknown_topics_are_named_together() -> None:
    with pytest.raises(ClickstreamError, match=r"^Topics a, b do not exist at kafka:9092\. See them all with: "):
        must_exist(CLUSTER, ["a", "b"], KNOWN)


@pytest.mark.parametrize(("name", "internal"), [("__consumer_offsets", True), ("_schemas", False), ("a__b", False)])
def test_topics_of_kafka_itself(name: str, internal: bool) -> None:
    assert is_internal(name) is internal
