"""Many listeners to one topic of a real Kafka, some of them slow, while the broker restarts."""

import gc
import threading
import time
from typing import Any

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from clickstream.inspect import topicreader
from clickstream.inspect.hub import Hub, Listener
from clickstream.inspect.recent import MAX_RECORDS
from clickstream.inspect.topicreader import Stage
from clickstream.kafka.admin import ask_description, delete
from clickstream.kafka.clients import Cluster
from tests.integration.brokers import MortalBroker
from tests.integration.support import make_topic, produce
from tests.support import PATIENCE, wait_until

LISTENERS = 100


def stage_of(listener: Listener, stage: Stage) -> None:
    wait_until(lambda: listener.state.stage is stage, 90, lambda: f"{stage}: it is {listener.state}")


class Tab(threading.Thread):
    """Takes what comes, and keeps count of it."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(daemon=True)
        self._listener = listener
        self.stop = threading.Event()
        self.values: list[bytes | None] = []
        self.skipped = 0
        self.stages: set[Stage] = set()

    def run(self) -> None:
        while not self.stop.is_set():
            self._listener.wait(0.2)
            news = self._listener.take()
            self.values += [record.value() for record in news.records]
            self.skipped += news.skipped
            self.stages.add(news.state.stage)


def test_a_hundred_listeners_over_a_restart_of_the_broker(mortal: MortalBroker, topic_name: str) -> None:
    kafka = mortal.address
    make_topic(kafka, topic_name)
    hub = Hub(Cluster(kafka))
    idle = hub.recent(topic_name)  # never takes anything, until the end
    tabs = [Tab(hub.recent(topic_name)) for _ in range(LISTENERS - 1)]
    try:
        stage_of(idle, Stage.LIVE)
        idle.take()
        for tab in tabs:
            tab.start()
        before = [b"before %d" % number for number in range(2_000)]
        produce(kafka, topic_name, before)
        wait_until(lambda: all(len(tab.values) + tab.skipped == 2_000 for tab in tabs), 90, "all tabs have them")
        mortal.kill()
        after = [b"after %d" % number for number in range(500)]
        produce(kafka, topic_name, after)
        wait_until(lambda: all(len(tab.values) + tab.skipped == 2_500 for tab in tabs), 90, "and what came afterwards")
        stage_of(idle, Stage.LIVE)
        for tab in tabs:
            assert len(set(tab.values)) == len(tab.values), "nothing twice"
            assert set(tab.values) <= {*before, *after}
            assert Stage.MISSING not in tab.stages, "a restart is no missing topic"
        late = idle.take()
        assert (len(late.records), late.skipped) == (MAX_RECORDS, 2_500 - MAX_RECORDS)
        assert sum(thread.name == f"listen to {topic_name}" for thread in threading.enumerate()) == 1
    finally:
        for tab in tabs:
            tab.stop.set()
        for tab in tabs:
            tab.join(10 * PATIENCE)
        hub.close()
    assert not any(thread.name == f"listen to {topic_name}" for thread in threading.enumerate())


def test_a_topic_that_does_not_exist_yet_and_is_deleted_and_recreated(kafka: str, topic_name: str) -> None:
    hub = Hub(Cluster(kafka))
    listener = hub.latest(topic_name)
    try:
        stage_of(listener, Stage.MISSING)
        make_topic(kafka, topic_name, 1)
        stage_of(listener, Stage.LIVE)
        produce(kafka, topic_name, [b"1", b"2"])
        found: list[bytes | None] = []

        def both() -> bool:
            found.extend(one.value() for one in listener.take().records)
            return sorted(map(str, found)) == ["b'1'", "b'2'"]

        wait_until(both, 60, lambda: f"both: {found}")
        delete(Cluster(kafka), [topic_name])
        stage_of(listener, Stage.MISSING)
        make_topic(kafka, topic_name, 1)
        produce(kafka, topic_name, [b"other"])
        deadline = time.monotonic() + 90
        anew = False
        values: list[bytes | None] = []
        while not (anew and values == [b"other"]):
            assert time.monotonic() < deadline, (anew, values, listener.state)
            listener.wait(1.0)
            news = listener.take()
            anew = anew or news.anew
            values = [*([] if news.anew else values), *(one.value() for one in news.records)]
    finally:
        hub.close()


def clients() -> int:
    """Of Kafka, in this process."""
    return sum(isinstance(one, Consumer | AdminClient) for one in gc.get_objects())


def test_a_topic_that_is_missing_for_long_takes_no_more_and_more_clients(
    kafka: str, topic_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def ask(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        return ask_description(*arguments)

    monkeypatch.setattr(topicreader, "AGAIN_AFTER_S", 0.02)
    monkeypatch.setattr(topicreader, "ask_description", ask)
    gc.collect()
    gc.disable()
    hub = Hub(Cluster(kafka))
    try:
        before = clients()
        hub.recent(topic_name)
        wait_until(lambda: asked >= 50, 60, lambda: f"50 looks: {asked}")
        assert clients() - before <= 2
        make_topic(kafka, topic_name)
        stage_of(hub.recent(topic_name), Stage.LIVE)
    finally:
        gc.enable()
        hub.close()
