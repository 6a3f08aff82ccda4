"""Every command that shows what comes from outside, with texts that a terminal would obey."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from clickstream.broker import BrokerStatus
from clickstream.cli.options import App
from clickstream.errors import ClickstreamError
from clickstream.flink.jobs import Job
from clickstream.inspect.details import PartitionDetails, Setting, TopicDetails
from clickstream.inspect.groups import Group, Member, Progress
from clickstream.inspect.sizes import TopicSummary
from clickstream.kafka.clients import Cluster
from clickstream.parts.status import Seen
from clickstream.records import Status
from tests.hostile import HOSTILE, SHOWN, assert_harmless, plain
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_main import Add, ending_with
from tests.unit.inspect.records import record

MEMBER = Member(HOSTILE, HOSTILE, HOSTILE, [(HOSTILE, 0)])
GROUP = Group(HOSTILE, "stable", "consumer", [MEMBER], [Progress(HOSTILE, 0, 9, 3, MEMBER)])
STATUS = Status(
    *("id", HOSTILE, HOSTILE, HOSTILE, HOSTILE, {HOSTILE: 5.0}, [HOSTILE]),
    name=HOSTILE,
    group=HOSTILE,
    gauges={HOSTILE: 1.0},
    error=HOSTILE,
)
TOPIC = TopicDetails("t", HOSTILE, [PartitionDetails(0, 1, [1], [1], None)], {HOSTILE: Setting(HOSTILE, HOSTILE)})
BROKER = BrokerStatus("failed", HOSTILE, 1, 2, False, Path("/d"), Path("/l"), "4", HOSTILE, HOSTILE, 0.0, 0, HOSTILE)
RECORD = record(
    0,
    json.dumps({HOSTILE: HOSTILE}, ensure_ascii=False).encode(),
    key=HOSTILE.encode(),
    headers=[(HOSTILE, HOSTILE.encode())],
)
SQL = """
CREATE TABLE `{name}` (`c{name}` STRING) WITH ('connector' = 'kafka', 'topic' = 't', 'scan.startup.mode' =
  'earliest-offset', 'properties.bootstrap.servers' = 'x', 'format' = 'json');
CREATE TABLE `{name}2` (`c{name}` STRING) WITH ('connector' = 'kafka', 'topic' = 'u',
  'properties.bootstrap.servers' = 'x', 'format' = 'json');
INSERT INTO `{name}2` SELECT {what} FROM `{name}`;
"""
# In a quoted name of SQL.
NAME = HOSTILE.replace("\x00", "")
SHOWN_NAME = SHOWN.replace("\\u0000", "")


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture, tmp_path: Path) -> None:
    """What Kafka, Flink and the embedded broker say."""

    @contextmanager
    def connect(_app: App) -> Iterator[Cluster]:
        yield Cluster("localhost:1")

    mocker.patch.object(App, "connect", connect)
    mocker.patch.object(Cluster, "admin")
    mocker.patch("clickstream.parts.status.Reports.look", return_value=[Seen(STATUS, 0.0)])
    mocker.patch("clickstream.inspect.groups.groups", return_value=[GROUP])
    mocker.patch("clickstream.inspect.groups.group", return_value=GROUP)
    mocker.patch("clickstream.inspect.sizes.summaries", return_value=[TopicSummary(HOSTILE, 1, 2, 3, 4, 5)])
    for module in ("clickstream.cli.topics", "clickstream.inspect.tail"):
        mocker.patch(f"{module}.metadata", return_value={"t": {}, f"near{HOSTILE}": {}})
    mocker.patch("clickstream.inspect.details.details", return_value=TOPIC)
    mocker.patch("clickstream.cli.topics.records.tail", return_value=iter([[RECORD]]))
    mocker.patch("clickstream.cli.topics.records.find", return_value={})
    mocker.patch("clickstream.inspect.export.Source.messages", side_effect=lambda: iter([RECORD]))
    mocker.patch("clickstream.flink.jobs.jobs", return_value=[Job(HOSTILE, HOSTILE, HOSTILE, 0.0, 0.0, HOSTILE)])
    mocker.patch("clickstream.broker.embedded.EmbeddedBroker.status", return_value=BROKER)
    for name, what in (("good", f"`c{NAME}`"), ("bad", f"'{NAME}' || TYPO")):
        (tmp_path / f"{name}.sql").write_text(SQL.format(name=NAME, what=what), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "2000")


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm-256color")):
        monkeypatch.setenv(name, value)


def words(shown: str) -> str:
    """Without the spaces and line ends, which depend on the width."""
    return "".join(shown.split())


COMMANDS: list[tuple[list[str], str]] = [
    (["status", "-b", "x:1"], SHOWN),
    (["groups", "list"], SHOWN),
    (["groups", "describe", "g"], SHOWN),
    (["topics", "list"], SHOWN),
    (["topics", "describe", "t"], SHOWN),
    (["topics", "describe", f"ne{HOSTILE}"], f"Did you mean near{SHOWN}?"),
    (["topics", "tail", "t"], SHOWN),
    (["topics", "export", "t", "-o", "-"], SHOWN),
    (["topics", "export", "t", "-o", "-", "--format", "csv"], SHOWN),
    (["config", "show", "-X", f"client.id={HOSTILE}"], SHOWN),
    (["tables", "check", "bad.sql"], SHOWN_NAME),
    (["tables", "check", f"{HOSTILE[-9:]}\x1b[5;95m.sql"], "\\u001b[5;95m.sql"),
    (["tables", "explain", "good.sql"], SHOWN_NAME),
    (["tables", "explain", "good.sql", "--format", "mermaid"], SHOWN_NAME),
    (["tables", "show", "good.sql"], SHOWN_NAME),
    (["tables", "show", "good.sql", f"x{NAME}"], f"Did you mean {SHOWN_NAME}"),
    (["broker", "status"], SHOWN),
    (["flink", "list", "--rest", "localhost:1"], SHOWN),
    ([HOSTILE], "No such command"),
    (["run-producer", "--event", f"{HOSTILE}=1"], "is no event"),
]


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize(
    ("arguments", "shown"), COMMANDS, ids=lambda given: " ".join(given[:2]) if isinstance(given, list) else ""
)
def test_a_command_shows_what_it_found_and_a_terminal_obeys_none_of_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], shown: str, terminal: bool
) -> None:
    if terminal:
        on_terminal(monkeypatch)
    outcome = run(*arguments)
    assert "Traceback" not in outcome.err
    assert_harmless(outcome.out + outcome.err)
    assert words(shown) in words(plain(outcome.out + outcome.err))


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "--json", "-b", "x:1"],
        ["groups", "list", "--json"],
        ["groups", "describe", "g", "--json"],
        ["topics", "list", "--json"],
        ["topics", "describe", "t", "--json"],
        ["topics", "tail", "t"],
        ["topics", "export", "t", "-o", "-"],
        ["broker", "status", "--json"],
        ["flink", "list", "--rest", "localhost:1", "--json"],
    ],
    ids=" ".join,
)
def test_json_is_exact(run: Run, arguments: list[str]) -> None:
    outcome = run(*arguments)
    assert_harmless(outcome.out)
    assert HOSTILE in _texts(json.loads(outcome.out))


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in _texts(one)]
    return [text for one in value for text in _texts(one)] if isinstance(value, list) else [value]


def test_an_error_shows_what_it_quotes(run: Run, add: Add) -> None:
    add(ending_with(ClickstreamError(f"Cannot cast {HOSTILE}\nError: made up")))
    outcome = run("probe")
    assert outcome.err == f"Error: Cannot cast {SHOWN}\n  Error: made up\n"


def test_the_embedded_brokers_log_keeps_its_lines(run: Run, mocker: MockerFixture, tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    log.write_text(f"\tat {HOSTILE}\nsecond\n", "utf-8")
    mocker.patch("clickstream.broker.embedded.EmbeddedBroker.status", return_value=replace(BROKER, log_file=log))
    assert run("broker", "logs").out == f"\tat {SHOWN}\nsecond\n"
