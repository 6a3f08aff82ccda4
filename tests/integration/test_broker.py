"""The embedded broker itself: real processes, killed in every way that matters."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pytest_mock import MockerFixture

from clickstream.broker import BrokerStatus, EmbeddedBroker
from clickstream.errors import ClickstreamError
from clickstream.java.locks import is_free
from tests.support import PATIENCE, missing, wait_until

START = 60.0  # s; a start takes 3, on a busy machine more
LINGER = 1.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, broker_java: str) -> Iterator[EmbeddedBroker]:
    """A broker of these tests' own. Most leave it running: a start takes seconds."""
    broker = EmbeddedBroker(
        tmp_path_factory.mktemp("own broker"),
        java=broker_java,
        port=0,
        linger=LINGER,
        notify=lambda _: None,
        class_data=False,  # it would be made for 10 s after the tests have ended
    )
    try:
        broker.acquire().release()
    except ClickstreamError as error:
        missing(f"no embedded Kafka: {error}")
    yield broker
    broker.stop(force=True)
    assert_nothing_runs(broker)


def assert_nothing_runs(broker: EmbeddedBroker) -> None:
    assert is_free(broker.state.supervisor_lock)
    assert is_free(broker.state.jvm_lock)


def produce(address: str, topic: str, count: int) -> None:
    """`count` records into a new topic, all of them acknowledged."""
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(10 * PATIENCE)
    failures: list[str] = []
    producer = Producer({"bootstrap.servers": address, "acks": "all", "linger.ms": 5})
    for number in range(count):
        producer.produce(
            topic, str(number).encode(), on_delivery=lambda error, _: failures.append(str(error)) if error else None
        )
    assert producer.flush(30 * PATIENCE) == 0
    assert failures == []


def consume(address: str, topic: str) -> list[int]:
    """Everything in the topic, to its end."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "-", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    values: list[int] = []
    try:
        while True:
            message = consumer.poll(20 * PATIENCE)
            assert message is not None, f"not within {20 * PATIENCE:g} s: the end of the topic"
            if message.error():
                return values
            value = message.value()
            assert value is not None
            values.append(int(value))
    finally:
        consumer.close()


def wait_until_restarted(broker: EmbeddedBroker, before: BrokerStatus) -> BrokerStatus:
    def restarted() -> BrokerStatus | None:
        now = broker.status()
        return now if now.state == "running" and now.pid != before.pid else None

    return wait_until(restarted, START, "the broker runs again")


def test_a_killed_jvm_is_replaced_on_the_same_port_without_loss(broker: EmbeddedBroker, topic_name: str) -> None:
    with broker.acquire() as lease:
        produce(lease.address, topic_name, 20_000)
        before = broker.status()
        assert before.pid is not None
        os.kill(before.pid, signal.SIGKILL)
        after = wait_until_restarted(broker, before)
        assert after.address == before.address
        assert after.restarts == before.restarts + 1
        assert consume(lease.address, topic_name) == list(range(20_000))


def test_the_jvm_of_a_killed_supervisor_serves_on_until_the_next_start_replaces_it(
    broker: EmbeddedBroker, topic_name: str
) -> None:
    with broker.acquire() as lease:
        produce(lease.address, topic_name, 1000)
        before = broker.status()
        assert before.supervisor_pid is not None
        os.kill(before.supervisor_pid, signal.SIGKILL)
        wait_until(lambda: is_free(broker.state.supervisor_lock), 5, "the supervisor is dead")
        assert not is_free(broker.state.jvm_lock)
        assert consume(lease.address, topic_name) == list(range(1000))
        with broker.acquire() as second:
            assert second.started
            after = broker.status()
            assert after.pid != before.pid
            assert after.supervisor_pid != before.supervisor_pid
            assert consume(second.address, topic_name) == list(range(1000))


def test_a_restart_keeps_records_cluster_id_and_port(broker: EmbeddedBroker, topic_name: str) -> None:
    with broker.acquire() as lease:
        produce(lease.address, topic_name, 1000)
        before = broker.status()
    assert broker.stop()
    assert broker.status().state == "stopped"
    with broker.acquire() as lease:
        after = broker.status()
        assert lease.started
        assert (after.cluster_id, after.address) == (before.cluster_id, before.address)
        assert consume(lease.address, topic_name) == list(range(1000))


def test_damaged_status_is_written_anew_while_it_runs(broker: EmbeddedBroker) -> None:
    with broker.acquire() as lease:
        before = broker.status()
        broker.state.status_file.write_text('{"state": "runn')
        with broker.acquire() as second:
            assert second.address == lease.address
            assert not second.started
        # Kafka writes meanwhile.
        assert replace(broker.status(), disk_used=0) == replace(before, disk_used=0)


def test_stop_refuses_while_somebody_uses_it(broker: EmbeddedBroker) -> None:
    with broker.acquire() as lease:
        with pytest.raises(ClickstreamError, match="--force"):
            broker.stop()
        assert broker.status().state == "running"
        with broker.acquire() as second:
            assert (second.address, second.started) == (lease.address, False)


def test_started_by_hand_it_is_pinned_and_unpinned_it_stops_when_nobody_uses_it(broker: EmbeddedBroker) -> None:
    address = broker.start()
    assert broker.status().pinned
    with broker.acquire() as lease:
        assert (lease.address, lease.started) == (address, False)
        broker.state.pinned.unlink()
    wait_until(lambda: broker.status().state == "stopped", LINGER + 15, "stopped for want of users")
    assert_nothing_runs(broker)


def test_stop_also_ends_the_jvm_of_a_killed_supervisor(broker: EmbeddedBroker) -> None:
    with broker.acquire():
        supervisor = broker.status().supervisor_pid
        assert supervisor is not None
        os.kill(supervisor, signal.SIGKILL)
        wait_until(lambda: is_free(broker.state.supervisor_lock), 5, "the supervisor is dead")
    assert broker.stop()
    assert_nothing_runs(broker)
    assert not broker.stop()


def test_two_processes_at_once_start_one_broker(tmp_path: Path, broker: EmbeddedBroker, broker_java: str) -> None:
    script = (
        "import sys; from pathlib import Path; from clickstream.broker import EmbeddedBroker\n"
        "b = EmbeddedBroker(Path(sys.argv[1]), java=sys.argv[2], port=0, linger=0.2, class_data=False)\n"
        "lease = b.acquire(); print(lease.started, lease.address, b.status().pid, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path), broker_java]
    users = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(2)
    ]
    try:
        lines = [user.stdout.readline() for user in users if user.stdout is not None]
        (started, *one), (not_started, *other) = sorted((line.split() for line in lines), reverse=True)
        assert (started, not_started) == ("True", "False")
        assert one == other
    finally:
        for user in users:
            user.kill()  # a lease needs no clean end
            user.communicate()
    own = EmbeddedBroker(tmp_path)
    wait_until(lambda: own.status().state == "stopped", 20, "stopped when both were dead")
    assert_nothing_runs(own)


def test_a_taken_port_that_was_asked_for_is_an_error_within_seconds(
    tmp_path: Path, broker: EmbeddedBroker, broker_java: str
) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        with pytest.raises(ClickstreamError, match=rf"port {port} .* broker\.port"):
            EmbeddedBroker(tmp_path, java=broker_java, port=port).acquire()
    assert EmbeddedBroker(tmp_path).status().state == "failed"


def test_a_jvm_that_cannot_start_is_an_error_with_its_own_words(
    tmp_path: Path, broker: EmbeddedBroker, broker_java: str
) -> None:
    with pytest.raises(ClickstreamError, match=r"Invalid maximum heap size: -Xmx1furlong"):
        EmbeddedBroker(tmp_path, java=broker_java, port=0, heap="1furlong").acquire()


def test_records_stay_below_the_bound_of_the_disk(
    tmp_path: Path, broker_java: str, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    mocker.patch("clickstream.broker.embedded.START_TIMEOUT", 240.0)
    mocker.patch("clickstream.broker.disk.WATCH_EVERY", 0.2)
    bound, said = 100_000_000, list[str]()
    broker = EmbeddedBroker(
        tmp_path, java=broker_java, port=0, linger=LINGER, notify=said.append, class_data=False, disk=bound
    )
    compacted = {"cleanup.policy": "compact"}
    own = {"retention.bytes": "1000000000"}
    with broker.acquire() as lease:
        admin = AdminClient({"bootstrap.servers": lease.address})
        topics = [
            NewTopic("large", 2, 1),
            NewTopic("small", 1, 1),
            NewTopic("latest", 1, 1, config=compacted),
            NewTopic("kept", 1, 1, config=own),
        ]
        for made in admin.create_topics(topics).values():
            made.result(30 * PATIENCE)
        failures: list[str] = []
        producer = Producer({"bootstrap.servers": lease.address, "compression.type": "none"})
        for number in range(3_000):
            for topic, partition, every in (("large", number % 2, 1), ("latest", 0, 20), ("kept", 0, 20)):
                if number % every == 0:
                    producer.produce(
                        topic,
                        os.urandom(100_000),
                        str(number),
                        partition,
                        on_delivery=lambda error, _: failures.append(str(error)) if error else None,
                    )
            producer.flush(60 * PATIENCE)
        producer.produce("small", b"x")
        assert producer.flush(60 * PATIENCE) == 0
        assert failures == []
        wait_until(lambda: broker.status().disk_used < bound, 180, "the oldest records are deleted", poll=0.5)
        consumer = Consumer({"bootstrap.servers": lease.address, "group.id": "-"})
        places = (("large", 0), ("large", 1), ("small", 0), ("latest", 0), ("kept", 0))
        limits = {place: consumer.get_watermark_offsets(TopicPartition(*place), 30 * PATIENCE) for place in places}
        consumer.close()
        for number in (0, 1):
            low, high = limits["large", number]
            assert 100 < high - low < 500  # of the 70 MB that are left for it
        assert limits["small", 0] == (0, 1)
        assert limits["latest", 0] == limits["kept", 0] == (0, 150)
        warnings = [record.getMessage() for record in caplog.records if "records take" in record.getMessage()]
        assert len(warnings) == 1  # who used it meanwhile was told once
        said.clear()
        broker.acquire().release()
        assert "warning: the embedded Kafka's records take" in said[0]
    broker.stop(force=True)
