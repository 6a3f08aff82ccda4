"""What a running part tells about itself: on the status topic and to Prometheus."""

import json
import re
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path
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
from tests.support import PATIENCE, free_port, wait_until


def statuses(kafka: str, topic: str) -> dict[bytes | None, list[Any]]:
    """What each part has said, in order; None is a tombstone."""
    found: dict[bytes | None, list[Any]] = {}
    for record in records(kafka, topic):
        said = record.value()
        found.setdefault(record.key(), []).append(json.loads(said) if said is not None else None)
    return found


def metrics(port: int) -> dict[str, float]:
    """Prometheus's samples by name, without their labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10 * PATIENCE) as answer:
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

        def both() -> dict[str, Any]:
            found = rates()
            return found if len(found) == 2 and found["producer"]["rates"]["acknowledged"] > 0 else {}

        found = wait_until(both, 30, "both report that they work", 0.2)
        assert found["producer"]["topics"] == [topic_name]
        assert found["counter"]["topics"] == [topic_name, f"{topic_name}-tally"]
        for said in found.values():
            assert said["state"] == "running"
            assert said["host"] == socket.gethostname()
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dUTC", said["since"])
        assert found["producer"]["totals"]["acknowledged"] <= found["producer"]["totals"]["sent"]
        assert found["counter"]["group"] == f"{topic_name}-group"
        assert found["counter"]["gauges"].keys() == {"lag"}
        wait_until(
            lambda: len(found := rates()) == 2 and all(said["last_success"] for said in found.values()),
            60,
            "they say when they last had success",
        )

        def counted() -> bool:
            positions = rates().get("counter", {}).get("positions", [])
            assert all(place["topic"] == topic_name for place in positions)
            return len(positions) == 3 and sum(place["next_offset"] for place in positions) > 1

        wait_until(counted, 60, "the stored offsets are told")
        producing.kill()
        look = ("status", "-b", kafka, "--json")

        def dead() -> dict[str, bool]:
            found = run(*look, CLICKSTREAM_STATUS_TOPIC=status)
            assert found.code == 0, found.said
            shown = {one["kind"]: one["dead"] for one in map(json.loads, found.printed.splitlines())}
            return shown if shown["producer"] else {}

        assert wait_until(dead, 120, "the killed one is marked as dead", 1.0)["counter"] is False
        assert counting.stop() == 0, counting.said()
    last = {said[0]["kind"]: said[-1] for said in statuses(kafka, status).values()}
    assert last["counter"] is None  # a tombstone: it ended
    assert last["producer"] is not None


def test_a_part_that_failed_is_shown_with_the_reason(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name)
    status = f"{topic_name}-status"
    ensure(Cluster(kafka), [status])
    lines = tmp_path / "lines.json"
    lines.write_text('{"a": 1}\n')
    command = ["topics", "produce", topic_name, str(lines), "--key", "id", "-b", kafka]
    failed = run(*command, CLICKSTREAM_STATUS_TOPIC=status)
    assert failed.code == 1, failed.said
    (said,) = statuses(kafka, status).values()
    assert said[-1]["state"] == "failed"
    reason = said[-1]["error"]
    assert reason in " ".join(failed.said.split())
    shown = run("status", "-b", kafka, CLICKSTREAM_STATUS_TOPIC=status)
    assert shown.code == 0, shown.said
    assert "failed at " in shown.printed
    assert reason in shown.printed
    with running("status", "--watch", "-b", kafka, CLICKSTREAM_STATUS_TOPIC=status) as watching:
        wait_until(lambda: f"error: {reason}" in watching.printed(), 60, "the watch shows it, too")
        assert watching.stop() == 0, watching.said()


def test_tables_tell_their_sql_and_how_far_they_are(kafka: str, topic_name: str, tmp_path: Path) -> None:
    status = f"{topic_name}-status"
    ensure(Cluster(kafka), [status])
    make_topic(kafka, topic_name, 1)
    path = tmp_path / "visits.sql"
    path.write_text(
        f"""
        CREATE TABLE clicks (ip STRING, at_ BIGINT, ts AS TO_TIMESTAMP_LTZ(at_, 3),
          WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'kafka', 'topic' = '{topic_name}',
          'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}', 'format' = 'json',
          'scan.startup.mode' = 'earliest-offset');
        CREATE TABLE seen (ip STRING) WITH ('connector' = 'kafka', 'topic' = '{topic_name}-seen',
          'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}', 'format' = 'json');
        INSERT INTO seen SELECT ip FROM clicks;
        """
    )
    produce(kafka, topic_name, [b'{"ip": "a", "at_": 1700000000000}'])
    command = ["tables", "run", str(path), "-b", kafka, "--state-dir", str(tmp_path), "--idle-timeout", "1", "--quiet"]
    port = free_port()
    with running(*command, "--metrics-port", str(port), CLICKSTREAM_STATUS_TOPIC=status) as part:

        def latest() -> dict[str, Any]:
            return {(key or b"").decode(): said[-1] for key, said in statuses(kafka, status).items()}

        def told() -> dict[str, Any]:
            assert part.running, part.said()
            found: dict[str, Any] = next((said for key, said in latest().items() if not key.endswith("/plan")), {})
            places = found.get("positions", [])
            done = sum(place["next_offset"] for place in places) == 1 and any(place["idle"] for place in places)
            return found if done else {}

        found = wait_until(told, 120, "the offsets that are stored, and who is idle")
        assert (found["kind"], found["name"], found["group"]) == ("tables", "visits", "clickstream-tables-visits")
        (place,) = found["positions"]
        assert (place["topic"], place["table"], place["watermark"]) == (topic_name, "clicks", 1_699_999_995_000)
        assert found["totals"]["rows"] == 1
        assert found["topics"] == [topic_name, f"{topic_name}-seen"]
        plan = latest()[f"{found['id']}/plan"]
        assert plan["sql"] == path.read_text()
        assert {"from": f"topic {topic_name}", "to": "table clicks"} in plan["plan"]["edges"]
        assert metrics(port)["clickstream_watermark_delay_seconds"] > 1e6
        assert metrics(port)["clickstream_last_success_timestamp_seconds"] > 1.7e9
        assert part.stop() == 0, part.said()
    assert set(latest().values()) == {None}


def test_all_parts_of_the_demo_are_on_one_endpoint(kafka: str, topic_name: str) -> None:
    port = free_port()
    with running(
        *("demo", "--only", "heart", "-b", kafka, "--metrics-port", str(port)),
        CLICKSTREAM_RUN_PRODUCER_TOPIC=topic_name,
        CLICKSTREAM_RUN_COUNTER_TO_TOPIC=f"{topic_name}-tally",
        CLICKSTREAM_DEMO_GROUP=topic_name,
        CLICKSTREAM_STATUS_TOPIC=f"{topic_name}-status",
    ) as demo:

        def served() -> bool:
            assert demo.running, demo.said()
            try:
                found = metrics(port)
            except OSError:
                return False
            return found.get("clickstream_acknowledged_total", 0) > 0 and found.get("clickstream_counted_total", 0) > 0

        wait_until(served, 120, "what the producer and what the counter did", 0.2)
        assert demo.stop(60) == 0, demo.said()


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
