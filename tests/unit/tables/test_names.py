import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.tables.names import engine_name, identifier, relation, string, user_name


@pytest.mark.parametrize("name", ["userid", "order date", 'with "quotes"', "größe", "É", "_1", ""])
def test_a_name_without_capitals_is_the_same_in_the_engine(name: str) -> None:
    assert engine_name(name) == name


@pytest.mark.parametrize(
    ("name", "known_as"),
    [("userId", "userid:10"), ("ID", "id:3"), ("a:b", "a:b:0"), ("userid:10", "userid:10:0"), ("$p", "$p:0")],
)
def test_other_names_say_what_they_are_in_a_suffix(name: str, known_as: str) -> None:
    assert engine_name(name) == known_as
    assert user_name(known_as) == name


@given(st.text())
def test_every_name_comes_back(name: str) -> None:
    assert user_name(engine_name(name)) == name


@given(st.text("aAbB:0123$"), st.text("aAbB:0123$"))
def test_different_names_stay_different_whatever_their_case(one: str, other: str) -> None:
    assert (engine_name(one).lower() == engine_name(other).lower()) == (one == other)


@given(st.text("tT_:$0rows"), st.text("tT_:$0rows"))
def test_relations_of_different_tables_are_different(one: str, other: str) -> None:
    assert (relation("early", one) == relation("early", other)) == (one == other)
    assert relation("early", one) != relation("early_rows", other)


def test_duckdb_keeps_names_apart_that_differ_in_case_only() -> None:
    names = ["userid", "userId", "UserID", "USERID", "userid:10", "$p", 'a"b', 'A"b']
    db = duckdb.connect()
    db.execute(f"CREATE TABLE t ({', '.join(f'{identifier(name)} INTEGER' for name in names)})")
    db.execute(f"INSERT INTO t VALUES ({', '.join(map(str, range(len(names))))})")
    for number, name in enumerate(names):
        assert db.execute(f"SELECT {identifier(name)} FROM t").fetchall() == [(number,)]


def test_a_text_may_have_quotes() -> None:
    assert string("it's") == "'it''s'"
