"""Long chains and deep nests: they run, or are refused with their place; nothing ends in a RecursionError."""

import duckdb
import pytest

from clickstream.tables.engine.expressions.translate import to_duckdb
from clickstream.tables.sql import explain
from clickstream.tables.sql.check import Checked
from clickstream.tables.sql.model import Select
from tests.unit.tables.engine.flows import flow_of
from tests.unit.tables.sql.support import checked, problems, sink

TARGET = sink("userid INT, ip STRING")


def where(condition: str) -> str:
    return f"{TARGET}INSERT INTO results SELECT userid, ip FROM clicks WHERE {condition};"


def value(expression: str) -> str:
    return f"{TARGET}INSERT INTO results SELECT userid, {expression} FROM clicks;"


def views(count: int, each: str = "SELECT userid, ip FROM {}") -> str:
    made = [
        f"CREATE VIEW v{number} AS {each.format(f'v{number - 1}' if number else 'clicks')};" for number in range(count)
    ]
    return "".join([TARGET, *made, f"INSERT INTO results SELECT userid, ip FROM v{count - 1};"])


def works(found: Checked) -> list[tuple[object, ...]]:
    """The file has no problems, and everything that reads its plans gets through; its rows of no clicks."""
    assert not found.problems, found.render()[-300:]
    program = found.program
    assert explain.text(program)
    assert explain.mermaid(program)
    assert explain.as_json(program)
    with duckdb.connect() as db:
        flow = flow_of(db, program)
        return db.execute(flow.branches[0].sql).fetchall()


LONG = {
    "200 conditions joined by OR": where(" OR ".join(f"userid = {number}" for number in range(200))),
    "2,000 conditions joined by OR": where(" OR ".join(f"userid = {number}" for number in range(2000))),
    "2,000 conditions joined by AND": where(" AND ".join(f"userid <> {number}" for number in range(2000))),
    "200 that may fail": where(" OR ".join(f"CAST(ip AS INT) = {number}" for number in range(200))),
    "OR within AND": where(" AND ".join(f"(userid <> {number} OR status = {number})" for number in range(500))),
    "each OR in its own parentheses": where("(" * 150 + "ok" + "".join(f" OR userid = {n})" for n in range(150))),
    "300 texts": value(" || ".join(["ip"] * 300)),
    "a CASE of 1,000 branches": value("CASE " + " ".join(f"WHEN userid = {n} THEN 'a'" for n in range(1000)) + " END"),
    "60 pairs of parentheses": where("(" * 60 + "userid = 1 OR userid = 0" + ")" * 60),
    "200 pairs of parentheses": where("(" * 200 + "userid = 1" + ")" * 200),
    "80 calls in calls": value("UPPER(" * 80 + "ip" + ")" * 80),
    "45 CASEs in CASEs": value("CASE WHEN ok THEN ip ELSE " * 45 + "ip" + " END" * 45),
    "a sum of 90": where(" + ".join(["userid"] * 90) + " > 3"),
    "100 queries joined by UNION ALL": TARGET
    + "INSERT INTO results "
    + " UNION ALL ".join(f"SELECT userid, ip FROM clicks WHERE userid = {number}" for number in range(100))
    + ";",
    "20 queries in queries": f"{TARGET}INSERT INTO results SELECT userid, ip FROM "
    + "(SELECT userid, ip FROM " * 20
    + "clicks"
    + ")" * 20
    + ";",
    "90 views on views": views(90),
}


@pytest.mark.parametrize("name", LONG)
def test_what_is_long_runs(name: str) -> None:
    assert works(checked(LONG[name])) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("(" * 1000 + "userid = 1", ")" * 1000),
        ("NOT " * 500 + "ok", ""),
        ("-" + " -" * 300 + " userid > 1", ""),
        (" - ".join(["userid"] * 500) + " > 1", ""),
        ("UPPER(" * 200 + "ip", ")" * 200 + " = 'A'"),
        ("CASE WHEN ok THEN ok ELSE " * 150 + "ok", " END" * 150),
        ("userid IN (" * 150 + "1", ")" * 150),
    ],
)
def test_an_expression_that_is_too_deep_is_refused_with_its_place(before: str, after: str) -> None:
    found = checked(where(before + after))
    (problem,) = found.problems
    assert problem.message == "This is nested more than 100 levels deep."
    line = found.source.original.split("\n")[problem.line - 1]
    assert line.index("WHERE") < problem.column <= len(line)


def test_a_sum_of_a_column_that_is_too_long_is_refused() -> None:
    long = " + ".join(["n"] * 200)
    found = checked(f"CREATE TABLE t (n INT, total AS {long}) WITH ('connector' = 'kafka');")
    assert [one.message for one in found.problems] == ["This is nested more than 100 levels deep."]


def test_too_many_queries_in_queries_are_refused() -> None:
    query = f"{'(SELECT userid, ip FROM ' * 200}clicks{')' * 200}"
    found = checked(f"{TARGET}INSERT INTO results SELECT userid, ip FROM {query};")
    assert [one.message for one in found.problems] == ["This is nested more than 100 levels deep."]


def test_views_on_views_are_refused_at_the_first_that_is_too_far_from_its_tables() -> None:
    found = problems(views(150).replace("VIEW v100 ", "VIEW [[v100]] "))
    assert [message for message, _ in found] == ["v100 is more than 200 steps from its tables."]


def test_a_chain_has_its_parts_in_their_order() -> None:
    found = checked(where("userid = 1 OR (userid = 2 OR ok AND status = 3) OR userid = 4"))
    assert not found.problems
    plan = found.program.inserts[0].plan
    assert isinstance(plan, Select)
    assert isinstance(plan.input, Select)
    assert plan.input.where is not None
    assert to_duckdb(plan.input.where) == (
        '(("userid" = 1) OR ("userid" = 2) OR ("ok" AND ("status" = 3)) OR ("userid" = 4))'
    )


def test_a_part_that_may_fail_is_looked_at_only_when_those_before_have_not_decided() -> None:
    found = checked(where("ip = 'a' OR CAST(ip AS INT) = 1 OR CAST(ip AS INT) = 2"))
    plan = found.program.inserts[0].plan
    assert isinstance(plan, Select)
    assert isinstance(plan.input, Select)
    assert plan.input.where is not None
    sql = to_duckdb(plan.input.where)
    with duckdb.connect() as db:
        db.execute("CREATE TABLE t AS SELECT * FROM (VALUES ('a'), ('1'), ('2'), ('3'), (NULL)) AS _(ip)")
        rows = db.execute(f"SELECT ip, {sql} FROM t").fetchall()
    assert rows == [("a", True), ("1", True), ("2", True), ("3", False), (None, None)]
