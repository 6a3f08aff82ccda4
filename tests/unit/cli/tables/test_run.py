"""What is wrong on the command line of `tables run` is said before Kafka is asked for anything."""

from pathlib import Path

import pytest

from clickstream.kafka.clients import Cluster
from tests.unit.cli.conftest import Outcome, Run
from tests.unit.tables.sql.support import IN_WINDOW, TABLES, sink

COUNTED = (
    sink("window_start TIMESTAMP(3), hits BIGINT", "window_start")
    + f"INSERT INTO results SELECT window_start, COUNT(*) {IN_WINDOW} window_start, window_end;\n"
)


@pytest.fixture(autouse=True)
def _nobody_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(cluster: Cluster) -> None:
        raise AssertionError(f"{cluster.address} was asked")

    monkeypatch.setattr(Cluster, "check", refuse)


def file_of(directory: Path, statements: str) -> str:
    path = directory / "file.sql"
    path.write_text(TABLES + statements)
    return str(path)


def run_tables(run: Run, path: str, *options: str) -> Outcome:
    place = ("-b", "nowhere:1", "--state-dir", str(Path(path).parent / "state"))
    return run("tables", "run", path, *place, "--dead-letter-topic", "file-dead", "--exit-at-end", *options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--memory", "much"], "--memory"),
        (["--memory", "0"], "--memory"),
        (["--idle-timeout", "-1"], "--idle-timeout"),
        (["--early-interval", "0"], "--early-interval"),
        (["--max-ahead", "soon"], "--max-ahead"),
        (["--late-topic", "file-dead"], "--late-topic and --dead-letter-topic"),
        (["--set", "X"], "--set"),
        (["--late-topic", "clicks"], "--late-topic and table clicks"),
    ],
)
def test_wrong_options(run: Run, tmp_path: Path, options: list[str], says: str) -> None:
    done = run_tables(run, file_of(tmp_path, COUNTED), *options)
    assert done.code == 2, done.err
    assert says in done.err
    assert len(done.err.splitlines()) <= 5, "no traceback"


def test_a_file_that_is_wrong_is_shown_with_its_place(run: Run, tmp_path: Path) -> None:
    done = run_tables(run, file_of(tmp_path, COUNTED.replace("COUNT(*)", "COUNTS(ip)")))
    assert done.code == 1
    assert "COUNTS" in done.err
    assert "file.sql:" in done.err


def test_a_file_without_an_insert(run: Run, tmp_path: Path) -> None:
    done = run_tables(run, file_of(tmp_path, ""))
    assert done.code == 2
    assert "file.sql has no INSERT" in done.err
