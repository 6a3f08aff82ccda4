"""Expressions that Flink refuses, or computes as nobody would expect: refused here, too."""

import pytest

from tests.unit.tables.sql.support import checked, problems


def view(expression: str) -> str:
    columns = "ip, userid, `bytes`, price, ok, ts, CAST(ts AS TIMESTAMP(3)) AS plain"
    return (
        f"CREATE TEMPORARY VIEW source AS SELECT {columns} FROM clicks;"
        f"CREATE TEMPORARY VIEW v AS SELECT {expression} AS x FROM source;"
    )


@pytest.mark.parametrize(
    ("marked", "message", "hint"),
    [
        ("UPPER([[NULL]])", "UPPER does not take NULL here.", "CAST(NULL AS ...)"),
        ("IF(ok, ip, [[NULL]])", "IF does not take NULL here.", "CAST(NULL AS ...)"),
        ("ip || [[NULL]]", "STRING is expected, this is NULL.", "CAST(... AS STRING)"),
        ("ok AND [[NULL]]", "BOOLEAN is expected, this is NULL.", "CAST(... AS BOOLEAN)"),
        ("ip LIKE [['a!b']] ESCAPE '!'", "! stands before %, _ or itself only.", ""),
        ("ip LIKE [['a!']] ESCAPE '!'", "! stands before %, _ or itself only.", ""),
        ("ip LIKE [[ip]] ESCAPE '!'", "LIKE with ESCAPE takes a constant pattern.", ""),
        ("[[INTERVAL '1' HOUR + ts]]", "INTERVAL and TIMESTAMP_LTZ(3) cannot be calculated with so.", ""),
        (
            "TIMESTAMPDIFF(DAY, ts, [[plain]])",
            "TIMESTAMPDIFF takes two times of one type.",
            "CAST(... AS TIMESTAMP_LTZ",
        ),
        ("ROUND(price, [[23]])", "ROUND takes 0 to 22 places.", ""),
        ("[[TO_DATE(ip, 'yyyyMMdd')]]", "TO_DATE does not take 2 arguments.", "It is TO_DATE(string)."),
        ("DATE_FORMAT(ts, [['yyyy[MM]']])", "'[' in this pattern is not supported", ""),
        ("DATE_FORMAT(ts, [['SSSSSS']])", "'SSSSSS' in this pattern is not supported", ""),
        ("DATE_FORMAT(ts, [['MMM']])", "'MMM' in this pattern is not supported", ""),
        ("TO_TIMESTAMP(ip, [['yyyy yyyy']])", "A second yyyy in this pattern is not supported.", ""),
        ("REGEXP(ip, [['a*+']])", "a repetition of a repetition is not supported", ""),
        ("REGEXP_REPLACE(ip, [['a*']], '-')", "A pattern that can match an empty text is not supported here.", ""),
        ("""JSON_VALUE(ip, [['$["a"]']])""", "This path is not supported", ""),
    ],
)
def test_refused(marked: str, message: str, hint: str) -> None:
    ((said, instead),) = problems(view(marked))
    assert said.startswith(message)
    assert hint in instead


@pytest.mark.parametrize(
    "expression",
    [
        "ip NOT LIKE 'a%'",
        "ip NOT LIKE 'a!%' ESCAPE '!'",
        "COALESCE(NULL, ip)",
        "NULLIF(ip, NULL)",
        "CASE WHEN ok THEN NULL ELSE ip END",
        "DATE_FORMAT(ts, 'yyyy-MM-dd''T''HH:mm:ss.SSS''Z''')",
        "ts - INTERVAL '1' HOUR",
        "INTERVAL '1' HOUR + plain",
        "userid + -2147483648",
        "REGEXP_EXTRACT(ip, '(\\d+)\\.', 1)",
    ],
)
def test_accepted(expression: str) -> None:
    found = checked(view(expression))
    assert not found.problems, found.render()
