"""What a running part tells about itself: on the status topic and to Prometheus."""

import json
import re
import socket
import urllib.request
from collections.abc import Callable
from typing import Any

from clickstream.kafka.clients import Cluster
from clickstream.topics import ensure
from tests.integration.support import (
    command_of,
    is_an_error_for_people,
    make_topic,
    named,
    produce,
    records,
    run,
    running,
    tallies,
)
from tests.support import wait_until


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def statuses(kafka: str, topic: str) -> dict[bytes | None, list[Any]]:
    """What each part has said, in order; None is a tombstone."""
    found: dict[bytes | None, list[Any]] = {}
    for record in records(kafka, topic):
        said = record.value()
        found.setdefault(record.key(), []).append(json.loads(said) if said is not None else None)
    return found


def metrics(port: int) -> dict[str, float]:
    """Prometheus's samples by name, without their labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {name: float(number) for name, number in re.findall(r"^(\w+)(?:\{.*\})? (\S+)$", text, re.MULTILINE)}


def until_counted(kafka: str, topic: str, total: int) -> Callable[[], bool]:
    def reached() -> bool:
        found = tallies(kafka, f"{topic}-tally")
        return bool(found) and sum(found[-1].values()) == total

    return reached


def test_parts_say_how_they_do_until_they_end(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    status = f"{topic_name}-status"
    ensure(Cluster(kafka), [status])
    produce(kafka, topic_name, named("purchase"))
    producer = ["run-producer", "-b", kafka, "--topic", topic_name, "--quiet"]
    with (
        running(*command_of(topic_name), "-b", kafka, CLICKSTREAM_STATUS_TOPIC=status) as counting,
        running(*producer, CLICKSTREAM_STATUS_TOPIC=status) as producing,
    ):

        def rates() -> dict[str, Any]:
            latest = [said[-1] for said in statuses(kafka, status).values()]
            return {said["kind"]: said for said in latest if any(said["rates"].values())}

        found = wait_until(lambda: len(rates()) == 2 and rates(), 30, "both report that they work", 0.2)
        assert isinstance(found, dict)
        assert found["producer"]["topics"] == [topic_name]
        assert found["counter"]["topics"] == [topic_name, f"{topic_name}-tally"]
        for said in found.values():
            assert said["state"] == "running"
            assert said["host"] == socket.gethostname()
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dUTC", said["since"])
        assert 500 < found["producer"]["rates"]["acknowledged"] < 2000  # 1,000 per second by default

        producing.kill()
        assert counting.stop() == 0, counting.said()
    last = {said[0]["kind"]: said[-1] for said in statuses(kafka, status).values()}
    assert last["counter"] is None  # a tombstone: it ended
    assert last["producer"] is not None


def test_a_status_topic_that_cannot_be_written_stops_nothing(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    make_topic(kafka, f"{topic_name}-status", max_message_bytes="10")
    produce(kafka, topic_name, named("purchase"))
    command = [*command_of(topic_name), "-b", kafka, "--exit-at-end"]
    done = run(*command, CLICKSTREAM_STATUS_TOPIC=f"{topic_name}-status")
    assert done.code == 0, done.said
    assert "Counted 1 records" in done.said


def test_metrics_are_served_while_a_part_runs(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    ensure(Cluster(kafka), [f"{topic_name}-tally"])
    produce(kafka, topic_name, [*named(*["purchase"] * 70), b"no JSON"])
    port = free_port()
    with running(*command_of(topic_name), "-b", kafka, "--metrics-port", str(port)) as counting:
        wait_until(until_counted(kafka, topic_name, 70), 30, "70 are counted")
        wait_until(lambda: metrics(port)["clickstream_dead_letters_total"] == 1, 30, "the dead letter is reported")
        wait_until(lambda: metrics(port)["clickstream_lag"] == 0, 30, "nothing is left to count")
        found = metrics(port)
        assert found["clickstream_counted_total"] == 70
        assert found["process_resident_memory_bytes"] > 1e6
        produce(kafka, topic_name, named(*["purchase"] * 5))
        wait_until(lambda: metrics(port)["clickstream_counted_total"] == 75, 30, "75 are counted")
        assert counting.stop() == 0, counting.said()


def test_a_port_that_is_taken_is_said(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for command in (command_of(topic_name), ["run-producer", "--topic", topic_name]):
            done = run(*command, "-b", kafka, "--metrics-port", port)
            assert done.code == 1
            assert is_an_error_for_people(done, port, "--metrics-port")
    assert records(kafka, topic_name) == []
