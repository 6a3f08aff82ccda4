"""`clickstream status`, without a Kafka."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from clickstream.broker import EmbeddedBroker
from clickstream.cli import status as module
from clickstream.cli.options import App
from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.patience import Stopped
from clickstream.parts.status import Reports, Seen
from clickstream.records import Status
from tests.unit.cli.conftest import Run

PART = Status(
    *("tables-h-1-clicks", "tables", "h", "2026-01-01T00:00:00UTC", "running", {"rows": 1_500.0, "late": 0.0}, ["in"]),
    name="clicks",
    group="clickstream-tables-clicks",
    totals={"rows": 7},
    gauges={"watermark_delay_seconds": 3.0},
)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[Seen]:
    """What `status -b kafka:9092` finds."""

    @contextmanager
    def connect(_app: App) -> Iterator[Cluster]:
        yield Cluster("kafka:9092")

    found: list[Seen] = []
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)  # it stands still: how long a part is silent is told by it
    monkeypatch.setattr(App, "connect", connect)
    monkeypatch.setattr(Reports, "look", lambda _reports, _stop=None: list(found))
    return found


def test_nothing_is_started_to_say_that_nothing_runs(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def acquire(_broker: EmbeddedBroker) -> None:
        raise AssertionError("it was started")

    monkeypatch.setattr(EmbeddedBroker, "acquire", acquire)
    nowhere = tmp_path / "nowhere"
    outcome = run("status", "--state-dir", str(nowhere))
    assert (outcome.code, outcome.out) == (0, "Nothing runs: the embedded Kafka is not running.\n")
    outcome = run("status", "--json", "--watch", "--state-dir", str(nowhere))
    assert (outcome.code, outcome.out) == (0, "")
    assert not nowhere.exists()


def test_an_address_that_is_empty_is_not_the_embedded_kafka(run: Run, tmp_path: Path) -> None:
    outcome = run("status", "-b", "", "--state-dir", str(tmp_path / "nowhere"))
    assert (outcome.code, outcome.out) == (2, "")
    assert "bootstrap.servers in -b is '': the address is empty" in outcome.err


def test_a_kafka_that_runs_is_asked(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def acquire(_broker: EmbeddedBroker) -> None:
        raise ClickstreamError("asked")

    found = EmbeddedBroker(tmp_path).status()
    monkeypatch.setattr(EmbeddedBroker, "status", lambda _broker: type(found)(**{**vars(found), "state": "running"}))
    monkeypatch.setattr(EmbeddedBroker, "acquire", acquire)
    assert "asked" in run("status", "--state-dir", str(tmp_path)).err


def test_a_part_is_shown_with_its_file_group_and_topics(run: Run, parts: list[Seen]) -> None:
    parts.append(Seen(PART, time.time()))
    out = run("status", "-b", "kafka:9092").out
    assert out.startswith("Kafka at kafka:9092, answers.\n")
    line = out.splitlines()[-1]
    for word in ("tables", "clicks", "running", "rows 1,500", "watermark_delay_seconds 3", PART.group, "in", "h"):
        assert str(word) in line
    assert "late" not in line


def test_a_part_that_is_silent_is_dead(run: Run, parts: list[Seen]) -> None:
    parts.append(Seen(PART, time.time() - 42))
    assert "dead, silent for 42 s" in run("status", "-b", "kafka:9092").out


FAILED = msgspec.structs.replace(
    PART, state="failed", error="The disk\x1b[2J is full.", error_at="2026-01-01T03:04:05UTC"
)


def test_a_part_that_failed_is_shown_with_the_time_and_the_reason(run: Run, parts: list[Seen]) -> None:
    parts.append(Seen(FAILED, time.time() - 42))
    line = run("status", "-b", "kafka:9092").out.splitlines()[-1]
    assert "failed at 03:04:05 UTC" in line
    assert "The disk\\u001b[2J is full." in line
    found = json.loads(run("status", "-b", "kafka:9092", "--json").out)
    assert (found["state"], found["dead"]) == ("failed", False)


def test_json_is_the_record_with_its_age(run: Run, parts: list[Seen]) -> None:
    parts.append(Seen(PART, time.time() - 42))
    found = json.loads(run("status", "-b", "kafka:9092", "--json").out)
    assert found["totals"] == {"rows": 7}
    assert (found["name"], found["group"], found["positions"]) == ("clicks", PART.group, [])
    assert found["dead"] is True
    assert found["silent_s"] == pytest.approx(42)


def test_nothing_runs(run: Run, parts: list[Seen]) -> None:
    assert run("status", "-b", "kafka:9092").out == "Kafka at kafka:9092, answers.\nNothing runs now.\n"
    assert run("status", "-b", "kafka:9092", "--json").out == ""
    assert parts == []


@pytest.mark.parametrize("watch", [False, True])
def test_how_long_a_part_is_silent_counts_from_after_kafka_was_waited_for(
    run: Run, monkeypatch: pytest.MonkeyPatch, parts: list[Seen], watch: bool
) -> None:
    said_at = time.time()
    looks = iter([[Seen(PART, said_at)]])

    def look(_reports: Reports, _stop: object = None) -> list[Seen]:
        monkeypatch.setattr(time, "time", lambda: said_at + 50)
        found = next(looks, None)
        if found is None:
            raise Stopped("Ctrl-C")
        return found

    monkeypatch.setattr(module, "STATUS_EVERY_S", 0.01)
    monkeypatch.setattr(Reports, "look", look)
    out = run("status", "-b", "kafka:9092", "--json", *(["--watch"] if watch else [])).out
    assert json.loads(out)["silent_s"] == 50.0


@pytest.mark.parametrize("as_json", [False, True])
def test_watching_in_a_pipe_writes_lines(
    run: Run, parts: list[Seen], monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    monkeypatch.setattr(module, "STATUS_EVERY_S", 0.01)
    looks = iter([[Seen(PART, time.time())], [], [Seen(PART, time.time() - 42)], [Seen(FAILED, time.time())]])

    def look(_reports: Reports, _stop: object = None) -> list[Seen]:
        found = next(looks, None)
        if found is None:
            raise Stopped("Ctrl-C")
        return found

    monkeypatch.setattr(Reports, "look", look)
    outcome = run("status", "-b", "kafka:9092", "--watch", *(["--json"] if as_json else []))
    assert outcome.code == 0
    first, second, third = outcome.out.splitlines()
    if as_json:
        assert [json.loads(one)["dead"] for one in (first, second, third)] == [False, True, False]
    else:
        assert " tables clicks on h: running, rows 1,500, watermark_delay_seconds 3, group clickstream-tables-" in first
        assert " tables clicks on h: dead, silent for 42 s" in second
        assert " tables clicks on h: failed at 03:04:05 UTC, " in third
        assert third.endswith("error: The disk\\u001b[2J is full.")
