"""SIGKILL at random moments, with all tables and streams at work: the results are those of an undisturbed run.

CLICKSTREAM_TEST_SEED repeats the random moments of a run.
"""

import itertools
import os
import random
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.cimpl import NewPartitions
from pytest_mock import MockerFixture

from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from clickstream.tables.engine import timetable
from clickstream.tables.engine.pipeline import Pipeline
from clickstream.tables.engine.sources import source as sources
from clickstream.tables.engine.state.store import Progress, State
from tests.integration import everykind
from tests.integration.librdkafka import admin_of
from tests.integration.support import is_an_error_for_people, make_topic, produce, records, run, running, written
from tests.integration.tablesupport import (
    MINUTES,
    WINDOW_COLUMNS,
    appended,
    at_work,
    click,
    command,
    engine_of,
    generate,
    same_results,
    script,
    shipped,
    state_of,
    stream,
    table,
    tables,
    targets,
    to_end,
    upsert,
)
from tests.support import PATIENCE, wait_until

OPTIONS = ("--idle-timeout", "0")
EARLY = ("--emit", "changes", "--early-interval", "0.2")


@pytest.fixture
def draw() -> random.Random:
    seed = os.environ.get("CLICKSTREAM_TEST_SEED") or str(random.SystemRandom().getrandbits(32))
    print(f"CLICKSTREAM_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.mark.timeout(900 * PATIENCE)
@pytest.mark.parametrize("kills", [1, pytest.param(30, marks=pytest.mark.slow)])
def test_kills_of_the_shipped_file_lose_and_double_nothing(
    kafka: str, topic_name: str, tmp_path: Path, draw: random.Random, kills: int
) -> None:
    source = topic_name
    killed = shipped("clickstream", tmp_path / "killed", source, f"{source}-killed")
    calm = shipped("clickstream", tmp_path / "calm", source, f"{source}-calm")
    generate(kafka, source, "--count", "1", "--seed", "1")
    topics = ["--topic", f"{source}-clickstream"]
    topics += ["--codes-topic", f"{source}-clickstream_codes", "--users-topic", f"{source}-clickstream_users"]
    # What a loaded machine makes of some minutes has to be read twice in the end.
    flow = ["--rate", "1000", "--event-rate", "100", "--seed", "3", "--late", "2", "--late-by", "20s"]
    with running("generate", "web", "-b", kafka, *topics, "--quiet", *flow) as feed:
        streams = [topic for topic, keyed in targets(killed).items() if not keyed]
        for _ in range(kills):
            kill_at_some_moment(kafka, command(kafka, killed, *OPTIONS), streams[0], draw)
        # However soon it was killed: there are windows with more than five errors.
        wait_until(lambda: not feed.running or _written(kafka, f"{source}-clickstream") > 5_000, 60, feed.said)
        assert feed.running, feed.said()
        feed.stop()
    for path in (killed, calm):
        done = tables(kafka, path, *OPTIONS, timeout=300)
        assert done.code == 0, done.said
    same_results(kafka, killed, calm)


@pytest.mark.timeout(900 * PATIENCE)
@pytest.mark.parametrize("kills", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_kills_of_every_kind_of_result_lose_and_double_nothing(
    kafka: str, topic_name: str, tmp_path: Path, draw: random.Random, kills: int
) -> None:
    """With early rows, while references change and topics of sources and of results get partitions."""
    killed = everykind.file_of(tmp_path / "killed", topic_name, f"{topic_name}-killed", "killed")
    calm = everykind.file_of(tmp_path / "calm", topic_name, f"{topic_name}-calm", "calm")
    streams = [name for name, (_, key, _) in everykind.RESULTS.items() if key is None]
    growing = {kills // 3, 2 * kills // 3}
    feed = everykind.Feed(kafka, topic_name, "clickstream-tables-killed", draw)
    try:
        for number in range(kills):
            kill_at_some_moment(
                kafka, command(kafka, killed, *OPTIONS, *EARLY), f"{topic_name}-killed-{draw.choice(streams)}", draw
            )
            if number in growing:
                feed.grow()
                add_partition(kafka, [f"{topic_name}-killed-{name}" for name in streams])
            assert feed.raised is None, feed.raised
        with running(*command(kafka, killed, *OPTIONS, *EARLY)) as part:  # what grows is read
            wait_until(lambda: not feed.grows or not part.running, 120, "new partitions")
            assert part.running, part.said()
    finally:
        feed.end()
    for path, options in ((killed, EARLY), (calm, ())):
        done = tables(kafka, path, *OPTIONS, *options, timeout=600)
        assert done.code == 0, done.said
    wrong = {}
    for name, (_, key, _) in everykind.RESULTS.items():
        topics = [f"{topic_name}-{run}-{name}" for run in ("killed", "calm")]
        if key is None:
            streamed = [stream(kafka, topic) for topic in topics]
            assert streamed[1], name
            if streamed[0] != streamed[1]:
                wrong[name] = f"doubled {some(streamed[0] - streamed[1])}, lost {some(streamed[1] - streamed[0])}"
        else:
            assert not early_rows_left(kafka, topics[0]), name
            kept = [table(kafka, topic) for topic in topics]
            # HAVING may let early rows pass only, and of a few minutes none at all.
            assert kept[1] or written(kafka, topics[0]) or name == "few_t", name
            if kept[0] != kept[1]:
                wrong[name] = some(
                    {
                        one: (kept[0].get(one), kept[1].get(one))
                        for one in kept[0].keys() | kept[1].keys()
                        if kept[0].get(one) != kept[1].get(one)
                    }
                )
    assert not wrong, "\n".join(f"{name}: {how}" for name, how in wrong.items())


def kill_at_some_moment(kafka: str, arguments: list[str], topic: str, draw: random.Random) -> None:
    """Run the command and SIGKILL it: soon after it has written to the topic, or some time after its start."""
    with running(*arguments) as part:
        if draw.random() < 0.7:
            before = _written(kafka, topic)
            wait_until(lambda: _written(kafka, topic) > before or not part.running, 90, part.said)
            threading.Event().wait(draw.uniform(0.0, 0.6))
        else:
            threading.Event().wait(draw.uniform(0.5, 4.0))
        assert part.running, part.said()
        part.kill()


def add_partition(kafka: str, topics: list[str]) -> None:
    cluster = Cluster(kafka)
    admin = admin_of(cluster)
    there = existing(cluster)
    new = [NewPartitions(topic, there[topic] + 1) for topic in topics if topic in there]
    for future in admin.create_partitions(new).values() if new else ():
        future.result()


def early_rows_left(kafka: str, topic: str) -> list[bytes | None]:
    """Keys whose last record is an early row."""
    last = {record.key(): record for record in records(kafka, topic)}
    return [key for key, record in last.items() if record.headers() and record.value() is not None]


def some(found: Mapping[Any, Any]) -> str:
    return f"{len(found)}: {dict(list(found.items())[:5])}"


def _written(kafka: str, topic: str) -> int:
    return written(kafka, topic) if topic in existing(Cluster(kafka)) else 0


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


@pytest.fixture(
    params=[
        pytest.param(0.0, id="closing at every commit"),
        pytest.param(3600.0, id="closing at the end", marks=pytest.mark.slow),
    ]
)
def small_steps(request: pytest.FixtureRequest, mocker: MockerFixture) -> None:
    mocker.patch.object(sources, "BATCH_RECORDS", 500)
    mocker.patch.object(timetable, "COMMIT_EVERY_S_BOUNDED", 0.0)
    mocker.patch.object(timetable, "CLOSE_EVERY_S_BOUNDED", request.param)


@pytest.mark.usefixtures("small_steps")
def test_rows_that_were_acknowledged_before_the_commit_are_not_written_again(
    kafka: str, topic_name: str, tmp_path: Path, mocker: MockerFixture
) -> None:
    """The instant between the broker's acknowledgement and the commit, hit again and again."""
    generate(kafka, topic_name, "--count", "2000", "--seed", "2", "--start", "2026-01-01", "--event-rate", "50")
    path = shipped("clickstream", tmp_path / "one", topic_name, f"{topic_name}-one")
    calm = shipped("clickstream", tmp_path / "calm", topic_name, f"{topic_name}-calm")
    dying(mocker, "clickstream")
    died = 0
    while not _ended(kafka, path):
        died += 1
    assert died >= 2
    mocker.stopall()
    assert tables(kafka, calm).code == 0
    same_results(kafka, path, calm)


@pytest.mark.usefixtures("small_steps")
def test_groups_without_a_window_survive_commits_between_which_nothing_was_closed(
    kafka: str, topic_name: str, tmp_path: Path, mocker: MockerFixture
) -> None:
    make_topic(kafka, topic_name, 2)
    produce(kafka, topic_name, [click(number / 10, ip=f"10.0.0.{number % 7}") for number in range(2500)])
    groups = "INSERT INTO hits SELECT ip, COUNT(*) FROM clicks GROUP BY ip;"
    path = script(tmp_path, topic_name, upsert("hits", "ip STRING, hits BIGINT", "ip"), groups)
    dying(mocker, "clicks")
    died = 0
    while not _ended(kafka, path):
        died += 1
    assert died >= 2
    found = {row["ip"]: row["hits"] for row in table(kafka, f"{topic_name}-hits").values()}
    assert found == {f"10.0.0.{one}": len(range(one, 2500, 7)) for one in range(7)}


def test_rows_that_were_committed_but_not_sent_do_not_wait_for_the_next_record(
    kafka: str, topic_name: str, tmp_path: Path, mocker: MockerFixture
) -> None:
    """Rows of windows in a stream are sent after the commit: a crash may come in between, and silence after it."""
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1), click(70)])
    counted = MINUTES.replace("per_min", "minutes")
    windows = appended("minutes", f"{WINDOW_COLUMNS}, hits BIGINT") + counted[counted.index("INSERT") :]
    path, result = script(tmp_path, topic_name, windows), f"{topic_name}-minutes"
    after_commit = Pipeline.after_commit

    def dies(pipeline: Pipeline, db: Any) -> None:
        if any(one.owes for one in pipeline.results):
            raise Died
        after_commit(pipeline, db)

    mocker.patch.object(Pipeline, "after_commit", dies)
    with pytest.raises(Died), at_work(engine_of(kafka, path)) as work:
        work.until(lambda: False, "its death", timeout=60)
    mocker.stopall()
    assert written(kafka, result) == 0
    for _ in range(2):
        with at_work(engine_of(kafka, path)) as work:
            work.until(lambda: written(kafka, result) == 1, "the row", timeout=60)


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
        state = state_of(kafka, path)
        wait_until(state.exists, 60, what=part.said())
        second = run(*command(kafka, path))
        assert second.code == 1
        assert is_an_error_for_people(second, "Another process runs these tables", "--state-dir")
