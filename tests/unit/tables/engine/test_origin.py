"""Whether the rows of a result say which record they come from."""

import pytest

from clickstream.tables.engine.writing.origin import origin_columns
from clickstream.tables.sql.check import check
from tests.unit.tables.sql.support import TABLES, sink

WITH_OFFSET = TABLES.replace(
    "headers MAP<STRING, BYTES> METADATA VIRTUAL", "src_offset BIGINT METADATA FROM 'offset' VIRTUAL"
)
JOINED = (
    "CREATE TEMPORARY VIEW v AS SELECT u.name AS who, c.src_partition AS part, c.src_offset AS place "
    "FROM clicks AS c LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c.userid = u.user_id;"
)


def origin(sql: str, columns: str = "a STRING, p INT, o BIGINT") -> tuple[str, str] | None:
    found = check(WITH_OFFSET + sink(columns) + sql)
    assert not found.problems, found.render()
    return origin_columns(found.program.inserts[0])


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO results SELECT ip, src_partition, src_offset FROM clicks WHERE ok;",
        "INSERT INTO results (o, p) SELECT src_offset, src_partition FROM clicks;",
        f"{JOINED} INSERT INTO results SELECT who, part, place FROM v;",
    ],
    ids=["select", "named", "join in a view"],
)
def test_partition_and_offset_that_go_through(sql: str) -> None:
    assert origin(sql) == ("p", "o")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO results (a, p) SELECT ip, src_partition FROM clicks;",
        "INSERT INTO results SELECT ip, src_partition + 0, src_offset FROM clicks;",
        "INSERT INTO results SELECT ip, status, bytes_ FROM (SELECT ip, status, `bytes` AS bytes_ FROM clicks);",
        "INSERT INTO results SELECT ip, src_partition, src_offset FROM clicks "
        "UNION ALL SELECT request, src_partition, src_offset FROM clicks;",
    ],
    ids=["one only", "computed", "others", "union"],
)
def test_what_does_not_tell_rows_apart(sql: str) -> None:
    assert origin(sql) is None
