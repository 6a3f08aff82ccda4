"""The rows of a stream in event time: what is ahead of its record, what has no time."""

import logging
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import read_again
from clickstream.tables.engine.clock import Clock, Lane
from clickstream.tables.engine.operators.operator import BEGINNING
from clickstream.tables.engine.sources import stream
from clickstream.tables.engine.sources.notices import ENOUGH_ROWS, TimeNotice
from clickstream.tables.engine.sources.stream import StreamRows
from clickstream.tables.sql.check import check
from clickstream.tables.sql.model import Table

NOW = 1_700_000_000_000
DAY = 86_400_000
SQL = """
CREATE TABLE clicks (happened BIGINT, ts AS TO_TIMESTAMP_LTZ(happened, 3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'kafka', 'topic' = 'clicks', 'properties.bootstrap.servers' = 'x', 'format' = 'json',
  'scan.startup.mode' = 'earliest-offset', 'json.ignore-parse-errors' = 'true');
"""


@pytest.fixture
def clicks() -> Table:
    return check(SQL).program.tables["clicks"]


def shown(table: Table, rows: list[tuple[int | None, int]], monkeypatch: pytest.MonkeyPatch) -> tuple[list[Any], int]:
    """Event times that pass, of rows of event time and timestamp; how many were refused."""
    monkeypatch.setattr(stream, read_again.__name__, lambda *_given, stop: [])
    refused: list[str] = []
    clock = Clock(5_000, None)
    clock.lanes[0] = Lane()
    made = StreamRows(Cluster("x"), table, {"ts"}, clock, DAY, lambda *given: refused.append(given[-1]))
    count = len(rows)
    given = pa.table(
        {
            "$p": pa.array([0] * count, pa.int32()),
            "$o": pa.array(range(count), pa.int64()),
            "$ts": pa.array([stamp for _, stamp in rows], pa.int64()),
            "$t": pa.array([time for time, _ in rows], pa.int64()),
        }
    )
    with duckdb.connect() as db:
        db.register("given", given)
        db.execute("CREATE TEMP TABLE decoded AS FROM given")
        number = made.show(db, "decoded", given)
        assert number == len(refused)
        return [time for (time,) in db.execute('SELECT "$t" FROM "batch:clicks:0" ORDER BY "$o"').fetchall()], number


def test_an_event_far_ahead_of_its_record_is_refused(clicks: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(NOW, NOW), (NOW + DAY + 1, NOW), (NOW + DAY, NOW), (None, NOW)]
    assert shown(clicks, rows, monkeypatch) == ([NOW, NOW + DAY, None], 1)


@pytest.mark.parametrize("stamp", [-1, 0])
def test_a_record_without_a_timestamp_is_not_behind_its_event(
    clicks: Table, monkeypatch: pytest.MonkeyPatch, stamp: int
) -> None:
    assert shown(clicks, [(NOW, stamp), (NOW + 2 * DAY, NOW)], monkeypatch) == ([NOW], 1)


def noticed(table: Table, times: list[int], caplog: pytest.LogCaptureFixture, *, last: bool = False) -> list[str]:
    notice = TimeNotice(table)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            notice.look(np.array(times, np.int64), np.full(len(times), NOW))
            notice.speak(last=last)
    return caplog.messages


def test_rows_without_a_time_are_said_once(clicks: Table, caplog: pytest.LogCaptureFixture) -> None:
    (said,) = noticed(clicks, [BEGINNING, NOW] * (ENOUGH_ROWS // 2), caplog)
    assert "500 of 1,000 rows of clicks have no event time (ts is NULL): they are in no window" in said


def test_seconds_taken_for_milliseconds_are_said(clicks: Table, caplog: pytest.LogCaptureFixture) -> None:
    (said,) = noticed(clicks, [NOW // 1000], caplog, last=True)
    assert "1 of 1 rows" in said
    assert "seconds, taken for milliseconds?" in said


def test_few_rows_are_waited_for(clicks: Table, caplog: pytest.LogCaptureFixture) -> None:
    assert noticed(clicks, [BEGINNING], caplog) == []


def test_good_times_are_not_worth_a_word(clicks: Table, caplog: pytest.LogCaptureFixture) -> None:
    assert noticed(clicks, [NOW] * ENOUGH_ROWS, caplog) == []
