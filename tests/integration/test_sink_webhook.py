"""Topics to a webhook, on a real Kafka and a real HTTP server."""

import hashlib
import hmac
import json
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import delete
from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import DeadLetters
from clickstream.kafka.log import Recreated
from clickstream.kafka.produce import Sender
from clickstream.parts.threads import Threads
from clickstream.sinks.inputs import described, plain
from clickstream.sinks.ledger import Ledger
from clickstream.sinks.model import Input
from clickstream.sinks.sink import Options, Sink
from clickstream.sinks.webhook.message import as_json
from clickstream.sinks.webhook.post import Poster, address_of
from clickstream.sinks.webhook.sent import Sent
from clickstream.sinks.webhook.target import Budget, WebhookTarget
from clickstream.stop import Stop
from clickstream.topics import Declared, ensure
from tests.integration.brokers import MortalBroker
from tests.integration.hooks import OK, Hook, hook, status
from tests.integration.support import Part, dead_letters, run, running
from tests.support import PATIENCE, wait_until

SINKS = "clickstream-sinks"
WITHIN_S = 90.0
COLUMNS = "status INT NOT NULL, window_start TIMESTAMP(3) NOT NULL, errors BIGINT"
KEY = "status, window_start"


@pytest.fixture
def server() -> Iterator[Hook]:
    with hook() as found:
        yield found


@pytest.fixture
def topic(cluster: Cluster) -> str:
    name = f"hook-{uuid.uuid4().hex[:8]}"
    ensure(cluster, [Declared(name, partitions=3), Declared(f"{name}-dead"), SINKS])
    return name


def alerts(cluster: Cluster, topic: str, *rows: tuple[int, int, int | None, bool]) -> None:
    """Rows of status, minute, errors (None: a tombstone), and whether the window is final."""
    sender = Sender(cluster.producer())
    for code, minute, errors, final in rows:
        key = {"status": code, "window_start": f"2026-03-25 19:{minute:02}:00"}
        value = None if errors is None else json.dumps({**key, "errors": errors}).encode()
        headers: list[tuple[str, str | bytes | None]] = [] if final else [("final", b"0")]
        text = json.dumps(key, separators=(",", ":")).encode()
        sender.send(topic, value, text, partition=code % 3, headers=headers)
    sender.must_have_delivered("The alerts")


def texts(cluster: Cluster, topic: str, count: int, first: int = 0) -> None:
    sender = Sender(cluster.producer())
    for number in range(first, first + count):
        sender.send(topic, b"%d" % number, b"k%d" % number, partition=number % 3)
    sender.must_have_delivered("The records")


def table(topic: str) -> Input:
    return described(topic, COLUMNS, KEY)


def sink_of(
    cluster: Cluster, server: Hook, source: Input, stop: Stop, *, per_minute: int = 0, timeout_s: float = 10.0,
    **options: Any,
) -> Sink:  # fmt: skip
    options.setdefault("name", source.topic)
    options.setdefault("begin", "start")
    options.setdefault("early", True)
    address = address_of(server.url)
    ledger = Ledger(cluster, SINKS, "webhook", address.identity, stop)
    target = WebhookTarget(
        Poster(address, None, timeout_s),
        address.where,
        ledger,
        stop,
        lambda alert, _cleaned: as_json(alert),
        budget=Budget(per_minute),
        sent=Sent(86_400),
    )
    sender = Sender(cluster.producer({"message.timeout.ms": 0}))
    letters = DeadLetters(sender, f"{source.topic}-dead", "sink-webhook")
    return Sink(cluster, target, [source], letters, sender, Options(**options))


def post_all(cluster: Cluster, server: Hook, source: Input, **options: Any) -> Sink:
    """Run a sink to the end of its topic."""
    stop = Stop()
    sink = sink_of(cluster, server, source, stop, exit_at_end=True, **options)
    sink.run(stop)
    return sink


@contextmanager
def at_work(cluster: Cluster, server: Hook, source: Input, **options: Any) -> Iterator[tuple[Sink, Threads]]:
    stop = Stop()
    sink = sink_of(cluster, server, source, stop, **options)
    threads = Threads()
    threads.start(sink.run, stop)
    try:
        yield sink, threads
    finally:
        stop.set()
        threads.wait()


def command(kafka: str, topic: str, server: Hook, *more: str) -> list[str]:
    common = ("--name", topic, "--dead-letter-topic", f"{topic}-dead", "-b", kafka, "--quiet")
    return ["sink", "webhook", topic, "--url", server.url, *common, *more]


def origins(server: Hook) -> list[str]:
    return [post.id for post in server.taken]


def test_the_first_row_of_a_key_and_window_is_posted_once(cluster: Cluster, server: Hook, topic: str) -> None:
    alerts(cluster, topic, (404, 1, 5, False), (404, 1, 7, False), (404, 1, 9, True), (404, 2, 6, True))
    sink = post_all(cluster, server, table(topic))
    assert [post.json() for post in server.posts] == [
        {
            "id": f"{topic}/2/0",
            "table": table(topic).name,
            "final": False,
            "row": {"status": 404, "window_start": "2026-03-25T19:01:00.000Z", "errors": 5},
        },
        {
            "id": f"{topic}/2/3",
            "table": table(topic).name,
            "final": True,
            "row": {"status": 404, "window_start": "2026-03-25T19:02:00.000Z", "errors": 6},
        },
    ]
    assert origins(server) == [f"{topic}/2/0", f"{topic}/2/3"]
    assert sink.totals()["written"] == 2

    # What was sent is kept with the place: another process does not tell the late final rows again.
    alerts(cluster, topic, (404, 2, 8, True), (404, 1, None, True), (500, 1, 1, True))
    post_all(cluster, server, table(topic))
    assert origins(server)[2:] == [f"{topic}/2/6"]


def test_it_begins_at_the_end_and_what_comes_between_two_runs_is_posted(
    cluster: Cluster, server: Hook, topic: str
) -> None:
    texts(cluster, topic, 3)
    post_all(cluster, server, plain(topic), begin="end")
    texts(cluster, topic, 2, 3)
    sink = post_all(cluster, server, plain(topic), begin="end")
    assert [post.json()["row"]["value"] for post in server.posts] == ["3", "4"]
    assert sink.totals()["written"] == 2


def test_a_plan_says_from_where_on_and_posts_nothing(cluster: Cluster, server: Hook, topic: str) -> None:
    texts(cluster, topic, 3)
    given = ("sink", "plan", "webhook", topic, "--url", server.url, "--name", topic, "-b", cluster.address)
    assert "a post for the first row of each record; at most 0 records to read" in run(*given).printed
    assert "at most 3 records to read" in run(*given, "--from-start").printed
    assert server.posts == []

    post_all(cluster, server, plain(topic))
    texts(cluster, topic, 2, 3)
    assert "at most 2 more records to read" in run(*given).printed
    elsewhere = run(*given[:5], f"{server.url}/elsewhere", *given[6:])
    assert elsewhere.code == 1
    assert f"Problem: Sink {topic} (webhook) has written to" in elsewhere.said


def test_it_begins_at_a_time(cluster: Cluster, server: Hook, topic: str) -> None:
    sender = Sender(cluster.producer())
    for number in range(3):
        sender.send(topic, b"%d" % number, b"k", partition=0, timestamp=1_700_000_000_000 + number)
    sender.must_have_delivered("The records")
    post_all(cluster, server, plain(topic), begin=1_700_000_000_001)
    assert [post.json()["row"]["value"] for post in server.posts] == ["1", "2"]


def test_what_fails_is_tried_again_and_told_once(cluster: Cluster, server: Hook, topic: str) -> None:
    failures = [
        [status(500), status(503)],
        [b""],  # the connection is closed
        [status(429, Retry_After="1"), status(429)],
        [b"HTTP/1.1 2"],
        [b"nonsense\r\n\r\n", status(408)],
    ]
    server.answers = [answer for one in failures for answer in (*one, OK)]
    texts(cluster, topic, 6)
    sink = post_all(cluster, server, plain(topic), batch_rows=1)
    assert len(server.posts) == 6 + sum(map(len, failures))
    assert sorted(origins(server)) == sorted(f"{topic}/{number % 3}/{number // 3}" for number in range(6))
    assert sink.totals()["dead_lettered"] == 0
    # The same post has the same key, so that who had taken it all the same knows it again.
    assert len({post.id for post in server.posts}) == 6


def test_a_server_that_answers_twice_is_not_believed_for_the_next_post(
    cluster: Cluster, server: Hook, topic: str
) -> None:
    texts(cluster, topic, 4)
    server.answers = [OK + status(400, b"second"), status(200) + status(500)]
    sink = post_all(cluster, server, plain(topic))
    assert len(server.posts) == len(set(origins(server))) == 4
    assert sink.totals()["dead_lettered"] == 0


def test_a_server_that_stalls_is_given_up_after_a_while_and_tried_again(
    cluster: Cluster, server: Hook, topic: str
) -> None:
    texts(cluster, topic, 3)
    server.stall.set()
    with at_work(cluster, server, plain(topic), timeout_s=0.5) as (sink, threads):
        wait_until(lambda: len(server.posts) >= 2 and sink.gauges()["target_away"], WITHIN_S, "it tries again")
        assert sink.totals()["written"] == 0
        server.stall.clear()
        wait_until(lambda: sink.totals()["written"] == 3, WITHIN_S, "all are told")
        assert threads.problem is None
    assert set(origins(server)) == {f"{topic}/{number}/0" for number in range(3)}


@pytest.mark.parametrize("seconds", [0, pytest.param(60, marks=pytest.mark.slow)])
def test_a_server_that_is_away_and_comes_back(cluster: Cluster, topic: str, seconds: int) -> None:
    with hook() as first:
        port = int(first.url.rpartition(":")[2])
        texts(cluster, topic, 2)
        post_all(cluster, first, plain(topic))
    texts(cluster, topic, 2, 2)
    with at_work(cluster, first, plain(topic)) as (sink, _threads):
        wait_until(lambda: sink.gauges()["target_away"] and sink._said_away_at > 0, WITHIN_S, "it is away")
        threading.Event().wait(seconds)
        with hook(port) as second:
            wait_until(lambda: sink.totals()["written"] == 2, WITHIN_S, "it is told")
    assert sorted(origins(second)) == sorted([f"{topic}/2/0", f"{topic}/0/1"])


def test_the_one_row_that_is_refused_is_set_aside(cluster: Cluster, server: Hook, topic: str) -> None:
    texts(cluster, topic, 60)
    server.answer_to = lambda body: status(422, b"no\x1b[31m") if b'"31"' in body else None
    sink = post_all(cluster, server, plain(topic))
    assert len(origins(server)) == len(set(origins(server))) == 59
    assert len(server.posts) == 60  # the refused one was not tried again and again
    [letter] = dead_letters(cluster.address, f"{topic}-dead")
    assert (letter.value, letter.kind, letter.part) == (b"31", "422", "sink-webhook")
    assert "no\\u001b[31m" in letter.reason
    assert (sink.totals()["written"], sink.totals()["dead_lettered"]) == (59, 1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (status(301, Location="http://127.0.0.1:1/"), "answers 301.*a redirect is not followed"),
        (status(404, b"no_service"), r"answers 404 \(no_service\). Check the URL"),
        (status(403), "answers 403. Check the URL, and the right to post there"),
    ],
)
def test_what_is_wrong_with_the_address_stops_it_and_no_row_is_to_blame(
    cluster: Cluster, server: Hook, topic: str, answer: bytes, words: str
) -> None:
    texts(cluster, topic, 3)
    server.answers = [answer]
    with pytest.raises(ClickstreamError, match=words):
        post_all(cluster, server, plain(topic))
    assert len(server.posts) == 1
    assert dead_letters(cluster.address, f"{topic}-dead") == []


def test_over_the_rate_one_summary_says_how_many_were_left_out(
    cluster: Cluster, server: Hook, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clickstream.sinks.webhook.target.MINUTE_S", 3.0 * PATIENCE)
    texts(cluster, topic, 100)
    sink = post_all(cluster, server, plain(topic), per_minute=4)
    told = [post.json() for post in server.posts]
    assert [one.get("left_out") for one in told] == [None] * 4 + [96]
    assert server.posts[4].id.endswith("/summary")
    assert (sink.totals()["written"], sink.gauges()["left_out"]) == (4, 96)
    post_all(cluster, server, plain(topic), per_minute=4)
    assert len(server.posts) == 5


def test_a_summary_that_is_refused_blames_no_row_and_stops_nothing(
    cluster: Cluster, server: Hook, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clickstream.sinks.webhook.target.MINUTE_S", 3.0)
    texts(cluster, topic, 100)
    server.answer_to = lambda body: status(422) if b"left_out" in body else None
    sink = post_all(cluster, server, plain(topic), per_minute=4)
    assert len(server.posts) == 5
    assert (sink.totals()["written"], sink.totals()["dead_lettered"], sink.gauges()["left_out"]) == (4, 0, 96)
    assert dead_letters(cluster.address, f"{topic}-dead") == []
    post_all(cluster, server, plain(topic), per_minute=4)
    assert len(server.posts) == 5


def test_posts_are_signed_and_the_text_is_escaped(
    cluster: Cluster, server: Hook, topic: str, kafka: str, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"0123456789abcdef\n")
    sender = Sender(cluster.producer())
    sender.send(topic, b'{"name":"<!channel> & <http://x|y>\\nnext\\u0000","n":1.5}', b"k")
    sender.must_have_delivered("The record")
    shape = ("--columns", "name STRING, n DOUBLE", "--from-start", "--exit-at-end", "--sign-key-file", str(key))
    text = ("--format", "slack", "--template", "*{name}*: {n} {{}}")
    done = run(*command(kafka, topic, server, *shape, *text))
    assert done.code == 0, done.said
    [post] = server.posts
    assert post.json() == {"text": "*&lt;!channel&gt; &amp; &lt;http:\u200b//x|y&gt;\\u000anext\\u0000*: 1.5 {}"}
    stamp = post.headers["x-clickstream-timestamp"]
    signed = hmac.new(b"0123456789abcdef", stamp.encode() + b"." + post.body, hashlib.sha256).hexdigest()
    assert post.headers["x-clickstream-signature"] == f"sha256={signed}"
    assert post.headers["content-type"] == "application/json"


def test_killed_at_any_moment_every_row_is_told_in_order(
    cluster: Cluster, server: Hook, topic: str, kafka: str
) -> None:
    texts(cluster, topic, 90)
    for wanted in (10, 40):
        with running(*command(kafka, topic, server, "--from-start", "--per-minute", "0")) as part:
            wait_until(lambda wanted=wanted: len(server.posts) >= wanted, WITHIN_S, part.said)  # type: ignore[misc]
            part.kill()
    post_all(cluster, server, plain(topic))
    told = origins(server)
    assert len(told) <= 90 + 2  # whoever is killed tells at most one again
    for number in range(3):
        own = [int(one.rpartition("/")[2]) for one in dict.fromkeys(told) if f"/{number}/" in one]
        assert own == list(range(30))


def test_the_newest_takes_over_and_one_that_was_frozen_tells_nothing_more(
    cluster: Cluster, server: Hook, topic: str, kafka: str
) -> None:
    texts(cluster, topic, 3)
    with running(*command(kafka, topic, server, "--from-start")) as first:
        wait_until(lambda: len(server.posts) == 3, WITHIN_S, first.said)
        first.freeze()
        with running(*command(kafka, topic, server, "--from-start")) as second:
            texts(cluster, topic, 3, 3)
            wait_until(lambda: len(server.posts) >= 6, WITHIN_S, second.said)
            first.thaw()
            texts(cluster, topic, 3, 6)
            done = first.done()
            assert done.code == 1
            assert f"is written by {_owner(second)} now" in done.said
            wait_until(lambda: len(set(origins(server))) == 9, WITHIN_S, second.said)
            assert second.stop() == 0, second.said()
    assert len(server.posts) <= 9 + 1  # the first may have been frozen between a post and its place


def _owner(part: Part) -> str:
    return f"{socket.gethostname()} pid {part.process.pid}"


def test_a_recreated_topic_is_refused_with_words_and_reset_starts_over(
    cluster: Cluster, server: Hook, topic: str, kafka: str
) -> None:
    alerts(cluster, topic, (404, 1, 5, True))
    post_all(cluster, server, table(topic))
    delete(cluster, [topic])
    wait_until(lambda: ensure(cluster, [Declared(topic, partitions=3)]), 60, "the topic again")
    alerts(cluster, topic, (404, 1, 5, True))
    with pytest.raises(Recreated, match=r"was recreated: webhook at http://127\.0\.0\.1:\d+ .* --reset"):
        post_all(cluster, server, table(topic))
    shape = ("--columns", COLUMNS, "--key", KEY, "--from-start", "--exit-at-end")
    done = run(*command(kafka, topic, server, *shape, "--reset", "--yes"))
    assert done.code == 0, done.said
    assert len(server.posts) == 2


def test_a_receiver_that_has_moved_is_told_from_another_one(
    cluster: Cluster, server: Hook, topic: str, kafka: str
) -> None:
    texts(cluster, topic, 1)
    post_all(cluster, server, plain(topic))
    with hook() as other:
        with pytest.raises(ClickstreamError, match=r"has written to webhook at .* --moved"):
            post_all(cluster, other, plain(topic))
        assert run(*command(kafka, topic, other, "--exit-at-end", "--moved")).code == 0
        assert other.posts == []


@pytest.mark.slow
def test_a_kafka_that_dies_again_and_again_loses_nothing(mortal: MortalBroker, server: Hook) -> None:
    cluster = Cluster(mortal.address)
    topic = f"hook-{uuid.uuid4().hex[:8]}"
    ensure(cluster, [Declared(topic, partitions=3), Declared(f"{topic}-dead"), SINKS])
    with at_work(cluster, server, plain(topic)) as (sink, threads):
        for number in range(4):
            texts(cluster, topic, 30, number * 30)
            wait_until(lambda number=number: len(server.posts) >= number * 30 + 5, WITHIN_S, "some are told")  # type: ignore[misc]
            mortal.kill()
        wait_until(lambda: sink.totals()["written"] >= 120 or threads.problem, WITHIN_S, "all are told")
        assert threads.problem is None
    told = origins(server)
    assert len(told) == 120  # the same process tells nothing again
    assert len(set(told)) == 120
