"""Names that differ in case only, or look like those of the engine, are different names everywhere."""

from pathlib import Path

import pytest

from clickstream.tables.engine.rig import Rig
from tests.unit.tables.engine.rigs import SETTINGS, appended, reference, source, survive, upsert, windows

COLUMNS = "userId INT, userid INT, `USERID` STRING, `k0` INT, `K0` INT, `n` INT, `N` INT"
TABLES = (
    SETTINGS
    + source("t", COLUMNS, topic="topic-t")
    + source("T", COLUMNS, topic="topic-T")
    + source("rows_t", COLUMNS, topic="topic-rows")
    + reference("users", "userId INT, userid STRING, Name STRING, name STRING", "userId", topic="ref-users")
    + reference("Users", "userId INT, userid STRING, Name STRING, name STRING", "userId", topic="ref-Users")
)


def given(rig: Rig, table: str, *rows: tuple[float, int, int, int, int]) -> None:
    for second, one, other, n, big in rows:
        fields = {"userId": one, "userid": other, "USERID": f"u{one}", "k0": one, "K0": other, "n": n, "N": big}
        rig.put(table, 0, {**fields, "at_": round(second * 1000)})


ROWS = [(1.0, 1, 2, 10, 100), (2.0, 2, 1, 20, 200), (3.0, 1, 2, 30, 300), (15.0, 1, 2, 40, 400)]
KEY = "userId INT, userid INT, `N` INT, n INT"
# Of each window function, or what stands in its place: the statement, and its rows' columns of the target.
GROUPED = {
    "tumble": (windows("t"), "SUM(`N`), SUM(n)", "GROUP BY userId, userid, window_start, window_end"),
    "hop": (windows("t", "HOP", 10, 20), "SUM(`N`), SUM(n)", "GROUP BY userId, userid, window_start, window_end"),
    "session": (
        windows("t", "SESSION", 5, partition="userid"),
        "SUM(`N`), SUM(n)",
        "GROUP BY userid, window_start, window_end",
    ),
    "groups": ("t", "SUM(`N`), SUM(n)", "GROUP BY userId, userid"),
}


@pytest.mark.parametrize("changes", [False, True], ids=["final", "changes"])
@pytest.mark.parametrize("kind", GROUPED)
def test_columns_in_groups(tmp_path: Path, kind: str, changes: bool) -> None:
    rows, sums, group = GROUPED[kind]
    end = "CAST(NULL AS TIMESTAMP(3))" if kind == "groups" else "window_end"
    target = upsert("results", f"{KEY}, ws TIMESTAMP(3)", "userId, userid" + ("" if kind == "groups" else ", ws"))
    first = "MAX(userId)" if kind == "session" else "userId"
    insert = f"INSERT INTO results SELECT {first}, userid, {sums}, {end} FROM {rows} {group} HAVING SUM(`N`) > SUM(n);"
    with Rig(TABLES + target + insert, tmp_path, changes=changes) as rig:
        given(rig, "t", *ROWS[:3])
        rig.step()
        if changes and kind != "groups":
            early = [found for found in rig.table("results", early=True).values() if found["userId"] == 2]
            assert {(found["userid"], found["N"], found["n"]) for found in early} == {(1, 200, 20)}
        rig.finish()
    found = {(row["userId"], row["userid"], row["N"], row["n"]) for row in rig.table("results").values()}
    assert found == {(1, 2, 400, 40), (2, 1, 200, 20)}


def test_columns_in_streams_with_origin(tmp_path: Path) -> None:
    target = appended("results", "userId INT, userid INT, `P` INT, p INT, `O` BIGINT, o BIGINT")
    sql = TABLES + target + "INSERT INTO results SELECT userId, userid, k0, p, `K0`, o FROM t;"
    with Rig(sql, tmp_path) as rig:
        given(rig, "t", *ROWS)

        def play(rig: Rig) -> None:
            while rig.step(records=1):
                pass
            rig.finish()

        assert survive(rig, play) > 0
    assert rig.rows("results") == [
        {"userId": one, "userid": other, "P": one, "p": 0, "O": other, "o": offset}
        for offset, (_, one, other, _, _) in enumerate(ROWS)
    ]


@pytest.mark.parametrize("crash", [False, True])
def test_columns_and_references_in_joins(tmp_path: Path, crash: bool) -> None:
    target = appended("results", "`A` INT, a INT, `B` STRING, b STRING, `C` STRING, c STRING, o BIGINT, p INT")
    sql = (
        TABLES
        + target
        + (
            "INSERT INTO results SELECT c.userId, c.userid, u.Name, u.name, v.Name, v.name, c.o, c.p FROM t AS c "
            "LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c.userId = u.userId "
            "LEFT JOIN Users FOR SYSTEM_TIME AS OF c.ts AS v ON c.userid = v.userId;"
        )
    )
    with Rig(sql, tmp_path) as rig:
        for table, more in (("users", "small"), ("Users", "large")):
            for one in (1, 2):
                user = {"userId": one, "userid": "x", "Name": f"{more} N{one}", "name": f"{more} n{one}"}
                rig.put(table, 0, user, timestamp=1)
        given(rig, "t", *ROWS)

        def play(rig: Rig) -> None:
            while rig.step(records=1):
                pass
            rig.finish()

        if crash:
            assert survive(rig, play) > 0
        else:
            play(rig)
    assert rig.rows("results") == [
        {
            **{"A": one, "a": other, "B": f"small N{one}", "b": f"small n{one}"},
            **{"C": f"large N{other}", "c": f"large n{other}", "o": offset, "p": 0},
        }
        for offset, (_, one, other, _, _) in enumerate(ROWS)
    ]


def test_columns_in_top_n_and_in_first_rows(tmp_path: Path) -> None:
    best = upsert("best", "ws TIMESTAMP(3), userId INT, userid INT, `N` BIGINT, n BIGINT", "ws, userId") + (
        "INSERT INTO best SELECT window_start, userId, userid, `N`, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "
        "window_start, window_end ORDER BY `N` DESC) AS place FROM (SELECT window_start, window_end, userId, userid, "
        f"SUM(`N`) AS `N`, SUM(n) AS n FROM {windows('t')} GROUP BY window_start, window_end, userId, userid)) "
        "WHERE place <= 1;\n"
    )
    firsts = upsert("firsts", "userId INT, userid INT, n INT, `N` INT", "userId") + (
        "INSERT INTO firsts SELECT userId, userid, n, `N` FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY userId "
        "ORDER BY ts) AS place FROM t) WHERE place = 1;\n"
    )
    with Rig(TABLES + best + firsts, tmp_path) as rig:
        given(rig, "t", *ROWS)
        rig.finish()
    found = [(row["userId"], row["userid"], row["N"], row["n"]) for row in rig.rows("best") if row]
    assert found == [(1, 2, 400, 40), (1, 2, 400, 40)]
    assert sorted((row["userId"], row["n"], row["N"]) for row in rig.table("firsts").values()) == [
        (1, 10, 100),
        (2, 20, 200),
    ]


@pytest.mark.parametrize("changes", [False, True], ids=["final", "changes"])
def test_tables_and_targets(tmp_path: Path, changes: bool) -> None:
    """`t`, `T` and `rows_t`; targets `t_out`, `T_out`, and views in the same way."""
    statements = [
        upsert(target, "ws TIMESTAMP(3), n INT", "ws", topic=f"result-{topic}")
        + f"CREATE VIEW {view} AS SELECT n, ts FROM {table} WHERE n > 0;\n"
        + f"INSERT INTO {target} SELECT window_start, SUM(n) FROM {windows(view)} GROUP BY window_start, window_end;\n"
        for table, view, target, topic in [
            ("t", "vw", "o_", "o_"),
            ("T", "VW", "O_", "O_"),
            ("rows_t", "rows_vw", "`early:o_`", "third"),
        ]
    ]
    with Rig(TABLES + "".join(statements), tmp_path, changes=changes) as rig:
        for number, table in enumerate(["t", "T", "rows_t"], start=1):
            given(rig, table, (1, 1, 1, number, 0), (2, 1, 1, 10 * number, 0))
        rig.step()
        given(rig, "t", (3, 1, 1, 100, 0))
        rig.step()
        rig.restart()
        rig.finish()
    found = [[row["n"] for row in rig.table(f"result-{name}").values()] for name in ("o_", "O_", "third")]
    assert found == [[111], [22], [33]]


def test_late_rows_have_their_own_names(tmp_path: Path) -> None:
    sql = (
        TABLES
        + upsert("results", "userId INT, userid INT, ws TIMESTAMP(3), `N` INT", "userId, userid, ws")
        + (
            f"INSERT INTO results SELECT userId, userid, window_start, SUM(n + `N`) FROM {windows('t')} "
            "GROUP BY userId, userid, window_start, window_end;\n"
        )
    )
    with Rig(sql, tmp_path, late_topic="late") as rig:
        given(rig, "t", (1, 1, 2, 3, 4), (25, 1, 2, 3, 4), (2, 5, 6, 7, 8))
        rig.finish()
    (late,) = rig.rows("late")
    assert late is not None
    assert {name: late[name] for name in ("userId", "userid", "n", "N")} == {"userId": 5, "userid": 6, "n": 7, "N": 8}
    assert rig.totals["late"] == 1
