"""Final rows of windows leave in the order of their windows' ends, over all branches of a result."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from clickstream.tables.engine.rig import Rig
from tests.unit.tables.engine.rigs import SETTINGS, WINDOW, appended, row, source, upsert, windows

HITS = f"ip STRING, {WINDOW}, n BIGINT"
GROUP = " GROUP BY ip, window_start, window_end"


def counted(table: str, function: str, *sizes: float, partition: str = "") -> str:
    return (
        f"SELECT ip, window_start, window_end, COUNT(*) FROM {windows(table, function, *sizes, partition=partition)}"
        f"{GROUP}"
    )


def best(function: str, *sizes: float) -> str:
    return (
        "SELECT ip, window_start, window_end, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, "
        f"window_end ORDER BY n DESC) AS place FROM (SELECT ip, window_start, window_end, COUNT(*) AS n FROM "
        f"{windows('a', function, *sizes)}{GROUP})) WHERE place <= 2"
    )


QUERIES = {
    "tumble": counted("a", "TUMBLE", 10),
    "hop": counted("a", "HOP", 2, 10),
    "cumulate": counted("a", "CUMULATE", 2, 10),
    "session": counted("a", "SESSION", 3, partition="ip"),
    "top-n": best("HOP", 2, 10),
    "two windows of one table": f"{counted('a', 'HOP', 2, 10)} UNION ALL {counted('a', 'SESSION', 3, partition='ip')}",
    "two tables": f"{counted('a', 'HOP', 2, 10)} UNION ALL {counted('b', 'TUMBLE', 7)}",
    "sessions and windows of two tables": (
        f"{counted('a', 'SESSION', 3, partition='ip')} UNION ALL {counted('b', 'CUMULATE', 2, 10)}"
    ),
    "over a union": (
        f"SELECT ip, window_start, window_end, COUNT(*) FROM {windows('ab', 'HOP', 2, 10)}{GROUP} UNION ALL "
        f"{counted('b', 'TUMBLE', 7)}"
    ),
}
AB = "CREATE VIEW ab AS SELECT ip, ts FROM a UNION ALL SELECT ip, ts FROM b;\n"


@pytest.mark.parametrize("keyed", [False, True], ids=["appended", "upserted"])
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_rows_leave_in_the_order_of_their_windows_ends(tmp_path: Path, query: str, keyed: bool) -> None:
    target = upsert("results", HITS, "ip, window_start, window_end") if keyed else appended("results", HITS)
    sql = SETTINGS + source("a", delay=2) + source("b", delay=2) + AB + target + f"INSERT INTO results {query};"
    draw = Random(3)
    with Rig(sql, tmp_path, partitions={"a": 2, "b": 1}) as rig:
        for step in range(8):
            for number in range(9):
                second = 20 * step + 2.5 * number + draw.random()
                table, partition = draw.choice([("a", 0), ("a", 1), ("b", 0)])
                rig.put(table, partition, row(second, ip=draw.choice("xyz")))
            # One table runs ahead of the other.
            rig.step(*draw.choice([("a",), ("b",), ("a", "b")]))
        live = ends(rig)
        rig.finish()
    found = ends(rig)
    assert found == sorted(found)
    assert live
    assert len(found) - len(live) > 3


def ends(rig: Rig) -> list[Any]:
    return [found["window_end"] for found in rig.rows("results") if found is not None]
