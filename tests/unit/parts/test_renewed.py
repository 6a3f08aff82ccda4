"""A part that is recreated when a client of the one before has lost all brokers."""

import threading
from collections.abc import Mapping

import pytest

from clickstream.errors import ClickstreamError
from clickstream.kafka.patience import Stopped
from clickstream.kafka.statistics import LostBrokers
from clickstream.parts import renewed as module
from clickstream.parts.part import Part
from clickstream.parts.renewed import Renewed
from clickstream.records import LeftOut
from tests.unit.kafka.brokers import CLUSTER


class Fake(Part):
    kind = "counter"
    name = "clicks"
    group = "readers"

    def __init__(self, counted: int, end: Exception | None = None) -> None:
        self.topics = ["clicks", "counts"]
        self.ran = False
        self._counted = counted
        self._end = end

    def run(self, stop: threading.Event) -> None:
        self.ran = True
        if self._end is not None:
            raise self._end

    def totals(self) -> dict[str, int]:
        return {"counted": self._counted}

    def gauges(self) -> dict[str, float]:
        return {"lag": float(self._counted)}

    def changed_values(self) -> Mapping[tuple[str, str], int]:
        return {("name", "cut"): self._counted}

    def left_out(self) -> list[LeftOut]:
        mine = LeftOut(f"table {self._counted}", "t", dropped=1)
        return [LeftOut("clicks", "clicks", late=self._counted, nulled=2), mine]

    def last_success(self) -> float | None:
        return None if self._end is None else 7.0


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[threading.Event]:
    """The stops with which it was waited until Kafka answers."""
    found: list[threading.Event] = []
    monkeypatch.setattr(module, "cluster_id", lambda _cluster, stop: found.append(stop))
    return found


def lost() -> LostBrokers:
    return LostBrokers("The client that reads was told that there are none.")


def test_it_is_recreated_as_often_as_its_brokers_are_lost(caplog: pytest.LogCaptureFixture) -> None:
    parts = [Fake(1, lost()), Fake(20, lost()), Fake(300)]
    went_before: list[Fake | None] = []

    def make(former: Fake | None) -> Fake:
        went_before.append(former)
        return parts[len(went_before) - 1]

    renewed = Renewed(CLUSTER, make)
    assert (renewed.kind, renewed.name, renewed.group) == ("counter", "clicks", "readers")
    assert renewed.topics == ["clicks", "counts"]
    renewed.run(threading.Event())

    assert went_before == [None, *parts[:2]]
    assert [part.ran for part in parts] == [True] * 3
    assert renewed.now is parts[2]
    assert [record.getMessage() for record in caplog.records] == [
        f"{lost()} It is started again, and goes on where it was."
    ] * 2


def test_what_only_grows_never_falls() -> None:
    parts = [Fake(1, lost()), Fake(20)]
    renewed = Renewed(CLUSTER, lambda former: parts[former is not None])
    assert renewed.totals() == {"counted": 1}
    renewed.run(threading.Event())
    assert renewed.totals() == {"counted": 21}
    assert renewed.changed_values() == {("name", "cut"): 21}
    assert renewed.left_out() == [
        LeftOut("clicks", "clicks", late=21, nulled=4),
        LeftOut("table 1", "t", dropped=1),
        LeftOut("table 20", "t", dropped=1),
    ]
    assert renewed.last_success() == 7.0
    assert renewed.gauges() == {"lag": 20.0}


def test_after_a_stop_it_is_not_recreated() -> None:
    stop = threading.Event()
    stop.set()
    renewed = Renewed(CLUSTER, lambda _former: Fake(1, lost()))
    with pytest.raises(LostBrokers):
        renewed.run(stop)


def test_it_is_recreated_once_kafka_answers(asked: list[threading.Event]) -> None:
    """A part that begins gives up after a while."""
    stop = threading.Event()
    parts = iter([Fake(1, lost()), Fake(20)])
    Renewed(CLUSTER, lambda _former: next(parts)).run(stop)
    assert asked == [stop]


def test_a_stop_ends_the_wait_for_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_cluster: object, stop: threading.Event) -> None:
        stop.set()
        raise Stopped("Stopped while Kafka was away.")

    monkeypatch.setattr(module, "cluster_id", away)
    with pytest.raises(LostBrokers):
        Renewed(CLUSTER, lambda _former: Fake(1, lost())).run(threading.Event())


def test_what_else_ends_it_is_raised() -> None:
    renewed = Renewed(CLUSTER, lambda _former: Fake(1, ClickstreamError("no")))
    with pytest.raises(ClickstreamError, match="no"):
        renewed.run(threading.Event())
