"""Each refusal: where the carets stand, what is said, and what is supported instead."""

import pytest

from clickstream.tables.sql.check import check
from tests.unit.tables.sql.support import IN_WINDOW, KAFKA, checked, problems, sink

COUNTED = "SELECT COUNT(*) AS n FROM"


def select(expression: str) -> str:
    """A query of one expression over clicks, into a table that takes it."""
    return f"CREATE TEMPORARY VIEW v AS SELECT {expression} AS x FROM clicks;"


EXPRESSIONS = [
    ("[[usrid]]", "Unknown column usrid.", "Did you mean userid?"),
    ("[[UserId]]", "Unknown column UserId.", "Names are case-sensitive."),
    ("[[u.userid]]", "Unknown table u.", ""),
    ("[[UPER(ip)]]", "The function UPER is not supported.", "Did you mean UPPER?"),
    ("UPPER([[userid]])", "UPPER does not take INT here.", "It is UPPER(string)."),
    ("[[SUBSTRING(ip)]]", "SUBSTRING does not take 1 argument.", "SUBSTRING(string, int[, int])"),
    ("DATE_FORMAT(ts, [[ip]])", "DATE_FORMAT takes a constant here.", "DATE_FORMAT(time, 'pattern')"),
    ("DATE_FORMAT(ts, [['EEE']])", "'EEE' in this pattern is not supported", ""),
    ("REGEXP_EXTRACT(ip, [['(?=a)']])", "(?= is not supported", ""),
    ("JSON_VALUE(ip, [['lax $.a']])", "This path is not supported", ""),
    ("TO_TIMESTAMP_LTZ(`_time`, [[6]])", "The precision is 0 (seconds) or 3 (milliseconds).", ""),
    ("TIMESTAMPADD([[FORTNIGHT]], 1, ts)", "FORTNIGHT is no supported unit", ""),
    ("[[CURRENT_TIMESTAMP]]", "CURRENT_TIMESTAMP is not supported.", "Use the event's own time."),
    ("[[NOW()]]", "The function NOW is not supported.", "Use the event's own time."),
    ("[[PROCTIME()]]", "The function PROCTIME is not supported.", "WATERMARK"),
    ("[[user]]", "user is a reserved word in Flink.", "Write `user`."),
    ("clicks.[[bytes]]", "bytes is a reserved word in Flink.", "Write `bytes`."),
    ("[[userid = ip]]", "INT cannot be compared with STRING.", "CAST"),
    ("[[ts > day_]]", "TIMESTAMP_LTZ(3) cannot be compared with DATE.", "CAST"),
    ("[[userid = NULL]]", "A comparison with NULL is never true.", "IS NULL"),
    ("[[ok > TRUE]]", "BOOLEAN can be compared with = and <> only.", ""),
    ("userid [[!=]] 1", "!= is not supported.", "Write <>"),
    ("userid [[==]] 1", "== is not supported.", "Write ="),
    ('[["]]ip"', '" is not supported.', "`backticks`"),
    ("userid [[::]] STRING", ":: is not supported.", "Operators are"),
    ("[[userid + ip]]", "INT and STRING cannot be calculated with so.", ""),
    ("[[ts - ts]]", "cannot be calculated with so.", "TIMESTAMPDIFF"),
    ("[[userid * 1.5]]", "DECIMAL is not supported.", "1.5E0"),
    ("[[1.5]]", "A column cannot be of type DECIMAL.", "CAST"),
    ("[[price % 2]]", "% takes whole numbers.", ""),
    ("NOT [[ip]]", "BOOLEAN is expected, this is STRING.", ""),
    ("[[userid]] LIKE 'a%'", "STRING is expected, this is INT.", "CAST(... AS STRING)"),
    ("ip || [[userid]]", "STRING is expected, this is INT.", "CAST(... AS STRING)"),
    ("CASE WHEN ok THEN 1 ELSE [['a']] END", "The branches of CASE are INT and STRING.", "CAST"),
    ("CASE WHEN [[userid]] THEN 1 END", "BOOLEAN is expected, this is INT.", ""),
    ("[[CAST(ok AS DATE)]]", "BOOLEAN cannot be cast to DATE.", ""),
    ("CAST(ip AS [[DECIMAL]](10, 2))", "The type DECIMAL(10, 2) is not supported.", "Supported are BOOLEAN"),
    ("[[headers]] || 'a'", "STRING is expected, this is MAP", ""),
    ("[[COUNT(userid)]]", "An aggregate without GROUP BY is not supported.", "GROUP BY"),
    ("[[SUM(userid) OVER (ORDER BY ts)]]", "OVER is not supported here.", "ROW_NUMBER"),
    ("[[ip IN (SELECT name FROM users]])", "Subqueries are supported in FROM only.", ""),
    ("[[ip ILIKE 'a']]", "ILIKE is not supported.", "docs/sql-reference.md"),
    ("[[99999999999999999999]]", "This number is too large for BIGINT.", ""),
    ("ts - [[INTERVAL]] '100' SECOND", "'100' has more than 2 digits.", "SECOND(3)"),
    ("ts - [[INTERVAL]] '5.001' SECOND(2, 2)", "'5.001' has more than 2 decimal places.", ""),
    ("ts - [[INTERVAL]] '5.0001' SECOND(2, 6)", "'5.0001' is no number of seconds.", ""),
    ("ts - INTERVAL '5' MINUTE(2[[,]] 3)", "A closing parenthesis is expected before ,.", ""),
    ("ts -[[\u00a0]]INTERVAL '5' SECOND", "U+00A0 (NO-BREAK SPACE) is not supported.", "Write a plain space."),
    ("ts[[\u2003]] - INTERVAL '5' SECOND", "U+2003 (EM SPACE) is not supported.", "Write a plain space."),
    ("i[[\u200b]]p", "U+200B (ZERO WIDTH SPACE) is not supported.", "Write a plain space."),
    ("ts - INTERVAL '1' [[MONTH]]", "An interval's unit is expected.", "SECOND, MINUTE, HOUR and DAY"),
    ("TIMESTAMP [['yesterday']]", "'yesterday' is no TIMESTAMP.", "2023-11-14"),
]


@pytest.mark.parametrize(("marked", "message", "hint"), EXPRESSIONS, ids=[one[0] for one in EXPRESSIONS])
def test_expression(marked: str, message: str, hint: str) -> None:
    ((said, instead),) = problems(select(marked))

    assert message in said
    assert hint in instead


QUERIES = [
    ("SELECT ip FROM [[click]]", "Unknown table click.", "Did you mean clicks?"),
    ("SELECT [[DISTINCT]] ip FROM clicks", "DISTINCT is not supported.", "GROUP BY"),
    ("SELECT ip FROM clicks ORDER BY [[ip]]", "ORDER is not supported.", "ROW_NUMBER"),
    ("SELECT ip FROM clicks LIMIT [[3]]", "LIMIT is not supported.", "ROW_NUMBER"),
    ("[[WITH]] a AS (SELECT 1) SELECT ip FROM clicks", "WITH is not supported.", "CREATE TEMPORARY VIEW"),
    ("SELECT ip, [[ip]] FROM clicks", "Two columns are called ip.", "AS"),
    ("SELECT [[c.*]] FROM clicks", "Unknown table c.", ""),
    ("SELECT [[ip FROM clicks UNION SELECT ip FROM clicks]]", "UNION without ALL is not supported.", "UNION ALL"),
    ("SELECT ip FROM clicks UNION ALL SELECT [[ip, status FROM clicks]]", "have 1 and 2 columns.", ""),
    ("SELECT ip FROM clicks UNION ALL SELECT [[status FROM clicks]]", "ip is STRING on one side, INT on the other", ""),
    ("SELECT name FROM [[users]]", "users is an upsert-kafka table", "FOR SYSTEM_TIME AS OF"),
    ("SELECT [[* EXCEPT (ip]]) FROM clicks", "* with exceptions is not supported.", "Name the columns."),
    ("[[FROM]] clicks", "SELECT is expected before FROM.", ""),
    ("SELECT ip FROM clicks [[/*+ OPTIONS('a' = 'b') */]]", "Hints are not supported.", ""),
    ("SELECT ip FROM clicks WHERE [[status]]", "A condition is expected, this is INT.", ""),
    # windows
    (
        "SELECT ip FROM TABLE([[TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))]]",
        "Windows are supported with GROUP BY or ROW_NUMBER.",
        "GROUP BY window_start and window_end",
    ),
    (
        f"{COUNTED} TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '60' SECOND, [[INTERVAL '5' SECOND]])) "
        "GROUP BY window_start, window_end",
        "The size of HOP is not a multiple",
        "The slide comes first: HOP(TABLE t, DESCRIPTOR(time), slide, size)",
    ),
    (
        f"{COUNTED} TABLE([[TUMBLE]](TABLE clicks, DESCRIPTOR(ts))) GROUP BY window_start, window_end",
        "TUMBLE takes 1 interval.",
        "TUMBLE(TABLE t, DESCRIPTOR(time), size)",
    ),
    (
        f"{COUNTED} TABLE([[ROLL]](TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY ip",
        "Unknown window function.",
        "TUMBLE, HOP, CUMULATE, SESSION",
    ),
    (
        f"{COUNTED} TABLE(TUMBLE(TABLE clicks, DESCRIPTOR([[tz]]), INTERVAL '1' MINUTE)) GROUP BY window_start",
        "Unknown column tz.",
        "ts",
    ),
    (
        f"{COUNTED} TABLE(TUMBLE(TABLE clicks, DESCRIPTOR([[day_]]), INTERVAL '1' MINUTE)) GROUP BY window_start",
        "day_ is not the event time of clicks.",
        "The event time is ts.",
    ),
    (f"SELECT COUNT(*) AS n {IN_WINDOW} [[window_start, ip]]", "window_end is missing in GROUP BY.", "GROUP BY both"),
    (f"SELECT COUNT(*) AS n {IN_WINDOW} [[ip]]", "window_start and window_end are missing", "GROUP BY both"),
    (
        f"{COUNTED} TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) "
        "WHERE [[window_start]] > TIMESTAMP '2023-11-14 22:12:25' GROUP BY window_start, window_end",
        "window_start is not supported in WHERE.",
        "HAVING",
    ),
    (
        f"{COUNTED} TABLE(SESSION(TABLE clicks PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '30' SECOND)) "
        "GROUP BY [[userid, window_start, window_end]]",
        "The sessions' PARTITION BY and GROUP BY differ.",
        "The sessions have ip",
    ),
    (
        f"{COUNTED} TABLE(TUMBLE(TABLE clicks PARTITION BY [[ip]], DESCRIPTOR(ts), INTERVAL '30' SECOND)) "
        "GROUP BY window_start, window_end",
        "PARTITION BY is for SESSION.",
        "GROUP BY separates",
    ),
    # GROUP BY
    (f"SELECT [[ip]], COUNT(*) AS n {IN_WINDOW} window_start, window_end", "ip is neither in GROUP BY", "GROUP BY"),
    (
        f"SELECT [[SUM(ip)]] AS n {IN_WINDOW} window_start, window_end".replace("[[SUM(ip)]]", "SUM([[ip]])"),
        "SUM does not take STRING.",
        "SUM",
    ),
    (f"SELECT COUNT(*) AS n {IN_WINDOW} window_start, window_end HAVING [[COUNT(*)]]", "A condition is expected", ""),
    ("SELECT COUNT(*) AS n FROM clicks GROUP BY [[1]]", "A constant in GROUP BY is not supported.", "Name the column"),
    ("SELECT COUNT(*) AS n FROM clicks GROUP BY ROLLUP ([[ip)]]", "ROLLUP is not supported.", "docs/sql-reference.md"),
    (
        "SELECT COUNT(*) AS n FROM clicks WHERE [[COUNT(*)]] > 1 GROUP BY ip",
        "The aggregate COUNT is not supported here.",
        "",
    ),
    (
        f"{COUNTED} (SELECT COUNT(*) AS m {IN_WINDOW} window_start, window_end) GROUP BY [[m]]",
        "GROUP BY over rows that are grouped already is not supported.",
        "topic",
    ),
    # joins
    (
        "SELECT ip FROM clicks [[JOIN users ON user_id = userid]]",
        "Regular joins are not supported.",
        "FOR SYSTEM_TIME AS OF",
    ),
    (
        "SELECT ip FROM clicks AS c JOIN users FOR SYSTEM_TIME AS OF [[c.day_]] AS u ON c.userid = u.user_id",
        "The event time of the left side is expected.",
        "WATERMARK",
    ),
    (
        "SELECT ip FROM clicks AS c JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON [[c.ip = u.name]]",
        "Only equality with the reference's key is supported here.",
        "The primary key of users is user_id.",
    ),
    (
        "SELECT ip FROM clicks AS c JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON [[c.`_time` = u.user_id]]",
        "BIGINT is joined with INT.",
        "CAST",
    ),
    (
        "SELECT ip FROM clicks AS c JOIN [[clicks]] FOR SYSTEM_TIME AS OF c.ts AS u ON c.userid = u.userid",
        "clicks has no versions.",
        "upsert-kafka table with a PRIMARY KEY",
    ),
    # ROW_NUMBER
    (
        "SELECT a FROM (SELECT ip AS a, [[ROW_NUMBER() OVER (PARTITION BY ip ORDER BY status)]] AS n FROM clicks) "
        "WHERE n = 1",
        "This ROW_NUMBER would change its rows for ever.",
        "the first rows of windows",
    ),
    (
        "SELECT ip FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY ip ORDER BY [[ts NULLS LAST]]) AS n FROM clicks) "
        "WHERE n = 1",
        "This order of NULLs is not supported.",
        "NULLs are lowest",
    ),
    (
        "SELECT ip FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY ip ORDER BY ts) AS n FROM clicks) WHERE [[n > 1]]",
        "How many rows n keeps is not said.",
        "WHERE n <= 3",
    ),
]


@pytest.mark.parametrize(("marked", "message", "hint"), QUERIES, ids=[one[0][:70] for one in QUERIES])
def test_query(marked: str, message: str, hint: str) -> None:
    ((said, instead),) = problems(f"CREATE TEMPORARY VIEW v AS {marked};")

    assert message in said
    assert hint in instead


def test_all_problems_are_reported_in_their_order() -> None:
    found = problems(
        "SET [['a']] = 'b';\n"
        "CREATE VIEW v AS SELECT [[usrid]] AS a, UPPER([[status]]) AS b FROM clicks WHERE [[nothing]] = 1;\n"
        "CREATE VIEW w AS SELECT [[!=]];\n"
        "CREATE VIEW x AS SELECT [[a]] FROM clicks;"
    )

    assert len(found) == 6


def test_what_was_refused_is_no_second_problem_where_it_is_used() -> None:
    problems(f"CREATE VIEW v AS SELECT [[nothing]] FROM clicks; {sink('a INT')} INSERT INTO results SELECT a FROM v;")
    problems("CREATE VIEW v AS SELECT a [[==]] 1 FROM clicks; CREATE VIEW w AS SELECT a FROM v;")


def test_options_that_only_steer_flink_are_named() -> None:
    found = checked("SET 'parallelism.default' = '4';")

    assert not found.problems
    assert "parallelism.default" in [note.name for note in found.notes]
    assert "properties.bootstrap.servers" in [note.name for note in found.notes]


SESSION = "SESSION(TABLE clicks PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '30' SECOND)"
TUMBLE = "TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "SELECT ip FROM (SELECT ip, window_start, window_end, ROW_NUMBER() OVER "
            "(PARTITION BY window_start, window_end ORDER BY ts) AS n FROM TABLE({SESSION})) WHERE n = 1".replace(
                "{SESSION}", SESSION
            ),
            "The rows of a SESSION window without GROUP BY are not supported.",
        ),
        (
            f"SELECT ip FROM TABLE({TUMBLE}) GROUP BY ip, window_start, window_end, DATE_FORMAT(window_start, 'HH')",
            "An expression of window_start beside GROUP BY is not supported.",
        ),
        (
            f"SELECT MAX(ip) FROM TABLE({TUMBLE}) WHERE ip <> '' GROUP BY window_start, window_end, window_time"
            " HAVING MAX(CAST(window_end AS STRING)) <> ''",
            "An expression of window_end beside GROUP BY is not supported.",
        ),
    ],
)
def test_what_only_the_whole_plan_shows(query: str, message: str) -> None:
    ((found, hint),) = problems(f"{sink('ip STRING')}INSERT INTO [[results]] {query};")
    assert found == message
    assert "GROUP BY" in hint


def test_a_setting_that_nobody_knows_is_one_problem_wherever_it_stands() -> None:
    options = {"connector": "kafka", "topic": "${TOPIC}", "properties.bootstrap.servers": "x", "format": "json"}
    clauses = ", ".join(f"'{name}' = '{value}'" for name, value in options.items())
    found = check(f"CREATE TABLE t (a STRING) WITH ({clauses});")
    assert [problem.message for problem in found.problems] == ["Unknown setting TOPIC."]


def test_blanks_of_any_kind_stand_in_texts_comments_and_quoted_names() -> None:
    text = (
        "CREATE TEMPORARY VIEW v AS -- a\u00a0comment\nSELECT 'a\u00a0b' /* \u2003 */ AS `x\u00a0y`\tFROM\f\r\nclicks;"
    )
    assert not checked(text).problems


@pytest.mark.parametrize(
    "query",
    [
        f"{COUNTED} TABLE(TUMBLE(TABLE still, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
        "SELECT CAST(s.n AS BIGINT) FROM still AS s LEFT JOIN users FOR SYSTEM_TIME AS OF s.ts AS u ON s.n = u.user_id",
        "SELECT CAST(n AS BIGINT) FROM (SELECT n, ROW_NUMBER() OVER (PARTITION BY n ORDER BY ts) AS r FROM still) "
        "WHERE r = 1",
    ],
)
def test_a_stream_whose_watermark_stands_still_is_refused_where_it_is_waited_for(query: str) -> None:
    still = f"""CREATE TABLE still (n INT, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS TO_TIMESTAMP_LTZ(0, 3))
    WITH ('connector' = 'kafka', 'topic' = 'still', {KAFKA});"""
    ((message, hint),) = problems(f"{still}{sink('n BIGINT')}INSERT INTO [[results]] {query};")
    assert message.startswith("The watermark of still stands still")
    assert "INTERVAL '5' SECOND" in hint
    assert not checked(f"{still}{sink('n INT')}INSERT INTO results SELECT n FROM still;").problems
