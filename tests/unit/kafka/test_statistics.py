"""When a consumer's reports say that it will never read again. What the reports hold was taken from real clients."""

import json
from dataclasses import replace

import pytest

from clickstream.kafka import statistics
from clickstream.kafka.statistics import EVERY_MS, LOST_AFTER_S, Lifeline, LostBrokers
from tests.support import wait_until
from tests.unit.fakes import Clock
from tests.unit.mockkafka import MockKafka

COORDINATOR = {"nodeid": -1, "state": "INIT", "source": "logical", "rtt": {}}
BOOTSTRAP = {"nodeid": -1, "state": "DOWN", "source": "configured", "rtt": {}}
LEARNED = {"nodeid": 1, "state": "TRY_CONNECT", "source": "learned", "rtt": {}}


class Reports:
    """A report every EVERY_MS."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.taken: list[str] = []
        self._lifeline = Lifeline("host:9092", "reads from", self.taken.append, self.clock.monotonic)

    def come(self, *brokers: dict[str, object], seconds: float = 60.0) -> None:
        end = self.clock.now + seconds
        while self.clock.now < end:
            named = {str(number): broker for number, broker in enumerate(brokers)}
            report = {"name": "clickstream#consumer-1", "type": "consumer", "brokers": named}
            self._lifeline.note_and_check(json.dumps(report))
            self.clock.now += EVERY_MS / 1_000


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.mark.parametrize("left", [[], [COORDINATOR]])
def test_a_consumer_without_any_brokers_is_lost(reports: Reports, left: list[dict[str, object]]) -> None:
    reports.come(LEARNED, COORDINATOR)
    begun = reports.clock.now
    with pytest.raises(LostBrokers, match=r"from Kafka at host:9092 was told that there are no brokers"):
        reports.come(*left)
    assert reports.clock.now - begun == LOST_AFTER_S
    assert json.loads(reports.taken[-1])["name"] == "clickstream#consumer-1"


@pytest.mark.parametrize("known", [[BOOTSTRAP], [LEARNED], [BOOTSTRAP, LEARNED, COORDINATOR]])
def test_in_an_outage_it_still_knows_addresses(reports: Reports, known: list[dict[str, object]]) -> None:
    reports.come(*known, seconds=3_600)


def test_one_that_begins_again_with_its_bootstrap_servers_has_none_for_a_moment(reports: Reports) -> None:
    for _ in range(5):
        reports.come(COORDINATOR, seconds=LOST_AFTER_S)
        reports.come(BOOTSTRAP, COORDINATOR, seconds=5)


def test_a_real_client_never_is_without_brokers_in_an_outage(kafka: MockKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "LOST_AFTER_S", 0.0)
    taken: list[str] = []
    cluster = replace(kafka.cluster, common={"statistics.interval.ms": 20})
    monkeypatch.setattr(cluster.statistics, "take", taken.append)
    consumer = cluster.consumer("g")
    kafka.create("t", 1)
    consumer.list_topics("t", timeout=10)
    with kafka.down():
        wait_until(lambda: (consumer.poll(0.02), '"state":"UP"' not in "".join(taken[-1:]))[1], what="it is seen")
        seen = len(taken)
        wait_until(lambda: (consumer.poll(0.02), len(taken) > seen + 10)[1], what="ten more reports")
    consumer.close()
