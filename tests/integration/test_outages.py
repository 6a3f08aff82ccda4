"""Bad days: the broker dies, topics vanish, records are deleted, nobody answers, and it is not Kafka that answers."""

import http.server
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import delete, existing
from clickstream.kafka.clients import Cluster
from clickstream.tally.reset import reset
from clickstream.topics import ensure
from tests.integration.brokers import MortalBroker
from tests.integration.support import (
    SHORT_SESSION,
    command_of,
    count,
    counted_by_hand,
    counting,
    decreases,
    delete_records,
    is_an_error_for_people,
    make_topic,
    members,
    named,
    options_for,
    produce,
    records,
    run,
    run_well,
    running,
    shares,
    tallies,
    written,
)
from tests.integration.tablesupport import MINUTES, click, command, per_minute, script, table
from tests.support import PATIENCE, free_port, wait_until

# What a client waits for an answer: cut, so that a short outage exceeds it.
CUT = ("-X", "socket.timeout.ms=5000")

# --- the broker dies


def test_a_broker_that_is_killed_and_frozen_costs_no_event(mortal: MortalBroker, topic_name: str) -> None:
    kafka = mortal.address
    make_topic(kafka, topic_name)
    out = f"{topic_name}-tally"
    ensure(Cluster(kafka), [out])
    # A local queue that fills up within half a second of the broker's absence.
    flow = [
        "run-producer",
        "-b",
        kafka,
        "--topic",
        topic_name,
        "--rate",
        "4000",
        "-X",
        "queue.buffering.max.messages=2000",
    ]
    counter = [*command_of(topic_name), "-b", kafka, *SHORT_SESSION]
    with running(*flow) as producer, running(*counter) as first:

        def go_on() -> None:
            before = written(kafka, out), written(kafka, topic_name)
            wait_for(lambda: written(kafka, out) > before[0] + 4)
            wait_for(lambda: written(kafka, topic_name) > before[1] + 1000)

        def wait_for(more: Callable[[], bool]) -> None:
            wait_until(lambda: more() or not (producer.running and first.running), 60, said)
            assert producer.running, producer.said()
            assert first.running, first.said()

        def said() -> str:
            return f"tallies and events go on; producer and counter said:\n{producer.said()}\n{first.said()}"

        go_on()
        mortal.kill()
        go_on()
        with mortal.frozen():
            threading.Event().wait(3)
        go_on()
        with running(*counter) as second:  # the broker dies in the rebalance
            wait_until(lambda: not second.running or shares(kafka, f"{topic_name}-group") != [3], 30, "it joins", 0.005)
            mortal.kill()
            go_on()
            assert second.stop() == 0, second.said()
        assert producer.stop() == 0, producer.said()
        by_hand = counted_by_hand(kafka, topic_name)
        assert f"acknowledged {sum(by_hand.values()):,}, failed 0" in producer.said()
        wait_until(lambda: tallies(kafka, out)[-1] == by_hand, 60, first.said, 0.5)
        assert first.stop() == 0, first.said()
        assert "Traceback" not in first.said() + producer.said()
    assert decreases(tallies(kafka, out)) == []


def test_all_clients_of_a_command_say_once_that_the_broker_is_away(
    mortal: MortalBroker, topic_name: str, tmp_path: Path
) -> None:
    kafka = mortal.address
    for name in (topic_name, f"{topic_name}-per_min"):
        make_topic(kafka, name, 1)
    produce(kafka, topic_name, [click(1), click(61), click(121)])
    with running(*command(kafka, script(tmp_path, topic_name, MINUTES))) as part:
        wait_until(lambda: len(table(kafka, f"{topic_name}-per_min")) >= 1 or not part.running, 60, "it runs")
        mortal.kill()
        wait_until(lambda: "does not answer" in part.said() or not part.running, 60, "somebody notices")
        produce(kafka, topic_name, [click(181), click(241)])
        wait_until(lambda: len(table(kafka, f"{topic_name}-per_min")) >= 3 or not part.running, 60, "it goes on")
        assert part.stop() == 0, part.said()
        said = part.said()
    times = [datetime.strptime(line[:8], "%H:%M:%S") for line in said.splitlines() if "does not answer" in line]
    assert all((later - before).seconds >= 29 for before, later in pairwise(times)), said
    # The reading process's lines have one format, like all others.
    assert not re.search(r"(WARNING|INFO|ERROR)\W+(WARNING|INFO|ERROR)", said), said


def test_a_broker_that_is_killed_leaves_one_tally_per_event(mortal: MortalBroker, topic_name: str) -> None:
    kafka = mortal.address
    make_topic(kafka, topic_name)
    out = f"{topic_name}-tally"
    ensure(Cluster(kafka), [out])
    flow = ["run-producer", "-b", kafka, "--topic", topic_name, "--rate", "500"]
    with running(*flow) as producer, running(*command_of(topic_name), "-b", kafka, "--emit", "each") as counter:
        wait_until(lambda: written(kafka, out) > 200, 30, "it counts")
        mortal.kill()
        before = written(kafka, out)
        wait_until(lambda: not counter.running or written(kafka, out) > before + 500, 60, "it goes on")
        assert producer.stop() == 0, producer.said()
        events = len(records(kafka, topic_name))
        wait_until(lambda: not counter.running or len(tallies(kafka, out)) >= events, 60, "all are counted", 0.5)
        assert counter.stop() == 0, counter.said()
    assert [sum(tally.values()) for tally in tallies(kafka, out)] == list(range(1, events + 1))


@pytest.mark.timeout(600 * PATIENCE)
@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("seconds", [15, pytest.param(60, marks=pytest.mark.slow)])
def test_an_outage_of_any_length_is_waited_for(
    mortal: MortalBroker, topic_name: str, seconds: float, each: bool
) -> None:
    """The client's own time-outs are cut to 5 s, so that all of them run out."""
    kafka = mortal.address
    make_topic(kafka, topic_name)
    out = f"{topic_name}-tally"
    ensure(Cluster(kafka), [out])
    words = [*command_of(topic_name), "-b", kafka, *CUT, *(["--emit", "each"] if each else [])]
    produce(kafka, topic_name, named(*["purchase"] * 30))
    with running(*words) as counter:

        def published(count: int) -> bool:
            assert counter.running, counter.said()
            found = tallies(kafka, out)
            return bool(found) and found[-1] == {"purchase": count}

        wait_until(lambda: published(30), 60, "it counts", 0.2)
        with mortal.frozen():
            threading.Event().wait(seconds)
            assert counter.running, counter.said()
        produce(kafka, topic_name, named(*["purchase"] * 30))
        wait_until(lambda: published(60), 120, lambda: f"it goes on; it said:\n{counter.said()}", 0.2)
        assert counter.stop(60) == 0, counter.said()
    sums = [sum(tally.values()) for tally in tallies(kafka, out)]
    assert sums == (list(range(1, 61)) if each else sorted(sums))


@pytest.mark.timeout(600 * PATIENCE)
@pytest.mark.parametrize("seconds", [15, pytest.param(60, marks=pytest.mark.slow)])
def test_tables_wait_for_the_end_of_an_outage_of_any_length(
    mortal: MortalBroker, topic_name: str, tmp_path: Path, seconds: float
) -> None:
    """What they ask for meanwhile (new partitions, result topics, ends) times out again and again."""
    kafka = mortal.address
    make_topic(kafka, topic_name, 2)
    result = f"{topic_name}-per_min"
    make_topic(kafka, result, 1, cleanup_policy="compact")
    path = script(tmp_path, topic_name, MINUTES)

    def clicks_in(minute: int) -> None:
        for partition in (0, 1):
            produce(kafka, topic_name, [click(60 * minute + 10)], partition=partition)

    with running(*command(kafka, path, *CUT, "--idle-timeout", "0")) as part:

        def until(rows: dict[int, int], timeout: float) -> None:
            def written_so_far() -> bool:
                assert part.running, part.said()
                return per_minute(kafka, result) == rows

            wait_until(written_so_far, timeout, lambda: f"{rows}; it said:\n{part.said()}", 0.2)

        clicks_in(0)
        clicks_in(1)
        until({0: 2}, 60)
        clicks_in(2)  # the minute that they close may be on its way when nobody answers any more
        with mortal.frozen():
            threading.Event().wait(seconds)
            assert part.running, part.said()
        clicks_in(3)
        until({0: 2, 1: 2, 2: 2}, 120)
        assert part.stop(60) == 0, part.said()
        assert "Traceback" not in part.said()


def counted_so_far(port: int) -> float:
    """What a counter's metrics say; 0 while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return 0
    return sum(float(number) for number in re.findall(r"^clickstream_counted\S* ([\d.e+]+)$", text, re.MULTILINE))


@pytest.mark.parametrize("each", [False, True])
def test_a_stop_in_an_outage_says_what_is_not_saved_and_loses_nothing(
    mortal: MortalBroker, topic_name: str, each: bool
) -> None:
    kafka = mortal.address
    make_topic(kafka, topic_name)
    out = f"{topic_name}-tally"
    ensure(Cluster(kafka), [out])
    port = free_port()
    watched = [*command_of(topic_name, interval="3600", metrics_port=str(port)), "-b", kafka, *CUT, *SHORT_SESSION]
    # With one tally per event, the commit that is under way is not saved; else the interval is long.
    words = [*command_of(topic_name, metrics_port=str(port)), "-b", kafka, *CUT, *SHORT_SESSION]
    words = [*words, "--emit", "each"] if each else watched
    flow = ["run-producer", "-b", kafka, "--topic", topic_name, "--rate", "1000", "--quiet", *CUT]
    with running(*flow) as producer, running(*words) as counter:

        def counts() -> bool:
            assert counter.running, counter.said()
            return counted_so_far(port) > 1_000

        wait_until(counts, 120, "it counts", 0.2)
        with mortal.frozen():
            begun = time.monotonic()
            assert counter.stop(60) == 1
            assert time.monotonic() - begun < 25 * PATIENCE  # 15 s are promised, of a machine that is not at its limit
            assert "not saved. Nothing is lost: the next start counts" in counter.said()
            assert "Traceback" not in counter.said()
        assert producer.stop(60) == 0, producer.said()
    # It could not say goodbye: its group knows it until its session times out.
    wait_until(lambda: members(kafka, f"{topic_name}-group") == 0, 60, "the group has forgotten it", 0.5)
    run_well(*words, "--exit-at-end", timeout=120)
    found = tallies(kafka, out)
    assert found[-1] == counted_by_hand(kafka, topic_name)
    assert decreases(found) == []


# --- a full local queue


def test_a_full_local_queue_drops_nothing(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    tiny = ("-X", "queue.buffering.max.messages=50")
    done = run_well("run-producer", "-b", kafka, "--topic", topic_name, "--count", "1500", "--rate", "max", *tiny)
    assert "Produced 1,500, acknowledged 1,500, failed 0." in done.said
    assert len(records(kafka, topic_name)) == 1500
    run_well(*command_of(topic_name), "-b", kafka, "--emit", "each", "--exit-at-end", *tiny)
    assert len(tallies(kafka, f"{topic_name}-tally")) == 1500


# --- topics that vanish, records that are deleted


def test_a_topic_recreated_while_nobody_counted_is_refused(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, named(*["purchase"] * 10))
    count(kafka, topic_name)
    delete(Cluster(kafka), [topic_name])
    wait_until(lambda: topic_name not in existing(Cluster(kafka)), 30, "it is gone")
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, named(*["productview"] * 30))
    for each in (False, True):
        with pytest.raises(ClickstreamError, match=r"recreated since it was read.*--reset"):
            count(kafka, topic_name, each=each)
    assert tallies(kafka, f"{topic_name}-tally") == [{"purchase": 10}]
    reset(Cluster(kafka), options_for(topic_name))
    count(kafka, topic_name)
    assert tallies(kafka, f"{topic_name}-tally") == [{"purchase": 10}, {"productview": 30}]


def test_a_topic_deleted_while_it_is_counted_stops_the_counter(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, named(*["purchase"] * 10))
    out = f"{topic_name}-tally"
    ensure(Cluster(kafka), [out])
    with counting(kafka, topic_name) as problem:
        wait_until(lambda: problem() or tallies(kafka, out), 30, "the first tally")
        delete(Cluster(kafka), [topic_name])
        raised = wait_until(problem, 60, "the counter stops")
    assert isinstance(raised, ClickstreamError)
    assert topic_name in str(raised)
    assert tallies(kafka, out) == [{"purchase": 10}]


def test_a_topic_recreated_behind_the_back_of_a_counter_stops_it(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, partitions=1)
    produce(kafka, topic_name, named(*["purchase"] * 10))
    out = f"{topic_name}-tally"
    ensure(Cluster(kafka), [out])
    with running(*command_of(topic_name), "-b", kafka) as counter:
        wait_until(lambda: not counter.running or tallies(kafka, out), 30, "the first tally")
        counter.freeze()
        delete(Cluster(kafka), [topic_name])
        wait_until(lambda: topic_name not in existing(Cluster(kafka)), 30, "it is gone")
        make_topic(kafka, topic_name, partitions=1)
        produce(kafka, topic_name, named(*["productview"] * 30))
        counter.thaw()
        assert counter.wait() == 1
        assert is_an_error_for_people(counter.done(), topic_name, "recreated", "--reset")
    assert tallies(kafka, out) == [{"purchase": 10}]


def test_records_deleted_before_they_were_counted_are_missed(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, partitions=1)
    produce(kafka, topic_name, named(*["purchase"] * 10))
    count(kafka, topic_name)
    delete_records(kafka, topic_name, {0: 10})
    count(kafka, topic_name)  # what was counted may go
    produce(kafka, topic_name, named(*["purchase"] * 10))
    delete_records(kafka, topic_name, {0: 15})
    for each in (False, True):
        says = r"offset 10 comes next, but the log begins at 15: 5 records were deleted .*--reset"
        with pytest.raises(ClickstreamError, match=says):
            count(kafka, topic_name, each=each)
    assert tallies(kafka, f"{topic_name}-tally") == [{"purchase": 10}]
    reset(Cluster(kafka), options_for(topic_name))
    count(kafka, topic_name)
    assert tallies(kafka, f"{topic_name}-tally") == [{"purchase": 10}, {"purchase": 5}]


def test_records_deleted_in_front_of_a_slow_counter_are_missed(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, partitions=1)
    produce(kafka, topic_name, named(*["purchase"] * 10))
    out = f"{topic_name}-tally"
    ensure(Cluster(kafka), [out])
    with running(*command_of(topic_name), "-b", kafka) as counter:
        wait_until(lambda: not counter.running or tallies(kafka, out), 30, "the first tally")
        counter.freeze()
        threading.Event().wait(PATIENCE)  # until the broker has answered its last request, which it held back for 0.5 s
        produce(kafka, topic_name, named(*["purchase"] * 10))
        delete_records(kafka, topic_name, {0: 15})
        counter.thaw()
        assert counter.wait() == 1
        assert "5 records were deleted before they were read" in counter.said()
        assert "--reset" in counter.said()
    assert tallies(kafka, out) == [{"purchase": 10}]


# --- nobody answers, or it is not Kafka that answers


@contextmanager
def deaf_port() -> Iterator[str]:
    """It accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def closed_port() -> Iterator[str]:
    with socket.socket() as bound:  # bound, not listening: nobody else gets it
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


class QuietHandler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@contextmanager
def web_server() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), QuietHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_broker_that_does_not_answer_is_an_error_within_ten_seconds(kafka: str, topic_name: str) -> None:
    given = ["security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN", "sasl.username=u", "sasl.password=secret"]
    login = [word for setting in given for word in ("-X", setting)]
    with ExitStack() as stack:
        wrong = {
            "closed": (stack.enter_context(closed_port()),),
            "deaf": (stack.enter_context(deaf_port()),),
            "web": (stack.enter_context(web_server()),),
            "unknown": ("no-such-host.invalid:9092",),
            "login": (kafka, *login),
            "tls": (kafka, "-X", "security.protocol=SSL"),
        }
        begun = time.monotonic()
        parts = {
            what: stack.enter_context(running("run-producer", "--topic", topic_name, "-b", address, *options))
            for what, (address, *options) in wrong.items()
        }
        for what, (address, *_) in wrong.items():
            part = parts[what]
            assert part.wait(30) == 1, what
            assert time.monotonic() - begun < 20 * PATIENCE, what  # each has 10 s, but six start at once
            assert is_an_error_for_people(part.done(), address.partition(":")[0], "Check"), what
            assert "secret" not in part.said()
    assert topic_name not in existing(Cluster(kafka))


def test_a_topic_that_does_not_exist_is_named(kafka: str, topic_name: str) -> None:
    done = run(*command_of(topic_name), "-b", kafka)
    assert done.code == 1
    assert is_an_error_for_people(done, f"Topic {topic_name} does not exist", "topics create")
    assert not {topic_name, f"{topic_name}-tally", f"{topic_name}-group-state"} & existing(Cluster(kafka)).keys()
