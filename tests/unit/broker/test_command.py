"""`clickstream broker ...`, with the broker made up here."""

import json
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from click.testing import CliRunner, Result
from pytest_mock import MockerFixture

from clickstream.broker import BrokerStatus
from clickstream.cli import broker as module
from clickstream.cli import clickstream

STOPPED = BrokerStatus(
    state="stopped",
    address=None,
    pid=None,
    supervisor_pid=None,
    pinned=False,
    data_dir=Path("/state/data"),
    log_file=Path("/state/kafka.log"),
    kafka_version="4.3.1",
    cluster_id=None,
    java=None,
    started_at=None,
    restarts=0,
    error=None,
    disk_used=8_100_000_000,
    disk_bound=10_000_000_000,
)
RUNNING = replace(
    STOPPED, state="running", address="127.0.0.1:9092", pid=7, supervisor_pid=6, pinned=True, started_at=0.0, restarts=2
)


@pytest.fixture(autouse=True)
def status(mocker: MockerFixture) -> None:
    tell(mocker, RUNNING)


def tell(mocker: MockerFixture, status: BrokerStatus) -> None:
    mocker.patch("clickstream.broker.embedded.EmbeddedBroker.status", return_value=status)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(clickstream, ["broker", *arguments])


def test_status_prints_the_address_and_what_else_matters() -> None:
    result = run("status")
    assert result.exit_code == 0
    rows = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert rows["address"] == "127.0.0.1:9092"
    assert rows["state"].startswith("running, pinned")
    assert rows["process"] == "7 (supervisor 6)"
    assert rows["disk"] == "8.1 of 10 GB (81%)"


def test_status_of_a_stopped_broker_is_an_exit_code_too(mocker: MockerFixture) -> None:
    tell(mocker, STOPPED)
    result = run("status")
    assert result.exit_code == 1
    assert "state     stopped" in result.stdout
    assert "address" not in result.stdout


def test_status_says_why_it_failed(mocker: MockerFixture) -> None:
    tell(mocker, replace(STOPPED, state="failed", error="the disk is full"))
    assert "error     the disk is full" in run("status").stdout


def test_status_as_json_has_every_field() -> None:
    found = json.loads(run("status", "--json").stdout)
    assert found["address"] == "127.0.0.1:9092"
    assert found["data_dir"] == "/state/data"
    assert set(found) == set(BrokerStatus.__dataclass_fields__)


def test_start_prints_the_address_alone_on_stdout(mocker: MockerFixture) -> None:
    mocker.patch("clickstream.broker.embedded.EmbeddedBroker.start", return_value="127.0.0.1:9092")
    assert run("start").stdout == "127.0.0.1:9092\n"


@pytest.mark.parametrize(("was_running", "said"), [(True, "stopped\n"), (False, "was not running\n")])
def test_stop_says_whether_there_was_something_to_stop(mocker: MockerFixture, was_running: bool, said: str) -> None:
    stop = mocker.patch("clickstream.broker.embedded.EmbeddedBroker.stop", return_value=was_running)
    result = run("stop", "--force")
    assert (result.exit_code, result.stderr) == (0, said)
    stop.assert_called_once_with(force=True)


def test_logs_prints_the_last_lines(mocker: MockerFixture, tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    log.write_text("one\ntwo\nthree\n")
    tell(mocker, replace(RUNNING, log_file=log))
    assert run("logs", "-n", "2").stdout == "two\nthree\n"


def test_logs_before_the_first_start_is_an_error(mocker: MockerFixture, tmp_path: Path) -> None:
    tell(mocker, replace(STOPPED, log_file=tmp_path / "none"))
    result = run("logs")
    assert result.exit_code != 0
    assert "has not run here" in str(result.exception)


def test_following_goes_on_across_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    log.write_text("old\nlast\n")
    stop = Event()
    lines = module._tail(log, 1, stop)
    assert next(lines) == "last\n"
    with log.open("a") as file:
        file.write("added\n")
    assert next(lines) == "added\n"
    log.rename(tmp_path / "kafka.log.1")
    log.write_text("after\n")
    assert next(lines) == "after\n"
    stop.set()
    assert list(lines) == []
