"""A topic read for a check: all of it, whatever a client says for a moment."""

import pytest
from confluent_kafka import KafkaError

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.log import LogIdentity, Recreated
from clickstream.sinks import checking
from clickstream.sinks.checking import batches
from tests.unit.fakes import FakeConsumer, message, trouble
from tests.unit.kafka.brokers import CLUSTER, FakeAdmin

LOG = [message(number) for number in range(4)]
IDENTITY = LogIdentity("t", "id-1")


def reading(monkeypatch: pytest.MonkeyPatch, consumer: FakeConsumer, admin: FakeAdmin) -> None:
    monkeypatch.setattr(Cluster, "consumer", lambda *_: consumer.client)
    monkeypatch.setattr(Cluster, "admin", lambda *_: admin.client)


def offsets() -> list[int | None]:
    return [one.offset() for batch in batches(CLUSTER, IDENTITY, {0: (0, 4)}) for one in batch]


@pytest.mark.parametrize("code", [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._AUTO_OFFSET_RESET])
def test_what_a_client_says_for_a_moment_ends_no_check(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """As after the restart of a broker: each record is read once."""
    consumer = FakeConsumer(LOG, [LOG[0], LOG[1], trouble(code), LOG[2]], [trouble(code)])
    reading(monkeypatch, consumer, FakeAdmin({0: (0, 4)}))
    assert offsets() == [0, 1, 2, 3]
    assert consumer.assigned == [0, 2, 2]


def test_a_topic_that_was_recreated_meanwhile_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = FakeConsumer(LOG, [LOG[0], trouble(KafkaError.UNKNOWN_TOPIC_OR_PART)])
    reading(monkeypatch, consumer, FakeAdmin({0: (0, 4)}, topic_id="id-2"))
    with pytest.raises(Recreated, match="Topic t was recreated"):
        offsets()


def test_a_client_that_says_it_for_ever_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "SILENT_S", 0.0)
    gone = [trouble(KafkaError.UNKNOWN_TOPIC_OR_PART)]
    reading(monkeypatch, FakeConsumer(LOG, *[gone] * 1_000), FakeAdmin({0: (0, 4)}))
    with pytest.raises(ClickstreamError, match="sends nothing of t for 0 s"):
        offsets()
