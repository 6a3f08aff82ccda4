"""What `tables show` makes of records."""

from collections.abc import Sequence

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, Message

from clickstream.errors import ClickstreamError
from clickstream.tables.looking.rows import RecordReader, Row
from clickstream.tables.sql.check import check
from clickstream.tables.sql.model import Table
from tests.unit.tables.sql.support import KAFKA, TABLES, sink

START_MS = 1_767_225_600_000
RESULTS = sink("userid INT, window_start TIMESTAMP(3), hits BIGINT", key="userid, window_start")
START = b'"window_start":"2026-01-01 00:00:00"'


def reader(sql: str, name: str) -> RecordReader:
    return RecordReader(table(sql, name))


def table(sql: str, name: str) -> Table:
    found = check(sql)
    assert not found.problems, found.render()
    return found.program.tables[name]


def record(value: bytes | None, key: bytes | None = None, headers: Sequence[tuple[str, bytes]] = ()) -> Message:
    return Message(
        topic="t",
        partition=2,
        offset=17,
        value=value,
        key=key,
        headers=list(headers) or None,
        timestamp=(TIMESTAMP_CREATE_TIME, START_MS),
    )


def test_all_columns_of_a_source_with_those_that_are_computed_or_of_the_record() -> None:
    value = (
        b'{"userid":"7","ip":"10.0.0.1","request":null,"status":404,"bytes":9007199254740993,"price":1.5,"ok":true,'
        b'"day_":"2026-01-02","_time":1767225600250,"more":{}}'
    )
    [row] = reader(TABLES, "clicks").rows([record(value, headers=[("a", b"x"), ("b", b"\xff")])])
    assert row == Row(
        (
            *(7, "10.0.0.1", None, 404, 9_007_199_254_740_993, 1.5, True, "2026-01-02"),
            *(START_MS + 250, START_MS + 250, 2, {"a": "x", "b": {"$base64": "/w=="}}),
        ),
        (),
        (START_MS, 2, 17),
    )


def test_a_rows_key_is_its_primary_key() -> None:
    key = b'{"userid":7,%s}' % START
    [row] = reader(RESULTS, "results").rows([record(b'{"userid":7,%s,"hits":3}' % START, key)])
    assert row == Row((7, START_MS, 3), (7, START_MS), (START_MS, 2, 17))


@pytest.mark.parametrize(
    ("headers", "early"),
    [([], False), ([("final", b"0")], True), ([("x", b"1"), ("final", b"0")], True), ([("final", b"1")], False)],
)
def test_a_row_is_early_by_its_header(headers: list[tuple[str, bytes]], early: bool) -> None:
    [row] = reader(RESULTS, "results").rows([record(b'{"userid":7,%s}' % START, b'{"userid":7,%s}' % START, headers)])
    assert row.early == early


def test_a_tombstone_has_its_key_only() -> None:
    [row] = reader(RESULTS, "results").rows([record(None, b'{"userid":7,%s}' % START)])
    assert (row.values, row.key, row.deleted) == ((7, START_MS, None), (7, START_MS), True)


def test_columns_that_are_in_the_key_only() -> None:
    options = f"{KAFKA}, 'key.format' = 'raw', 'key.fields' = 'k_ip', 'key.fields-prefix' = 'k_'"
    columns = "k_ip STRING, hits INT"
    sql = (
        f"CREATE TABLE t ({columns}) WITH ('connector' = 'kafka', 'topic' = 't', {options}, "
        "'value.fields-include' = 'EXCEPT_KEY');"
    )
    assert [row.values for row in reader(sql, "t").rows([record(b'{"hits":1}', b"10.0.0.1")])] == [("10.0.0.1", 1)]


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b"{", b'{"userid":7,%s}' % START),
        (b"[1]", b'{"userid":7,%s}' % START),
        (b'{"userid":"\xff"}', b'{"userid":7,%s}' % START),
        (b'{"userid":7,%s}' % START, b"7"),
        (b'{"userid":7,%s}' % START, None),
        (None, None),
    ],
)
def test_what_is_no_row_is_counted(value: bytes | None, key: bytes | None) -> None:
    found = reader(RESULTS, "results")
    good = record(b'{"userid":7,%s}' % START, b'{"userid":7,%s}' % START)
    assert len(found.rows([record(value, key), good])) == 1
    assert found.unreadable == 1
    assert found.rows([record(value, key)]) == []
    assert found.unreadable == 2


def test_a_record_of_a_kafka_table_without_a_value_is_no_row() -> None:
    found = reader(TABLES, "clicks")
    assert found.rows([record(None)]) == []
    assert found.unreadable == 1


@pytest.mark.parametrize("ms", [START_MS, 569_000_000_000_000], ids=["now", "the year 20000"])
def test_the_records_time_is_a_column(ms: int) -> None:
    user = b'{"user_id":1}'
    message = Message(topic="t", partition=0, offset=1, value=user, key=user, timestamp=(TIMESTAMP_CREATE_TIME, ms))
    [row] = reader(TABLES, "users").rows([message])
    assert (row.values[-1], row.at) == (ms, (ms, 0, 1))


def test_a_computed_column_that_stops_a_run_is_said() -> None:
    sql = f"CREATE TABLE t (a STRING, b AS CAST(a AS INT)) WITH ('connector' = 'kafka', 'topic' = 't', {KAFKA});"
    with pytest.raises(ClickstreamError, match=r"Table t cannot be read: .*x"):
        reader(sql, "t").rows([record(b'{"a":"x"}')])
