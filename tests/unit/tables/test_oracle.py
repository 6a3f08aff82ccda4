"""The differential tests' oracle against cases that are computed by hand."""

import json
from collections import Counter
from typing import Any

import pytest

from tests.differential.oracle import NullKey
from tests.differential.outcome import Appends, Expected, Upserts
from tests.differential.relations import Floor
from tests.differential.rows import Record
from tests.unit.tables.oraclesupport import (
    CUMULATE,
    DROP,
    HOP,
    SESSION,
    TUMBLE,
    aggregate,
    click,
    counted,
    log,
    outcome,
    rows,
    user,
)
from tests.unit.tables.sql.support import sink

# --- windows


def test_a_window_ends_before_its_end() -> None:
    found = counted(TUMBLE, log(click(0), click(9_999), click(10_000)))

    assert found == {("00", "10"): 2, ("10", "20"): 1}


def test_hopping_windows_overlap() -> None:
    assert counted(HOP, log(click(5_000), click(9_999))) == {("00", "10"): 2, ("05", "15"): 2}


def test_cumulating_windows_grow() -> None:
    found = counted(CUMULATE, log(click(4_999), click(5_000), click(15_000)))

    assert found == {
        ("00", "05"): 1,
        ("00", "10"): 2,
        ("00", "15"): 2,
        ("15", "20"): 1,
        ("15", "25"): 1,
        ("15", "30"): 1,
    }


@pytest.mark.parametrize(("newest", "kept"), [(14_998, 2), (14_999, 1)])
def test_a_row_is_late_when_the_watermark_is_the_window_s_last_moment(newest: int, kept: int) -> None:
    found = counted(TUMBLE, log(click(9_000), click(newest), click(9_000)))

    assert found[("00", "10")] == kept


def test_a_late_row_counts_in_those_of_its_windows_that_are_open() -> None:
    found = counted(HOP, log(click(20_000), click(12_000)))

    assert found == {("15", "25"): 1, ("20", "30"): 1, ("10", "20"): 1}


def test_a_row_that_no_window_takes_is_noted() -> None:
    sql = f"SELECT window_start, COUNT(*) FROM TABLE({TUMBLE}) GROUP BY window_start, window_end"
    found = outcome(
        sink("s TIMESTAMP(3), n BIGINT") + f"INSERT INTO results {sql};", log(click(0), click(30_000), click(1))
    )

    assert found.late == {"results": {("clicks", 0, 2)}}


def test_lateness_is_by_the_row_s_own_partition() -> None:
    one = log(click(30_000), click(0))
    other = log(click(1), partition=1)

    assert counted(TUMBLE, [*one, *other]) == {("30", "40"): 1, ("00", "10"): 1}


def test_windows_skip_rows_without_a_time() -> None:
    assert counted(TUMBLE, log(click(0), click(None))) == {("00", "10"): 1}


# --- sessions


def test_sessions_that_touch_are_one() -> None:
    assert counted(SESSION, log(click(0), click(10_000))) == {("00", "20"): 2}


def test_sessions_further_apart_than_the_gap_are_two() -> None:
    assert counted(SESSION, log(click(0), click(10_001))) == {("00", "10"): 1, ("10.001", "20.001"): 1}


def test_a_late_comer_joins_two_sessions() -> None:
    assert counted(SESSION, log(click(0), click(12_000), click(6_000))) == {("00", "22"): 3}


def test_a_row_late_by_itself_counts_in_an_open_session() -> None:
    # The watermark is at 20 s: alone the last row's session would end at 14 s.
    found = counted(SESSION, log(click(14_000), click(25_000), click(4_000)))

    assert found == {("04", "24"): 2, ("25", "35"): 1}


def test_a_row_that_touches_a_closed_session_is_late() -> None:
    found = counted(SESSION, log(click(3_000), click(25_000), click(4_000)))

    assert found == {("03", "13"): 1, ("25", "35"): 1}


def test_rows_of_several_partitions_come_to_sessions_by_their_watermarks() -> None:
    # Partition 0 closes the session of 0 s before partition 1 has seen anything; its row joins it nevertheless.
    one = log(click(0), click(25_000), click(0))
    other = log(click(5_000), partition=1)

    assert counted(SESSION, [*one, *other]) == {("00", "15"): 2, ("25", "35"): 1}
    assert counted(SESSION, [*other, *one]) == {("00", "15"): 2, ("25", "35"): 1}


# --- silence, and several tables


TAPS = (
    "CREATE TABLE taps (`_time` BIGINT, ts AS TO_TIMESTAMP_LTZ(`_time`, 3), "
    "WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) WITH ('connector' = 'kafka', 'topic' = 'taps', "
    "'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json', "
    "'scan.startup.mode' = 'earliest-offset');"
    "CREATE TEMPORARY VIEW together AS SELECT `_time`, ts FROM clicks UNION ALL SELECT `_time`, ts FROM taps;"
)


def of_both(clicks: list[Record], taps: list[Record], *floors: Floor) -> Expected:
    """Rows of each window of two tables together, by the second at which it starts."""
    window = "TABLE(TUMBLE(TABLE together, DESCRIPTOR(ts), INTERVAL '10' SECOND))"
    sql = f"INSERT INTO results SELECT window_start, COUNT(*) FROM {window} GROUP BY window_start, window_end;"
    return outcome(sink("s TIMESTAMP(3), n BIGINT") + TAPS + sql, clicks, (), floors, taps=taps)


def starts(found: Expected) -> dict[str, int]:
    made = found.tables["results"]
    assert isinstance(made, Appends)
    return {row["s"][17:]: row["n"] for row in (json.loads(value) for _, value in made.rows.elements())}


def test_rows_of_two_tables_are_judged_by_their_own_tables_delays() -> None:
    found = of_both(log(click(13_000), click(9_000)), log(click(13_000), click(9_000)))

    assert starts(found) == {"00": 1, "10": 2}
    assert found.late == {"results": {("taps", 0, 1)}}


def test_what_closed_in_silence_is_closed_for_what_is_read_from_then_on() -> None:
    silence = Floor(frozenset({"clicks", "taps"}), 9_999, {("clicks", 0): 1})
    found = of_both(log(click(1_000), click(2_000), click(10_000)), log(click(3_000)), silence)

    assert starts(found) == {"00": 1, "10": 1}
    assert found.late == {"results": {("clicks", 0, 1), ("taps", 0, 0)}}


def test_what_one_table_closed_is_closed_for_its_own_rows_only() -> None:
    silence = Floor(frozenset({"clicks"}), 9_999, {})
    found = of_both(log(click(1_000)), log(click(3_000)), silence)

    assert starts(found) == {"00": 1}
    assert found.late == {"results": {("clicks", 0, 0)}}


def test_a_session_that_closed_by_the_wall_clock_takes_no_row_any_more() -> None:
    sql = f"SELECT window_start, COUNT(*) FROM TABLE({SESSION}) GROUP BY window_start, window_end"
    table = sink("s TIMESTAMP(3), n BIGINT")
    silence = Floor(frozenset({"clicks"}), 9_999, {("clicks", 0): 1})
    found = outcome(f"{table}INSERT INTO results {sql};", log(click(0), click(0), click(5_000)), (), (silence,))

    assert starts(found) == {"00": 1, "05": 1}
    assert found.late == {"results": {("clicks", 0, 1)}}


def test_sessions_have_their_own_rows() -> None:
    columns = "ip STRING, n BIGINT"
    session = "SESSION(TABLE clicks PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '10' SECOND)"
    sql = f"SELECT ip, COUNT(*) FROM TABLE({session}) GROUP BY ip, window_start, window_end"
    clicks = log(click(0, ip="a"), click(1, ip="b"), click(5_000, ip="a"), click(6_000))

    found = rows(sink(columns) + f"INSERT INTO results {sql};", clicks)

    assert sorted(found, key=str) == [{"ip": "a", "n": 2}, {"ip": "b", "n": 1}, {"ip": None, "n": 1}]


# --- aggregates


@pytest.mark.parametrize(
    ("what", "kind", "expected"),
    [
        ("COUNT(*)", "BIGINT", 4),
        ("COUNT(status)", "BIGINT", 3),
        ("COUNT(DISTINCT status)", "BIGINT", 2),
        ("SUM(status)", "INT", 5),
        ("SUM(DISTINCT status)", "INT", 3),
        ("AVG(status)", "INT", 1),
        ("AVG(price)", "DOUBLE", 0.5),
        ("SUM(price)", "DOUBLE", 1.0),
        ("SUM(`bytes`)", "BIGINT", None),
        ("COUNT(*) FILTER (WHERE status = 2)", "BIGINT", 2),
        ("MAX(price) FILTER (WHERE status > 5)", "DOUBLE", None),
        ("MIN(ip)", "STRING", "a"),
        ("MAX(ts)", "TIMESTAMP_LTZ(3)", "1970-01-01 00:00:03Z"),
    ],
)
def test_aggregates(what: str, kind: str, expected: Any) -> None:
    clicks = (
        click(0, status=1, price=0.25, ip="b"),
        click(1, status=2, price=0.75),
        click(2, status=2, ip="a"),
        click(3_000),
    )

    assert aggregate(what, kind, *clicks) == expected


@pytest.mark.parametrize(("statuses", "average"), [((3, 4), 3), ((-3, -4), -3)])
def test_the_average_of_whole_numbers_is_cut(statuses: tuple[int, int], average: int) -> None:
    assert aggregate("AVG(status)", "INT", *(click(0, status=status) for status in statuses)) == average


def test_groups_without_a_window_are_as_they_are_in_the_end() -> None:
    sql = "INSERT INTO results SELECT ip, COUNT(*) FROM clicks GROUP BY ip HAVING COUNT(*) < 2;"

    found = rows(sink("ip STRING, n BIGINT", "ip") + sql, log(click(0, ip="a"), click(0, ip="a"), click(0, ip="b")))

    assert found == [{"ip": "b", "n": 1}]


# --- first rows


def test_the_first_rows_of_a_window_in_order() -> None:
    sql = (
        "SELECT ip, place FROM (SELECT ip, window_start, window_end, ROW_NUMBER() OVER (PARTITION BY window_start, "
        f"window_end ORDER BY price DESC, ip) AS place FROM TABLE({TUMBLE})) WHERE place <= 3"
    )
    clicks = log(click(0, ip="none"), click(0, ip="b", price=1.0), click(0, ip="a", price=1.0), click(0, price=9.0))

    found = rows(sink("ip STRING, place BIGINT") + f"INSERT INTO results {sql};", clicks)

    assert {row["place"]: row["ip"] for row in found} == {1: None, 2: "a", 3: "b"}


def test_the_first_row_of_a_key_is_the_earliest_that_is_not_late() -> None:
    sql = (
        "SELECT ip, status FROM (SELECT ip, status, ROW_NUMBER() OVER (PARTITION BY ip ORDER BY ts) AS place "
        "FROM clicks) WHERE place = 1"
    )
    clicks = log(
        click(12_000, ip="a", status=1),
        click(7_000, ip="a", status=2),  # as old as the watermark
        click(7_000, ip="a", status=3),
        click(6_999, ip="a", status=4),
    )

    found = rows(sink("ip STRING, status INT") + f"INSERT INTO results {sql};", clicks)

    assert found == [{"ip": "a", "status": 2}]


# --- joins and unions


@pytest.mark.parametrize(
    ("time", "name"), [(999, None), (1_000, "one"), (1_999, "one"), (2_000, None), (3_000, "three"), (9_000, "three")]
)
def test_a_join_finds_what_was_known_at_the_row_s_time(time: int, name: str | None) -> None:
    users = (user(1_000, 7, "one"), user(2_000, 7, None), user(3_000, 7, "three"), user(0, 8, "other"))
    found = {
        kind: rows(
            sink("name STRING") + f"INSERT INTO results SELECT u.name FROM clicks AS c {kind} "
            "users FOR SYSTEM_TIME AS OF c.ts AS u ON c.userid = u.user_id;",
            log(click(time, userid=7)),
            users,
        )
        for kind in ("LEFT JOIN", "JOIN")
    }

    assert found == {"LEFT JOIN": [{"name": name}], "JOIN": [{"name": name}] if name else []}


def test_late_rows_pass_streams() -> None:
    found = rows(sink("ip STRING") + "INSERT INTO results SELECT ip FROM clicks;", log(click(90_000), click(0, ip="a")))

    assert {"ip": "a"} in found


def test_unions_widen() -> None:
    sql = "INSERT INTO results SELECT status FROM clicks UNION ALL SELECT price FROM clicks;"
    made = outcome(sink("x DOUBLE") + sql, log(click(0, status=1, price=0.5))).tables["results"]

    assert made == Appends(Counter({("null", '{"x": 1.0}'): 1, ("null", '{"x": 0.5}'): 1}))


# --- keys


def test_the_last_row_of_a_key_stays() -> None:
    sql = sink("ip STRING, status INT", "ip") + "INSERT INTO results SELECT ip, status FROM clicks;"
    made = outcome(sql, log(click(0, ip="a", status=1), click(0, ip="a", status=2))).tables["results"]

    assert made == Upserts({'{"ip": "a"}': '{"ip": "a", "status": 2}'})


def test_a_row_without_its_key_is_dropped_or_stops_the_run() -> None:
    sql = sink("ip STRING, status INT", "ip") + "INSERT INTO results SELECT ip, status FROM clicks;"

    assert rows(DROP + sql, log(click(0, status=1))) == []
    with pytest.raises(NullKey, match="ip of results"):
        rows(sql, log(click(0, status=1)))


# --- comparing
