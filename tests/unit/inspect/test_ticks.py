import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError
from clickstream.inspect.sizes import TopicSummary
from clickstream.inspect.ticks import Tick, changes, ticks
from clickstream.kafka.clients import Cluster


def summary(name: str, written: int) -> TopicSummary:
    return TopicSummary(name, 1, written, written, None, None)


def run(mocker: MockerFixture, *answers: Any) -> Iterator[Tick]:
    """Ticks 2 s apart, one for each of these answers of the cluster."""
    mocker.patch("clickstream.inspect.sizes.summaries", side_effect=answers)
    stop = mocker.Mock(spec=threading.Event)
    stop.wait.side_effect = [False] * (len(answers) - 1) + [True]
    times = iter(range(0, 1_000, 2))
    return ticks(Cluster("k"), mocker.Mock(), False, 2.0, stop, clock=lambda: float(next(times)))


def test_rates_are_of_the_time_since_the_tick_before(mocker: MockerFixture) -> None:
    found = run(mocker, [summary("a", 10)], [summary("a", 16)], [summary("a", 16)])
    assert [rates for _, rates in found] == [{}, {"a": 3.0}, {"a": 0.0}]


def test_a_cluster_that_cannot_be_asked_first_is_an_error(mocker: MockerFixture) -> None:
    with pytest.raises(ClickstreamError, match="away"):
        next(run(mocker, ClickstreamError("away")))


def test_a_cluster_that_is_away_later_is_said_once_and_waited_for(
    mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    away = ClickstreamError("Kafka is away.")
    with caplog.at_level(logging.WARNING):
        found = list(run(mocker, [summary("a", 10)], away, away, [summary("a", 14)], away))
    assert [rates for _, rates in found] == [{}, {"a": 2.0}]
    assert caplog.messages == ["Kafka is away. Waiting for it."] * 2


def test_changes_are_what_differs_from_the_tick_before() -> None:
    a, b, later = summary("a", 1), summary("b", 1), summary("a", 2)
    every: list[Tick] = [([a, b], {}), ([later, b], {"a": 1.0, "b": 0.0}), ([later, b], {})]
    assert [found for found, _ in changes(iter(every))] == [[a, b], [later], []]
