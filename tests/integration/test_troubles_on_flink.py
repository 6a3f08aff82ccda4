"""What is said to fail on Flink fails there, or gives no rows; what is not, does not."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import IsolationLevel, TopicPartition

from clickstream.flink import jvm
from clickstream.flink.gateway import Gateway, gateway
from clickstream.flink.rest import Refused
from clickstream.kafka.clients import Cluster
from clickstream.kafka.offsets import LATEST
from tests.integration.flinksupport import need_flink
from tests.integration.support import make_topic, produce, records
from tests.support import PATIENCE, wait_until
from tests.unit.tables.sql.troublecases import FINE, TROUBLES

pytestmark = pytest.mark.slow

SETTINGS = {"execution.target": "local", "table.dml-sync": "true", "restart-strategy.type": "none"}
ROWS = 3
AT_CHECKPOINTS = "shows its rows at checkpoints only"


@contextmanager
def flink_in(directory: Path) -> Iterator[Gateway]:
    need_flink()
    with gateway(jvm.find("auto", lambda _: None), directory) as running:
        yield running


@pytest.fixture(scope="module")
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with flink_in(tmp_path_factory.mktemp("flink")) as running:
        yield running


def run_on_flink(flink: Gateway, kafka: str, sql: str, *, live: bool = False) -> str:
    """Copy rows through the file's table, or under its settings, into the topic of the result. Raises Refused.

    `live`: the job runs on; until the end of its rows otherwise.
    """
    name = f"troubles-{uuid.uuid4().hex[:8]}"
    result = f"{name}-result"
    for topic in (name, result):
        make_topic(kafka, topic, partitions=1)
    produce(kafka, name, [json.dumps({"a": number}).encode() for number in range(ROWS)])
    read = "'scan.startup.mode' = 'earliest-offset'" + ("" if live else ", 'scan.bounded.mode' = 'latest-offset'")
    options = f"'connector' = 'kafka', 'properties.bootstrap.servers' = '{kafka}', 'format' = 'json'"
    keyed = options.replace("= 'kafka'", "= 'upsert-kafka'").replace(
        "'format'", "'key.format' = 'json', 'value.format'"
    )
    is_sink = "'sink." in sql
    sql = sql.replace("'topic' = 't'", f"'topic' = '{result}'" if is_sink else f"'topic' = '{name}', {read}")
    session = flink.session(SETTINGS)
    run = session.start if live else session.execute
    try:
        session.execute(f"CREATE TABLE source (a INT) WITH ({options}, 'topic' = '{name}', {read})")
        session.execute(f"CREATE TABLE target (a INT) WITH ({options}, 'topic' = '{result}')")
        session.execute(
            f"CREATE TABLE counts (a INT PRIMARY KEY NOT ENFORCED, n BIGINT) WITH ({keyed}, 'topic' = '{result}')"
        )
        for statement in filter(None, map(str.strip, sql.replace("'k'", f"'{kafka}'").split(";"))):
            session.execute(statement)
        if "mini-batch" in sql:  # it takes a step that is computed in batches
            run("INSERT INTO counts SELECT a, COUNT(*) FROM source GROUP BY a")
        elif is_sink:
            run("INSERT INTO t SELECT a FROM source")
        else:
            run(f"INSERT INTO target SELECT a FROM {'t' if 'TABLE t' in sql else 'source'}")
    finally:
        if not live:
            session.close()
    return result


def end_with_open_transactions(kafka: str, topic: str) -> int:
    """Where the topic's only partition ends, with what is not committed."""
    place, admin = TopicPartition(topic, 0), Cluster(kafka).admin()
    found = admin.list_offsets({place: LATEST}, isolation_level=IsolationLevel.READ_UNCOMMITTED)
    return int(found[place].result(60 * PATIENCE).offset)


@pytest.mark.parametrize("sql", [sql for sql, words in TROUBLES if AT_CHECKPOINTS not in words])
def test_what_is_said_to_fail_is_refused(flink: Gateway, kafka: str, sql: str) -> None:
    with pytest.raises(Refused):
        run_on_flink(flink, kafka, sql)


@pytest.mark.parametrize("sql", [sql for sql, words in TROUBLES if AT_CHECKPOINTS in words])
def test_without_checkpoints_rows_are_written_and_not_shown(kafka: str, tmp_path: Path, sql: str) -> None:
    with flink_in(tmp_path) as flink:
        result = run_on_flink(flink, kafka, sql, live=True)
        wait_until(lambda: end_with_open_transactions(kafka, result) >= ROWS, 60, "rows of an open transaction")
        assert records(kafka, result) == []


@pytest.mark.parametrize("sql", FINE)
def test_what_is_fine_is_not(flink: Gateway, kafka: str, sql: str) -> None:
    assert len(records(kafka, run_on_flink(flink, kafka, sql))) == ROWS
