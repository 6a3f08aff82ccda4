"""Rows as records: their order, NULLs, what is there already."""

import json
from collections import Counter
from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError
from clickstream.kafka.produce import Sender
from clickstream.tables.engine.writing.encode import Encoder
from clickstream.tables.engine.writing.form import Form
from clickstream.tables.engine.writing.sending import CHUNK, Outgoing
from clickstream.tables.sql.check import check

SCRIPT = """
CREATE TABLE clicks (ip STRING, src_partition INT METADATA FROM 'partition' VIRTUAL,
  src_offset BIGINT METADATA FROM 'offset' VIRTUAL) WITH (
  'connector' = 'kafka', 'topic' = 'clicks', 'scan.startup.mode' = 'earliest-offset',
  'properties.bootstrap.servers' = 'x', 'format' = 'json');
CREATE TABLE copies (ip STRING NOT NULL, src_partition INT, src_offset BIGINT) WITH (
  'connector' = 'kafka', 'topic' = 'copies', 'properties.bootstrap.servers' = 'x', 'format' = 'json');
INSERT INTO copies SELECT ip, src_partition, src_offset FROM clicks;
"""

KEYED = """
CREATE TABLE clicks (ip STRING) WITH ('connector' = 'kafka', 'topic' = 'clicks', 'scan.startup.mode' =
  'earliest-offset', 'properties.bootstrap.servers' = 'x', 'format' = 'json');
CREATE TABLE keyed (a BIGINT, b STRING, c INT NOT NULL, d INT, PRIMARY KEY (a, b) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'keyed', 'properties.bootstrap.servers' = 'x', 'key.format' = 'json',
  'value.format' = 'json');
SET 'table.exec.sink.require-on-conflict' = 'false';
INSERT INTO keyed (a, b) SELECT CHAR_LENGTH(ip), UPPER(ip) FROM clicks;
"""


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        yield made


class Sent:
    """An Outgoing, and the values that it has sent."""

    def __init__(self, mocker: MockerFixture, script: str = SCRIPT, *, drops: bool = False) -> None:
        self.values: list[str] = []
        sender = mocker.create_autospec(Sender, instance=True)
        sender.send_batch.side_effect = lambda _topic, rows: self.values.extend(row["value"] for row in rows)
        insert = check(script).program.inserts[0]
        encoder = Encoder(insert.target, insert.plan.fields, insert.columns)
        self.outgoing = Outgoing(insert, encoder, Form(), sender, drops=drops)

    @property
    def places(self) -> list[tuple[int, int]]:
        found = map(json.loads, self.values)
        return [(row["src_partition"], row["src_offset"]) for row in found]


def rows(places: list[tuple[int, int]], ip: str | None = "1.1.1.1") -> pa.Table:
    partitions, offsets = [one for one, _ in places], [one for _, one in places]
    return pa.table(
        {
            "ip": pa.array([ip] * len(places), pa.string()),
            "src_partition": pa.array(partitions, pa.int32()),
            "src_offset": pa.array(offsets, pa.int64()),
            "$p": pa.array(partitions, pa.int32()),
            "$o": pa.array(offsets, pa.int64()),
        }
    )


def test_rows_of_a_partition_go_out_in_the_order_of_their_offsets(
    db: duckdb.DuckDBPyConnection, mocker: MockerFixture
) -> None:
    mixed = [(1, 9), (0, 3), (1, 7), (0, 2), (1, 8)]
    sent = Sent(mocker)
    sent.outgoing.rows(db, rows(mixed), ordered=True)
    assert sent.places == sorted(mixed)
    assert sent.outgoing.written == 5


def test_rows_that_are_in_order_stay_as_they_are(db: duckdb.DuckDBPyConnection, mocker: MockerFixture) -> None:
    fine = [(1, 7), (0, 2), (1, 7), (1, 8), (0, 3)]
    sent = Sent(mocker)
    sent.outgoing.rows(db, rows(fine), ordered=True)
    assert sent.places == fine


def test_many_rows_go_out_in_chunks_and_none_is_left(db: duckdb.DuckDBPyConnection, mocker: MockerFixture) -> None:
    count = 2 * CHUNK + 1
    sent = Sent(mocker)
    sent.outgoing.rows(db, rows([(0, offset) for offset in range(count)]), ordered=True)
    assert [offset for _, offset in sent.places] == list(range(count))
    assert (sent.outgoing.written, sent.outgoing.unmarked) == (count, True)


def test_rows_that_are_there_already_are_skipped_once(db: duckdb.DuckDBPyConnection, mocker: MockerFixture) -> None:
    sent = Sent(mocker)
    there = sent.outgoing.written_rows
    there.add({(partition, offset, None, b""): 1 for partition, offset in [(1, 9), (0, 2), (0, 3)]})
    sent.outgoing.rows(db, rows([(0, 2)]), ordered=True)
    # Also when nothing was written: what is there must be known to the state before it is forgotten here.
    assert (sent.outgoing.unmarked, set(there.left())) == (True, {(1, 9, None, b""), (0, 3, None, b"")})
    sent.outgoing.rows(db, rows([(0, 1), (0, 3), (0, 4)]), ordered=True)
    sent.outgoing.rows(db, rows([(0, 2), (1, 9)]), ordered=True)
    assert Counter(offset for _, offset in sent.places) == {1: 1, 2: 1, 4: 1}
    assert not there


def test_a_null_where_none_may_be_stops_the_run_and_names_it(
    db: duckdb.DuckDBPyConnection, mocker: MockerFixture
) -> None:
    sent = Sent(mocker)
    with pytest.raises(ClickstreamError) as refusal:
        sent.outgoing.rows(db, pa.concat_tables([rows([(0, 6)]), rows([(0, 7), (0, 8)], ip=None)]), ordered=True)
    assert str(refusal.value) == (
        "INSERT INTO copies (line 8): ip of copies must not be NULL: "
        '{"ip": null, "src_partition": 0, "src_offset": 7}. '
        "SET 'table.exec.sink.not-null-enforcer' = 'DROP' leaves such rows out."
    )


def test_a_null_in_a_key_is_told_by_the_names_of_the_target(
    db: duckdb.DuckDBPyConnection, mocker: MockerFixture
) -> None:
    sent = Sent(mocker, KEYED)
    found = pa.table(
        {name: pa.array([value]) for name, value in {"expr$0:f": 3, "expr$1:f": None, "$p": 0, "$o": 7}.items()}
    )
    with pytest.raises(ClickstreamError) as refusal:
        sent.outgoing.rows(db, found, ordered=True)
    assert 'b and c of keyed must not be NULL: {"a": 3, "b": null, "c": null, "d": null}.' in str(refusal.value)


def test_such_rows_can_be_left_out_and_are_counted(db: duckdb.DuckDBPyConnection, mocker: MockerFixture) -> None:
    sent = Sent(mocker, drops=True)
    sent.outgoing.rows(db, pa.concat_tables([rows([(0, 1)], ip=None), rows([(0, 2)])]), ordered=True)
    assert (sent.places, sent.outgoing.dropped, sent.outgoing.written) == ([(0, 2)], 1, 1)
