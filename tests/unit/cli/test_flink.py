"""`clickstream flink`, as far as it goes without Flink."""

import sys
from pathlib import Path

import pytest

from clickstream.config import config_dir
from tests.support import free_port
from tests.unit.cli.conftest import Run
from tests.unit.flink.fakes import serving

GOOD = str(config_dir() / "tables" / "products.sql")


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _as_before: None) -> None:
    monkeypatch.setenv("CLICKSTREAM_STATE_DIR", str(tmp_path))


@pytest.mark.parametrize("command", ["run", "submit"])
def test_without_the_extra(run: Run, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setitem(sys.modules, "sqlglot", None)

    outcome = run("flink", command, GOOD, "-b", "127.0.0.1:9")

    assert outcome.code == 2
    assert outcome.err == "Error: Flink needs sqlglot. Install it: pip install 'clickstream[flink]'\n"


@pytest.mark.parametrize("command", ["run", "submit"])
def test_a_file_with_problems_is_refused_before_anything_starts(run: Run, tmp_path: Path, command: str) -> None:
    bad = tmp_path / "bad.sql"
    bad.write_text("SET 'a' = 'b';\n")

    outcome = run("flink", command, str(bad), "-b", "127.0.0.1:9")

    assert outcome.code == 1
    assert "bad.sql:1:5: Unknown setting a." in outcome.err


@pytest.mark.parametrize("command", ["run", "submit"])
def test_a_file_that_is_not_there(run: Run, command: str) -> None:
    outcome = run("flink", command, "nowhere.sql", "-b", "127.0.0.1:9")

    assert (outcome.code, outcome.err) == (2, "Error: Cannot read nowhere.sql: No such file or directory.\n")


@pytest.mark.parametrize("words", [("list",), ("cancel", "0" * 32), ("submit", GOOD)])
def test_no_cluster_at_the_address(run: Run, words: tuple[str, ...]) -> None:
    address = f"127.0.0.1:{free_port()}"
    outcome = run("flink", *words, "--rest", address)

    assert outcome.code == 1
    assert f"No Flink answers at {address}: Connection refused." in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_an_address_without_a_port(run: Run) -> None:
    outcome = run("flink", "list", "--rest", "localhost")

    assert (outcome.code, outcome.out) == (2, "")
    assert "HOST:PORT is expected" in outcome.err


def test_submit_to_another_flink(run: Run) -> None:
    answer = {"flink-version": "1.20.1", "taskmanagers": 1, "slots-total": 1, "slots-available": 1, "jobs-running": 0}
    with serving(lambda *_: (200, answer)) as server:
        outcome = run("flink", "submit", GOOD, "--rest", server.address)

    assert outcome.code == 1
    assert "is Flink 1.20.1" in outcome.err


def test_list_as_json(run: Run) -> None:
    job = {"jid": "1" * 32, "name": "a.sql", "state": "RUNNING", "start-time": 1000, "duration": 2000}
    with serving(lambda *_: (200, {"jobs": [job]})) as server:
        outcome = run("flink", "list", "--json", "--rest", server.address)

    assert outcome.out == (
        '{"id":"' + "1" * 32 + '","name":"a.sql","state":"RUNNING","started":1.0,"duration":2.0,"failure":""}\n'
    )


def test_a_cluster_that_does_not_run(run: Run) -> None:
    assert (run("flink", "cluster", "status").code, run("flink", "cluster", "stop").err) == (1, "was not running\n")


@pytest.mark.parametrize("path", ["", " "])
def test_a_savepoint_without_a_path_is_refused(run: Run, path: str) -> None:
    outcome = run("flink", "submit", GOOD, "--from", path)

    assert outcome.code == 2
    assert "it is empty" in outcome.err


def test_a_file_that_will_fail_on_flink_is_told_before_it_is_submitted(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "odd.sql"
    file.write_text("SET 'parallelism.default' = 'many';\n" + Path(GOOD).read_text("utf-8"))

    assert "fails on Flink: parallelism.default is 'many'" in run("tables", "check", str(file)).out
    outcome = run("flink", "submit", str(file), "--rest", f"127.0.0.1:{free_port()}")
    assert f"{file}:1: this will fail on Flink: parallelism.default is 'many'" in outcome.err
