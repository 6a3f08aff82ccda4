from typing import Any

import pytest
from pytest_mock import MockerFixture

from clickstream.inspect.offsets import EARLIEST, LATEST, Limits
from clickstream.inspect.rates import BUCKETS, Rate, TopicRates
from clickstream.kafka.clients import Cluster


def test_a_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate()
    assert rate.per_s is None
    for second in range(20):
        rate.add(second, 100 * second if second < 10 else 1_000 + 10 * (second - 10))
    assert rate.per_s == pytest.approx(10)
    assert list(rate.history) == [pytest.approx(100), pytest.approx(100), pytest.approx(10)]


def test_a_slow_topic_has_the_mean_of_a_minute() -> None:
    rate = Rate()
    for second in range(100):
        rate.add(second, second // 20)
    assert rate.per_s == pytest.approx(0.05, abs=0.02)


def test_the_history_is_bounded() -> None:
    rate = Rate()
    for second in range(0, 100_000, 5):
        rate.add(second, second)
    assert len(rate.history) == BUCKETS


def test_fewer_records_than_before_begin_again() -> None:
    rate = Rate()
    for second, total in enumerate([100, 200, 300, 5, 15]):
        rate.add(second, total)
    assert rate.per_s == pytest.approx(10)
    assert all(one >= 0 for one in rate.history)


class Broker:
    """Two topics, and what was asked."""

    def __init__(self, mocker: MockerFixture) -> None:
        self.ends = {("a", 0): 10, ("a", 1): 0, ("b", 0): 7}
        self.lows = dict.fromkeys(self.ends, 0)
        self.asked: list[str] = []
        self.writes: list[Any] = []
        partition = mocker.Mock(leader=1, replicas=[1, 2], isrs=[1, 2])
        mocker.patch.object(Cluster, "admin")
        topics = {"a": {0: partition, 1: partition}, "b": {0: partition}}
        mocker.patch("clickstream.inspect.rates.metadata", side_effect=self._metadata(topics))
        mocker.patch("clickstream.inspect.offsets.ask", side_effect=self._ask(mocker))
        mocker.patch("clickstream.inspect.sizes.last_writes", side_effect=self._last_writes)
        mocker.patch("clickstream.inspect.details.configs", side_effect=self._configs)

    def _metadata(self, topics: Any) -> Any:
        def metadata(*_: Any) -> Any:
            self.asked.append("metadata")
            return topics

        return metadata

    def _ask(self, mocker: MockerFixture) -> Any:
        def ask(_cluster: Any, _admin: Any, partitions: Any, spec: Any) -> Any:
            self.asked.append({EARLIEST: "earliest", LATEST: "latest"}[spec])
            return {one: mocker.Mock(offset=(self.ends if spec is LATEST else self.lows)[one]) for one in partitions}

        return ask

    def _last_writes(self, _cluster: Any, _admin: Any, limits: Any) -> Any:
        self.asked.append("last writes")
        return {one: 5_000 for one in limits if self.ends[one]}

    def _configs(self, _cluster: Any, _admin: Any, names: Any) -> Any:
        self.asked.append("settings")
        return {
            name: {"cleanup.policy": "compact" if name == "b" else "delete", "retention.ms": "-1"} for name in names
        }


@pytest.fixture
def broker(mocker: MockerFixture) -> Broker:
    return Broker(mocker)


def test_a_look_is_two_requests_and_seldom_more(broker: Broker) -> None:
    now = 0.0
    topics = TopicRates(Cluster("k"), clock=lambda: now)
    for second in range(30):
        now = float(second)
        broker.asked.clear()
        topics.look()
        if second not in (0, 1, 10, 20):
            assert broker.asked == ["metadata", "latest"]


def test_who_looks_about_every_ten_seconds_gets_beginnings_and_sizes_each_time(broker: Broker) -> None:
    now = 0.0
    topics = TopicRates(Cluster("k"), clock=lambda: now)
    for number in range(6):
        now = number * 10 - number % 2 * 0.2
        broker.asked.clear()
        topics.look()
        assert "earliest" in broker.asked


def test_lines_tell_what_is_there_and_what_comes_in(broker: Broker) -> None:
    now = 0.0
    topics = TopicRates(Cluster("k"), clock=lambda: now, wall=lambda: 1_000.0)
    first = {one.name: one for one in topics.look().lines}
    assert (first["a"].records, first["a"].partitions, first["a"].replication) == (10, 2, 2)
    assert (first["a"].last_write, first["a"].rate, first["a"].about) == (5_000, None, False)
    now, broker.ends["a", 1] = 1.0, 50
    second = {one.name: one for one in topics.look().lines}
    assert (second["a"].records, second["a"].rate, second["a"].last_write) == (60, 50.0, 1_000_000)
    assert (second["b"].rate, second["b"].last_write) == (0.0, 5_000)
    assert second["b"].about, "compaction leaves offsets without records"
    assert second["b"].retention_ms == -1


def test_where_topics_ended_a_moment_ago_is_known(broker: Broker) -> None:
    now = 0.0
    topics = TopicRates(Cluster("k"), clock=lambda: now, wall=lambda: now)
    found = []
    for at, high in ((100.0, 7), (101.0, 8), (102.0, 9), (108.0, 10)):
        now, broker.ends["b", 0] = at, high
        found.append([one.limits["b", 0].high for one in topics.look().ends.before])
    assert found == [[], [7], [8, 7], []]


def test_a_topic_that_is_recreated_has_its_new_beginning_at_once(broker: Broker) -> None:
    now = 0.0
    topics = TopicRates(Cluster("k"), clock=lambda: now)
    broker.ends["b", 0], broker.lows["b", 0] = 1_000_300, 1_000_000
    assert {one.name: one.records for one in topics.look().lines}["b"] == 300
    now, broker.ends["b", 0], broker.lows["b", 0] = 1.0, 40, 0
    found = topics.look()
    assert {one.name: one.records for one in found.lines}["b"] == 40
    assert found.limits["b", 0] == Limits(0, 40)
