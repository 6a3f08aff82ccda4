"""The demo as a person runs it."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clickstream.broker import EmbeddedBroker
from clickstream.config import config_dir
from clickstream.demo.demo import Minute
from clickstream.demo.traffic import TABLE, TrafficReader
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Headers, Sender
from clickstream.parts.threads import Threads
from clickstream.tables.sql.check import check_file
from tests.integration.support import Part, make_topic, produce
from tests.integration.terminal import running_on_terminal
from tests.integration.uisupport import State, address_of, state_of, tab
from tests.support import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[2]
SUMMARY = re.compile(r"Acknowledged by this run: ([\d,]+)\. Counted by this run: ([\d,]+)\. Equal\.")


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "clickstream", "demo", "--only", "heart", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.fixture
def topics(kafka: str, topic_name: str) -> dict[str, str]:
    """Settings that give a demo topics of its own on the shared broker."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "CLICKSTREAM_RUN_PRODUCER_TOPIC": f"{topic_name}-in",
        "CLICKSTREAM_RUN_COUNTER_TO_TOPIC": f"{topic_name}-out",
        "CLICKSTREAM_DEMO_GROUP": topic_name,
    }


def ended_equal(output: str) -> tuple[int, int]:
    found = SUMMARY.search(output)
    assert found, output
    acknowledged, counted = (int(text.replace(",", "")) for text in found.groups())
    return acknowledged, counted


def test_the_demo_shows_tallies_and_ends_equal(topics: dict[str, str]) -> None:
    demo = start("--duration", "4", "--rate", "2000", **topics)

    output, _ = demo.communicate(timeout=60 * PATIENCE)

    assert demo.returncode == 0, output
    acknowledged, counted = ended_equal(output)
    assert acknowledged == counted > 2_000
    tallies = re.findall(r"demo running: .*counted [1-9][\d,]* \(.*purchase [1-9][\d,]*", output)
    assert len(tallies) >= 2, output  # one line a second


def test_ctrl_c_drains_and_ends_equal(topics: dict[str, str]) -> None:
    demo = start("--rate", "2000", **topics)
    assert demo.stdout is not None
    for line in demo.stdout:
        if "purchase " in line and "demo running:" in line:
            break
    demo.send_signal(signal.SIGINT)

    output, _ = demo.communicate(timeout=60 * PATIENCE)

    assert demo.returncode == 0, output
    acknowledged, counted = ended_equal(output)
    assert acknowledged == counted > 0


def test_events_of_others_make_the_demo_fail(topics: dict[str, str]) -> None:
    demo = start("--rate", "500", **topics)
    assert demo.stdout is not None
    for line in demo.stdout:
        if "demo running:" in line:
            break
    subprocess.run(
        [sys.executable, "-m", "clickstream", "run-producer", "--count", "77", "--rate", "max", "--quiet"],
        env={**os.environ, **topics},
        check=True,
    )
    demo.send_signal(signal.SIGINT)

    output, _ = demo.communicate(timeout=60 * PATIENCE)

    assert demo.returncode == 1, output
    assert "another producer" in output
    assert "Traceback" not in output


def test_a_second_run_counts_only_its_own_events(topics: dict[str, str]) -> None:
    for _ in range(2):
        demo = start("--duration", "2", "--rate", "1000", **topics)
        output, _ = demo.communicate(timeout=60 * PATIENCE)

        assert demo.returncode == 0, output
        acknowledged, counted = ended_equal(output)
        assert 500 < acknowledged == counted < 4_000


def test_bin_demo_starts_a_kafka_of_its_own(tmp_path: Path, broker_java: str, kafka: str) -> None:
    # `kafka` is asked for only because it skips, with its reason, where no embedded Kafka can be had.
    environment = {name: text for name, text in os.environ.items() if not name.startswith("KAFKA_")}
    environment |= {
        "CLICKSTREAM_STATE_DIR": str(tmp_path),
        "CLICKSTREAM_JAVA": broker_java,
        "CLICKSTREAM_BROKER_LINGER": "1",
    }
    result = subprocess.run(
        [ROOT / "bin" / "demo", "--duration", "6"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120 * PATIENCE,
    )

    assert result.returncode == 0, result.stderr
    assert "embedded Kafka" in result.stderr
    ended_equal(result.stdout)
    tables = re.search(r"Clicks made up: ([\d,]+)\. Tables: ([\d,]+) rows read, ([\d,]+) written\.", result.stdout)
    assert tables, result.stdout
    assert all(text != "0" for text in tables.groups()), result.stdout
    broker = EmbeddedBroker(tmp_path, java=broker_java)
    wait_until(lambda: broker.status().state == "stopped", 30, "the broker to stop after its last user")


# By page, when it shows what it is for.
FILLED: dict[str, Callable[[State], object]] = {
    "overview": lambda state: state["figures"]["hits"]["value"] and state["places"]["source"] == "made up",
    "flow": lambda state: any(file["running"] and any(rates_of(file)) for file in state["files"]),
    "sessions": lambda state: state["total"],
    "errors": lambda state: any(one["total"] for one in state["codes"]),
    "products": lambda state: any(state["totals"].values()),
    "topics": lambda state: len(state["topics"]) > 10,
    "sources": lambda state: len(state["parts"]) > 4,
}
TIMED = ("overview", "sessions", "errors", "products")
FILL_WITHIN_S = 15.0


def rates_of(file: State) -> list[float | None]:
    """Of the topics that it reads."""
    return [source["rate"] for source in file["sources"]]


def test_the_dashboard_beside_the_demo_fills_with_what_it_makes_up_soon_after_the_broker_is_there(
    tmp_path: Path, broker_java: str, kafka: str
) -> None:
    environment = {
        "CLICKSTREAM_STATE_DIR": str(tmp_path),
        "CLICKSTREAM_JAVA": broker_java,
        "CLICKSTREAM_BROKER_LINGER": "1",
    }
    with socket.socket() as taken:  # whoever has the port, the demo takes another one
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        demo = Part("demo", CLICKSTREAM_UI_PORT=str(taken.getsockname()[1]), **environment)
        try:
            wait_until(lambda: "(started, " in demo.said(), 120, demo.said)
            started = time.monotonic()
            asyncio.run(_fills(address_of(demo), started + FILL_WITHIN_S * PATIENCE))
            wait_until(lambda: re.search(r"produced [1-9]", demo.printed()), 60, demo.printed)
            demo.process.send_signal(signal.SIGINT)
            assert demo.wait() == 0, demo.said()
            ended_equal(demo.printed())
        finally:
            demo.end()


async def _fills(address: str, deadline: float) -> None:
    """All pages by the `deadline` of the monotonic clock; a page that does not is named."""
    left = set(FILLED)
    async with tab(address) as page:

        async def fills(panel: str, wanted: Callable[[State], object]) -> None:
            params = {"range": 300_000} if panel in TIMED else {}
            await page.say(open=panel, panel=panel, params=params)
            await page.until(lambda frame: state_of(panel)(frame) and wanted(frame["state"]))
            left.remove(panel)

        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await asyncio.gather(*(fills(*one) for one in FILLED.items()))
        except TimeoutError:
            raise AssertionError(f"not within {FILL_WITHIN_S * PATIENCE:g} s: {sorted(left)}") from None


def test_on_a_terminal_of_24_lines_warnings_stand_above_the_view(topics: dict[str, str], kafka: str) -> None:
    with running_on_terminal("demo", "--only", "heart", "--rate", "500", environment=topics) as screen:
        # Names of the very first records are no news.
        screen.wait_for(lambda lines: re.search(r"^counted +[1-9]", "\n".join(lines), re.MULTILINE))
        produce(kafka, topics["CLICKSTREAM_RUN_PRODUCER_TOPIC"], [b'{"eventName": "made up"}'])
        lines = screen.wait_for(
            lambda lines: "never seen before" in "\n".join(lines) and re.search("^made up +1 ", "\n".join(lines), re.M)
        )
        [warning] = [number for number, line in enumerate(lines) if "'made up'" in line]
        [title] = [number for number, line in enumerate(lines) if line.startswith("clickstream demo")]
        assert warning < title
        assert lines[-1].startswith("Ctrl-C drains and ends   Kafka at ")
        assert re.search(r"^produced +\d+ +[\d,]+", "\n".join(lines), re.MULTILINE)
        screen.press("\x03")
        screen.end()
        after = screen.all_lines()
    assert sum("'made up'" in line for line in after) == 1
    assert sum(line.startswith("clickstream demo") for line in after) == 1
    # A line may end anywhere in it, also where it has a space.
    assert "doesanotherproducerwrite" in "".join(after[-3:]).replace(" ", "")


def test_the_traffic_is_what_the_topic_of_its_table_holds(kafka: str, topic_name: str) -> None:
    table = check_file(config_dir() / "tables" / "clickstream.sql").program.tables[TABLE]
    reader = TrafficReader(Cluster(kafka), replace(table, topic=topic_name))
    threads, stop = Threads(), threading.Event()
    threads.start(reader.run, stop)  # before there is a topic
    try:
        make_topic(kafka, topic_name, 1)

        def row(minute: int, hits: int, headers: Headers | None = None) -> None:
            key = {"window_start": f"2026-01-01 00:{minute:02}:00"}
            value = {**key, "hits": hits, "visitors": 3, "bytes": 1_000, "errors": 1}
            sender = Sender(Cluster(kafka).producer({"linger.ms": 0}))
            sender.send(topic_name, json.dumps(value).encode(), json.dumps(key).encode(), headers=headers)
            sender.must_have_delivered("a row")

        # Rows that were written before it looked are none of its: the first one is repeated until it is seen.
        def seen() -> bool:
            row(0, 7)
            return bool(reader.minutes)

        wait_until(seen, 60, "the first minute", poll=0.5)
        row(1, 5, [("final", b"0")])
        row(1, 6, [("final", b"0")])
        wait_until(lambda: len(reader.minutes) == 2 and reader.minutes[0].hits == 6, 60, lambda: str(reader.minutes))
    finally:
        stop.set()
        threads.join()
    midnight = 1_767_225_600_000
    assert reader.minutes == [Minute(midnight + 60_000, 6, 3, 1_000, 1, True), Minute(midnight, 7, 3, 1_000, 1, False)]
