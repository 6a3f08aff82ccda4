"""A hub, a history and services without Kafka, for panels that tests ask at one instant."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clickstream.config import load
from clickstream.enrich.places import MadeUpPlaces
from clickstream.history.history import History
from clickstream.history.store import Limits
from clickstream.inspect.hub import Hub
from clickstream.inspect.offsets import Limits as Offsets
from clickstream.inspect.rates import TopicList
from clickstream.kafka.clients import Cluster
from clickstream.ui.hints import Hints
from clickstream.ui.services import Services
from clickstream.ui.statuses import Statuses
from tests.unit.ui.listeners import FakeHub
from tests.unit.ui.visitors import NOW


class FakeCluster:
    address = "localhost:9092"


class Watching:
    """Topics end where a test says."""

    def __init__(self) -> None:
        self.limits: dict[tuple[str, int], Offsets] = {}
        self.leaderless: dict[tuple[str, int], None] = {}
        self.asked_at = NOW / 1000
        self.topics = self

    def get(self, _wait_s: float = 0.5) -> Any:
        leaders: dict[str, dict[int, Any]] = {}
        for topic, partition in (*self.limits, *self.leaderless):
            leaders.setdefault(topic, {})[partition] = None
        return SimpleNamespace(answer=TopicList([], self.limits, leaders, self.asked_at))


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def watching() -> Watching:
    return Watching()


@pytest.fixture
def history() -> Iterator[History]:
    history = History(
        cast(Cluster, FakeCluster()), limits=Limits(history_ms=3_600_000), places=MadeUpPlaces(), clock=lambda: NOW
    )
    for kind in ("clicks", "events", "vip"):
        history.store.begin(kind, 0)
    yield history
    history.close()


@pytest.fixture
def services(hub: FakeHub, history: History, watching: Watching) -> Services:
    config = load(None, {})
    statuses = Statuses(cast(Hub, hub), "status", Hints(config))
    return Services(
        cast(Cluster, FakeCluster()), config, cast(Hub, hub), statuses, cast(Any, watching), Hints(config), history
    )
