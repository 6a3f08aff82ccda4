from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import click
import pytest
from confluent_kafka import KafkaError, Message

from clickstream.cli import producer as module
from clickstream.cli.options import App
from clickstream.cli.producer import chosen_weights
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.records import Event, decode
from tests.unit.cli.conftest import Outcome, Run
from tests.unit.mockkafka import PRODUCE, MockKafka

AT_ONCE = {"linger.ms": "0", "enable.idempotence": "false"}


@pytest.fixture
def kafka(kafka: MockKafka, monkeypatch: pytest.MonkeyPatch) -> MockKafka:
    @contextmanager
    def connect(_app: App) -> Iterator[Cluster]:
        yield Cluster(kafka.cluster.address, for_producers=AT_ONCE)

    def ensure(_cluster: Cluster, names: list[str], _stop: object = None) -> None:
        for name in names:
            kafka.create(name, 3)

    monkeypatch.setattr(App, "connect", connect)
    monkeypatch.setattr(module, "ensure", ensure)
    monkeypatch.setattr("clickstream.cli.part.watched", lambda *_args, **_options: nullcontext())
    return kafka


def events(kafka: MockKafka, topic: str = "event-topic") -> list[tuple[Any, ...]]:
    """Key, product, name and user of all events."""
    found: list[Message] = []
    read_to_end(kafka.cluster, topic, found.append)
    read = [(one.key(), decode(one.value(), Event)) for one in found]
    return sorted((key, event.product_id, event.event_name, event.user_id) for key, event in read)


def test_it_ends_with_what_was_produced_acknowledged_and_failed(run: Run, kafka: MockKafka) -> None:
    outcome = run("run-producer", "--count", "1200", "--rate", "max")
    assert outcome == Outcome(0, "", "Produced 1,200, acknowledged 1,200, failed 0.\n")
    assert len(events(kafka)) == 1200


def test_a_delivery_failure_ends_with_1(run: Run, kafka: MockKafka) -> None:
    kafka.fail_next(PRODUCE, *[KafkaError.MSG_SIZE_TOO_LARGE] * 10)
    outcome = run("run-producer", "--count", "5", "--quiet")
    assert outcome.code == 1
    assert "Produced 5, acknowledged 0, failed 5.\n" in outcome.err
    assert "Error: 5 events were not delivered: a record of " in outcome.err
    assert "larger than topic event-topic takes" in outcome.err


def test_the_same_seed_and_count_give_the_same_events(run: Run, kafka: MockKafka) -> None:
    arguments = ["run-producer", "--count", "1500", "--seed", "7", "--quiet"]
    run(*arguments, "--topic", "a", "--threads", "1", "--rate", "max")
    run(*arguments, "--topic", "b", "--threads", "3", "--rate", "20000")
    run(*arguments[:-2], "8", "--topic", "c", "--rate", "max")
    assert len(events(kafka, "a")) == 1500
    assert events(kafka, "a") == events(kafka, "b")
    assert not set(events(kafka, "a")) & set(events(kafka, "c"))


def test_without_a_seed_every_run_is_another(run: Run, kafka: MockKafka) -> None:
    run("run-producer", "--count", "5", "--topic", "a")
    run("run-producer", "--count", "5", "--topic", "b")
    assert not set(events(kafka, "a")) & set(events(kafka, "b"))


def test_only_the_named_events_are_emitted(run: Run, kafka: MockKafka) -> None:
    run("run-producer", "--count", "300", "--rate", "max", "--event", "purchase=3", "--event", "addtobasket=1")
    names = [name for _, _, name, _ in events(kafka)]
    assert set(names) == {"purchase", "addtobasket"}
    assert names.count("purchase") == pytest.approx(225, abs=40)


def test_time_ends_it_and_nothing_is_lost(run: Run, kafka: MockKafka) -> None:
    outcome = run("run-producer", "--duration", "0.1", "--rate", "2000")
    sent = len(events(kafka))
    assert outcome == Outcome(0, "", f"Produced {sent:,}, acknowledged {sent:,}, failed 0.\n")
    assert sent > 0


def test_weights() -> None:
    assert chosen_weights(()) is None
    assert chosen_weights((("purchase", 2.0), ("addtobasket", 0.0))) == {"purchase": 2.0, "addtobasket": 0.0}
    with pytest.raises(click.BadParameter):
        chosen_weights((("purchase", 0.0),))
