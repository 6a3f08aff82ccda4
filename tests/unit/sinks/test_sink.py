"""What a sink makes of errors that its consumer tells."""

import pytest
from confluent_kafka import KafkaError, Message

from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import DeadLetters
from clickstream.kafka.log import LogChanged, Recreated, Truncated
from clickstream.sinks.inputs import plain
from clickstream.sinks.sink import Options, Sink
from clickstream.stop import Stop
from tests.unit.fakes import FakeConsumer, Kept, message, trouble
from tests.unit.kafka.brokers import CLUSTER, FakeAdmin
from tests.unit.sinks.memory import MemoryTarget

LOG = [message(number, b"%d" % number) for number in range(6)]
GONE = trouble(KafkaError.UNKNOWN_TOPIC_OR_PART)
NOT_THERE = trouble(KafkaError._AUTO_OFFSET_RESET)


def fill(monkeypatch: pytest.MonkeyPatch, target: MemoryTarget, consumer: FakeConsumer, admin: FakeAdmin) -> None:
    """Run a sink of topic `t` to its end."""
    monkeypatch.setattr(Cluster, "consumer", lambda *_: consumer.client)
    monkeypatch.setattr(Cluster, "admin", lambda *_: admin.client)
    sender = Kept()
    letters = DeadLetters(sender, "dead", "sink-memory")
    Sink(CLUSTER, target, [plain("t")], letters, sender, Options(exit_at_end=True)).run(Stop())


def test_what_a_client_says_for_a_moment_ends_nothing_and_skips_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    target, consumer = MemoryTarget(), FakeConsumer(LOG, [*LOG[:2], GONE, LOG[2]], [NOT_THERE])

    fill(monkeypatch, target, consumer, FakeAdmin({0: (0, len(LOG))}))

    assert list(target.rows.values()) == [one.value() for one in LOG]
    assert consumer.assigned == [-2, 2, 2]


class _OfAnother(FakeConsumer):
    """While it reads, the topic is recreated."""

    def __init__(self, admin: FakeAdmin, *first: list[Message]) -> None:
        super().__init__(LOG, *first)
        self._admin = admin

    def consume(self, count: int, timeout: float) -> list[Message]:
        self._admin.topic_id = "id-2"
        return super().consume(count, timeout)


@pytest.mark.parametrize(
    ("recreated", "kind", "words"),
    [
        (True, Recreated, "Topic t was recreated: its id was id-1, now it is id-2. --reset"),
        (False, Truncated, "t partition 0: offset 2 comes next, but the log begins at 4: 2 records .* --reset"),
    ],
)
def test_what_is_true_of_it_ends_the_sink_and_says_what_happened(
    monkeypatch: pytest.MonkeyPatch, recreated: bool, kind: type[LogChanged], words: str
) -> None:
    admin, first = FakeAdmin({0: (4, len(LOG))}), [*LOG[:2], NOT_THERE]
    consumer = _OfAnother(admin, first) if recreated else FakeConsumer(LOG, first)

    with pytest.raises(kind, match=words):
        fill(monkeypatch, MemoryTarget(), consumer, admin)
