"""What is right here and fails on Flink."""

import pytest

from clickstream.shipped import tables
from clickstream.tables.sql.check import check, check_file
from clickstream.tables.sql.onflink import troubles
from tests.unit.tables.sql.troublecases import FINE, TROUBLES


def words(sql: str) -> list[str]:
    found = check(sql)
    assert found.problems == []
    return [one.words for one in troubles(found)]


@pytest.mark.parametrize("name", tables())
def test_what_is_shipped_has_no_trouble(name: str) -> None:
    assert troubles(check_file(tables()[name])) == []


@pytest.mark.parametrize(("sql", "trouble"), TROUBLES)
def test_one_trouble(sql: str, trouble: str) -> None:
    (found,) = words(sql)
    assert trouble in found


@pytest.mark.parametrize("sql", FINE)
def test_no_trouble(sql: str) -> None:
    assert words(sql) == []


def test_the_line_is_where_it_is_asked_for() -> None:
    (found,) = troubles(check("\n\nSET 'parallelism.default' = '0';"))
    assert found.line == 3
