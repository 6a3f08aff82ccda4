"""A process that dies at any instant: in the end the results are those of a run that was not disturbed."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from clickstream.tables.engine.rig import Crash, Instant, Rig
from tests.unit.tables.engine.rigs import (
    COLUMNS,
    SETTINGS,
    WINDOW,
    appended,
    in_steps,
    reference,
    row,
    shuffled,
    source,
    survive,
    upsert,
    windows,
)

TABLES = (
    SETTINGS
    + source("a", COLUMNS, delay=3)
    + source("b", COLUMNS, delay=3)
    + reference("users", "ip STRING, name STRING", "ip")
)
HITS = f"ip STRING, {WINDOW}, n BIGINT, price DOUBLE"
PARTITIONS = {"a": 3, "b": 1}


def hits(table: str, function: str, *sizes: float, partition: str = "", having: str = "") -> str:
    return (
        "SELECT ip, window_start, window_end, COUNT(*), SUM(price) FROM "
        f"{windows(table, function, *sizes, partition=partition)} GROUP BY ip, window_start, window_end{having}"
    )


def best(function: str, *sizes: float) -> str:
    return (
        "SELECT ip, window_start, window_end, n, price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, "
        "window_end ORDER BY n DESC, ip) AS place FROM (SELECT ip, window_start, window_end, COUNT(*) AS n, "
        f"SUM(price) AS price FROM {windows('a', function, *sizes)} GROUP BY ip, window_start, window_end)) "
        "WHERE place <= 2"
    )


JOINED = "a AS c LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c.ip = u.ip"
VIEWS = (
    f"CREATE VIEW named AS SELECT u.name AS ip, c.price, c.ts FROM {JOINED};\n"
    "CREATE VIEW ab AS SELECT ip, price, ts FROM a UNION ALL SELECT ip, price, ts FROM b;\n"
)
ORIGIN = "ip STRING, price DOUBLE, p INT, o BIGINT"
STREAM = "ip STRING, n INT, price DOUBLE"
# Columns of the append-only target, and the query.
APPENDED = {
    "tumble": (HITS, hits("a", "TUMBLE", 10)),
    "hop": (HITS, hits("a", "HOP", 5, 10)),
    "session": (HITS, hits("a", "SESSION", 4, partition="ip")),
    "top-n": (HITS, best("TUMBLE", 10)),
    "having": (HITS, hits("a", "TUMBLE", 10, having=" HAVING COUNT(*) > 1")),
    "joined windows": (HITS, hits("named", "TUMBLE", 10)),
    "stream with origin": (ORIGIN, "SELECT ip, price, p, o FROM a"),
    "stream": (STREAM, "SELECT ip, n, price FROM a"),
    "joined stream": (ORIGIN, f"SELECT u.name, c.price, c.p, c.o FROM {JOINED}"),
    "joined stream without origin": (STREAM, f"SELECT u.name, c.n, c.price FROM {JOINED}"),
    "two windows": (HITS, f"{hits('a', 'HOP', 5, 10)} UNION ALL {hits('b', 'SESSION', 4, partition='ip')}"),
    "a stream and windows": (
        "ip STRING, n BIGINT",
        f"SELECT ip, n FROM a UNION ALL SELECT ip, COUNT(*) FROM {windows('b')} GROUP BY ip, window_start, window_end",
    ),
    "streams of two tables": (ORIGIN, "SELECT ip, price, p, o FROM a UNION ALL SELECT ip, price, p, o FROM b"),
}
# Columns and key of the table, and the query.
KEYED = {
    "tumble": (HITS, "ip, window_start", hits("a", "TUMBLE", 10)),
    "hop": (HITS, "ip, window_start", hits("a", "HOP", 5, 10)),
    "session": (HITS, "ip, window_start", hits("a", "SESSION", 4, partition="ip")),
    "top-n": (HITS, "ip, window_start", best("TUMBLE", 10)),
    "having": (HITS, "ip, window_start", hits("a", "TUMBLE", 10, having=" HAVING COUNT(*) < 3")),
    "joined": (HITS, "ip, window_start", hits("named", "TUMBLE", 10)),
    "first rows": (
        "ip STRING, n INT",
        "ip",
        "SELECT ip, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY ip ORDER BY ts) AS place FROM a) WHERE place = 1",
    ),
    "groups": (
        "ip STRING, n BIGINT, price DOUBLE",
        "ip",
        "SELECT ip, COUNT(*), SUM(price) FROM a GROUP BY ip HAVING MOD(COUNT(*), 5) > 1",
    ),
    "two tables together": (HITS, "ip, window_start", hits("ab", "TUMBLE", 10)),
    "a count in the key": (HITS, "ip, window_start, n", hits("a", "HOP", 5, 10)),
    "union": (
        HITS,
        "ip, window_start, window_end, n",
        f"{hits('a', 'HOP', 5, 10)} UNION ALL {hits('b', 'TUMBLE', 20)}",
    ),
}


def logs(seed: int) -> dict[str, dict[int, list[Any]]]:
    """Records of each table and partition: disordered, some late, some with several rows, some that are none."""
    draw = Random(seed)
    made: dict[str, dict[int, list[Any]]] = {"a": {0: [], 1: [], 2: []}, "b": {0: []}}
    for number in range(40):
        rows = [
            row(
                max(0.1, number - draw.choice([0, 0, 1, 3, 9]) + draw.random()),
                ip=draw.choice("xyz"),
                n=draw.randint(1, 4),
                price=round(draw.random() * 10, 2),
            )
            for _ in range(draw.choice([1, 1, 1, 3]))
        ]
        table = draw.choice("aaab")
        value: Any = rows if len(rows) > 1 else rows[0]
        made[table][draw.randrange(len(made[table]))].append(value if draw.random() > 0.05 else b"none")
    return made


def feed(rig: Rig, seed: int) -> None:
    """Each partition's log is the same whatever the seed; how they come together is not."""
    for ip in "xyz":
        rig.put("users", 0, {"ip": ip, "name": ip * 2}, timestamp=1)
    for table, partitions in logs(1).items():
        for partition, value in shuffled(seed, partitions):
            rig.put(table, partition, value)


def topic(kind: str) -> str:
    return kind.replace(" ", "_")


def appending(kinds: Iterable[str] = APPENDED) -> str:
    """A file with these results, each in a topic of its name."""
    return (
        TABLES
        + VIEWS
        + "".join(
            appended(f"`{kind}`", APPENDED[kind][0], topic=topic(kind)) + f"INSERT INTO `{kind}` {APPENDED[kind][1]};\n"
            for kind in kinds
        )
    )


def keyed(kinds: Iterable[str] = KEYED) -> str:
    """The same of results with keys."""
    return (
        TABLES
        + VIEWS
        + "".join(
            upsert(f"`{kind}`", columns, key, topic=topic(kind)) + f"INSERT INTO `{kind}` {query};\n"
            for kind, (columns, key, query) in KEYED.items()
            if kind in kinds
        )
    )


@contextmanager
def calm(sql: str, directory: Path, **options: Any) -> Iterator[Rig]:
    """A run that nothing disturbs, when it has ended."""
    with Rig(sql, directory, partitions=PARTITIONS, **options) as rig:
        feed(rig, 1)
        in_steps(7)(rig)
        yield rig


@contextmanager
def dying(sql: str, directory: Path, seed: int, **options: Any) -> Iterator[Rig]:
    """A run that died again and again, when it has ended."""
    with Rig(sql, directory, partitions=PARTITIONS, **options) as rig:
        feed(rig, 1 + seed)
        assert survive(rig, cut(seed), seed=seed) > 0
        yield rig


def cut(seed: int) -> Callable[[Rig], None]:
    """Steps of all sizes, other ones in each run."""
    draw = Random(seed)

    def play(rig: Rig) -> None:
        while rig.step(records=draw.randint(2, 12)):
            pass
        rig.finish()

    return play


@pytest.mark.parametrize("seed", [1, 2])
def test_every_row_is_in_an_append_only_topic_exactly_once(tmp_path: Path, seed: int) -> None:
    with calm(appending(), tmp_path / "calm") as undisturbed:
        pass
    with dying(appending(), tmp_path / "dying", seed) as rig:
        for kind in APPENDED:
            assert rig.stream(topic(kind)) == undisturbed.stream(topic(kind)), kind
            assert rig.stream(topic(kind)), kind


@pytest.mark.parametrize(("changes", "seed"), [(False, 3), (True, 4), (True, 5)])
def test_tables_have_the_latest_values_of_a_run_that_was_not_disturbed(
    tmp_path: Path, changes: bool, seed: int
) -> None:
    with calm(keyed(), tmp_path / "calm", changes=changes) as undisturbed:
        pass
    with dying(keyed(), tmp_path / "dying", seed, changes=changes) as rig:
        for kind in KEYED:
            assert rig.table(topic(kind)) == undisturbed.table(topic(kind)), kind
            assert rig.table(topic(kind), early=True) == rig.table(topic(kind)), kind
            assert rig.table(topic(kind)), kind


def test_partitions_that_were_added_to_a_result_topic_are_read_back(tmp_path: Path) -> None:
    kinds = ["tumble", "session", "stream", "stream with origin"]
    with calm(appending(kinds), tmp_path / "calm") as undisturbed:
        pass
    with Rig(appending(kinds), tmp_path / "dying", partitions=PARTITIONS) as rig:
        feed(rig, 2)
        steps = count(3)

        def play(rig: Rig) -> None:
            while rig.step(records=6):
                partitions = next(steps)
                for kind in kinds:
                    rig.add_partitions(topic(kind), partitions)
            rig.finish()

        assert survive(rig, play, instants=[Instant.ACKNOWLEDGED, Instant.ARRIVED]) > 0
        for kind in kinds:
            assert rig.stream(topic(kind)) == undisturbed.stream(topic(kind)), kind


def test_what_retention_has_deleted_of_a_result_before_it_was_read_back_is_written_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sql = source("a") + appended("copied", "n INT") + "INSERT INTO copied SELECT n FROM a;"
    with Rig(sql, tmp_path) as rig:
        rig.put("a", 0, row(1, n=1), row(2, n=2))
        rig.step()
        rig.put("a", 0, row(3, n=3), row(4, n=4), row(5, n=5))
        rig.crash(Instant.ACKNOWLEDGED)
        with pytest.raises(Crash):
            rig.step()
        rig.topics.delete_records("copied", 0, 4)  # all but the last
        rig.restart()
        assert caplog.messages == [
            "INSERT INTO copied: 2 records that topic copied got after the last commit were deleted before they were "
            "read back. Rows among them are written again."
        ]
        rig.finish()
        assert [found["n"] for found in rig.rows("copied") if found] == [5, 3, 4]


def test_groups_are_what_the_state_says_right_after_a_restart(tmp_path: Path) -> None:
    """At every step: rows that were acknowledged, and not committed, are corrected or removed."""
    with Rig(keyed(["groups"]), tmp_path, partitions=PARTITIONS) as rig:
        feed(rig, 1)
        different = 0
        while rig.step(records=2):
            before = rig.table("groups")
            rig.crash(Instant.ACKNOWLEDGED)
            with contextlib.suppress(Crash):
                rig.step(records=3)
                break
            different += rig.table("groups") != before
            # Not even that is sure to succeed at once.
            rig.crash(Instant.FLUSHING, luck=different, starting=True)
            with pytest.raises(Crash):
                rig.restart()
            rig.restart()
            assert rig.table("groups") == before
    assert different > 3


@pytest.mark.parametrize("luck", [None, 0, 1, 2])
@pytest.mark.parametrize("instant", list(Instant))
def test_rows_of_windows_come_once_in_the_order_of_their_windows(
    tmp_path: Path, instant: Instant, luck: int | None
) -> None:
    """Another file may read them."""
    with Rig(appending(["tumble"]), tmp_path) as rig:
        rig.put("a", 0, row(1), row(12))
        rig.step()
        rig.put("a", 0, row(23), row(34), row(65))
        rig.crash(instant, luck=luck)
        with pytest.raises(Crash):
            rig.step()
        rig.restart()
        rig.finish()
        assert [found["window_start"][-2:] for found in rig.rows("tumble") if found] == ["00", "10", "20", "30", "00"]


@pytest.mark.parametrize("instant", list(Instant))
def test_joined_rows_without_origin_are_not_doubled_when_the_reference_has_changed(
    tmp_path: Path, instant: Instant
) -> None:
    with Rig(appending(["joined stream without origin"]), tmp_path) as rig:
        rig.put("users", 0, {"ip": "a", "name": "old"}, timestamp=1)
        rig.put("a", 0, row(1, n=1), row(2, n=2), row(20, n=3))
        rig.crash(instant, luck=1)
        with pytest.raises(Crash):
            rig.step()
        rig.put("users", 0, {"ip": "a", "name": "new"}, timestamp=500)
        rig.restart()
        rig.finish()
        assert sorted(found["n"] for found in rig.rows(topic("joined stream without origin")) if found) == [1, 2, 3]


def test_joined_rows_of_an_engine_that_did_not_store_them_are_not_doubled(tmp_path: Path) -> None:
    name = topic("joined stream without origin")
    with Rig(appending(["joined stream without origin"]), tmp_path) as rig:
        rig.put("users", 0, {"ip": "a", "name": "x"}, timestamp=1)
        rig.put("a", 0, row(1, n=1, price=0.5), row(2, n=2, price=0.5), row(2.5, n=1, price=0.5), row(20, n=3))
        rig.crash(Instant.ACKNOWLEDGED)
        with pytest.raises(Crash):
            rig.step()
        rig.topics.append(name, 0, b'{"ip":"x","n":1,"price":0.5}')
        rig.restart()
        rig.finish()
        assert sorted(found["n"] for found in rig.rows(name) if found) == [1, 1, 2, 3]


def test_what_was_left_out_of_a_stream_is_left_out_once(tmp_path: Path) -> None:
    name = topic("joined stream without origin")
    with Rig(appending(["joined stream without origin"]), tmp_path) as rig:
        rig.put("users", 0, {"ip": "a", "name": "x"}, timestamp=1)
        rig.put("a", 0, row(1, n=1, price=0.5), row(2, n=2, price=0.5), row(20, n=9))
        rig.crash(Instant.ACKNOWLEDGED)
        with pytest.raises(Crash):
            rig.step()
        for number in (1, 2):
            rig.topics.append(name, 0, b'{"ip":"x","n":%d,"price":0.5}' % number)
        rig.restart()
        while rig.step(records=1):
            pass
        rig.stop()
        rig.restart()
        rig.put("a", 0, row(30, n=1, price=0.5), row(31, n=2, price=0.5), row(60, n=8))
        rig.finish()
        assert [found["n"] for found in rig.rows(name) if found] == [1, 2, 9, 1, 2, 8]


@pytest.mark.parametrize("after", range(4))
def test_a_start_that_dies_before_its_first_commit_loses_no_later_row(tmp_path: Path, after: int) -> None:
    name = topic("joined stream without origin")
    with Rig(appending(["joined stream without origin"]), tmp_path) as rig:
        rig.put("users", 0, {"ip": "a", "name": "x"}, timestamp=1)
        rig.put("a", 0, row(1, n=1), row(20, n=9))
        rig.crash(Instant.ARRIVED)
        with pytest.raises(Crash):
            rig.step()
        rig.crash(Instant.ACKNOWLEDGED, after=after, starting=True)
        with pytest.raises(Crash):
            rig.restart()
        rig.restart()
        rig.put("a", 0, row(21, n=1), row(40, n=9))
        rig.finish()
        assert [found["n"] for found in rig.rows(name) if found] == [1, 9, 1, 9]


@pytest.mark.parametrize("number", ["COUNT(*)", "MIN(n)"], ids=["another value", "another time only"])
def test_a_correction_has_its_timestamp(tmp_path: Path, number: str) -> None:
    table = upsert("results", "ip STRING, n BIGINT, latest TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'", "ip")
    sql = f"{TABLES}{table}INSERT INTO results SELECT ip, {number}, MAX(ts) FROM a GROUP BY ip;"
    with Rig(sql, tmp_path) as rig:
        rig.put("a", 0, row(1, n=1))
        rig.step()
        rig.put("a", 0, row(5, n=1))
        rig.crash(Instant.ACKNOWLEDGED)
        with pytest.raises(Crash):
            rig.step()
        rig.restart()
        assert [record.timestamp for record in rig.sent("results")] == [1_000, 5_000, 1_000]
        assert {found["n"] for found in rig.table("results").values()} == {1}


@pytest.mark.parametrize("instant", [Instant.COMMITTED, Instant.HANDED_OVER])
def test_rows_that_were_owed_have_their_headers_and_timestamps(tmp_path: Path, instant: Instant) -> None:
    columns = "ip STRING, headers MAP<STRING, BYTES> METADATA"
    first = "SELECT *, ROW_NUMBER() OVER (PARTITION BY ip ORDER BY ts) AS place FROM clicks"
    sql = (
        SETTINGS
        + source("clicks", f"{columns} VIRTUAL")
        + appended("firsts", f"{columns}, came TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'")
        + f"INSERT INTO firsts SELECT ip, headers, ts FROM ({first}) WHERE place = 1;"
    )
    with Rig(sql, tmp_path) as rig:
        rig.topics.append("clicks", 0, b'{"ip":"a","at_":5000}', headers=[("one", b"1"), ("two", b"2")])
        rig.put("clicks", 0, row(9, ip="a"))
        rig.crash(instant, luck=None)
        with pytest.raises(Crash):
            rig.step()
        rig.restart()
        assert [(one.timestamp, one.headers) for one in rig.sent("firsts")] == [(5_000, [("one", b"1"), ("two", b"2")])]


def test_late_rows_are_counted_once_however_many_results_miss_them(tmp_path: Path) -> None:
    sql = keyed(["tumble", "hop", "session", "two tables together"])
    with Rig(sql, tmp_path, partitions=PARTITIONS, late_topic="late") as rig:
        rig.put("a", 0, row(2), row(50), row(1), row(3), [row(4), row(5)], row(51))
        rig.put("b", 0, row(50))
        rig.step()
        rig.stop()
        assert rig.totals["late"] == 4
        rig.finish()
    places = Counter(dict(record.headers)["origin-offset"] for record in rig.sent("late"))
    assert places == {b"2": 4, b"3": 4, b"4": 8}  # once for each statement that misses it
