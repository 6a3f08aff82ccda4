"""`clickstream replay` as a person runs it, on a real Kafka."""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message

from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from tests.support import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[2]
BAD = {
    b"": "the line is empty",
    b"no log line": "remote_user: ",
    b'192.0.2.1 - - [30/Feb/2015:10:05:03 +0000] "GET /" 200 1': "time: ",
    b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /" 77 1': "status: ",
    b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /\xff" 200 1': "not valid UTF-8",
    b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /' + b"x" * 70_000 + b'" 200 1': "the line has 70,",
}


def command(kafka: str, topic: str, *arguments: str) -> list[str]:
    options = ["-b", kafka, "--topic", topic, "--dead-letter-topic", f"{topic}-dead"]
    return [sys.executable, "-m", "clickstream", "replay", *options, *arguments]


def replay(kafka: str, topic: str, *arguments: str, stdin: bytes = b"") -> tuple[int, str]:
    """Exit code and what was written to stderr."""
    done = subprocess.run(
        command(kafka, topic, *arguments),
        input=stdin,
        capture_output=True,
        timeout=60 * PATIENCE,
        cwd=ROOT,
        check=False,
    )
    assert done.stdout == b""
    return done.returncode, done.stderr.decode()


@contextmanager
def replaying_pipe(kafka: str, topic: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    arguments = command(kafka, topic, *options, "-")
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def records(kafka: str, topic: str) -> list[Message]:
    found: list[Message] = []
    read_to_end(Cluster(kafka), topic, found.append)
    return found


def header(record: Message, name: str) -> str:
    value = dict(record.headers() or [])[name]
    assert isinstance(value, bytes)
    return value.decode()


def ordinary_line(number: int, draw: random.Random) -> tuple[bytes, dict[str, Any]]:
    """A line and the record that it must become, made side by side from the same parts."""
    moment = datetime(2015, 5, 17, tzinfo=UTC) + timedelta(seconds=draw.randrange(400_000))
    click = {
        "ip": draw.choice([f"192.0.2.{draw.randrange(50)}", f"2001:db8::{draw.randrange(50)}", "bot.example.org"]),
        "userid": None,
        "remote_user": draw.choice([None, "frank"]),
        "time": moment.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "_time": int(moment.timestamp() * 1000),
        "request": f'GET /{number}?q="x" HTTP/1.1',
        "status": draw.choice([200, 304, 404, None]),
        "bytes": draw.choice([0, draw.randrange(10**9)]),
        "referrer": draw.choice([None, "http://example.org/ä"]),
        "agent": draw.choice([None, "Mozilla/5.0 (X11)"]),
    }
    common = '{ip} - {} [{time}] "{}" {} {bytes}'.format(
        click["remote_user"] or "-",
        str(click["request"]).replace('"', '\\"'),
        click["status"] or "-",
        **{name: click[name] for name in ("ip", "time", "bytes")},
    )
    if click["referrer"] is None and click["agent"] is None and draw.random() < 0.5:
        return common.encode(), click
    return f'{common} "{click["referrer"] or "-"}" "{click["agent"] or "-"}"'.encode(), click


def log(count: int) -> tuple[list[bytes], list[dict[str, Any]], dict[int, bytes]]:
    """Lines; the records that they must become, in order; and the malformed ones by line number."""
    draw = random.Random(7)
    lines, clicks, bad = [], [], {}
    for number in range(1, count + 1):
        if number % 1000 == 500:
            bad[number] = list(BAD)[number // 1000 % len(BAD)]
            lines.append(bad[number])
        else:
            line, click = ordinary_line(number, draw)
            lines.append(line)
            clicks.append(click)
    return lines, clicks, bad


def test_every_line_arrives_as_a_click_or_as_a_dead_letter(kafka: str, topic_name: str, tmp_path: Path) -> None:
    lines, clicks, bad = log(20_000)
    plain, zipped = tmp_path / "new.log", tmp_path / "old.log"
    zipped.write_bytes(gzip.compress(b"\n".join(lines[:8_000]) + b"\n"))
    plain.write_bytes(b"\n".join(lines[8_000:16_000]) + b"\n")
    before = time.time() * 1000
    code, said = replay(kafka, topic_name, str(zipped), str(plain), "-", stdin=b"\n".join(lines[16_000:]))
    assert code == 0, said
    assert f"20,000 lines read: {len(clicks):,} acknowledged, {len(bad)} dead-lettered, 0 failed." in said

    found = records(kafka, topic_name)
    in_order = sorted(found, key=lambda record: int(json.loads(record.value() or b"")["request"][5:].split("?")[0]))
    assert [json.loads(record.value() or b"") for record in in_order] == clicks
    assert [record.key() for record in in_order] == [click["ip"].encode() for click in clicks]
    # In the order of the log within an address, and not dated as the log is: retention would delete them.
    for partition in {record.partition() for record in found}:
        assert [r.offset() for r in in_order if r.partition() == partition] == sorted(
            r.offset() or 0 for r in found if r.partition() == partition
        )
    assert min(record.timestamp()[1] for record in found) >= before - 1000

    origins = {}
    for record in records(kafka, f"{topic_name}-dead"):
        before_it = {str(zipped): 0, str(plain): 8_000, "standard input": 16_000}[header(record, "origin-file")]
        number = before_it + int(header(record, "origin-line"))
        origins[number] = record.value() or b""
        assert header(record, "reason").startswith(BAD[bad[number]])
    assert origins == {number: line[:65_536] for number, line in bad.items()}
    lengths = {int(header(record, "length")) for record in records(kafka, f"{topic_name}-dead")}
    assert lengths == {len(line) for line in bad.values()}


def test_ctrl_c_on_an_idle_pipe_delivers_what_came_and_ends_well(kafka: str, topic_name: str) -> None:
    lines, _, _ = log(100)
    with replaying_pipe(kafka, topic_name) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"\n".join(lines) + b"\nhalf a li")
        process.stdin.flush()
        wait_until(lambda: topic_name in existing(Cluster(kafka)), 20, "the topic")
        wait_until(lambda: len(records(kafka, topic_name)) == 100, 20, "all lines, without the pipe's end")
        process.send_signal(signal.SIGINT)
        assert process.wait(10 * PATIENCE) == 0
        said = process.stderr.read().decode()
    assert "100 lines read: 100 acknowledged, 0 dead-lettered, 0 failed." in said


def test_ctrl_c_ends_a_long_wait(kafka: str, topic_name: str) -> None:
    text = b'h - - [17/May/2015:10:00:00 +0000] "-" 200 1\nh - - [17/May/2016:10:00:00 +0000] "-" 200 1\n'
    with replaying_pipe(kafka, topic_name, "--speed", "1") as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(text)
        process.stdin.close()
        wait_until(lambda: topic_name in existing(Cluster(kafka)), 20, "the topic")
        wait_until(lambda: len(records(kafka, topic_name)) == 1, 20, "the first line, not held for the second")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10 * PATIENCE) == 0
        assert b"1 lines read: 1 acknowledged" in process.stderr.read()


def test_a_truncated_file_fails_after_its_lines_were_delivered(kafka: str, topic_name: str, tmp_path: Path) -> None:
    lines, _, _ = log(400)
    path = tmp_path / "access.log.gz"
    path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n")[:-1000])
    code, said = replay(kafka, topic_name, str(path))
    assert code == 1
    assert "access.log.gz cannot be read past line" in said
    found = {json.loads(record.value() or b"")["request"].split("?")[0] for record in records(kafka, topic_name)}
    assert found == {f"GET /{number}" for number in range(1, len(found) + 1)}
    assert len(found) > 100


def test_a_wrong_checksum_fails_after_every_line_was_delivered(kafka: str, topic_name: str, tmp_path: Path) -> None:
    lines, _, _ = log(100)
    data = bytearray(gzip.compress(b"\n".join(lines) + b"\n"))
    data[-8] ^= 0xFF
    path = tmp_path / "access.log.gz"
    path.write_bytes(data)
    code, said = replay(kafka, topic_name, str(path))
    assert code == 1
    assert "100 lines read: 100 acknowledged, 0 dead-lettered, 0 failed." in said
    assert "access.log.gz cannot be read past line 100: the gzip data is damaged" in said
    assert len(records(kafka, topic_name)) == 100


def test_a_file_of_another_format_fails_with_a_hint_and_the_next_is_read(
    kafka: str, topic_name: str, tmp_path: Path
) -> None:
    chain, hosts = tmp_path / "chain.log", tmp_path / "hosts.log"
    rest = b' - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1\n'
    chain.write_bytes(b"192.0.2.1, 198.51.100.2 -" + rest)
    hosts.write_bytes(b"www.example.org:443 192.0.2.1 -" + rest + b"www.example.org 192.0.2.2" + rest)
    code, said = replay(kafka, topic_name, str(chain), str(hosts))
    assert code == 1
    assert "3 lines read: 2 acknowledged, 1 dead-lettered, 0 failed." in said
    assert f"Every line of {chain} is malformed (1): it is in another format; expected is 192.0.2.7" in said
    assert {record.key() for record in records(kafka, topic_name)} == {b"192.0.2.1", b"192.0.2.2"}
    [letter] = records(kafka, f"{topic_name}-dead")
    assert header(letter, "reason").startswith("ip: several addresses (X-Forwarded-For?)")


def has_opened(pid: int, path: Path) -> bool:
    """Whether a process has the file open (Linux)."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # it was closed meanwhile
            if descriptor.readlink() == path:
                return True
    return False


def test_ctrl_c_ends_waiting_for_the_writer_of_a_named_pipe(kafka: str, topic_name: str, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with subprocess.Popen(command(kafka, topic_name, str(path)), stderr=subprocess.PIPE, cwd=ROOT) as process:
        try:
            wait_until(lambda: has_opened(process.pid, path), 60, "it reads the pipe")
            process.send_signal(signal.SIGINT)
            assert process.wait(60 * PATIENCE) == 0
            assert process.stderr is not None
            assert b"0 lines read" in process.stderr.read()
        finally:
            process.kill()


def test_an_archive_is_refused_before_anything_starts(kafka: str, topic_name: str, tmp_path: Path) -> None:
    path = tmp_path / "logs.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("access.log", "")
    code, said = replay(kafka, topic_name, str(path))
    assert code == 2
    assert "Nothing was sent. Cannot read" in said
    assert "logs.zip: is a zip archive. Unpack it" in said
    assert topic_name not in existing(Cluster(kafka))


def test_shifted_times_begin_now(kafka: str, topic_name: str, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b'h - - [17/May/2015:10:00:00 +0200] "-" 200 1\nh - - [17/May/2015:10:01:00 +0200] "-" 200 1\n')
    before = int(time.time()) * 1000
    assert replay(kafka, topic_name, "--shift-to-now", str(path))[0] == 0
    first, second = (json.loads(record.value() or b"") for record in records(kafka, topic_name))
    assert before <= first["_time"] <= time.time() * 1000
    assert second["_time"] - first["_time"] == 60_000
    assert datetime.strptime(first["time"], "%d/%b/%Y:%H:%M:%S %z").timestamp() * 1000 == first["_time"]
    assert first["time"].endswith(" +0200")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.log"], "missing.log: No such file or directory"),
        (["--speed", "0", "-"], "a number above 0, or max, is expected"),
        (["--dead-letter-topic", "same", "--topic", "same", "-"], "choose two topics"),
    ],
)
def test_wrong_use_is_refused_before_anything_starts(
    kafka: str, topic_name: str, arguments: list[str], says: str
) -> None:
    code, said = replay(kafka, topic_name, *arguments)
    assert code == 2
    assert says in said
    assert topic_name not in existing(Cluster(kafka))
