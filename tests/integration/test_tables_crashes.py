"""SIGKILL at random moments, with all tables and streams at work: the results are those of an undisturbed run.

CLICKSTREAM_TEST_SEED repeats the random moments of a run.
"""

import itertools
import os
import random
import threading
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from clickstream.tables.engine import engine as engine_module
from clickstream.tables.engine.sources import source as sources
from clickstream.tables.engine.state.store import Progress, State
from tests.integration.support import is_an_error_for_people, make_topic, produce, run, running, written
from tests.integration.tablesupport import (
    at_work,
    click,
    command,
    engine_of,
    generate,
    same_results,
    script,
    shipped,
    table,
    tables,
    targets,
    to_end,
    upsert,
)
from tests.support import wait_until

KILLS = 30
OPTIONS = ("--idle-timeout", "0")


@pytest.fixture
def draw() -> random.Random:
    seed = os.environ.get("CLICKSTREAM_TEST_SEED") or str(random.SystemRandom().getrandbits(32))
    print(f"CLICKSTREAM_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.mark.timeout(600)
def test_thirty_kills_lose_and_double_nothing(kafka: str, topic_name: str, tmp_path: Path, draw: random.Random) -> None:
    source = topic_name
    killed = shipped("clickstream", tmp_path / "killed", source, f"{source}-killed")
    calm = shipped("clickstream", tmp_path / "calm", source, f"{source}-calm")
    generate(kafka, source, "--count", "1", "--seed", "1")
    topics = ["--topic", f"{source}-clickstream"]
    topics += ["--codes-topic", f"{source}-clickstream_codes", "--users-topic", f"{source}-clickstream_users"]
    flow = ["--rate", "4000", "--event-rate", "400", "--seed", "3", "--late", "2", "--late-by", "20s"]
    with running("generate", "web", "-b", kafka, *topics, "--quiet", *flow) as feed:
        streams = [topic for topic, keyed in targets(killed).items() if not keyed]
        for _ in range(KILLS):
            with running(*command(kafka, killed, *OPTIONS)) as part:
                if streams[0] in _existing(kafka):
                    before = written(kafka, streams[0])
                    wait_until(lambda: written(kafka, streams[0]) > before, 30, what=part.said() or "rows")  # noqa: B023
                threading.Event().wait(draw.uniform(0.0, 0.6))
                part.kill()
        assert feed.running, feed.said()
        feed.stop()
    for path in (killed, calm):
        done = tables(kafka, path, *OPTIONS)
        assert done.code == 0, done.said
    same_results(kafka, killed, calm)


def _existing(kafka: str) -> set[str]:
    from clickstream.kafka.clients import Cluster
    from clickstream.topics import existing

    return set(existing(Cluster(kafka)))


class Died(Exception):
    """Instead of a SIGKILL."""


def dying(mocker: MockerFixture, source: str) -> None:
    """Every other transaction that has read on in `source` dies just before its commit."""
    save, commits = State.save, itertools.count(1)

    def dies(state: State, name: str, progress: Progress) -> None:
        before = state.progress(name)
        save(state, name, progress)
        read_on = before is not None and before.lanes != progress.lanes
        if name == source and read_on and next(commits) % 2 == 0:
            raise Died

    mocker.patch.object(State, "save", dies)


@pytest.fixture(params=[0.0, 3600.0], ids=["closing at every commit", "closing at the end"])
def small_steps(request: pytest.FixtureRequest, mocker: MockerFixture) -> None:
    mocker.patch.object(sources, "BATCH_RECORDS", 500)
    mocker.patch.object(engine_module, "COMMIT_EVERY_S_BOUNDED", 0.0)
    mocker.patch.object(engine_module, "CLOSE_EVERY_S_BOUNDED", request.param)


@pytest.mark.usefixtures("small_steps")
def test_rows_that_were_acknowledged_before_the_commit_are_not_written_again(
    kafka: str, topic_name: str, tmp_path: Path, mocker: MockerFixture
) -> None:
    """The instant between the broker's acknowledgement and the commit, hit again and again."""
    generate(kafka, topic_name, "--count", "3000", "--seed", "2", "--start", "2026-01-01", "--event-rate", "50")
    path = shipped("clickstream", tmp_path / "one", topic_name, f"{topic_name}-one")
    calm = shipped("clickstream", tmp_path / "calm", topic_name, f"{topic_name}-calm")
    dying(mocker, "clickstream")
    died = 0
    while not _ended(kafka, path):
        died += 1
    assert died >= 4
    mocker.stopall()
    assert tables(kafka, calm).code == 0
    same_results(kafka, path, calm)


@pytest.mark.usefixtures("small_steps")
def test_groups_without_a_window_survive_commits_between_which_nothing_was_closed(
    kafka: str, topic_name: str, tmp_path: Path, mocker: MockerFixture
) -> None:
    make_topic(kafka, topic_name, 2)
    produce(kafka, topic_name, [click(number / 10, ip=f"10.0.0.{number % 7}") for number in range(4000)])
    groups = "INSERT INTO hits SELECT ip, COUNT(*) FROM clicks GROUP BY ip;"
    path = script(tmp_path, topic_name, upsert("hits", "ip STRING, hits BIGINT", "ip"), groups)
    dying(mocker, "clicks")
    died = 0
    while not _ended(kafka, path):
        died += 1
    assert died >= 3
    found = {row["ip"]: row["hits"] for row in table(kafka, f"{topic_name}-hits").values()}
    assert found == {f"10.0.0.{one}": len(range(one, 4000, 7)) for one in range(7)}


def test_clicks_that_wait_for_the_watermark_are_joined_by_a_run_with_early_rows(
    kafka: str, topic_name: str, tmp_path: Path
) -> None:
    generate(kafka, topic_name, "--count", "600", "--seed", "2", "--start", "2026-01-01", "--event-rate", "50")
    path = shipped("clickstream", tmp_path, topic_name, topic_name)
    with at_work(engine_of(kafka, path)) as work:
        work.until_read(600)
    results = f"{topic_name}-user_clickstream"
    assert written(kafka, results) < 600
    to_end(kafka, path, changes=True)
    assert written(kafka, results) == 600


def _ended(kafka: str, path: Path) -> bool:
    """Runs the file in this process; False when it died on the way."""
    try:
        engine_of(kafka, path, exit_at_end=True).run(threading.Event())
    except Died:
        return False
    return True


def test_a_second_instance_is_refused(kafka: str, topic_name: str, tmp_path: Path) -> None:
    generate(kafka, topic_name, "--count", "10", "--seed", "1")
    path = shipped("clickstream", tmp_path, topic_name, f"{topic_name}-out")
    with running(*command(kafka, path)) as part:
        states = tmp_path / "state" / "tables"
        wait_until(lambda: list(states.glob("*/clickstream/state.duckdb")), 60, what=part.said())
        second = run(*command(kafka, path))
        assert second.code == 1
        assert is_an_error_for_people(second, "Another process runs these tables", "--state-dir")
