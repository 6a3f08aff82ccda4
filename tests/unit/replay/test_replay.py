import gzip
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from confluent_kafka import KafkaError, Producer

from clickstream.errors import ClickstreamError
from clickstream.kafka.produce import Sender, shortfall
from clickstream.records import WebClick
from clickstream.replay import files
from clickstream.replay.lines import MAX_LINE
from clickstream.replay.replay import AT_ONCE, Plan, Replay

NOW_MS = 1_700_000_000_700


class Message:
    def __init__(self, topic: str) -> None:
        self._topic = topic

    def topic(self) -> str:
        return self._topic

    def key(self) -> bytes:
        return b"k"

    value = key


class FakeProducer:
    """Confirms records when flushed; those for topics in `refusing` fail at once."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes, bytes | None, dict[str, bytes]]] = []
        self.unconfirmed = 0
        self.refusing: set[str] = set()
        self.polls = 0
        self.on_poll: Callable[[], None] = lambda: None

    def produce(
        self,
        topic: str,
        value: bytes,
        key: bytes | None = None,
        *,
        headers: list[tuple[str, bytes]] | None = None,
        on_delivery: Callable[[KafkaError | None, Message], None],
        **options: Any,
    ) -> None:
        assert not options.get("timestamp"), "an old record timestamp would be deleted by retention at once"
        if topic in self.refusing:
            on_delivery(KafkaError(KafkaError._MSG_TIMED_OUT), Message(topic))
        else:
            self.records.append((topic, value, key, dict(headers or [])))
            self.unconfirmed += 1

    def produce_batch(
        self,
        topic: str,
        messages: list[dict[str, bytes]],
        *,
        on_delivery: Callable[[KafkaError | None, Message], None],
        **options: Any,
    ) -> int:
        for message in messages:
            self.produce(topic, **message, on_delivery=on_delivery, **options)  # type: ignore[arg-type]
        return len(messages)

    def poll(self, _timeout: float) -> int:
        self.polls += 1
        self.on_poll()
        return 0

    def flush(self, _timeout: float) -> int:
        self.unconfirmed = 0
        return 0

    def __len__(self) -> int:
        return self.unconfirmed

    def clicks(self) -> list[WebClick]:
        return [
            msgspec.json.decode(value, type=WebClick) for topic, value, _, _ in self.records if topic == "clickstream"
        ]

    def letters(self) -> list[tuple[bytes, dict[str, bytes]]]:
        return [(value, headers) for topic, value, _, headers in self.records if topic == "dead"]


class Clock:
    """Time that passes only while someone waits for a stop that does not come."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.stop = threading.Event()
        self.stop.wait = self.wait  # type: ignore[method-assign]
        self.on_wait: Callable[[], None] = lambda: None

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.now += timeout
        self.on_wait()
        return self.stop.is_set()


@pytest.fixture
def producer() -> FakeProducer:
    return FakeProducer()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def replay(tmp_path: Path, producer: FakeProducer, clock: Clock) -> Callable[..., Replay]:
    def make(*contents: bytes, speed: float = AT_ONCE, shift_to_now: bool = False) -> Replay:
        paths = [tmp_path / f"{number}.log" for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        clicks, letters = (Sender(cast(Producer, producer)) for _ in range(2))
        plan = Plan("clickstream", "dead", speed, shift_to_now)
        sources = files.check([str(path) for path in paths])
        return Replay(sources, clicks, letters, plan, monotonic=lambda: clock.now, now_ms=lambda: NOW_MS)

    return make


def line(time: str = "10:05:03", path: str = "/") -> bytes:
    return f'192.0.2.7 - - [17/May/2015:{time} +0200] "GET {path} HTTP/1.1" 200 12\n'.encode()


def counts(run: Replay) -> tuple[int, int, int, int]:
    return run.lines, run.acknowledged, run.dead_lettered, run.failed


def test_lines_become_clicks_keyed_by_address_in_order(
    replay: Callable[..., Replay], producer: FakeProducer, clock: Clock
) -> None:
    run = replay(line(path="/a") + line(path="/b"), gzip.compress(line(path="/c")))
    run.run(clock.stop)
    assert [click.request for click in producer.clicks()] == [f"GET /{name} HTTP/1.1" for name in "abc"]
    assert {key for _, _, key, _ in producer.records} == {b"192.0.2.7"}
    assert counts(run) == (3, 3, 0, 0)


def test_a_malformed_line_goes_to_the_dead_letters_with_its_origin(
    replay: Callable[..., Replay], producer: FakeProducer, clock: Clock
) -> None:
    run = replay(line(), line() + b"nonsense\xff\n" + line() + b"x" * 100_000 + b"\n" + line())
    run.run(clock.stop)
    assert len(producer.clicks()) == 4
    (first, headers), (long, of_long) = producer.letters()
    assert first == b"nonsense\xff"
    assert headers["origin-file"].endswith(b"/1.log")
    assert (headers["origin-line"], headers["part"]) == (b"2", b"replay")
    assert headers["reason"] == b"not valid UTF-8: byte 9 is 0xff"
    assert (long, of_long["origin-line"]) == (b"x" * MAX_LINE, b"4")
    assert (of_long["reason"], of_long["length"]) == (b"the line has 100,000 bytes, more than 65,536", b"100000")
    assert counts(run) == (6, 4, 2, 0)


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 3600.0), (60.0, 60.0), (0.5, 7200.0), (AT_ONCE, 0.0)])
def test_the_pace_is_that_of_the_log_times_speed(
    replay: Callable[..., Replay], clock: Clock, speed: float, seconds: float
) -> None:
    began = clock.now
    replay(line("10:00:00") + line("10:59:00") + line("11:00:00"), speed=speed).run(clock.stop)
    assert clock.now - began == pytest.approx(seconds, abs=0.001)


def test_what_is_due_is_sent_before_waiting_for_what_is_not(
    replay: Callable[..., Replay], producer: FakeProducer, clock: Clock
) -> None:
    sent: list[int] = []
    clock.on_wait = lambda: sent.append(len(producer.records))
    replay(line("10:00:00") + line("10:00:00") + line("10:00:01"), speed=1.0).run(clock.stop)
    assert set(sent) == {2}
    assert len(producer.records) == 3
    assert producer.polls > len(sent)  # delivery reports are served while waiting


def test_times_that_go_backwards_are_not_waited_for(replay: Callable[..., Replay], clock: Clock) -> None:
    began = clock.now
    replay(line("10:00:30") + line("10:00:00") + line("10:00:31") + line("10:00:29"), speed=1.0).run(clock.stop)
    assert clock.now - began == pytest.approx(1.0, abs=0.001)


def test_a_long_gap_is_announced(replay: Callable[..., Replay], clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    replay(line("10:00:00") + line("10:00:59") + line("12:00:00"), speed=1.0).run(clock.stop)
    assert caplog.messages == ["The next line, of 17/May/2015:12:00:00 +0200, is due in 7141 s."]


def test_shifted_times_begin_now_and_keep_zone_and_intervals(
    replay: Callable[..., Replay], producer: FakeProducer, clock: Clock
) -> None:
    replay(line("23:59:59") + line("23:59:29") + line("10:00:00"), line("23:59:59"), shift_to_now=True).run(clock.stop)
    assert [(click.time, click.time_ms) for click in producer.clicks()] == [
        ("15/Nov/2023:00:13:20 +0200", 1_700_000_000_000),
        ("15/Nov/2023:00:12:50 +0200", 1_699_999_970_000),
        ("14/Nov/2023:10:13:21 +0200", 1_699_949_601_000),
        ("15/Nov/2023:00:13:20 +0200", 1_700_000_000_000),
    ]


def test_a_time_that_cannot_be_shifted_is_a_dead_letter(
    replay: Callable[..., Replay], producer: FakeProducer, clock: Clock
) -> None:
    run = replay(line() + line().replace(b"2015", b"9998") + line(), shift_to_now=True)
    run.run(clock.stop)
    assert [headers["origin-line"] for _, headers in producer.letters()] == [b"2"]
    assert len(producer.clicks()) == 2


def test_stop_while_waiting_drains_and_counts_what_was_sent(
    replay: Callable[..., Replay], producer: FakeProducer, clock: Clock
) -> None:
    clock.on_wait = clock.stop.set
    run = replay(line("10:00:00") + line("10:00:01"), line(), speed=1.0)
    run.run(clock.stop)
    assert len(producer.records) == 1
    assert counts(run) == (1, 1, 0, 0)


def test_stop_before_the_start_reads_nothing(replay: Callable[..., Replay], clock: Clock) -> None:
    run = replay(line())
    clock.stop.set()
    run.run(clock.stop)
    assert run.lines == 0


@pytest.mark.parametrize("topic", ["clickstream", "dead"])
def test_failures_are_counted_by_kind(
    replay: Callable[..., Replay], producer: FakeProducer, clock: Clock, topic: str
) -> None:
    producer.refusing = {topic}
    run = replay(line() + b"nonsense\n")
    run.run(clock.stop)
    assert (run.acknowledged, run.dead_lettered, run.failed) == (topic == "dead", topic == "clickstream", 1)
    assert topic in (shortfall("records", *run.senders) or "")


def test_a_damaged_file_raises_after_what_could_be_read_was_delivered(
    replay: Callable[..., Replay], producer: FakeProducer, clock: Clock
) -> None:
    lines = b"".join(line(path=f"/{number}") for number in range(20_000))
    run = replay(gzip.compress(lines)[:-20_000], line())
    with pytest.raises(ClickstreamError, match=r"0\.log cannot be read past line"):
        run.run(clock.stop)
    clicks = producer.clicks()
    assert [click.request for click in clicks] == [f"GET /{number} HTTP/1.1" for number in range(len(clicks))]
    assert run.lines == len(clicks) + len(producer.letters()) > 1000


def test_a_wrong_checksum_costs_no_line(replay: Callable[..., Replay], producer: FakeProducer, clock: Clock) -> None:
    data = bytearray(gzip.compress(line() * 100))
    data[-8] ^= 0xFF
    run = replay(bytes(data))
    with pytest.raises(ClickstreamError, match=r"past line 100: the gzip data is damaged \(incorrect data check\)"):
        run.run(clock.stop)
    assert counts(run) == (100, 100, 0, 0)


@pytest.mark.parametrize("hole", [1, 5_000, 300_000])
def test_the_line_behind_a_hole_is_read(
    replay: Callable[..., Replay], producer: FakeProducer, clock: Clock, hole: int
) -> None:
    run = replay(b"\0" * hole + line(path="/a") + b"192.0.2.7 - - [17/Ma" + b"\0" * hole + line(path="/b"))
    run.run(clock.stop)
    assert [click.request for click in producer.clicks()] == ["GET /a HTTP/1.1", "GET /b HTTP/1.1"]
    [(cut, headers)] = producer.letters()
    assert (cut, headers["origin-line"]) == (b"192.0.2.7 - - [17/Ma", b"2")
    assert headers["reason"] == b"the line is cut off: NUL bytes follow"
    assert counts(run) == (3, 2, 1, 0)


def test_nul_bytes_without_a_click_behind_them_are_one_dead_letter(
    replay: Callable[..., Replay], producer: FakeProducer, clock: Clock
) -> None:
    run = replay(line() + b"a\0b\0c\n" + b"\0" * 100)
    run.run(clock.stop)
    assert [value for value, _ in producer.letters()] == [b"a\0b\0c", b"\0" * 100]


@pytest.mark.parametrize(
    ("first", "says"),
    [
        (b'{"remote_addr":"192.0.2.7"}', "it looks like JSON, one object per line; expected is 192.0.2.7 - frank ["),
        (b"#Version: 1.0", "it looks like the W3C extended format"),
        (b"Sep  7 15:58:36 web1 nginx: 192.0.2.7 - -", "it looks like syslog"),
        (b"<190>Sep  7 15:58:36 web1 nginx: 192.0.2.7 - -", "it looks like syslog"),
        (b"2023/09/07 15:58:36 [error] 7#7: *1 open() failed", "it looks like an error log of nginx"),
        (b"[Thu Sep 07 15:58:36.1 2023] [core:error] [pid 1]", "it looks like an error log of Apache"),
        (b"https 2023-09-07T15:58:36.1Z app/my-lb/1 192.0.2.7:1", "it looks like the log of an AWS load balancer"),
        (b"1694095116.123    61 192.0.2.7 TCP_MISS/200", "it looks like the native format of Squid"),
        (b"2023-09-07T15:58:36Z 192.0.2.7 GET /", "it looks like a log whose lines begin with a time"),
        (b"remote=192.0.2.7 status=200", "it looks like logfmt"),
        (b"ip,time,request,status", "it looks like CSV"),
        (b"\x7fELF\x02\x01\x01\0\0", "it looks like no text"),
        (b"192.0.2.7 - [07/Sep/2023:15:58:36 +0200]", "it is in another format"),
        (b"192.0.2.7, 192.0.2.8 - [07/Sep/2023:15:58:36 +0200]", "it is in another format"),
    ],
)
def test_a_file_of_malformed_lines_only_is_told_with_a_hint(
    replay: Callable[..., Replay], producer: FakeProducer, clock: Clock, first: bytes, says: str
) -> None:
    run = replay(line(), (first + b"\n") * 1200, line())
    run.run(clock.stop)
    assert run.malformed_sources is not None
    assert f"1.log is malformed (1,200): {says}" in run.malformed_sources
    assert run.malformed_sources.count("Every line of ") == 1
    assert len(producer.clicks()) == 2


@pytest.mark.parametrize("content", [b"", line(), b"nonsense\n" + line(), line() + b"nonsense\n"])
def test_a_file_with_a_good_line_or_without_lines_is_not_told(
    replay: Callable[..., Replay], clock: Clock, content: bytes
) -> None:
    run = replay(content)
    run.run(clock.stop)
    assert run.malformed_sources is None


def test_a_file_that_was_not_read_to_its_end_is_not_judged(
    replay: Callable[..., Replay], producer: FakeProducer, clock: Clock
) -> None:
    producer.on_poll = clock.stop.set
    run = replay(b"nonsense\n" * 100_000 + line())
    run.run(clock.stop)
    assert run.dead_lettered > 0
    assert run.malformed_sources is None


def test_totals_only_grow_and_end_at_what_there_was(
    replay: Callable[..., Replay], producer: FakeProducer, clock: Clock
) -> None:
    content = (line() + b"nonsense\n") * 10_000
    run = replay(content, content)
    seen = [run.totals()]
    producer.on_poll = lambda: seen.append(run.totals())
    run.run(clock.stop)
    for name in seen[0]:
        assert [totals[name] for totals in seen] == sorted(totals[name] for totals in seen)
    assert len({totals["bytes"] for totals in seen}) > 5
    assert run.totals() == {
        "bytes": 2 * len(content),
        "lines": 40_000,
        "acknowledged": 20_000,
        "dead_letters": 20_000,
        "failed": 0,
    }
