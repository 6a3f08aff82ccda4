"""Each refusal of a table, a statement or an INSERT, as test_refusals.py has those of queries."""

import pytest

from tests.unit.tables.sql.support import IN_WINDOW, KAFKA, SINK, UPSERT, problems, sink


def table(columns: str, options: str = f"'connector' = 'kafka', 'topic' = 't', {KAFKA}") -> str:
    return f"CREATE TABLE t ({columns}) WITH ({options});"


TABLES = [
    (table("a [[VARCHAR]]"), "The type VARCHAR is not supported.", "Supported are BOOLEAN, INT"),
    (table("a [[TIMESTAMP]]"), "The type TIMESTAMP is not supported.", "TIMESTAMP(6)"),
    (table("a INT, [[a]] INT"), "A second column a.", ""),
    (table("[[value]] INT"), "value is a reserved word in Flink.", "Write `value`."),
    (table("a INT, b AS [[c]] + 1"), "Unknown column c.", ""),
    (table("a STRING METADATA FROM [['ofset']] VIRTUAL"), "Unknown metadata ofset.", "Did you mean offset?"),
    (table("[[`offset` BIGINT METADATA]]"), "The metadata offset cannot be written.", "VIRTUAL"),
    (table("[[a STRING METADATA FROM 'offset' VIRTUAL]]"), "The metadata offset is BIGINT.", ""),
    (table("a BIGINT, WATERMARK FOR [[a]] AS a"), "A watermark needs a TIMESTAMP(3)", "TO_TIMESTAMP_LTZ"),
    (table("a TIMESTAMP(3), WATERMARK FOR a AS [[TO_TIMESTAMP('x')]]"), "This watermark is not supported.", "INTERVAL"),
    (
        table("a INT, [[PRIMARY KEY (a) NOT ENFORCED]]"),
        "A kafka table of JSON cannot have a primary key.",
        "upsert-kafka",
    ),
    (table("a INT, PRIMARY KEY (a) NOT [[)]]").replace("NOT [[)]]", "[[)]]"), "NOT ENFORCED is expected", ""),
    (
        "CREATE TABLE [[t]] (a INT) WITH ('connector' = 'upsert-kafka', 'topic' = 't', " + UPSERT + ");",
        "upsert-kafka needs a key.",
        "PRIMARY KEY",
    ),
    (
        table("a INT", f"'connector' = 'kafka', [['topc']] = 'a', 'topic' = 't', {KAFKA}"),
        "Unknown option topc.",
        "Did you mean topic?",
    ),
    (
        table("a INT", f"'connector' = 'kafka', 'topic' = [['a;b']], {KAFKA}"),
        "topic cannot be 'a;b'.",
        "One table reads one topic.",
    ),
    (
        table("a TIMESTAMP(3), WATERMARK FOR a AS [[a - INTERVAL '-1' SECOND]]"),
        "This watermark is not supported.",
        "INTERVAL '5' SECOND",
    ),
    (
        table("a INT", f"'connector' = [['jdbc']], 'topic' = 't', {SINK}"),
        "connector cannot be 'jdbc'.",
        "kafka, upsert-kafka",
    ),
    (
        table("a INT", f"'connector' = 'kafka', 'topic' = 't', {KAFKA}, 'json.fail-on-missing-field' = [['true']]"),
        "cannot be 'true'",
        "false",
    ),
    (
        table("a INT", f"'connector' = 'kafka', 'topic' = 't', {KAFKA}, 'scan.watermark.idle-timeout' = [['soon']]"),
        "cannot be 'soon'",
        "2 s",
    ),
    (
        "CREATE TABLE [[t]] (a INT) WITH ('connector' = 'kafka', " + KAFKA + ");",
        "The option topic is missing.",
        "'topic'",
    ),
    (
        "CREATE TABLE [[t]] (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'key.format' = 'json', " + KAFKA + ");",
        "The option key.fields is missing.",
        "",
    ),
    (
        "CREATE TABLE [[t]] (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'key.format' = 'raw', "
        "'key.fields' = 'a', " + KAFKA + ");",
        "A raw key is one STRING column.",
        "json",
    ),
    (
        "CREATE TABLE t (a INT) [[WITH]] ()".replace("[[WITH]] ()", "WITH ([[)]]"),
        "An option's name in quotes is expected",
        "",
    ),
]


@pytest.mark.parametrize(("marked", "message", "hint"), TABLES, ids=[one[0][:70] for one in TABLES])
def test_table(marked: str, message: str, hint: str) -> None:
    ((said, instead),) = problems(marked)

    assert message in said
    assert hint in instead


STATEMENTS = [
    (
        "SET [['table.local-timezone']] = 'UTC';",
        "Unknown setting table.local-timezone.",
        "Did you mean table.local-time-zone?",
    ),
    ("SET 'table.local-time-zone' = [['Europe/Berlin']];", "cannot be 'Europe/Berlin' here.", "UTC"),
    ("[[SELECT]] ip FROM clicks;", "SELECT is not supported here.", "INSERT INTO"),
    ("[[DROP]] TABLE clicks;", "DROP is not supported here.", "Supported are SET"),
    ("CREATE VIEW [[clicks]] AS SELECT 1 AS a FROM clicks;", "A second clicks.", "unique"),
    (
        sink("ip STRING") + "INSERT INTO results SELECT ip FROM clicks; SET [['table.local-time-zone']] = 'UTC';",
        "table.local-time-zone comes after an INSERT.",
        "before",
    ),
    ("INSERT INTO [[nowhere]] SELECT ip FROM clicks;", "Unknown table nowhere.", ""),
    ("EXECUTE STATEMENT SET BEGIN SET [['pipeline.name' = 'b']]; END;", "A statement set has INSERTs only.", "before"),
    ("CREATE VIEW v AS SELECT ip [[end]] FROM clicks;", "reserved word", "Write `end`."),
    ("CREATE VIEW v AS SELECT ip, [[FROM]] clicks;", "is expected before FROM", ""),
]


@pytest.mark.parametrize(("marked", "message", "hint"), STATEMENTS, ids=[one[0][:70] for one in STATEMENTS])
def test_statement(marked: str, message: str, hint: str) -> None:
    ((said, instead),) = problems(marked)

    assert message in said
    assert hint in instead


COUNT = f"SELECT ip, window_start, window_end, COUNT(*) {IN_WINDOW} ip, window_start, window_end;"
COLUMNS = "ip STRING, ws TIMESTAMP(3), we TIMESTAMP(3), n BIGINT"
BOUNDED = (
    "CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', "
    f"'scan.bounded.mode' = 'latest-offset', {KAFKA});\n"
)
INSERTS = [
    (
        sink("a INT") + "INSERT INTO results SELECT [[`_time`]] FROM clicks;",
        "a is INT, the query gives BIGINT.",
        "CAST(... AS INT)",
    ),
    (
        sink("a INT") + "INSERT INTO [[results]] SELECT userid, ip FROM clicks;",
        "The query has 2 columns, results takes 1.",
        "a",
    ),
    (
        sink("a INT") + "INSERT INTO results ([[b]]) SELECT userid FROM clicks;",
        "results has no column b to be written.",
        "a",
    ),
    (
        sink("ip STRING, n BIGINT") + "INSERT INTO [[results]] SELECT ip, COUNT(*) FROM clicks GROUP BY ip;",
        "results only appends.",
        "upsert-kafka",
    ),
    (
        sink("n BIGINT")
        + "INSERT INTO [[results]] SELECT COUNT(*) FROM clicks GROUP BY ip UNION ALL SELECT userid FROM clicks;",
        "they are not supported in UNION ALL",
        "",
    ),
    (sink(COLUMNS, "ip") + f"INSERT INTO [[results]] {COUNT}", "needs window_start or window_end", "It is (ip) now."),
    (
        sink(COLUMNS, "ip") + f"INSERT INTO [[results]] SELECT ip, CAST(NULL AS TIMESTAMP(3)), "
        f"CAST(NULL AS TIMESTAMP(3)), `_time` FROM clicks UNION ALL {COUNT}",
        "needs window_start or window_end",
        "It is (ip) now.",
    ),
    (
        sink(COLUMNS, "ws") + f"INSERT INTO [[results]] {COUNT}",
        "needs ip, or groups overwrite each other.",
        "It is (ws) now.",
    ),
    (
        sink("ip STRING, n BIGINT", "ip, n") + "INSERT INTO [[results]] SELECT ip, COUNT(*) FROM clicks GROUP BY ip;",
        "has more than the GROUP BY columns.",
        "",
    ),
    (
        f"SET 'table.exec.sink.require-on-conflict' = 'true'; {sink(COLUMNS, 'ip, ws')}INSERT INTO [[results]] {COUNT}",
        "results is an upsert-kafka table, the query only appends.",
        "SET 'table.exec.sink.require-on-conflict' = 'false';",
    ),
    (
        "CREATE TABLE again (ip STRING) WITH ('connector' = 'kafka', 'topic' = 'clicks', " + SINK + ");"
        "INSERT INTO [[again]] SELECT ip FROM clicks;",
        "The topic clicks is written and read.",
        "view",
    ),
    (
        sink("ip STRING, name STRING")
        + "INSERT INTO users (user_id, name) SELECT userid, ip FROM clicks; INSERT INTO [[results]] SELECT ip, name "
        "FROM clicks AS c JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c.userid = u.user_id;",
        "The topic users is written and read.",
        "view",
    ),
    (
        sink("ip STRING") + "INSERT INTO results SELECT ip FROM clicks; INSERT INTO [[results]] SELECT ip FROM clicks;",
        "A second INSERT INTO results.",
        "UNION ALL",
    ),
    (
        sink("a INT") + "CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', " + SINK + ");"
        "INSERT INTO [[results]] SELECT a FROM t;",
        "t does not say where reading starts.",
        "'scan.startup.mode' = 'earliest-offset'",
    ),
    (
        sink("a INT") + BOUNDED + "INSERT INTO [[results]] SELECT a FROM t UNION ALL SELECT userid FROM clicks;",
        "The read of t ends, and that of clicks does not.",
        "Give all of them the same 'scan.bounded.mode'.",
    ),
    (
        sink("a INT")
        + BOUNDED
        + "CREATE TABLE more (a INT) WITH ('connector' = 'kafka', 'topic' = 'more', "
        + SINK
        + ");"
        "INSERT INTO results SELECT userid FROM clicks; INSERT INTO [[more]] SELECT a FROM t;",
        "The read of t ends, and that of clicks does not.",
        "",
    ),
]


@pytest.mark.parametrize(("marked", "message", "hint"), INSERTS, ids=[one[1] for one in INSERTS])
def test_insert(marked: str, message: str, hint: str) -> None:
    ((said, instead),) = problems(marked)

    assert message in said
    assert hint in instead
