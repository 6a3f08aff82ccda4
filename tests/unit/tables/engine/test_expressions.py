"""Expressions on DuckDB give what Flink gives."""

import math
import re
import struct
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from clickstream.tables.engine.expressions.translate import duckdb_type, to_duckdb
from clickstream.tables.sql.dialect import parse
from clickstream.tables.sql.expressions import Typing, Visible
from clickstream.tables.sql.functions import FUNCTIONS
from clickstream.tables.sql.model import Field
from clickstream.tables.sql.regex import RegexProblem, translate
from clickstream.tables.sql.types import Type, type_of
from tests.unit.tables.engine.expression_cases import CASES, COLUMNS, FAILS, Case

INTS = st.integers(-(2**31), 2**31 - 1)
BIGINTS = st.integers(-(2**63), 2**63 - 1)


def typed(expression: str) -> exp.Expr:
    """The expression over COLUMNS as the front end has it; fails where it is refused."""
    visible = [Visible(None, name, Field(name, type)) for name, type in COLUMNS.items()]
    problems: list[str] = []
    node = parse(f"INSERT INTO target SELECT {expression} AS result FROM source").expression.expressions[0].this
    made = Typing(visible, lambda message, _node, hint: problems.append(f"{message} {hint}")).typed(node)
    assert made is not None, problems
    return made


@pytest.fixture(scope="module")
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    """The rows of all cases, by case and number."""
    rows = [(case, number, row) for case, one in enumerate(CASES) for number, row in enumerate(one.rows)]
    texts = {name: [None if row.get(name) is None else str(row[name]) for _, _, row in rows] for name in COLUMNS}
    table = pa.table(
        {
            "case": [case for case, _, _ in rows],
            "row": [number for _, number, _ in rows],
            **{name: pa.array(values, pa.string()) for name, values in texts.items()},
        }
    )
    typed = ", ".join(f'CAST("{name}" AS {duckdb_type(type)}) AS "{name}"' for name, type in COLUMNS.items())
    with duckdb.connect(config={"threads": 1}) as db:
        db.register("texts", table)
        db.execute(f'CREATE TABLE rows AS SELECT "case", "row", {typed} FROM texts')
        yield db


@pytest.mark.parametrize(("number", "case"), list(enumerate(CASES)), ids=str)
def test_an_expression_is_computed_as_flink_does(db: duckdb.DuckDBPyConnection, number: int, case: Case) -> None:
    sql = to_duckdb(typed(f"CAST(({case.expression}) AS STRING)"))
    fine = [row for row, result in enumerate(case.results) if result != FAILS]
    found = db.execute(
        f'SELECT {sql} FROM rows WHERE "case" = ? AND list_contains(?, "row") ORDER BY "row"', [number, fine]
    ).fetchall()
    assert [value for (value,) in found] == [case.results[row] for row in fine]


@pytest.mark.parametrize(
    ("number", "row", "expression"),
    [
        (number, row, case.expression)
        for number, case in enumerate(CASES)
        for row, result in enumerate(case.results)
        if result == FAILS
    ],
)
def test_what_stops_flink_raises(db: duckdb.DuckDBPyConnection, number: int, row: int, expression: str) -> None:
    sql = to_duckdb(typed(expression))
    with pytest.raises(duckdb.Error):
        db.execute(f'SELECT {sql} FROM rows WHERE "case" = {number} AND "row" = {row}').fetchall()


def test_values_have_the_types_of_their_expressions(db: duckdb.DuckDBPyConnection) -> None:
    for case in CASES:
        made = typed(case.expression)
        kind = db.execute(f"SELECT {to_duckdb(made)} AS result FROM rows LIMIT 0").description[0][1]
        assert str(kind) == duckdb_type(type_of(made)), case.expression


def test_every_function_has_a_case() -> None:
    called = {name for case in CASES for name in re.findall(r"(\w+)\(", case.expression)}
    assert set(FUNCTIONS) - called == set()


# --- plain text for what runs for every record


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("i > 5", '("i" > 5)'),
        ("s = 'a''b'", "(\"s\" = 'a''b')"),
        ("s LIKE 'GET %'", "(\"s\" LIKE 'GET %')"),
        ("i IN (1, 2)", '("i" IN (1, 2))'),
        ("i / 1000", '("i" // 1000)'),
        ("x * 2", '("x" * 2)'),
        ("x > 1.5", '("x" > 1.5e0)'),
        ("COALESCE(i, 0)", 'coalesce("i", 0)'),
        ("CASE WHEN b THEN i ELSE 0 END", '(CASE WHEN "b" THEN "i" ELSE 0 END)'),
        ("ts - INTERVAL '5' SECOND", '("ts" - to_milliseconds(5000))'),
    ],
)
def test_common_expressions_are_plain(expression: str, text: str) -> None:
    assert to_duckdb(typed(expression)) == text


def test_names_are_quoted() -> None:
    column = exp.Column(this=exp.Identifier(this='$agg"0', quoted=True))
    column.type = Type.INT.node()
    assert to_duckdb(column) == '"$agg""0:0"'


def test_a_headers_column_can_be_asked_for_null() -> None:
    column = exp.Column(this=exp.Identifier(this="headers", quoted=True))
    column.type = Type.HEADERS.node()
    condition = exp.Is(this=column, expression=exp.Null())
    condition.type = Type.BOOLEAN.node()
    assert to_duckdb(condition) == '("headers" IS NULL)'
    assert duckdb_type(Type.HEADERS) == "MAP(VARCHAR, BLOB)"


def test_conditions_guard_what_can_fail_whatever_duckdb_looks_at_first(db: duckdb.DuckDBPyConnection) -> None:
    condition = to_duckdb(typed("s LIKE '%x%y%z%' AND j <> 0 AND i / j > 1"))
    found = f"SELECT count(*) FROM (SELECT 1 AS i, r % 2 AS j, 'xyz' AS s FROM range(5000) t(r)) WHERE {condition}"
    assert db.execute(found).fetchone() == (0,)


# --- against an oracle


def evaluated(db: duckdb.DuckDBPyConnection, expression: str, **values: object) -> object:
    """The value over one row of these columns, the others of which are NULL."""
    columns = ", ".join(f'CAST(${name} AS {duckdb_type(COLUMNS[name])}) AS "{name}"' for name in values)
    found = db.execute(f"SELECT {to_duckdb(typed(expression))} FROM (SELECT {columns})", values).fetchone()
    assert found is not None
    return found[0]


@settings(max_examples=60)
@given(i=INTS, j=INTS, sign=st.sampled_from("+-*/%"))
def test_int_wraps_as_in_java(db: duckdb.DuckDBPyConnection, i: int, j: int, sign: str) -> None:
    if sign not in "/%" or j != 0:
        assert evaluated(db, f"i {sign} j", i=i, j=j) == java(sign, i, j, 32)


@settings(max_examples=60)
@given(left=BIGINTS, right=BIGINTS, sign=st.sampled_from("+-*/%"))
def test_bigint_wraps_as_in_java(db: duckdb.DuckDBPyConnection, left: int, right: int, sign: str) -> None:
    if sign not in "/%" or right != 0:
        assert evaluated(db, f"l {sign} m", l=left, m=right) == java(sign, left, right, 64)


def java(sign: str, left: int, right: int, bits: int) -> int:
    """Java's arithmetic of int or long."""
    quotient = abs(left) // abs(right or 1) * (-1 if (left < 0) != (right < 0) else 1)
    exact = {"+": left + right, "-": left - right, "*": left * right, "/": quotient, "%": left - quotient * right}
    lowest = -(1 << (bits - 1))
    return (exact[sign] - lowest) % (1 << bits) + lowest


@settings(max_examples=100)
@given(st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("d", struct.pack("Q", bits))[0]) | st.floats(-1e8, 1e8))
def test_a_double_is_written_as_in_java(db: duckdb.DuckDBPyConnection, x: float) -> None:
    if math.isnan(x) or abs(x) > 1e-300 or x == 0:
        assert evaluated(db, "CAST(x AS STRING)", x=x) == java_text(x)


def java_text(x: float) -> str:
    """Double.toString: https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/lang/Double.html."""
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    if x == 0 or 1e-3 <= abs(x) < 1e7:
        return repr(x) if "e" not in repr(x) else format(Decimal(repr(x)), "f")
    sign, digits, _ = Decimal(repr(x)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0") or "0"
    return f"{'-' * sign}{text[0]}.{text[1:] or '0'}E{Decimal(repr(x)).adjusted()}"


@settings(max_examples=100)
@given(st.decimals(-(10**12), 10**12, places=4).map(float) | st.floats(-1e18, 1e18), st.sampled_from((0, 1, 2, 3, 6)))
def test_round_is_half_away_from_zero_of_the_decimal_text(db: duckdb.DuckDBPyConnection, x: float, places: int) -> None:
    rounded = float(Decimal(repr(x)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))
    assert evaluated(db, f"ROUND(x, {places})", x=x) == rounded


# Python's expressions are Java's as far as these are made of; its $ knows \n only.
ATOMS = st.sampled_from(["a", "b", ".", r"\d", r"\w", r"\s", "[ab]", "[^a]", "[a-c1]", r"[\d_]", r"\.", "1", " "])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
        inner.map(lambda one: f"({one})"),
        st.tuples(inner, st.sampled_from(["?", "*", "+", "{1,2}", "??", "+?"])).map(lambda it: f"(?:{it[0]}){it[1]}"),
    ),
    max_leaves=5,
)
TEXTS = st.text("abcAB1 ._\n", max_size=8)


@settings(max_examples=100)
@given(PATTERNS, st.sampled_from(["{}", "^{}", "{}$", "(?i){}"]), TEXTS)
def test_regular_expressions_are_javas(db: duckdb.DuckDBPyConnection, body: str, form: str, text: str) -> None:
    pattern = form.replace("{}", body)
    try:
        regex = translate(pattern)
    except RegexProblem:
        return
    match = re.search(pattern, text, re.ASCII)
    assert evaluated(db, f"REGEXP(s, '{pattern}')", s=text) == (match is not None)
    for group in range(len(regex.groups) + 1):
        expected = match[group] if match else None
        assert evaluated(db, f"REGEXP_EXTRACT(s, '{pattern}', {group})", s=text) == expected
    if not regex.empty:
        replaced = re.sub(pattern, r"<\\1>", text, flags=re.ASCII)
        assert evaluated(db, rf"REGEXP_REPLACE(s, '{pattern}', '<\1>')", s=text) == replaced
