"""The demo as a person runs it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clickstream.broker import EmbeddedBroker
from tests.support import wait_until

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

    output, _ = demo.communicate(timeout=60)

    assert demo.returncode == 0, output
    acknowledged, counted = ended_equal(output)
    assert acknowledged == counted > 2_000
    tallies = re.findall(r"running .* counted=[1-9]\d* .*purchase=[1-9]\d*", output)
    assert len(tallies) >= 2, output  # one line a second


def test_ctrl_c_drains_and_ends_equal(topics: dict[str, str]) -> None:
    demo = start("--rate", "2000", **topics)
    assert demo.stdout is not None
    for line in demo.stdout:
        if "purchase=" in line and line.startswith("running"):
            break
    demo.send_signal(signal.SIGINT)

    output, _ = demo.communicate(timeout=60)

    assert demo.returncode == 0, output
    acknowledged, counted = ended_equal(output)
    assert acknowledged == counted > 0


def test_events_of_others_make_the_demo_fail(topics: dict[str, str]) -> None:
    demo = start("--duration", "6", "--rate", "500", **topics)
    assert demo.stdout is not None
    for line in demo.stdout:
        if line.startswith("running"):
            break
    subprocess.run(
        [sys.executable, "-m", "clickstream", "run-producer", "--count", "77", "--rate", "max", "--quiet"],
        env={**os.environ, **topics},
        check=True,
    )

    output, _ = demo.communicate(timeout=60)

    assert demo.returncode == 1, output
    assert "another producer" in output
    assert "Traceback" not in output


def test_a_second_run_counts_only_its_own_events(topics: dict[str, str]) -> None:
    for _ in range(2):
        demo = start("--duration", "2", "--rate", "1000", **topics)
        output, _ = demo.communicate(timeout=60)

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
        [ROOT / "bin" / "demo", "--duration", "6"], env=environment, capture_output=True, text=True, timeout=120
    )

    assert result.returncode == 0, result.stderr
    assert "embedded Kafka" in result.stderr
    ended_equal(result.stdout)
    tables = re.search(r"Clicks made up: ([\d,]+)\. Tables: ([\d,]+) rows read, ([\d,]+) written\.", result.stdout)
    assert tables, result.stdout
    assert all(text != "0" for text in tables.groups()), result.stdout
    broker = EmbeddedBroker(tmp_path, java=broker_java)
    wait_until(lambda: broker.status().state == "stopped", 30, "the broker to stop after its last user")
