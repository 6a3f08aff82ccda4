"""`clickstream topics` as a person runs it, on a real Kafka."""

import csv
import functools
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pytest_mock import MockerFixture

from clickstream.cli import clickstream
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.inspect import offsets, sizes
from clickstream.inspect.text import in_zone
from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.topics import Declared, ensure
from tests.support import wait_until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Commands take over the signals of the process that they run in."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def topic(kafka: str, topic_name: str) -> str:
    """An empty topic with three partitions."""
    ensure(Cluster(kafka), [Declared(topic_name, 3, 1)])
    return topic_name


def run(kafka: str, command: str, *arguments: str, stdin: str = "") -> Result:
    group, name = command.split()
    return CliRunner().invoke(clickstream, [group, name, "-b", kafka, *arguments], input=stdin)


def lines(result: Result) -> list[Any]:
    assert result.exit_code == 0, result.stderr or result.exception
    return [json.loads(line) for line in result.stdout.splitlines()]


def complaint(result: Result, kind: type[ClickstreamError] = ClickstreamError) -> str:
    """What a person would read, when it is an error of that kind."""
    assert type(result.exception) is kind, result.exception
    return str(result.exception)


@functools.lru_cache
def shared_sender(kafka: str) -> Sender:
    return Sender(Cluster(kafka).producer({"linger.ms": 0}))


def send(kafka: str, topic: str, *values: bytes | None, partition: int = 0, **options: Any) -> None:
    """One after the other, each in a millisecond of its own: its timestamp tells its place."""
    sender = shared_sender(kafka)
    for value in values:
        sender.send(topic, value, partition=partition, **options)
        sent = time.time_ns() // 1_000_000
        sender.must_have_delivered("a test's record")
        wait_until(lambda sent=sent: time.time_ns() // 1_000_000 > sent, poll=0.001)  # type: ignore[misc]


def values(result: Result) -> list[Any]:
    return [line["value"] for line in lines(result)]


# create


def test_declared_topics_are_created_with_their_settings(kafka: str, topic_name: str, tmp_path: Path) -> None:
    file = tmp_path / "topics.toml"
    file.write_text(
        f'[{topic_name}-a]\npartitions = 2\nreplication-factor = 1\nconfig = {{ "retention.ms" = 60000 }}\n'
        f"[{topic_name}-b]\n"
    )
    result = run(kafka, "topics create", "--file", str(file))
    assert result.stdout.splitlines()[0] == f"Created {topic_name}-a (2 partitions)."
    assert f"Created {topic_name}-b" in result.stdout
    [found] = lines(run(kafka, "topics describe", f"{topic_name}-a", "--json"))
    assert len(found["partitions"]) == 2
    assert found["config"]["retention.ms"] == {"value": "60000", "source": "topic"}


def test_only_the_named_topics_are_created(kafka: str, topic_name: str, tmp_path: Path) -> None:
    file = tmp_path / "topics.toml"
    file.write_text(f"[{topic_name}-a]\n[{topic_name}-b]\n")
    assert run(kafka, "topics create", "--file", str(file), f"{topic_name}-b").exit_code == 0
    there = existing(Cluster(kafka))
    assert (f"{topic_name}-a" in there, f"{topic_name}-b" in there) == (False, True)


def test_an_undeclared_topic_is_created_as_the_options_say(kafka: str, topic_name: str) -> None:
    options = ["--partitions", "4", "--replication-factor", "1", "-c", "cleanup.policy=compact", "-c", "retention.ms=7"]
    assert run(kafka, "topics create", topic_name, *options).stdout == f"Created {topic_name} (4 partitions).\n"
    [found] = lines(run(kafka, "topics describe", topic_name, "--json"))
    assert {key: found["config"][key]["value"] for key in ("cleanup.policy", "retention.ms")} == {
        "cleanup.policy": "compact",
        "retention.ms": "7",
    }


def test_an_existing_topic_that_differs_is_reported_and_left_as_it_is(kafka: str, topic: str) -> None:
    result = run(kafka, "topics create", topic, "--partitions", "5", "-c", "retention.ms=7")
    assert result.exit_code == 0
    assert result.stderr == (
        f"Warning: {topic} is there and was not changed: partitions 3, declared 5; retention.ms -1, declared 7.\n"
    )
    [found] = lines(run(kafka, "topics describe", topic, "--json"))
    assert len(found["partitions"]) == 3


def test_an_existing_topic_that_does_not_differ_is_no_warning(kafka: str, topic: str) -> None:
    result = run(kafka, "topics create", topic, "--partitions", "3", "--replication-factor", "1")
    assert (result.stdout, result.stderr) == (f"{topic} is there already.\n", "")


def test_what_the_broker_refuses_is_explained(kafka: str, topic_name: str) -> None:
    message = complaint(run(kafka, "topics create", topic_name, "-c", "retention.ms=often"))
    assert message.startswith(f"Creating topic {topic_name} at {kafka} failed: Invalid value often for configuration")
    message = complaint(run(kafka, "topics create", topic_name, "--replication-factor", "9"))
    assert message.endswith("The cluster has fewer brokers than replicas were asked for.")


@pytest.mark.parametrize(
    "arguments",
    [
        ["two words"],
        ["--partitions", "2"],
        ["t", "--partitions", "0"],
        ["t", "-c", "retention.ms"],
        ["t", "-c", "=1"],
    ],
)
def test_bad_usage_of_create_is_found_before_anything_starts(arguments: list[str]) -> None:
    assert run("127.0.0.1:1", "topics create", *arguments).exit_code == 2


# list


def listed(result: Result, name: str) -> dict[str, Any]:
    [found] = [one for one in lines(result) if one["name"] == name]
    return found  # type: ignore[no-any-return]


def test_records_and_last_write_are_right_at_once_after_a_write(kafka: str, topic: str) -> None:
    before = listed(run(kafka, "topics list", "--json"), topic)
    assert (before["partitions"], before["records"], before["last_write"]) == (3, 0, None)
    for written in range(1, 4):
        started = datetime.now(UTC)
        send(kafka, topic, b"x", partition=written % 3)
        found = listed(run(kafka, "topics list", "--json"), topic)
        assert found["records"] == written
        last_write = datetime.fromisoformat(found["last_write"])
        assert started - timedelta(milliseconds=1) <= last_write <= datetime.now(UTC)


def test_the_fallback_for_old_brokers_finds_the_same_last_write(kafka: str, topic: str, mocker: MockerFixture) -> None:
    cluster = Cluster(kafka)
    admin = cluster.admin()
    send(kafka, topic, b"x", b"y", partition=1)
    limits = offsets.limits(cluster, admin, [(topic, number) for number in range(3)])
    asked = sizes.last_writes(cluster, admin, limits)
    mocker.patch("clickstream.inspect.offsets.ask", side_effect=offsets.UnsupportedByBroker)
    assert sizes.last_writes(cluster, admin, limits) == asked
    assert list(asked) == [(topic, 1)]


def test_kafkas_own_topics_are_hidden(kafka: str, topic: str) -> None:
    consumer = Cluster(kafka).consumer("test-hidden")
    consumer.subscribe([topic])
    admin = Cluster(kafka).admin()
    wait_until(lambda: consumer.poll(0.1) or "__consumer_offsets" in admin.list_topics(timeout=5).topics)
    consumer.close()
    names = {one["name"] for one in lines(run(kafka, "topics list", "--json"))}
    all_names = {one["name"] for one in lines(run(kafka, "topics list", "--json", "--all"))}
    assert topic in names
    assert all_names - names >= {"__consumer_offsets"}


def test_the_embedded_kafka_knows_the_size_on_disk(kafka: str, kafka_data_dir: Path, topic: str) -> None:
    if os.environ.get("CLICKSTREAM_TEST_BOOTSTRAP"):
        pytest.skip("another broker than the embedded one was given")
    send(kafka, topic, os.urandom(100_000))
    embedded = CliRunner().invoke(clickstream, ["topics", "list", "--json", "--state-dir", str(kafka_data_dir)])
    assert 100_000 < listed(embedded, topic)["size"] < 101_000
    assert listed(run(kafka, "topics list", "--json"), topic)["size"] is None


def test_a_list_for_people_has_aligned_columns(kafka: str, topic: str) -> None:
    send(kafka, topic, *[b"x"] * 3)
    header, *rows = run(kafka, "topics list").stdout.splitlines()
    [row] = [row for row in rows if row.startswith(f"{topic} ")]
    assert header.split() == ["TOPIC", "PARTITIONS", "RECORDS", "SIZE", *in_zone("LAST WRITE").split()]
    assert row.split()[1:4] == ["3", "3", "-"]


# what goes on is a process of its own


@contextmanager
def running(kafka: str, command: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    line = [sys.executable, "-m", "clickstream", *command.split(), "-b", kafka, *arguments]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, text=True) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def next_line(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "it ended"
    return json.loads(line)


def ended_by(process: "subprocess.Popen[str]", number: signal.Signals) -> int:
    """Its exit code. What it still prints is read: it waits to have written it."""
    process.send_signal(number)
    assert process.stdout is not None
    process.stdout.read()
    return process.wait(20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watching_tells_the_rate_of_what_comes_in(kafka: str, topic: str, number: signal.Signals) -> None:
    with running(kafka, "topics list", "--watch", "--json", "--interval", "0.2") as process:
        while (first := next_line(process))["name"] != topic:
            pass
        assert (first["records"], first["in_per_s"]) == (0, None)
        send(kafka, topic, *[b"x"] * 5)
        seen, written = 0.0, 0
        while written < 5:
            line = next_line(process)
            if line["name"] == topic:
                assert line["in_per_s"] > 0
                seen, written = seen + 1, line["records"]
        assert seen >= 1
        assert ended_by(process, number) == 0


def test_watching_ends_when_its_reader_leaves(kafka: str, topic: str) -> None:
    with running(kafka, "topics list", "--watch", "--interval", "0.1") as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == 0


# describe


def test_partitions_are_described(kafka: str, topic: str) -> None:
    send(kafka, topic, b"x", b"y", partition=2)
    [found] = lines(run(kafka, "topics describe", topic, "--json"))
    assert [(one["partition"], one["low"], one["high"]) for one in found["partitions"]] == [
        (0, 0, 0),
        (1, 0, 0),
        (2, 0, 2),
    ]
    leader = found["partitions"][0]["leader"]
    assert found["partitions"][0]["replicas"] == found["partitions"][0]["isr"] == [leader]
    assert found["id"] in run(kafka, "topics describe", topic).stdout


def test_a_topic_made_anew_has_another_id(kafka: str, topic: str) -> None:
    [before] = lines(run(kafka, "topics describe", topic, "--json"))
    assert run(kafka, "topics delete", topic, "--yes").exit_code == 0
    wait_until(lambda: topic not in existing(Cluster(kafka)))
    ensure(Cluster(kafka), [topic])
    [after] = lines(run(kafka, "topics describe", topic, "--json"))
    assert after["id"] != before["id"]


@pytest.mark.parametrize("command", ["describe", "tail", "export", "delete"])
def test_an_unknown_topic_is_named_with_one_that_looks_like_it(kafka: str, topic: str, command: str) -> None:
    options = ["-o", "-"] if command == "export" else []
    message = complaint(run(kafka, f"topics {command}", f"{topic}x", *options))
    assert message.startswith(f"Topic {topic}x does not exist at {kafka}. Did you mean {topic}")


# tail


def test_the_last_records_over_all_partitions(kafka: str, topic: str) -> None:
    for number in range(12):
        send(kafka, topic, str(number).encode(), partition=number % 2)
    assert sorted(values(run(kafka, "topics tail", topic))) == list(range(2, 12))
    assert len(values(run(kafka, "topics tail", topic, "-n", "3"))) == 3
    assert values(run(kafka, "topics tail", topic, "-n", "2", "--partition", "0")) == [8, 10]


def test_a_record_is_shown_with_all_it_has(kafka: str, topic: str) -> None:
    send(kafka, topic, b'{"a": 1}', key=b"k", headers=[("reason", b"none")])
    [found] = lines(run(kafka, "topics tail", topic))
    written = datetime.fromisoformat(found.pop("timestamp"))
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=1)
    assert found == {
        "topic": topic,
        "partition": 0,
        "offset": 0,
        "key": "k",
        "headers": {"reason": "none"},
        "value": {"a": 1},
    }


def test_tombstones_text_and_bytes(kafka: str, topic: str) -> None:
    send(kafka, topic, None, b"te\x1bxt", b"\xff")
    assert values(run(kafka, "topics tail", topic)) == [None, "te\x1bxt", {"$base64": "/w=="}]


def test_empty_topics_end_at_once(kafka: str, topic: str) -> None:
    started = time.monotonic()
    assert lines(run(kafka, "topics tail", topic)) == []
    assert lines(run(kafka, "topics tail", topic, "--from", "beginning")) == []
    assert time.monotonic() - started < 5


def test_from_an_offset_a_time_the_beginning_and_the_end(kafka: str, topic: str) -> None:
    send(kafka, topic, b"0", b"1")
    moment = datetime.now(UTC)
    send(kafka, topic, b"2", b"3")
    assert values(run(kafka, "topics tail", topic, "--from", "beginning")) == [0, 1, 2, 3]
    assert values(run(kafka, "topics tail", topic, "--from", "beginning", "-n", "2")) == [0, 1]
    assert values(run(kafka, "topics tail", topic, "--from", "3")) == [3]
    for before_1970 in ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.998Z", "1900-01-01"):
        assert values(run(kafka, "topics tail", topic, "--from", before_1970)) == [0, 1, 2, 3]
    assert values(run(kafka, "topics tail", topic, "--from", "99")) == []
    assert values(run(kafka, "topics tail", topic, "--from", "end")) == []
    assert values(run(kafka, "topics tail", topic, "--from", moment.isoformat())) == [2, 3]
    assert values(run(kafka, "topics tail", topic, "--from", (moment + timedelta(hours=1)).isoformat())) == []


def test_filters_reach_back_until_enough_is_found(kafka: str, topic: str) -> None:
    sender = Sender(Cluster(kafka).producer())
    for number in range(10_000):
        sender.send(topic, b'{"n":%d,"user":{"vip":%s}}' % (number, b"true" if number < 3 else b"false"), partition=1)
    sender.must_have_delivered("the test's records")
    result = run(kafka, "topics tail", topic, "--filter", "user.vip=true", "-n", "2")
    assert [value["n"] for value in values(result)] == [1, 2]
    assert values(run(kafka, "topics tail", topic, "--filter", "user.vip=true", "--filter", "n=7")) == []


def test_transactions_leave_gaps_that_are_stepped_over(kafka: str, topic: str) -> None:
    producer = Cluster(kafka).producer({"transactional.id": topic, "linger.ms": 0})
    producer.init_transactions(30)
    for number in range(6):
        producer.begin_transaction()
        producer.produce(topic, str(number).encode(), partition=0)
        producer.flush(30)
        if number % 2:
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
    assert values(run(kafka, "topics tail", topic, "-n", "3")) == [0, 2, 4]
    assert values(run(kafka, "topics tail", topic, "-n", "1")) == [4]
    assert values(run(kafka, "topics tail", topic, "--from", "beginning")) == [0, 2, 4]
    assert values(run(kafka, "topics export", topic, "-o", "-")) == [0, 2, 4]


def test_an_open_transaction_is_not_waited_for(kafka: str, topic: str) -> None:
    send(kafka, topic, b"1")
    producer = Cluster(kafka).producer({"transactional.id": topic, "linger.ms": 0})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"2", partition=0)
    producer.flush(30)
    assert values(run(kafka, "topics tail", topic)) == [1]
    assert values(run(kafka, "topics export", topic, "-o", "-")) == [1]
    assert values(run(kafka, "topics tail", topic, "-X", "isolation.level=read_uncommitted")) == [1, 2]
    producer.abort_transaction(30)


def test_several_topics(kafka: str, topic: str) -> None:
    ensure(Cluster(kafka), [Declared(f"{topic}-2", 1, 1)])
    send(kafka, topic, b"1", b"2")
    send(kafka, f"{topic}-2", b"3", b"4")
    assert values(run(kafka, "topics tail", topic, f"{topic}-2", "-n", "1")) == [2, 4]
    found = lines(run(kafka, "topics tail", topic, f"{topic}-2", "--from", "beginning"))
    assert sorted((one["topic"], one["value"]) for one in found) == [
        (topic, 1),
        (topic, 2),
        (f"{topic}-2", 3),
        (f"{topic}-2", 4),
    ]


def test_a_partition_that_does_not_exist(kafka: str, topic: str) -> None:
    assert complaint(run(kafka, "topics tail", topic, "--partition", "3")).startswith(
        f"Topic {topic} has no partition 3"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["-n", "-1"],
        ["-n", "many"],
        ["--from", "start"],
        ["--from", "-1"],
        ["--filter", "status"],
        ["--partition", "-1"],
    ],
)
def test_bad_usage_of_tail_is_found_before_anything_starts(arguments: list[str]) -> None:
    result = run("127.0.0.1:1", "topics tail", "t", *arguments)
    assert result.exit_code == 2
    assert arguments[0] in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_following_shows_the_last_and_then_what_comes(kafka: str, topic: str, number: signal.Signals) -> None:
    send(kafka, topic, b"1", b"2")
    with running(kafka, "topics tail", topic, "-n", "1", "--follow") as process:
        assert next_line(process)["value"] == 2
        send(kafka, topic, b"3", partition=1)
        assert next_line(process)["value"] == 3
        send(kafka, topic, b"4", partition=2)
        assert next_line(process)["value"] == 4
        assert ended_by(process, number) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize("options", [["-n", "1", "--follow"], ["--from", "beginning"]])
def test_a_reader_that_leaves_ends_it_quietly_even_on_a_quiet_topic(kafka: str, topic: str, options: list[str]) -> None:
    send(kafka, topic, *[b"x" * 1_000] * 10)
    with running(kafka, "topics tail", topic, *options) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


# export


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
        wait_until(lambda: any(path.stat().st_size > 0 for path in tmp_path.iterdir()))
        assert ended_by(process, signal.SIGTERM) == 130
    assert list(tmp_path.iterdir()) == []


# delete


def test_topics_are_deleted(kafka: str, topic: str) -> None:
    assert run(kafka, "topics delete", topic, "--yes").stdout == f"Deleted {topic}.\n"
    wait_until(lambda: topic not in existing(Cluster(kafka)))


def test_without_a_terminal_deleting_wants_yes(kafka: str, topic: str) -> None:
    assert "--yes" in complaint(run(kafka, "topics delete", topic, stdin="y\n"), ConfigError)
    assert topic in existing(Cluster(kafka))


@pytest.mark.parametrize(("answer", "deleted"), [("y\n", True), ("n\n", False), ("", False)])
def test_on_a_terminal_deleting_asks(kafka: str, topic: str, answer: str, deleted: bool, mocker: MockerFixture) -> None:
    mocker.patch("clickstream.cli.topics.on_terminal", return_value=True)
    send(kafka, topic, b"x", b"y")
    result = run(kafka, "topics delete", topic, stdin=answer)
    assert f"Delete {topic} with 2 records at {kafka}? [y/N]" in result.stderr
    assert (result.exit_code == 0) is deleted
    if deleted:
        wait_until(lambda: topic not in existing(Cluster(kafka)))
    else:
        assert topic in existing(Cluster(kafka))


def test_one_unknown_name_saves_the_others(kafka: str, topic: str) -> None:
    assert complaint(run(kafka, "topics delete", topic, "no-such-topic", "--yes")).startswith("Topic no-such-topic")
    assert topic in existing(Cluster(kafka))


def test_kafkas_own_topics_are_not_deleted(kafka: str) -> None:
    assert "__consumer_offsets" in complaint(run(kafka, "topics delete", "__consumer_offsets", "--yes"), ConfigError)


def test_no_broker_is_an_error_in_seconds_that_names_the_address(mocker: MockerFixture) -> None:
    mocker.patch("clickstream.kafka.clients.REACHABLE_WITHIN_S", 0.5)
    assert "127.0.0.1:1" in complaint(run("127.0.0.1:1", "topics list"))
