"""Membership of any group, with the least that can be kept of a partition; the counter's is in tally/test_members."""

from dataclasses import dataclass

import pytest
from confluent_kafka import KafkaError

from clickstream.errors import ClickstreamError
from clickstream.kafka import group
from clickstream.kafka.clients import Cluster
from clickstream.kafka.group import FORGETS_WITHIN_S, Member, forgotten_within
from tests.unit.fakes import message, trouble
from tests.unit.tally.doubles import TOPIC, FakeCluster, FakeTopic


@dataclass
class Written:
    """As a sink keeps it, beside the rows that it has written."""

    next_offset: int


class Sink:
    def __init__(self) -> None:
        self.kafka = FakeCluster()
        self.table: dict[int, int] = {}  # offsets, as committed with the rows
        self.topic = FakeTopic()
        self.member: Member[Written] = Member(
            self.kafka.cluster, "sink", self.topic.topic, self._restore, before_revoke=self._save
        )
        self.member.join()

    def _restore(self, partitions: list[int]) -> dict[int, Written]:
        return {partition: Written(self.table.get(partition, 0)) for partition in partitions}

    def _save(self) -> None:
        self.table |= {partition: own.next_offset for partition, own in self.member.owned.items()}


def test_a_part_reads_on_from_what_it_saved_itself() -> None:
    sink = Sink()
    sink.table = {0: 5, 1: 7}
    consumer = sink.kafka.consumer_client
    consumer.batches = [[message(0, topic=TOPIC)], [message(5, topic=TOPIC)]]
    consumer.give(0, 1)
    assert sink.member.next_batch(10, 0.0) == [], "it may be from before"
    assert consumer.assigned[-1] == {0: 5, 1: 7}
    assert [one.offset() for one in sink.member.next_batch(10, 0.0)] == [5]


def test_that_the_topic_is_gone_is_heard_though_it_comes_with_a_rebalance() -> None:
    sink = Sink()
    consumer = sink.kafka.consumer_client
    gone = trouble(KafkaError.UNKNOWN_TOPIC_OR_PART)
    consumer.batches = [[message(0, topic=TOPIC), gone]]
    consumer.give(0)
    assert sink.member.next_batch(10, 0.0) == [gone]


def test_a_topic_that_is_gone_is_noticed_though_the_client_never_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "LOOKS_EVERY_S", 0.0)
    sink = Sink()
    consumer = sink.kafka.consumer_client
    consumer.give(0)
    sink.member.next_batch(10, 0.0)

    def gone() -> bool:
        raise ClickstreamError("gone")

    monkeypatch.setattr(sink.topic, "same", gone)
    consumer.batches = [[message(0, topic=TOPIC)]]
    assert len(sink.member.next_batch(10, 0.0)) == 1, "while records come nothing is asked"
    with pytest.raises(ClickstreamError, match="gone"):
        sink.member.next_batch(10, 0.0)


def test_it_saves_before_others_get_its_partitions_and_not_after_they_have_them() -> None:
    sink = Sink()
    consumer = sink.kafka.consumer_client
    consumer.give(0)
    sink.member.owned[0].next_offset = 9
    consumer.take(0)
    assert sink.table == {0: 9}
    consumer.give(0)
    sink.member.owned[0].next_offset = 12
    consumer.lose(0)
    assert sink.table == {0: 9}
    assert sink.member.owned == {}


def test_after_a_doubtful_error_the_log_is_looked_at_and_read_again() -> None:
    sink = Sink()
    sink.table = {0: 5}
    sink.kafka.consumer_client.give(0)
    sink.member.look_at_log()
    assert sink.topic.places == [{0: 5}]
    sink.topic.contradiction = ClickstreamError("recreated")
    sink.topic.is_same = False  # nobody answers just now: nothing is known
    sink.member.look_at_log()
    assert sink.kafka.consumer_client.assigned[-1] == {0: 5}


def test_restoring_again_drops_what_was_not_saved() -> None:
    sink = Sink()
    sink.table = {0: 5}
    sink.kafka.consumer_client.give(0)
    sink.member.owned[0].next_offset = 9
    sink.member.restore_again()
    assert sink.kafka.consumer_client.assigned[-1] == {0: 5}
    sink.member.give_up()
    sink.kafka.consumer_client.take(0)
    assert sink.table == {0: 5}, "what was given up is not saved"


@pytest.mark.parametrize(("given", "seconds"), [({}, 45), ({"session.timeout.ms": "0x2710"}, 10)])
def test_how_long_a_group_remembers_a_member_is_read_as_the_client_reads_it(
    given: dict[str, str], seconds: float
) -> None:
    assert forgotten_within(Cluster("host:9092", for_consumers=given)) == seconds + FORGETS_WITHIN_S
