"""`topics export`, on a real Kafka."""

import csv
import io
import json
import signal
import threading
from contextlib import suppress
from pathlib import Path

from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from tests.integration.topics.support import (
    ended_by,
    lines,
    run,
    running,
    send,
)
from tests.support import wait_until


def test_jsonl_is_the_lines_of_tail_by_partition_and_offset(kafka: str, topic: str, tmp_path: Path) -> None:
    send(kafka, topic, b'{"a":1}', b"text", partition=1)
    send(kafka, topic, None, partition=0)
    file = tmp_path / "out.jsonl"
    result = run(kafka, "topics export", topic, "-o", str(file))
    assert (result.stdout, result.stderr) == ("", f"Exported 3 records of {topic} to {file}.\n")
    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(one["partition"], one["offset"], one["value"]) for one in found] == [
        (0, 0, None),
        (1, 0, {"a": 1}),
        (1, 1, "text"),
    ]
    tailed = lines(run(kafka, "topics tail", topic, "--from", "beginning"))
    assert sorted(map(str, found)) == sorted(map(str, tailed))


def test_csv_is_the_same_every_time_and_has_every_field(kafka: str, topic: str) -> None:
    for partition, value in [(2, b'{"b":"x,y"}'), (0, b'{"a":404}'), (1, b"odd"), (0, b'{"a":"404","c":[1]}')]:
        send(kafka, topic, value, partition=partition)
    first = run(kafka, "topics export", topic, "--format", "csv", "-o", "-").stdout
    assert run(kafka, "topics export", topic, "--format", "csv", "-o", "-").stdout == first
    rows = list(csv.DictReader(io.StringIO(first)))
    assert [(row["value.a"], row["value.c"], row["value.b"], row["value"]) for row in rows] == [
        ("404", "", "", ""),
        ('"404"', "[1]", "", ""),
        ("", "", "", "odd"),
        ("", "", "x,y", ""),
    ]


def test_an_export_ends_although_the_topic_grows_all_the_time(kafka: str, topic: str, tmp_path: Path) -> None:
    stop = threading.Event()
    sender = Sender(Cluster(kafka).producer())

    def grow() -> None:
        while not stop.is_set():
            for _ in range(100):
                sender.send(topic, b'{"a":1}', partition=0)
            sender.poll()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        wait_until(lambda: sender.acknowledged > 1_000)
        before = sender.acknowledged
        assert run(kafka, "topics export", topic, "-o", str(tmp_path / "out")).exit_code == 0
    finally:
        stop.set()
        writer.join()
        sender.close()
    assert before <= len((tmp_path / "out").read_text().splitlines()) <= sender.acknowledged


def test_an_interrupted_export_leaves_nothing(kafka: str, topic: str, tmp_path: Path) -> None:
    sender = Sender(Cluster(kafka).producer())
    for _ in range(300_000):
        sender.send(topic, b'{"a":1}', partition=0)
    sender.must_have_delivered("the test's records")
    file = tmp_path / "out.jsonl"
    with running(kafka, "topics export", topic, "-o", str(file)) as process:

        def stands_still() -> bool:
            """From its first bytes on: it would be done before a slow test looks again."""
            with suppress(FileNotFoundError):
                if any(path.stat().st_size > 0 for path in tmp_path.iterdir()):
                    process.send_signal(signal.SIGSTOP)
                    return True
            return False

        wait_until(stands_still, 60, "it writes", 0.001)
        process.send_signal(signal.SIGTERM)
        assert ended_by(process, signal.SIGCONT) == 130
    assert list(tmp_path.iterdir()) == []
