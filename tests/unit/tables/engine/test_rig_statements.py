"""What of a state remains when the file changes."""

import logging
from pathlib import Path

import pytest

from clickstream.errors import ClickstreamError
from clickstream.tables.engine.rig import Rig
from tests.unit.tables.engine.rigs import SETTINGS, WINDOW, appended, reference, row, source, upsert, windows

TABLES = SETTINGS + source("clicks") + reference("users", "ip STRING, name STRING, city STRING", "ip")
PER_IP = upsert("per_ip", f"ip STRING, {WINDOW}, n BIGINT", "ip, window_start")
SUMS = upsert("sums", f"ip STRING, {WINDOW}, total INT", "ip, window_start")
COUNT_IP = (
    f"INSERT INTO per_ip SELECT ip, window_start, window_end, COUNT(*) FROM {windows('clicks')} "
    "GROUP BY ip, window_start, window_end;\n"
)
SUM_N = (
    f"INSERT INTO sums SELECT ip, window_start, window_end, SUM(n) FROM {windows('clicks')} "
    "GROUP BY ip, window_start, window_end;\n"
)
NAMED = (
    appended("named", "ip STRING, name STRING")
    + "INSERT INTO named SELECT c.ip, u.name FROM clicks AS c LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u "
    "ON c.ip = u.ip;\n"
)
CITIES = (
    appended("cities", "ip STRING, n INT, city STRING")
    + "INSERT INTO cities SELECT c.ip, c.n, u.city FROM clicks AS c LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u "
    "ON c.ip = u.ip;\n"
)


def test_inserts_exchanged_in_the_file_keep_their_own_state(tmp_path: Path) -> None:
    with Rig(TABLES + PER_IP + SUMS + COUNT_IP + SUM_N, tmp_path) as rig:
        rig.put("clicks", 0, row(1, n=5), row(2, n=6), row(3, ip="b", n=7))
        rig.step()
        rig.restart(TABLES + SUMS + PER_IP + SUM_N + COUNT_IP)
        rig.put("clicks", 0, row(4, n=1))
        rig.finish()
    assert {found["ip"]: found["n"] for found in rig.table("per_ip").values()} == {"a": 3, "b": 1}
    assert {found["ip"]: found["total"] for found in rig.table("sums").values()} == {"a": 12, "b": 7}


def test_two_statements_that_look_alike_keep_their_own_state(tmp_path: Path) -> None:
    """Their operators differ in a condition only: each must find its own rows again."""
    high = upsert("high", f"ip STRING, {WINDOW}, n BIGINT", "ip, window_start")
    count_high = COUNT_IP.replace("per_ip", "high").replace(windows("clicks"), windows("many"))
    view = "CREATE VIEW many AS SELECT * FROM clicks WHERE n > 5;\n"
    with Rig(TABLES + view + PER_IP + high + COUNT_IP + count_high, tmp_path) as rig:
        rig.put("clicks", 0, row(1, n=5), row(2, n=6))
        rig.step()
        rig.restart(TABLES + PER_IP + high + view + count_high + COUNT_IP)
        rig.put("clicks", 0, row(3, n=1), row(4, n=7))
        rig.finish()
    assert [found["n"] for found in rig.table("per_ip").values()] == [4]
    assert [found["n"] for found in rig.table("high").values()] == [2]


def test_inserts_exchanged_that_read_a_view_of_several_groupings_keep_its_state(tmp_path: Path) -> None:
    """The view's groups are computed once, whichever statement comes first, and each INSERT has one of its own."""
    view = f"CREATE VIEW hits AS {counted('clicks', 10)} UNION ALL {counted('clicks', 5)};\n"
    view += "CREATE VIEW again AS SELECT ip, n, window_start, window_end FROM hits WHERE n > 0;\n"
    few, many = (
        upsert(name, f"ip STRING, n BIGINT, {WINDOW}", "ip, window_start, window_end")
        + f"INSERT INTO {name} SELECT * FROM {read} UNION ALL {counted('clicks', size)};\n"
        for name, read, size in (("few", "hits", 20), ("many", "again", 40))
    )
    with Rig(TABLES + view + few + many, tmp_path) as rig:
        rig.put("clicks", 0, row(1, n=1), row(2, n=1))
        rig.step()
        rig.restart(TABLES + view + many + few)
        rig.put("clicks", 0, row(3, n=1), row(4, n=1))
        rig.finish()
    for name in ("few", "many"):
        found = rig.table(name).values()
        assert [one["n"] for one in found] == [4, 4, 4], name


def counted(table: str, size: int) -> str:
    return (
        f"SELECT ip, COUNT(*) AS n, window_start, window_end FROM {windows(table, 'TUMBLE', size)} "
        "GROUP BY ip, window_start, window_end"
    )


def test_an_insert_that_is_added_begins_where_the_file_stands(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Rig(TABLES + PER_IP + COUNT_IP, tmp_path) as rig:
        rig.put("clicks", 0, row(1, n=5), row(13, n=6))
        rig.step()
        with caplog.at_level(logging.WARNING):
            rig.restart(TABLES + SUMS + PER_IP + SUM_N + COUNT_IP)
        assert caplog.messages == [
            "INSERT INTO sums is new in the file, and begins where the file stands. "
            "Windows that began at or before 1970-01-01 00:00:13 UTC are not written."
        ]
        rig.put("clicks", 0, row(14, n=1), row(20, n=2), row(29, n=3), row(31, n=4))
        rig.step()
        caplog.clear()
        rig.restart()
        assert caplog.messages == []
        rig.finish()
    by_start = {found["window_start"][-2:]: found["n"] for found in rig.table("per_ip").values()}
    assert by_start == {"00": 1, "10": 2, "20": 2, "30": 1}
    assert {found["window_start"][-2:]: found["total"] for found in rig.table("sums").values()} == {"20": 5, "30": 4}


def test_an_added_insert_may_bring_the_settings_that_it_needs(tmp_path: Path) -> None:
    copy = appended("copied", "ip STRING, n INT") + "INSERT INTO copied SELECT ip, n FROM clicks;\n"
    clicks = source("clicks")
    settings = SETTINGS + "SET 'table.exec.sink.not-null-enforcer' = 'DROP';\n"
    with Rig(clicks + copy, tmp_path) as rig:
        rig.put("clicks", 0, row(1, n=1))
        rig.step()
        rig.restart(settings + clicks + copy + PER_IP + COUNT_IP)
        rig.put("clicks", 0, row(11, n=2))
        rig.finish()
        assert [found["n"] for found in rig.rows("copied") if found] == [1, 2]
        assert [found["n"] for found in rig.table("per_ip").values()] == [1]


@pytest.mark.parametrize("changes", [False, True], ids=["final", "changes"])
@pytest.mark.parametrize("function", ["HOP", "CUMULATE", "SESSION"])
def test_no_incomplete_window_of_an_added_insert_is_written(tmp_path: Path, function: str, changes: bool) -> None:
    sizes = {"HOP": (2, 10), "CUMULATE": (5, 10), "SESSION": (3,)}[function]
    by = "ip" if function == "SESSION" else ""
    added = upsert("late", f"ip STRING, {WINDOW}, n BIGINT", "ip, window_start, window_end")
    added += COUNT_IP.replace("per_ip", "late").replace(
        windows("clicks"), windows("clicks", function, *sizes, partition=by)
    )
    whole = added.replace("late", "whole")
    with Rig(TABLES + PER_IP + COUNT_IP + whole, tmp_path, changes=changes) as rig:
        rig.put("clicks", 0, *[row(second) for second in (1, 3, 5, 7, 9, 11)])
        rig.step()
        rig.restart(TABLES + added + PER_IP + COUNT_IP + whole)
        rig.put("clicks", 0, *[row(second) for second in (12, 13, 15, 21, 22, 30, 31)])
        rig.step()
        rig.finish()
    complete = {
        key: found for key, found in rig.table("whole").items() if found["window_start"] > "1970-01-01 00:00:11"
    }
    assert complete
    assert rig.table("late") == complete
    assert rig.table("late", early=True) == complete


@pytest.mark.parametrize("changes", [False, True], ids=["final", "changes"])
def test_first_rows_of_an_added_insert_count_from_where_the_file_stands(tmp_path: Path, changes: bool) -> None:
    """They are of no window: one that is in time is written, although the file has seen later ones before."""
    tables = TABLES.replace("ts - INTERVAL '0'", "ts - INTERVAL '5'")
    added = appended("firsts", "ip STRING, n INT") + (
        "INSERT INTO firsts SELECT ip, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY ip ORDER BY ts) AS place "
        "FROM clicks) WHERE place = 1;\n"
    )
    with Rig(tables + PER_IP + COUNT_IP, tmp_path, changes=changes) as rig:
        rig.put("clicks", 0, row(1, ip="x"), row(13, ip="z"))
        rig.step()
        rig.restart(tables + added + PER_IP + COUNT_IP)
        rig.put("clicks", 0, row(12, ip="x", n=12), row(20, ip="x", n=20), row(21, ip="y", n=21))
        rig.finish()
    assert rig.rows("firsts") == [{"ip": "x", "n": 12}, {"ip": "y", "n": 21}]


def test_a_changed_statement_is_refused_by_its_name(tmp_path: Path) -> None:
    with Rig(TABLES + PER_IP + COUNT_IP + NAMED, tmp_path) as rig:
        rig.put("clicks", 0, row(1))
        rig.step()
        rig.stop()
        for changed, name in [
            (COUNT_IP.replace("COUNT(*)", "COUNT(n)"), "INSERT INTO per_ip was changed"),
            (COUNT_IP.replace("'10'", "'20'"), "INSERT INTO per_ip was changed"),
        ]:
            with pytest.raises(ClickstreamError, match=name):
                rig.restart(TABLES + PER_IP + changed + NAMED)
        with pytest.raises(ClickstreamError, match="INSERT INTO named is gone"):
            rig.restart(TABLES + PER_IP + COUNT_IP)
        with pytest.raises(ClickstreamError, match="CREATE TABLE users was changed"):
            rig.restart(TABLES.replace("city STRING", "city STRING, country STRING") + PER_IP + COUNT_IP + NAMED)
        rig.restart(TABLES + PER_IP + COUNT_IP + NAMED)


def test_a_setting_that_is_a_constant_in_a_statement_is_part_of_it(tmp_path: Path) -> None:
    with Rig(
        TABLES + PER_IP + COUNT_IP.replace("INTERVAL '10'", "INTERVAL '${SIZE}'"), tmp_path, variables={"SIZE": "10"}
    ) as rig:
        rig.put("clicks", 0, row(1))
        rig.step()
        rig.stop()
        with pytest.raises(ClickstreamError, match="INSERT INTO per_ip was changed"):
            rig.restart(variables={"SIZE": "20"})
        rig.restart(variables={"SIZE": "10", "BOOTSTRAP_SERVERS": "elsewhere:9092"})


def test_an_added_insert_may_use_columns_that_nobody_read_before(tmp_path: Path) -> None:
    """Also of a reference, which is read again, and beside a join in which rows wait that have them not."""
    tables = TABLES.replace("ts - INTERVAL '0'", "ts - INTERVAL '1'")
    with Rig(tables + NAMED, tmp_path) as rig:
        rig.put("users", 0, {"ip": "a", "name": "Ada", "city": "London"}, timestamp=1)
        rig.put("users", 0, {"ip": "b", "name": "Bob", "city": "Bath"}, timestamp=2)
        rig.put("clicks", 0, row(1, n=1), row(2, n=2))
        rig.step()
        assert [found["name"] for found in rig.rows("named") if found] == ["Ada"]  # the other one waits
        rig.restart(tables + CITIES + NAMED)
        rig.put("clicks", 0, row(3, n=3), row(4, ip="b", n=4), row(5, ip="c", n=5))
        rig.finish()
    assert [found["name"] for found in rig.rows("named") if found] == ["Ada", "Ada", "Ada", "Bob", None]
    found = [(one["n"], one["city"]) for one in rig.rows("cities") if one]
    assert found == [(3, "London"), (4, "Bath"), (5, None)]


@pytest.mark.parametrize("added", ["before", "after"])
def test_an_added_insert_finds_the_versions_of_its_own_rows_time(tmp_path: Path, added: str) -> None:
    """Although the rows of others are hours ahead, and would not ask for them: before they were read, or after."""
    tables = TABLES + source("purchases")
    bought = (
        appended("bought", "ip STRING, name STRING")
        + "INSERT INTO bought SELECT c.ip, u.name FROM purchases AS c LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u "
        "ON c.ip = u.ip;\n"
    )
    ten = 10 * 3600
    with Rig(tables + NAMED, tmp_path) as rig:
        if added == "before":
            rig.restart(tables + NAMED + bought)
        for hour, name in enumerate(["Ada", "Eve"]):
            rig.put("users", 0, {"ip": "a", "name": name, "city": ""}, timestamp=(ten + 3600 * hour) * 1000)
        rig.put("clicks", 0, row(ten + 7200))
        rig.step()
        if added == "after":
            rig.restart(tables + NAMED + bought)
        rig.put("purchases", 0, row(ten + 1800), row(ten + 5400))
        rig.finish()
    assert [found["name"] for found in rig.rows("named") if found] == ["Eve"]
    assert [found["name"] for found in rig.rows("bought") if found] == ["Ada", "Eve"]
