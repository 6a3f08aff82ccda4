"""The Parquet archive on a real Kafka: filled by the command, killed, fenced, without room, and put back on a topic."""

import random
import resource
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from confluent_kafka import Message

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from tests.integration.support import (
    Done,
    Part,
    dead_letters,
    delete_records,
    make_topic,
    produce,
    records,
    run,
    run_well,
    running,
)
from tests.support import wait_until
from tests.unit.sinks.archives import ask, data_files, origins

PATIENCE_S = 120.0
HOUR = int(time.time()) // 3_600 * 3_600_000  # of records that are to be in one file, ms


@pytest.fixture
def topic(kafka: str) -> str:
    name = f"archived-{uuid.uuid4().hex[:8]}"
    make_topic(kafka, name)
    return name


def command(kafka: str, *arguments: str, to: Path) -> list[str]:
    return ["sink", "parquet", *arguments, "--to", str(to), "--every", "0.2", "--quiet", "-b", kafka]


def archive(kafka: str, topic: str, to: Path, *more: str) -> None:
    run_well(*command(kafka, topic, to=to), "--exit-at-end", *more, timeout=PATIENCE_S)


def numbers(start: int, end: int) -> list[bytes | None]:
    return [b"%d" % number for number in range(start, end)]


def table_of(topic: str) -> str:
    return topic.replace("-", "_")


def archived(to: Path, topic: str) -> int:
    if not (to / "archive.sql").exists():
        return -1
    [(count,)] = ask(to, f"SELECT count(*) FROM {table_of(topic)}")
    return int(count)


def is_equal(kafka: str, topic: str, to: Path) -> None:
    """Every record of the topic is in the archive, once, with its bytes."""
    found = ask(to, f"SELECT _partition, _offset, _key, _value, _timestamp FROM {table_of(topic)} ORDER BY 1, 2")
    assert found == [
        (one.partition(), one.offset(), one.key(), one.value(), one.timestamp()[1]) for one in records(kafka, topic)
    ]


def as_it_was(record: Message) -> tuple[object, ...]:
    return record.partition(), record.key(), record.value(), record.headers(), record.timestamp()[1]


def test_a_topic_goes_into_an_archive_and_back_byte_by_byte(kafka: str, topic: str, tmp_path: Path) -> None:
    sender = Sender(Cluster(kafka).producer())
    headers: list[tuple[str, str | bytes | None]] = [("trace", b"\0\xff"), ("trace", None), ("ü", b"")]
    odd: list[tuple[bytes | None, bytes | None]] = [
        (b"\0", b"\xff\xfe\0"),
        (None, b""),
        (b"", b"x" * 900_000),
        (b"gone", None),
        ('"ü"'.encode(), "ü\u2028".encode()),
    ]
    times = [1, -86_400_000, 1_767_250_799_999, 1_767_250_800_000, 1_000]
    for number in range(60):
        key, value = odd[number % 5]
        about = headers if number % 2 else None
        sender.send(topic, value, key, partition=number % 3, headers=about, timestamp=times[number // 3 % 5])
    sender.must_have_delivered("The records")
    back = f"{topic}-back"
    make_topic(kafka, back)

    archive(kafka, topic, tmp_path)
    done = run_well("replay", "--from-archive", str(tmp_path), back, "--quiet", "-b", kafka, timeout=PATIENCE_S)

    assert "60 records sent: 60 acknowledged, 0 failed." in done.said
    assert [as_it_was(one) for one in records(kafka, back)] == [as_it_was(one) for one in records(kafka, topic)]
    is_equal(kafka, topic, tmp_path)


def test_a_plan_says_what_would_be_made_and_changed_and_makes_nothing(kafka: str, topic: str, tmp_path: Path) -> None:
    produce(kafka, topic, [b'{"id": 1}', b'{"id": 2}'])
    to = tmp_path / "archive"

    def planned(columns: str, *more: str) -> Done:
        return run("sink", "plan", "parquet", topic, "--columns", columns, "--to", str(to), "-b", kafka, *more)

    before = planned("id BIGINT")
    assert before.code == 0, before.said
    assert f"topic {topic} -> {table_of(topic)}/data/date=YYYY-MM-DD/hour=HH/*.parquet, made new" in before.printed
    assert "at most 2 records to read\nid int64\n_key binary\n" in before.printed
    assert not to.exists()

    archive(kafka, topic, to, "--columns", "id BIGINT")
    produce(kafka, topic, [b'{"id": 3}'])
    after = planned("id BIGINT, name STRING")
    assert after.code == 0, after.said
    assert "which has 2 records in 1 files" in after.printed
    assert "at most 1 more records to read\nid int64\nname string, not in the files before\n" in after.printed

    differs = planned("id STRING", "--name", "another")
    assert differs.code == 1
    assert differs.said.splitlines() == [
        f"Problem: {to} has a table {table_of(topic)} of topic {topic}, by sink clickstream: give another folder.",
        f"Problem: Column id of {table_of(topic)} is STRING, and BIGINT in {to}: give another folder; or --reset "
        "deletes what is there.",
    ]


def test_columns_of_sql_are_beside_the_record_and_what_cannot_be_read_is_a_dead_letter(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    values: list[bytes | None] = [b'{"id": %d, "name": "n\\u0000%d"}' % (number, number) for number in range(9_999)]
    produce(kafka, topic, [*values[:5_000], b"no json", *values[5_000:]])
    letters = f"{topic}-dead"
    archive(kafka, topic, tmp_path, "--columns", "id BIGINT, name STRING", "--dead-letter-topic", letters)
    [found] = ask(tmp_path, f"SELECT count(*), sum(id), count(DISTINCT name) FROM {table_of(topic)}")
    assert found == (9_999, sum(range(9_999)), 9_999)
    [letter] = dead_letters(kafka, letters)
    assert letter.value == b"no json"


def killed_under_load(kafka: str, topic: str, to: Path, kills: int) -> None:
    rng = random.Random(7)
    total = 0
    for _ in range(kills):
        with running(*command(kafka, topic, to=to)) as part:
            before = archived(to, topic)
            produce(kafka, topic, numbers(total, total + 2_000))
            total += 2_000
            more = rng.randint(1, 2_000)
            wait_until(lambda more=more, before=before: archived(to, topic) >= before + more or not part.running,  # type: ignore[misc]
                       timeout=PATIENCE_S, what=part.said)  # fmt: skip
            assert part.running, part.said()
            produce(kafka, topic, numbers(total, total + 500))
            total += 500
            part.kill()
    archive(kafka, topic, to)
    assert archived(to, topic) == total
    is_equal(kafka, topic, to)


def test_killed_under_load_it_has_every_record_once(kafka: str, topic: str, tmp_path: Path) -> None:
    killed_under_load(kafka, topic, tmp_path, 2)


@pytest.mark.slow
def test_killed_twenty_times_it_has_every_record_once(kafka: str, topic: str, tmp_path: Path) -> None:
    killed_under_load(kafka, topic, tmp_path, 20)


@contextmanager
def filling(kafka: str, topic: str, to: Path, count: int, before: str = "") -> Iterator[Part]:
    with running(*command(kafka, topic, to=to), before=before) as part:
        wait_until(lambda: archived(to, topic) >= count or not part.running, timeout=PATIENCE_S, what=part.said)
        yield part


def test_one_that_froze_wakes_up_and_names_the_newer_one(kafka: str, topic: str, tmp_path: Path) -> None:
    produce(kafka, topic, numbers(0, 100))
    with filling(kafka, topic, tmp_path, 100) as first:
        first.freeze()
        produce(kafka, topic, numbers(100, 200))
        with filling(kafka, topic, tmp_path, 200) as second:
            first.thaw()
            produce(kafka, topic, numbers(200, 300))
            assert first.wait(PATIENCE_S) == 1
            assert f"is written by {socket.gethostname()} pid {second.process.pid} now" in first.said()
            assert "Traceback" not in first.said()
            wait_until(lambda: archived(tmp_path, topic) == 300, timeout=PATIENCE_S, what=second.said)
            assert second.stop() == 0
    is_equal(kafka, topic, tmp_path)


def test_without_room_it_waits_and_goes_on_by_itself(kafka: str, topic: str, tmp_path: Path) -> None:
    produce(kafka, topic, numbers(0, 10))
    limits = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, -1))"
    with filling(kafka, topic, tmp_path, 10, before=limits) as part:
        noise = [random.randbytes(50_000) for _ in range(3)]
        produce(kafka, topic, [*noise])
        words = f"{tmp_path} cannot be used: File too large; waiting for it."
        wait_until(lambda: words in part.said(), timeout=PATIENCE_S, what=part.said)
        assert archived(tmp_path, topic) == 10
        resource.prlimit(part.process.pid, resource.RLIMIT_FSIZE, (-1, -1))
        wait_until(lambda: archived(tmp_path, topic) == 13, timeout=PATIENCE_S, what=part.said)
        assert "is back" in part.said()
        assert part.stop() == 0
    is_equal(kafka, topic, tmp_path)
    assert not list((tmp_path / table_of(topic) / "tmp").iterdir())


def test_a_recreated_topic_is_refused_and_reset_begins_again(kafka: str, topic: str, tmp_path: Path) -> None:
    produce(kafka, topic, numbers(0, 10), timestamp=HOUR)
    archive(kafka, topic, tmp_path)
    admin = Cluster(kafka).admin()
    admin.delete_topics([topic])[topic].result()
    wait_until(lambda: _made(kafka, topic), timeout=PATIENCE_S, what="the topic again")
    produce(kafka, topic, numbers(10, 15), timestamp=HOUR)

    done = run(*command(kafka, topic, to=tmp_path), "--exit-at-end", timeout=PATIENCE_S)
    assert f"Topic {topic} was recreated" in done.said
    assert "--reset" in done.said
    assert done.code == 1
    assert archived(tmp_path, topic) == 10

    archive(kafka, topic, tmp_path, "--reset", "--yes")
    assert archived(tmp_path, topic) == 5
    assert len(data_files(tmp_path)) <= 3
    is_equal(kafka, topic, tmp_path)


def _made(kafka: str, topic: str) -> bool:
    try:
        make_topic(kafka, topic)
    except (AssertionError, ClickstreamError):
        return False
    return True


def test_a_stop_writes_what_was_read(kafka: str, topic: str, tmp_path: Path) -> None:
    produce(kafka, topic, numbers(0, 100))
    with running("sink", "parquet", topic, "--to", str(tmp_path), "--every", "1h", "--quiet", "-b", kafka) as part:
        wait_until(lambda: archived(tmp_path, topic) == 0 or not part.running, timeout=PATIENCE_S, what=part.said)
        assert part.running, part.said()
        assert part.stop() == 0
    assert len(origins(tmp_path, table_of(topic))) in range(101)
    archive(kafka, topic, tmp_path)
    is_equal(kafka, topic, tmp_path)


def test_a_check_names_the_records_that_differ(kafka: str, topic: str, tmp_path: Path) -> None:
    produce(kafka, topic, numbers(0, 200), partition=1, timestamp=HOUR)
    archive(kafka, topic, tmp_path)
    produce(kafka, topic, [b"later"], partition=1)
    delete_records(kafka, topic, {1: 50})
    words = ["sink", "check", "parquet", topic, "--to", str(tmp_path), "-b", kafka]

    good = run(*words, timeout=PATIENCE_S)
    [name] = data_files(tmp_path)
    table = pq.ParquetFile(tmp_path / name).read()
    keep = [offset != 60 for offset in table["_offset"].to_pylist()]
    values = [b"altered" if offset == 70 else value for offset, value in zip(table["_offset"].to_pylist(),
              table["_value"].to_pylist(), strict=True)]  # fmt: skip
    altered = table.set_column(table.column_names.index("_value"), table.schema.field("_value"), [values])
    pq.write_table(altered.filter(keep), tmp_path / name)
    bad = run(*words, timeout=PATIENCE_S)

    assert (good.code, bad.code) == (0, 1)
    assert good.printed == (
        f"{table_of(topic)}: 150 records, as in topic {topic}.\n"
        "  Not compared: 50 records that the topic does not hold any more, up to 1 that the sink has not written yet.\n"
    )
    assert f"2 of 150 records are not as in topic {topic}: 1 missing, 1 changed.\n" in bad.printed
    assert "  missing: 1:60\n  changed: 1:70\n" in bad.printed


def test_a_repair_writes_again_what_differs_is_gone_or_damaged(kafka: str, topic: str, tmp_path: Path) -> None:
    for start in range(0, 400, 100):
        produce(kafka, topic, numbers(start, start + 100), partition=1, timestamp=HOUR)
        archive(kafka, topic, tmp_path)
    first, second, third, fourth = data_files(tmp_path)
    words = ["sink", "check", "parquet", topic, "--to", str(tmp_path), "-b", kafka]
    with running(*command(kafka, topic, to=tmp_path)) as part:
        good = run(*words, "--repair", timeout=PATIENCE_S)
        assert good.printed == f"{table_of(topic)}: 400 records, as in topic {topic}.\n"
        assert part.running  # nothing was to be repaired

        (tmp_path / first).unlink()
        (tmp_path / second).write_bytes(b"PAR1 and no more")
        rows = pq.ParquetFile(tmp_path / third).read()
        pq.write_table(rows.slice(10), tmp_path / third)
        rows = pq.ParquetFile(tmp_path / fourth).read()
        moved = pa.array([b"altered"] * 2 + rows["_value"].to_pylist()[2:])
        pq.write_table(rows.set_column(rows.column_names.index("_value"), "_value", moved), tmp_path / fourth)
        told = run(*words, timeout=PATIENCE_S)
        done = run(*words, "--repair", timeout=PATIENCE_S)
        produce(kafka, topic, numbers(400, 450), partition=1)
        assert part.wait(PATIENCE_S) == 1
        assert "is written by sink check --repair on" in part.said()

    assert told.code == 1
    assert "is gone" in told.said + told.printed
    assert (done.code, done.printed.splitlines()[0]) == (
        0,
        f"{table_of(topic)}: 212 of 400 records are not as in topic {topic}: 210 missing, 2 changed.",
    )
    assert done.printed.endswith("  212 records written again.\n")
    archive(kafka, topic, tmp_path)
    is_equal(kafka, topic, tmp_path)
    assert run(*words, timeout=PATIENCE_S).code == 0


def test_a_repair_says_what_is_lost_and_drops_no_damaged_file(kafka: str, topic: str, tmp_path: Path) -> None:
    produce(kafka, topic, numbers(0, 100), partition=1, timestamp=HOUR)
    archive(kafka, topic, tmp_path)
    [name] = data_files(tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[:-4])
    delete_records(kafka, topic, {1: 30})
    words = ["sink", "check", "parquet", topic, "--to", str(tmp_path), "-b", kafka, "--repair"]

    damaged = run(*words, timeout=PATIENCE_S)
    assert damaged.code == 1
    assert "is damaged, and 30 records of files that cannot be read are not in the topic any more" in damaged.said
    assert data_files(tmp_path) == [name]
    (tmp_path / name).write_bytes(whole)
    assert archived(tmp_path, topic) == 100

    (tmp_path / name).unlink()
    gone = run(*words, timeout=PATIENCE_S)
    assert gone.code == 1
    assert gone.printed.endswith(
        "  70 records written again.\n"
        "  30 records of files that are gone are lost: the topic does not hold them any more.\n"
    )
    assert archived(tmp_path, topic) == 70
    assert run(*words, timeout=PATIENCE_S).code == 0
