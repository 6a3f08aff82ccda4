"""Branches of a UNION ALL, and whether their keys tell them apart."""

import pytest

from clickstream.tables.sql.branches import told_apart
from clickstream.tables.sql.plans import split_union
from tests.unit.tables.sql.support import insert, sink

COLUMNS = "kind STRING, ip STRING, ws TIMESTAMP(3), we TIMESTAMP(3), n BIGINT"
STREAM = "SELECT 'click', ip, CAST(NULL AS TIMESTAMP(3)), CAST(NULL AS TIMESTAMP(3)), `_time` FROM clicks"


def hits(kind: str, function: str, *seconds: int) -> str:
    sizes = ", ".join(f"INTERVAL '{second}' SECOND" for second in seconds)
    partition = " PARTITION BY ip" if function == "SESSION" else ""
    return (
        f"SELECT {kind} AS kind, ip, window_start AS ws, window_end AS we, COUNT(*) AS n "
        f"FROM TABLE({function}(TABLE clicks{partition}, DESCRIPTOR(ts), {sizes})) "
        "GROUP BY ip, window_start, window_end"
    )


def best(kind: str) -> str:
    ranked = "ROW_NUMBER() OVER (PARTITION BY ws, we ORDER BY n) AS place"
    return f"SELECT kind, ip, ws, we, n FROM (SELECT *, {ranked} FROM {kind}) WHERE place = 1"


TEN, TWENTY = hits("'x'", "TUMBLE", 10), hits("'x'", "TUMBLE", 20)
HOP, CUMULATE = hits("'x'", "HOP", 5, 10), hits("'x'", "CUMULATE", 5, 10)
SESSION, OTHER_SESSION = hits("'x'", "SESSION", 5), hits("'x'", "SESSION", 9)
OTHER = hits("'y'", "TUMBLE", 20)
VIEWS = f"CREATE VIEW tens AS {TEN};\nCREATE VIEW several AS {TEN} UNION ALL {OTHER};\n"
START, END = "ip, ws", "ip, we"


@pytest.mark.parametrize(
    ("key", "queries", "apart"),
    [
        (END, (TEN, TWENTY), True),
        (START, (TEN, TWENTY), False),
        (START, (TEN, HOP), True),
        (START, (HOP, TWENTY), False),
        (END, (HOP, CUMULATE), True),
        (END, (SESSION, OTHER_SESSION), True),
        (START, (SESSION, OTHER_SESSION), False),
        (END, (TEN, SESSION), False),
        (f"kind, {START}", (TEN, OTHER), True),
        (f"kind, {START}", (TEN, TWENTY), False),
        (f"kind, {START}", (hits("ip", "TUMBLE", 10), TWENTY), False),
        (END, (TEN, STREAM), False),
        (f"kind, {END}", (TEN, STREAM), True),
        (END, ("SELECT * FROM tens", TWENTY), True),
        (f"kind, {START}", ("SELECT * FROM several",), True),
        (START, ("SELECT * FROM several",), False),
        (END, (best("tens"), TWENTY), True),
        (START, (best("tens"), TWENTY), False),
        (START, ("SELECT kind, ip, we, ws, n FROM tens", TEN), False),
    ],
)
def test_keys_tell_branches_apart(key: str, queries: tuple[str, ...], apart: bool) -> None:
    made = insert(VIEWS + sink(COLUMNS, key) + f"INSERT INTO results {' UNION ALL '.join(queries)};")
    one, other = [part.plan for part in split_union(made.plan)]
    keys = [made.columns.index(name) for name in made.target.primary_key]
    assert told_apart(one, other, keys) is apart
    assert told_apart(other, one, keys) is apart
