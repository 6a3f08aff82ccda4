"""The collector on a real Kafka: what it acknowledges is there, whatever dies meanwhile."""

import itertools
import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from clickstream.broker import EmbeddedBroker
from clickstream.collect.delivery.entry import encoded
from clickstream.collect.delivery.spool.spool import Bounds, Spool
from clickstream.collect.model import Record
from clickstream.java import ports
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_to_end
from clickstream.records import Requests, WebClick, WebEvent, decode
from tests.integration.brokers import MortalBroker
from tests.integration.collectsupport import (
    Collecting,
    Load,
    collecting,
    command,
    event,
    ids_in,
    is_gone,
    load,
    served_port,
    workers_of,
)
from tests.integration.support import (
    dead_letters,
    is_an_error_for_people,
    make_topic,
    records,
    run,
    running,
    value,
)
from tests.support import PATIENCE, free_port, wait_until

BACKLOG_BYTES = 10**9


@pytest.fixture(scope="module")
def collector(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    """One for all tests that leave it alone."""
    with collecting(kafka, "shared-collector", tmp_path_factory.mktemp("collector"), "--explain") as found:
        yield found


def all_there(found: Collecting, sent: Load) -> None:
    """What was acknowledged is in Kafka, by way of the spool or not. What workers tell of it is a second old."""
    missing: set[str] = set()

    def delivered() -> bool:
        nonlocal missing
        missing = sent.acknowledged - set(ids_in(found.kafka, found.events))
        return not missing and not spooled(found)

    wait_until(delivered, 120, lambda: f"{len(missing)} of {len(sent.acknowledged)}: {sorted(missing)[:5]}", 0.5)


def spooled(found: Collecting) -> int:
    return int(found.metrics().get("spool_bytes", 1)) + int(found.metrics().get("spooling", 1))


# --- what is taken


def test_an_event_is_in_kafka_when_it_is_answered(collector: Collecting) -> None:
    sent = event(url="https://shop.example/basket?utm_source=mail", properties={"price": 12.5})
    answer = collector.post(sent)
    assert (answer.status, answer.json) == (200, {"accepted": 1, "refused": []})
    (found,) = [record for record in records(collector.kafka, collector.events) if sent["id"].encode() in value(record)]
    web_event = decode(found.value(), WebEvent)
    assert found.key() == b"v1"
    assert web_event.campaign_source == "mail"
    assert web_event.browser == "Chrome"
    assert web_event.bot is None
    assert web_event.properties == {"price": 12.5}
    clicks = [decode(record.value(), WebClick) for record in records(collector.kafka, collector.clicks)]
    assert "GET /basket?utm_source=mail HTTP/1.1" in [click.request for click in clicks]


def test_one_bad_event_of_a_batch_is_refused_alone(collector: Collecting) -> None:
    good = [event() for _ in range(19)]
    answer = collector.post(*good[:7], {"id": "bad"}, *good[7:])
    assert answer.json["accepted"] == 19
    assert [one["index"] for one in answer.json["refused"]] == [7]
    there = ids_in(collector.kafka, collector.events)
    assert all(one["id"] in there for one in good)
    letter = dead_letters(collector.kafka, collector.dead)[-1]
    assert (letter.part, letter.kind, str(letter.origin)) == ("collect", "not-an-event", "POST /e event 7")
    shown = run(
        "dead-letters", "list", "-b", collector.kafka, "--dead-letter-topic", collector.dead, "-n", "1", "--json"
    )
    assert json.loads(shown.printed)["origin"] == "POST /e event 7"


def test_the_same_event_twice_is_one(collector: Collecting) -> None:
    sent = event()
    assert [collector.post(sent).status for _ in range(3)] == [200] * 3
    assert ids_in(collector.kafka, collector.events).count(sent["id"]) == 1


def test_who_opted_out_is_counted_only(collector: Collecting) -> None:
    sent = event()
    assert collector.post(sent, headers={"Sec-GPC": "1"}).status == 204
    assert collector.ask("GET", "/e.gif?url=https://shop.example/", headers={"DNT": "1"}).status == 204
    assert sent["id"] not in ids_in(collector.kafka, collector.events)
    wait_until(lambda: collector.metrics()["opted_out"] >= 2, 90, "it is counted")


def test_status_and_metrics_tell_how_it_does(collector: Collecting) -> None:
    collector.post(event())
    wait_until(lambda: collector.metrics().get("events", 0) > 0, 90, "it is counted")
    assert collector.metrics()["workers"] == 1
    assert collector.metrics()["spool_limit_bytes"] == 1e9

    def listed() -> bool:
        return "collect" in run("status", "-b", collector.kafka).printed

    wait_until(listed, 90, "it reports", 0.5)


def test_its_last_requests_are_told_step_by_step(collector: Collecting) -> None:
    collector.post(event(event="explained"))

    def told() -> bool:
        found = [
            decode(record.value(), Requests)
            for record in records(collector.kafka, "clickstream-status")
            if (record.key() or b"").endswith(b"/requests") and record.value() is not None
        ]
        events = [one for each in found for request in each.requests for one in request["events"]]
        explained = [one for one in events if one.get("event") == "explained"]
        return bool(explained) and explained[-1]["steps"][-1]["verdict"] == "kafka"

    wait_until(told, 90, "the status topic has it", 0.5)


# --- what dies


def test_a_broker_that_is_away_costs_no_event(mortal: MortalBroker, topic_name: str, tmp_path: Path) -> None:
    with collecting(mortal.address, topic_name, tmp_path) as found, load(found.port) as sent:
        wait_until(lambda: len(sent.acknowledged) > 100, 60, "events are acknowledged")
        with mortal.frozen():
            before = len(sent.acknowledged)
            wait_until(lambda: len(sent.acknowledged) > before + 200, 90, "the spool takes them")
            time_away(2.0)
        wait_until(lambda: not spooled(found), 90, "the spool is delivered", 0.2)
        before = len(sent.acknowledged)
        wait_until(lambda: len(sent.acknowledged) > before + 100, 90, "events go to Kafka again")
        sent.stop.set()
        all_there(found, sent)
        assert found.metrics()["spooled"] > 0
        assert found.part.stop() == 0, found.part.said()


def time_away(seconds: float) -> None:
    """For so long events go into the spool: there is nothing else to wait for."""
    time.sleep(seconds)


@pytest.mark.slow
def test_a_broker_that_is_away_for_long_costs_no_event(mortal: MortalBroker, topic_name: str, tmp_path: Path) -> None:
    with collecting(mortal.address, topic_name, tmp_path, "--workers", "2") as found, load(found.port) as sent:
        wait_until(lambda: len(sent.acknowledged) > 100, 60, "events are acknowledged")
        for _ in range(3):
            with mortal.frozen():
                time_away(30)
            mortal.kill()
            wait_until(lambda: not spooled(found), 90, "the spool is delivered", 0.2)
        sent.stop.set()
        all_there(found, sent)


def test_a_worker_that_is_killed_costs_no_event(kafka: str, topic_name: str, tmp_path: Path) -> None:
    with collecting(kafka, topic_name, tmp_path, "--workers", "2") as found, load(found.port) as sent:
        wait_until(lambda: len(sent.acknowledged) > 100, 60, "events are acknowledged")
        one, other = workers_of(found.part)
        os.kill(one, signal.SIGKILL)
        wait_until(lambda: len(workers_of(found.part)) == 2 and one not in workers_of(found.part), 90, "a new one")
        before = len(sent.acknowledged)
        wait_until(lambda: len(sent.acknowledged) > before + 200, 90, "events go on")
        assert other in workers_of(found.part)
        sent.stop.set()
        all_there(found, sent)
        assert "killed by SIGKILL" in found.part.said()
        assert found.metrics()["worker_restarts"] == 1


def test_a_collector_that_is_killed_leaves_no_workers(kafka: str, topic_name: str, tmp_path: Path) -> None:
    with collecting(kafka, topic_name, tmp_path, "--workers", "2") as found, load(found.port) as sent:
        wait_until(lambda: len(sent.acknowledged) > 100, 60, "events are acknowledged")
        workers = workers_of(found.part)
        found.part.kill()
        wait_until(lambda: all(map(is_gone, workers)), 90, "they are gone")
        before = len(sent.acknowledged)
        with collecting(kafka, topic_name, tmp_path, port=found.port) as again:
            wait_until(lambda: len(sent.acknowledged) > before + 100, 90, "events go on")
            sent.stop.set()
            all_there(again, sent)


@pytest.mark.parametrize("killed", ["worker", "parent", "all"])
def test_what_the_spool_has_outlives_a_kill(mortal: MortalBroker, topic_name: str, tmp_path: Path, killed: str) -> None:
    with (
        collecting(mortal.address, topic_name, tmp_path, "--workers", "2") as found,
        load(found.port) as sent,
        ExitStack() as restarted,
    ):
        wait_until(lambda: len(sent.acknowledged) > 100, 60, "events are acknowledged")
        with mortal.frozen():
            spooled_more(sent)
            workers = workers_of(found.part)
            victims = {"worker": workers[:1], "parent": [], "all": workers}[killed]
            for pid in victims if killed == "worker" else [found.part.process.pid, *victims]:
                with suppress(ProcessLookupError):  # a worker that has noticed already
                    os.kill(pid, signal.SIGKILL)
            now = found
            if killed == "worker":
                wait_until(lambda: len({*workers_of(found.part)} - {*victims}) == 2, 90, "a new one")
            else:
                wait_until(lambda: all(map(is_gone, workers)), 90, "they are gone")
                found.part.wait()
                again = collecting(mortal.address, topic_name, tmp_path, "--workers", "2", port=found.port)
                now = restarted.enter_context(again)
            spooled_more(sent)
        sent.stop.set()
        all_there(now, sent)
        wait_until(lambda: now.metrics()["drained"] > 0, 30, lambda: f"it says so: {now.metrics()}")


def spooled_more(sent: Load) -> None:
    """While Kafka is away: its client may have acknowledged some of the first ones."""
    before = len(sent.acknowledged)
    wait_until(lambda: len(sent.acknowledged) > before + 200, 90, "the spool takes them")


@pytest.mark.slow
def test_a_gigabyte_in_the_spool_is_delivered_in_little_memory(kafka: str, topic_name: str, tmp_path: Path) -> None:
    topic = f"{topic_name}-events"
    make_topic(kafka, topic)
    spool = Spool(tmp_path / "collect" / "spool", Bounds(2 * BACKLOG_BYTES, free_floor=0))
    text = json.dumps(event(id="NUMBER", properties={"note": "x" * 500})).encode()
    numbers = itertools.count()
    while spool.size < BACKLOG_BYTES:
        keys = [b"%d" % next(numbers) for _ in range(1_000)]
        made = [Record(topic, key, text.replace(b"NUMBER", key)) for key in keys]
        payloads = [encoded(int(time.time() * 1000), None, [record]) for record in made]
        assert spool.append(payloads) == len(keys)
    spool.close()
    with collecting(kafka, topic_name, tmp_path) as found:
        [worker] = workers_of(found.part)
        wait_until(lambda: not spooled(found), 1_800, lambda: f"the spool is delivered: {found.metrics()}", 0.5)
        peak = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{worker}/status").read_text(), re.MULTILINE)
        assert peak is not None
        assert int(peak[1]) * 1024 < 150e6
        assert found.metrics()["memory_bytes"] < 150e6
        assert workers_of(found.part) == [worker]
    there: set[bytes | None] = set()
    read_to_end(Cluster(kafka), topic, lambda record: there.add(record.key()))
    assert len(there) == next(numbers)


@pytest.mark.parametrize("ack", ["kafka", "queue"])
def test_a_collector_that_is_asked_to_end_finishes(kafka: str, topic_name: str, tmp_path: Path, ack: str) -> None:
    with collecting(kafka, topic_name, tmp_path, "--workers", "2", "--ack", ack) as found, load(found.port) as sent:
        wait_until(lambda: len(sent.acknowledged) > 200, 90, "events are acknowledged")
        assert found.part.stop(15) == 0, found.part.said()
        sent.stop.set()
        assert "requests: " in found.part.said()
    there = Counter(ids_in(kafka, f"{topic_name}-events"))
    assert sent.acknowledged <= set(there)


def test_at_its_end_what_kafka_does_not_take_is_kept(mortal: MortalBroker, topic_name: str, tmp_path: Path) -> None:
    sent = Load(0)
    with collecting(mortal.address, topic_name, tmp_path) as found:
        sent.acknowledged.add("before")
        assert found.post(event(id="before")).status == 200
        with mortal.frozen(), load(found.port) as sent_meanwhile:
            wait_until(lambda: len(sent_meanwhile.acknowledged) > 20, 90, "the spool takes them")
            found.part.process.send_signal(signal.SIGTERM)
            assert found.part.wait(30) in (0, 1), found.part.said()
            sent_meanwhile.stop.set()
    sent.acknowledged |= sent_meanwhile.acknowledged
    with collecting(mortal.address, topic_name, tmp_path) as again:
        all_there(again, sent)


def test_a_delay_before_the_end_lets_load_balancers_leave(kafka: str, topic_name: str, tmp_path: Path) -> None:
    with collecting(kafka, topic_name, tmp_path, "--drain-delay", f"{3 * PATIENCE:g}s") as found:
        assert found.ask("GET", "/ping").status == 200
        found.part.process.send_signal(signal.SIGTERM)
        wait_until(lambda: found.ask("GET", "/ping").status == 503, 2.5, "it says that it ends")
        answer = found.post(event())
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert found.part.wait(20) == 0, found.part.said()


def test_a_broker_that_comes_after_the_collector_gets_all(tmp_path: Path, broker_java: str) -> None:
    port = free_port()
    with collecting(f"{ports.HOST}:{port}", "early", tmp_path / "collector", "--workers", "2") as found:
        with load(found.port, senders=2) as sent:
            wait_until(lambda: len(sent.acknowledged) > 100, 60, "the spool takes them")
        assert "Events go to the spool until Kafka answers." in found.part.said()
        assert b"Kafka is away" in found.ask("GET", "/healthz").body
        broker = EmbeddedBroker(tmp_path / "broker", java=broker_java, port=port, linger=5.0)
        try:
            with broker.acquire():
                wait_until(lambda: not spooled(found), 90, "the spool is delivered", 0.2)
                assert found.post(event(id="late")).status == 200
                assert {"late"} | sent.acknowledged == set(ids_in(found.kafka, found.events))
                assert found.ask("GET", "/healthz").body == b"ok\n"
                assert found.part.stop() == 0, found.part.said()
        finally:
            broker.stop(force=True)


def test_what_a_topic_refuses_for_its_age_comes_out_of_the_spool(kafka: str, topic_name: str, tmp_path: Path) -> None:
    topic = f"{topic_name}-events"
    make_topic(kafka, topic, message_timestamp_before_max_ms="60000")
    spool = Spool(tmp_path / "collect" / "spool", Bounds(10**6, free_floor=0))
    a_day_ago = int(time.time() * 1000) - 24 * 3_600_000
    spool.append([encoded(a_day_ago, id_, [Record(topic, None, json.dumps(event(id=id_)).encode())]) for id_ in "ab"])
    spool.close()
    with collecting(kafka, topic_name, tmp_path) as found:
        wait_until(lambda: not spooled(found), 90, "the spool is delivered", 0.2)
        assert sorted(ids_in(kafka, topic)) == ["a", "b"]
        # Of the records of a batch, Kafka says for one only that it is its time.
        assert "Kafka does not take what is in the spool" in found.part.said()


# --- who else is there


def test_a_second_collector_is_told_who_has_the_port(collector: Collecting, tmp_path: Path) -> None:
    done = run(*command(collector.kafka, "second", tmp_path, port=collector.port))
    assert is_an_error_for_people(done, f"Port {collector.port}", f"process {collector.part.process.pid}")
    assert done.code == 2


def test_a_second_collector_is_told_who_has_the_spool(kafka: str, topic_name: str, tmp_path: Path) -> None:
    with collecting(kafka, topic_name, tmp_path) as first:
        done = run(*command(kafka, topic_name, tmp_path))
        assert done.code == 2, done.said
        assert f"is in use by process {first.part.process.pid}" in done.said
        assert first.post(event()).status == 200


def test_what_cannot_be_is_said_before_anything_starts(kafka: str, tmp_path: Path) -> None:
    for more, word in (
        (("--geo-db", str(tmp_path / "nothing.mmdb")), "nothing.mmdb"),
        (("--trusted-proxy", "nonsense"), "nonsense"),
        (("--allow-origin", "https://shop.example/path"), "--allow-origin"),
        (("--spool-dir", "/proc/nothing"), "/proc/nothing"),
    ):
        done = run(*command(kafka, "refused", tmp_path, *more))
        assert (done.code, is_an_error_for_people(done, word)) == (2, True), done.said


def test_it_comes_back_by_itself_where_its_port_was(kafka: str, topic_name: str, tmp_path: Path) -> None:
    with collecting(kafka, topic_name, tmp_path) as first:
        port = first.port
        assert first.part.stop() == 0
    with running(*command(kafka, topic_name, tmp_path, port=port)) as again:
        assert served_port(again) == port
