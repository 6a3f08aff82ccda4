"""Being stopped while the broker does not answer, and records that are too large: how commands that send end."""

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from clickstream.broker import EmbeddedBroker
from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender, record_time
from clickstream.topics import Declared, ensure
from tests.integration.support import ROOT, Part, make_topic, records, running, written
from tests.support import PATIENCE, missing, wait_until

# What is promised is 30 s after Ctrl-C and 15 s after SIGTERM; a loaded machine gets a few more.
PROMISED_S = {signal.SIGINT: 30.0, signal.SIGTERM: 15.0}
LOADED_S = 10.0 * PATIENCE


@pytest.fixture(scope="module")
def freezing(tmp_path_factory: pytest.TempPathFactory, broker_java: str) -> Iterator[EmbeddedBroker]:
    """A broker of its own, for tests that stop its process."""
    broker = EmbeddedBroker(tmp_path_factory.mktemp("freezing"), java=broker_java, port=0, linger=5.0)
    try:
        lease = broker.acquire()
    except ClickstreamError as error:
        missing(f"no embedded Kafka: {error}")
    with lease:
        yield broker
    broker.stop(force=True)


@contextmanager
def frozen(broker: EmbeddedBroker) -> Iterator[None]:
    """It neither answers nor refuses."""
    pid = broker.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def address_of(broker: EmbeddedBroker) -> str:
    address = broker.status().address
    assert address is not None
    return address


def end_in_time(parts: Mapping[str, Part], number: signal.Signals) -> None:
    """Within what is promised, with exit code 1 and how many records are unconfirmed."""
    begun = time.monotonic()
    for part in parts.values():
        part.process.send_signal(number)
    for what, part in parts.items():
        assert part.wait(90) == 1, (what, part.said())
        assert time.monotonic() - begun < PROMISED_S[number] + LOADED_S, (what, part.said())
        assert "are unconfirmed: Kafka did not acknowledge them in time" in part.said(), what
        assert "Traceback" not in part.said(), what


def is_there(kafka: str, topic: str) -> bool:
    """Whether the topic is there, or could be created: not while a broker finds out that it was frozen."""
    try:
        ensure(Cluster(kafka), [Declared(topic, partitions=1)])
    except ClickstreamError:
        return False
    return True


def arrive(kafka: str, topic: str) -> None:
    wait_until(lambda: written(kafka, topic) > 100, 60, "records arrive")


LOG_LINE = b'%d.0.0.1 - - [10/Oct/2000:13:55:36 +0000] "GET /%d HTTP/1.0" 200 2326\n'


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_a_stop_during_an_outage_ends_in_time_and_says_what_is_unconfirmed(
    freezing: EmbeddedBroker, topic_name: str, tmp_path: Path, number: signal.Signals
) -> None:
    kafka = address_of(freezing)
    names = {what: f"{topic_name}-{what}" for what in ("events", "web", "codes", "users", "vip", "vip-users", "log")}
    for name in names.values():
        wait_until(partial(is_there, kafka, name), 60, "the broker is itself again")
    log = tmp_path / "access.log"
    lines = b"".join(LOG_LINE % (one % 200, one) for one in range(400_000))
    with log.open("wb") as file:
        file.writelines([lines] * 5)  # so many that it is not done before the broker stands still
    commands = {
        "events": ("run-producer", "--topic", names["events"], "--rate", "max", "--threads", "2"),
        "web": (
            *("generate", "web", "--topic", names["web"], "--rate", "2000"),
            *("--codes-topic", names["codes"], "--users-topic", names["users"]),
        ),
        "vip": ("generate", "vip", "--topic", names["vip"], "--users-topic", names["vip-users"], "--rate", "2000"),
        "log": ("replay", "--topic", names["log"], "--dead-letter-topic", f"{topic_name}-dead", str(log)),
    }
    with ExitStack() as stack:
        small_queue = ("-X", "queue.buffering.max.messages=5000")
        parts = {
            what: stack.enter_context(running(*command, "--quiet", "-b", kafka, *small_queue))
            for what, command in commands.items()
        }
        for what in commands:
            arrive(kafka, names[what])
        stack.enter_context(frozen(freezing))
        threading.Event().wait(3)  # an outage in which records wait
        end_in_time(parts, number)


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_the_demo_ends_in_time_during_an_outage(
    freezing: EmbeddedBroker, topic_name: str, tmp_path: Path, number: signal.Signals
) -> None:
    """All of its parts at once: producer, counter, feeds, tables, collector, shop and dashboard."""
    kafka = address_of(freezing)
    wait_until(partial(is_there, kafka, topic_name), 60, "the broker is itself again")
    ports = ("CLICKSTREAM_UI_PORT", "CLICKSTREAM_COLLECT_PORT", "CLICKSTREAM_SHOP_PORT")
    places = ("-b", kafka, "--state-dir", str(tmp_path))
    with running("demo", "--rate", "2000", *places, **dict.fromkeys(ports, "0")) as demo:
        wait_until(lambda: "purchase " in demo.printed(), 60, demo.said)
        with frozen(freezing):
            threading.Event().wait(3)
            begun = time.monotonic()
            demo.process.send_signal(number)
            assert demo.wait(90) == 1, demo.said()
        took = time.monotonic() - begun
        assert took < PROMISED_S[number] + LOADED_S, (took, demo.said())
        assert "Traceback" not in demo.said()


# The broker was there when the command looked.
IS_THERE = "from clickstream.kafka.clients import Cluster; Cluster.check = lambda self: None"
STARTS = {
    "run-producer": ("run-producer",),
    "generate": ("generate", "web"),
    "replay": ("replay", str(ROOT / "tests/integration/test_stopping.py")),
    "run-counter": ("run-counter",),
    "tables": ("tables", "run", str(ROOT / "config/tables/clickstream.sql")),
}


def test_a_stop_before_the_first_answer_ends_a_command_soon(tmp_path: Path) -> None:
    """Nobody answers what it asks, although the broker was there a moment ago: nothing was begun."""
    with ExitStack() as stack:
        parts, asked = {}, []
        for what, arguments in STARTS.items():
            silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            silent.settimeout(120 * PATIENCE)
            options = ("-b", f"127.0.0.1:{silent.getsockname()[1]}", "--state-dir", str(tmp_path / what))
            parts[what] = stack.enter_context(running(*arguments, *options, before=IS_THERE))
            asked.append(silent)
        for silent in asked:
            stack.enter_context(silent.accept()[0])
        begun = time.monotonic()
        for part in parts.values():
            part.process.send_signal(signal.SIGTERM)
        for what, part in parts.items():
            assert part.wait(90) == 128 + signal.SIGTERM, (what, part.said())
            assert time.monotonic() - begun < PROMISED_S[signal.SIGTERM] + LOADED_S, (what, part.said())
            assert "Traceback" not in part.said(), (what, part.said())


def test_records_too_large_for_a_topic_say_so(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, partitions=1, max_message_bytes="3000")
    noise = random.Random(1).randbytes  # does not compress
    sender = Sender(Cluster(kafka).producer({"linger.ms": 0}))
    sender.send(topic_name, noise(5_000), b"key")
    with pytest.raises(ClickstreamError) as raised:
        sender.must_have_delivered("Rows")
    assert str(raised.value) == (
        f"Rows could not be written: a record of 5,003 bytes is larger than topic {topic_name} takes "
        "(max.message.bytes is 3,000): raise max.message.bytes of the topic to 100000 or more."
    )
    small = Sender(Cluster(kafka).producer({"linger.ms": 1_000}))
    small.send_batch(topic_name, [{"key": b"k", "value": noise(500)} for _ in range(20)])
    with pytest.raises(ClickstreamError, match=r"a batch larger than topic .* 3,000.* -X batch\.size=1500\."):
        small.must_have_delivered("Rows")


def test_the_times_of_records(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, partitions=1)
    sender = Sender(Cluster(kafka).producer({"linger.ms": 0}))
    begun = int(time.time() * 1000)
    for time_ms in (0, 1, 1_000_000_000_000, None):
        sender.send(topic_name, b"x", timestamp=record_time(time_ms))
    sender.must_have_delivered("records")
    times = [record.timestamp()[1] for record in records(kafka, topic_name)]
    assert times[:3] == [1, 1, 1_000_000_000_000]
    assert times[3] >= begun - 1_000
