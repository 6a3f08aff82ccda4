"""What statements mean: the plans that an engine runs."""

import pytest
from sqlglot import exp

from clickstream.tables.sql.model import (
    GroupBy,
    Kind,
    Plan,
    Read,
    Scan,
    Select,
    TemporalJoin,
    TopN,
    Union,
    Watermark,
    Window,
    Windowed,
)
from clickstream.tables.sql.types import Type, type_of
from tests.unit.tables.sql.support import checked, insert, plan, sink

WINDOWED = "SELECT ip, window_start, window_end, COUNT(*)"
COLUMNS = "ip STRING, ws TIMESTAMP(3), we TIMESTAMP(3), n BIGINT"


def grouped(sql: str) -> tuple[Select, GroupBy]:
    top = plan(sink(COLUMNS, "ip, we") + f"INSERT INTO results {sql};")
    assert isinstance(top, Select)
    assert isinstance(top.input, GroupBy)
    return top, top.input


def names(of: Plan) -> list[str]:
    return [field.name for field in of.fields]


def test_a_table_has_its_columns_watermark_and_options() -> None:
    table = checked("").program.tables["clicks"]

    kinds = {column.name: column.kind for column in table.columns}
    assert kinds["ip"] == Kind.PHYSICAL
    assert kinds["ts"] == Kind.COMPUTED
    assert kinds["src_partition"] == Kind.METADATA
    assert table.watermark == Watermark("ts", 5000)
    assert (table.connector, table.topic, table.key_format) == ("kafka", "clicks", None)
    ts = next(column for column in table.columns if column.name == "ts")
    assert ts.type == Type.TIMESTAMP_LTZ
    assert ts.expression is not None
    assert ts.expression.sql() == 'TO_TIMESTAMP_LTZ("_time", 3)'


def test_a_reference_may_have_a_constant_watermark() -> None:
    users = checked("").program.tables["users"]

    assert users.watermark == Watermark("vt", constant_ms=0)
    assert users.upsert
    assert users.key_fields == users.primary_key == ("user_id",)


def test_a_projection_keeps_event_time_only_as_it_is() -> None:
    sql = "CREATE VIEW v AS SELECT ts, ts + INTERVAL '1' SECOND AS later, CAST(ts AS STRING) AS t FROM clicks WHERE ok;"
    view = checked(sql).program.views["v"]

    assert [field.event_time for field in view.fields] == [True, False, False]
    assert [field.type for field in view.fields] == [Type.TIMESTAMP_LTZ, Type.TIMESTAMP_LTZ, Type.STRING]


def test_a_filter_is_below_its_projection() -> None:
    made = plan(sink("ip STRING") + "INSERT INTO results SELECT c.ip FROM clicks AS c WHERE c.status = 200;")

    assert isinstance(made, Select)
    assert [output.expression.sql() for output in made.outputs] == ['"ip"']
    assert isinstance(made.input, Select)
    assert made.input.where is not None
    assert made.input.where.sql() == '"status" = 200'
    assert isinstance(made.input.input, Scan)


def test_a_view_is_one_object_wherever_it_is_read() -> None:
    found = checked(
        "CREATE VIEW v AS SELECT ip FROM clicks;"
        + sink("ip STRING")
        + sink("ip STRING").replace("results", "more")
        + "INSERT INTO results SELECT ip FROM v; INSERT INTO more SELECT ip FROM v;"
    )
    one, other = (made.plan for made in found.program.inserts)

    assert isinstance(one, Select)
    assert isinstance(other, Select)
    assert isinstance(one.input, Read)
    assert isinstance(other.input, Read)
    assert one.input.view is other.input.view


@pytest.mark.parametrize(
    ("function", "window"),
    [
        ("TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)", Window("TUMBLE", "ts", 60_000)),
        (
            "HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '60' SECOND)",
            Window("HOP", "ts", 60_000, 5_000),
        ),
        (
            "CUMULATE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' DAY)",
            Window("CUMULATE", "ts", 86_400_000, 3_600_000),
        ),
        (
            "SESSION(TABLE clicks PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '30' SECOND)",
            Window("SESSION", "ts", gap_ms=30_000, partition=("ip",)),
        ),
    ],
)
def test_windows(function: str, window: Window) -> None:
    _top, group = grouped(f"{WINDOWED} FROM TABLE({function}) GROUP BY ip, window_start, window_end")

    assert group.window == window
    assert group.window_keys == {"window_start": "window_start", "window_end": "window_end"}
    assert isinstance(group.input, Windowed)
    assert names(group.input)[-3:] == ["window_start", "window_end", "window_time"]


def test_aggregates_are_computed_once_and_named() -> None:
    top, group = _with_everything()

    count, distinct = group.aggregates
    assert (count.function, count.argument, count.distinct) == ("COUNT", None, False)
    assert distinct.distinct
    assert distinct.filter is not None
    assert distinct.filter.sql() == '"status" > 400'
    assert top.where is not None
    assert top.where.sql() == '"$agg0" > 5'
    assert top.outputs[3].expression.sql() == '"$agg0" + "$agg1"'
    assert names(group) == ["ip", "window_start", "window_end", "$agg0", "$agg1"]


def _with_everything() -> tuple[Select, GroupBy]:
    return grouped(
        "SELECT ip, window_start, window_end, COUNT(*) + COUNT(DISTINCT userid) FILTER (WHERE status > 400) "
        "FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) WHERE request LIKE '%html%' "
        "GROUP BY ip, window_start, window_end HAVING COUNT(*) > 5"
    )


def test_a_condition_is_below_the_window() -> None:
    _top, group = _with_everything()

    assert isinstance(group.input, Windowed)
    assert isinstance(group.input.input, Select)
    assert group.input.input.where is not None
    assert group.input.input.where.sql() == "\"request\" LIKE '%html%'"


def test_keys_may_be_expressions() -> None:
    sql = "SELECT UPPER(ip), COUNT(*) FROM clicks GROUP BY UPPER(ip);"
    made = insert(sink("ip STRING, n BIGINT", "ip") + f"INSERT INTO results {sql}").plan

    assert isinstance(made, Select)
    assert isinstance(made.input, GroupBy)
    assert made.input.window is None
    assert made.input.keys[0].expression.sql() == 'UPPER("ip")'
    assert [output.expression.sql() for output in made.outputs] == ['"$key0"', '"$agg0"']


def test_a_temporal_join_has_unique_columns() -> None:
    sql = (
        "CREATE VIEW c AS SELECT userid AS user_id, ts FROM clicks;"
        "CREATE VIEW v AS SELECT c.user_id, u.user_id AS found, u.name FROM c "
        "LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON u.user_id = c.user_id;"
    )
    found = checked(sql)
    assert not found.problems, found.render()
    select = found.program.views["v"].plan

    assert isinstance(select, Select)
    join = select.input
    assert isinstance(join, TemporalJoin)
    assert (join.kind, join.time) == ("LEFT", "ts")
    assert [(key.sql(), name) for key, name in join.keys] == [('"user_id"', "user_id")]
    assert names(join) == ["user_id", "ts", "u.user_id", "name", "level", "vt"]
    assert [output.expression.sql() for output in select.outputs] == ['"user_id"', '"u.user_id"', '"name"']


def test_union_all_is_flat_and_widens() -> None:
    made = plan(
        sink("n BIGINT, t TIMESTAMP_LTZ(3)") + "INSERT INTO results SELECT userid, ts FROM clicks UNION ALL "
        "SELECT `_time`, ts FROM clicks UNION ALL SELECT 1, ts FROM clicks;"
    )

    assert isinstance(made, Union)
    assert len(made.inputs) == 3
    assert [field.type for field in made.fields] == [Type.BIGINT, Type.TIMESTAMP_LTZ]
    assert made.fields[1].event_time


def test_the_first_rows_of_windows() -> None:
    made = plan(
        sink(COLUMNS)
        + "INSERT INTO results SELECT ip, window_start, window_end, rank_ FROM (SELECT *, ROW_NUMBER() OVER "
        "(PARTITION BY window_start, window_end ORDER BY n DESC, ip) AS rank_ FROM "
        "(SELECT ip, window_start, window_end, COUNT(*) AS n FROM "
        "TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) "
        "GROUP BY ip, window_start, window_end)) WHERE rank_ <= 3 AND ip <> 'x';"
    )

    assert isinstance(made, Select)
    above = made.input
    assert isinstance(above, Select)
    assert above.where is not None
    top = above.input
    assert isinstance(top, TopN)
    assert (top.limit, top.partition) == (3, ("window_start", "window_end"))
    assert top.order == (("n", True), ("ip", False))
    assert top.window is not None
    assert top.rank is not None
    assert top.rank.name == "rank_"


def test_keep_first_by_event_time() -> None:
    made = plan(
        sink("ip STRING")
        + "INSERT INTO results SELECT ip FROM (SELECT ip, ROW_NUMBER() OVER (PARTITION BY userid ORDER BY ts) "
        "AS n FROM clicks) WHERE n = 1;"
    )

    assert isinstance(made, Select)
    top = made.input
    assert isinstance(top, TopN)
    assert (top.limit, top.window, top.rank) == (1, None, None)
    assert names(top) == ["ip", *top.partition, top.order[0][0]]


TYPES = [
    ("userid / 2", Type.INT),
    ("userid + `_time`", Type.BIGINT),
    ("userid * price", Type.DOUBLE),
    ("price * 1.5", Type.DOUBLE),
    ("userid % `bytes`", Type.BIGINT),
    ("`bytes` % userid", Type.INT),
    ("-userid", Type.INT),
    ("3000000000", Type.BIGINT),
    ("1.5E0", Type.DOUBLE),
    ("ip || 'a'", Type.STRING),
    ("CASE WHEN ok THEN 1 ELSE `bytes` END", Type.BIGINT),
    ("CASE ip WHEN 'a' THEN NULL ELSE 1 END", Type.INT),
    ("COALESCE(NULL, userid, price)", Type.DOUBLE),
    ("NULLIF(userid, 0)", Type.INT),
    ("IF(ok, 'a', ip)", Type.STRING),
    ("CAST(ip AS TIMESTAMP(3))", Type.TIMESTAMP),
    ("TRY_CAST(ip AS BIGINT)", Type.BIGINT),
    ("TO_TIMESTAMP(ip, 'yyyy-MM-dd')", Type.TIMESTAMP),
    ("EXTRACT(HOUR FROM ts)", Type.BIGINT),
    ("FLOOR(ts TO MINUTE)", Type.TIMESTAMP_LTZ),
    ("FLOOR(price)", Type.DOUBLE),
    ("TIMESTAMPDIFF(SECOND, ts, ts)", Type.INT),
    ("TIMESTAMPADD(DAY, 1, ts)", Type.TIMESTAMP_LTZ),
    ("POSITION('a' IN ip)", Type.INT),
    ("TRIM(LEADING '0' FROM ip)", Type.STRING),
    ("userid BETWEEN 1 AND 2 AND ip IN ('a', 'b') AND ip NOT LIKE 'a!%' ESCAPE '!'", Type.BOOLEAN),
    ("userid IS NOT NULL OR ok IS TRUE", Type.BOOLEAN),
    ("userid IS DISTINCT FROM status", Type.BOOLEAN),
    ("ts > CAST(TIMESTAMP '2023-11-14 22:12:25' AS TIMESTAMP_LTZ(3))", Type.BOOLEAN),
    ("JSON_VALUE(request, '$.a[0].b')", Type.STRING),
    ("REGEXP_EXTRACT(request, 'GET (\\S+)', 1)", Type.STRING),
    ("SUBSTRING(ip, 1, 3)", Type.STRING),
    ("LEFT(ip, 1)", Type.STRING),
    ("REPLACE(ip, '.', '')", Type.STRING),
    ("ROUND(price, 2)", Type.DOUBLE),
    ("headers", Type.HEADERS),
]


@pytest.mark.parametrize(("expression", "kind"), TYPES, ids=[one[0] for one in TYPES])
def test_types_are_flinks(expression: str, kind: Type) -> None:
    found = checked(f"CREATE VIEW v AS SELECT {expression} AS x FROM clicks;")
    assert not found.problems, found.render()
    made = found.program.views["v"].plan

    assert isinstance(made, Select)
    (output,) = made.outputs
    assert output.field.type == kind
    untyped = [
        part for part in output.expression.walk() if isinstance(part, (exp.Column, exp.Anonymous)) and not part.type
    ]
    assert not untyped


@pytest.mark.parametrize(
    ("aggregate", "kind"),
    [
        ("AVG(userid)", Type.INT),
        ("AVG(price)", Type.DOUBLE),
        ("SUM(userid)", Type.INT),
        ("SUM(`bytes`)", Type.BIGINT),
        ("MIN(ts)", Type.TIMESTAMP_LTZ),
        ("MAX(ip)", Type.STRING),
        ("COUNT(DISTINCT ok)", Type.BIGINT),
    ],
)
def test_types_of_aggregates_are_flinks(aggregate: str, kind: Type) -> None:
    made = checked(f"CREATE VIEW v AS SELECT {aggregate} AS x FROM clicks GROUP BY ip;").program.views["v"].plan

    assert isinstance(made, Select)
    assert isinstance(made.input, GroupBy)
    assert made.fields[0].type == kind
    (one,) = made.input.aggregates
    assert one.argument is not None
    assert type_of(one.argument)
