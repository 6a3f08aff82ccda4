"""Only the columns that a result needs are read."""

import pytest

from clickstream.tables.engine.needs import Needs
from tests.unit.tables.sql.support import checked, sink


def needs(sql: str) -> Needs:
    found = checked(sql)
    assert not found.problems, found.render()
    return Needs(found.program)


WINDOW = "window_start TIMESTAMP(3), window_end TIMESTAMP(3)"


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        (sink("ip STRING") + "INSERT INTO results SELECT ip FROM clicks WHERE status > 1;", {"ip", "status"}),
        (sink("n INT") + "INSERT INTO results SELECT CHAR_LENGTH(request) FROM clicks;", {"request"}),
        (
            sink(f"{WINDOW}, n BIGINT")
            + "INSERT INTO results SELECT window_start, window_end, COUNT(*) FILTER (WHERE ok) "
            "FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;",
            {"ts", "ok"},
        ),
        (
            sink("a STRING") + "INSERT INTO results SELECT ip FROM clicks UNION ALL SELECT request FROM clicks;",
            {"ip", "request"},
        ),
        (
            sink("a STRING") + "CREATE TEMPORARY VIEW v AS SELECT ip, request AS y FROM clicks;"
            "INSERT INTO results SELECT y FROM v;",
            {"request"},
        ),
    ],
    ids=["where", "function", "window", "union", "view"],
)
def test_columns_of_a_stream(sql: str, columns: set[str]) -> None:
    found = needs(sql)
    assert found.tables["clicks"] == columns
    assert (found.streams, found.references) == (["clicks"], [])


def test_a_join_needs_its_keys_and_time() -> None:
    found = needs(
        sink("level STRING") + "INSERT INTO results SELECT u.level FROM clicks AS c "
        "LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c.userid = u.user_id;"
    )
    assert found.tables == {"clicks": {"ts", "userid"}, "users": {"user_id", "level"}}
    assert (found.streams, found.references) == (["clicks"], ["users"])


def test_a_view_has_what_all_of_its_readers_need() -> None:
    found = needs(
        sink("a STRING")
        + sink("b INT").replace("results", "others")
        + "CREATE TEMPORARY VIEW v AS SELECT ip, status, request FROM clicks;"
        "INSERT INTO results SELECT ip FROM v; INSERT INTO others SELECT status FROM v;"
    )
    assert (found.readers["v"], found.views["v"]) == (2, {"ip", "status"})
    assert found.tables["clicks"] == {"ip", "status"}
