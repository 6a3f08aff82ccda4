"""What a query may do, and what everything else comes to: it runs in its own process here, too."""

import subprocess
import threading
import time
from collections.abc import Collection
from typing import Any

import pyarrow as pa
import pytest

from clickstream.deadline import Cancelled, TooLong
from clickstream.errors import ClickstreamError
from clickstream.query.model import MIB, Column, Limits, Newest, Refused, Result, for_browsers
from clickstream.query.query import query
from tests.support import PATIENCE

WITHIN_S = 60.0 * PATIENCE


class Given:
    """Two tables in memory."""

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def names(self) -> Collection[str]:
        return ["event-topic", "Clicks", "twins", "TWINS"]

    def load(self, name: str, stop: threading.Event) -> tuple[pa.Table, int | None]:
        self.loaded.append(name)
        return pa.table({"a": [3, 1, None], "t": ["x", "y", "z"]}), 1_000 if name == "Clicks" else None


def ask(sql: str, **limits: float | int) -> Result:
    return query(sql, [Given()], Limits(**{"seconds": WITHIN_S, **limits}))  # type: ignore[arg-type]


# --- what is answered


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT 1", [[1]]),
        ('SELECT a FROM "event-topic" ORDER BY a NULLS LAST', [[1], [3], [None]]),
        ("FROM clicks WHERE a = 1 ; -- one", [[1, "y"]]),
        ("WITH clicks AS (SELECT 7 AS x) SELECT * FROM clicks, range(2)", [[7, 0], [7, 1]]),
        ("WITH clicks AS (SELECT * FROM clicks WHERE a > 1) SELECT count(*) FROM clicks", [[1]]),
        ("WITH clicks AS (FROM main.clicks WHERE a > 1) SELECT count(*) FROM clicks", [[1]]),
        ("SELECT count(*) FROM (WITH clicks AS (SELECT 7 AS x) FROM clicks), clicks", [[3]]),
        ("VALUES (1, true), (2, false)", [[1, True], [2, False]]),
        ("SELECT ';' AS s, (SELECT max(a) FROM main.Clicks)", [[";", 3]]),
        ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) FROM r", [[1], [2], [3]]),
        ("DESCRIBE clicks", [["a", "BIGINT", "YES", None, None, None], ["t", "VARCHAR", "YES", None, None, None]]),
    ],
)
def test_a_select_is_answered(sql: str, rows: list[list[object]]) -> None:
    assert ask(sql).rows == rows


def test_an_answer_says_of_which_tables_not_all_was_asked() -> None:
    assert ask('FROM clicks SEMI JOIN "event-topic" USING (a)').newest == {"clicks": Newest(3, 1_000)}


def test_all_digits_are_kept() -> None:
    huge = 170141183460469231731687303715884105727
    found = ask(
        f"SELECT 9223372036854775807, {huge}::HUGEINT, 1.10::DECIMAL(9, 2), [9223372036854775807], 'NaN'::DOUBLE, "
        "'a\\xFF'::BLOB, TIMESTAMP '294000-01-01', {'k': 1.5}, 18446744073709551615::UBIGINT"
    )
    assert found.rows == [
        [
            *(2**63 - 1, str(huge), "1.10", "[9223372036854775807]", "NaN"),
            *("\\x61FF", "294000-01-01 00:00:00", '{"k":1.5}', "18446744073709551615"),
        ]
    ]
    assert [for_browsers(cell) for cell in found.rows[0][:1]] == ["9223372036854775807"]
    assert [for_browsers(cell) for cell in (2**53, True, 1.5, None, "x")] == [2**53, True, 1.5, None, "x"]


def test_only_the_tables_that_are_named_are_read() -> None:
    given = Given()
    found = query("SELECT count(*) FROM clicks, clicks AS c", [given])
    assert (given.loaded, found.tables) == (["Clicks"], ["clicks"])


def test_names_occur_once() -> None:
    columns = [Column("a", "BIGINT"), Column("A", "BIGINT"), Column("b", "BIGINT")]
    assert Result(columns, [], False, [], 0.0).names == ["a", "A:1", "b"]


def test_more_rows_than_allowed_are_cut() -> None:
    found = ask("SELECT range FROM range(1000000)", rows=3)
    assert (found.rows, found.cut) == ([[0], [1], [2]], True)
    found = ask("SELECT repeat('x', 100000) FROM range(100)", octets=MIB)
    assert (len(found.rows), found.cut) == (10, True)
    assert ask("SELECT range FROM range(3)", rows=3).cut is False


# --- what is not


@pytest.mark.parametrize("sql", ["SELECT * FROM read_csv('/etc/passwd')", "DROP TABLE clicks", "SELECT 1/'x'", ""])
def test_whatever_else_is_refused(sql: str) -> None:
    with pytest.raises(Refused):
        ask(sql)


def test_names_that_could_be_two_tables_are_neither() -> None:
    with pytest.raises(Refused, match="no table Twins"):
        ask("FROM Twins")
    assert ask("SELECT count(*) FROM twins").rows == [[3]]


def test_a_near_name_is_offered_and_a_place_is_shown() -> None:
    with pytest.raises(Refused, match=r"There is no table clics\. Did you mean Clicks"):
        ask("FROM clics")
    with pytest.raises(Refused, match=r"(?s)nix.*LINE 2: WHERE nix"):
        ask("SELECT * FROM clicks\nWHERE nix")


def test_a_table_that_cannot_be_read_says_so() -> None:
    class Broken(Given):
        def load(self, name: str, stop: threading.Event) -> pa.Table:
            raise ClickstreamError(f"{name} cannot be read.")

    with pytest.raises(ClickstreamError, match="Clicks cannot be read"):
        query("FROM clicks", [Broken()])


# --- bombs


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000000) c WHERE a.range + b.range = c.range",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
        "SELECT sum(sqrt(range)) FROM range(100000000000)",
    ],
    ids=["cross join", "recursion", "numbers"],
)
def test_what_takes_too_long_is_ended(sql: str) -> None:
    begun = time.monotonic()
    with pytest.raises(TooLong, match="longer than 3 s"):
        ask(sql, seconds=3.0)
    assert time.monotonic() - begun < WITHIN_S / 2


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT repeat('x', 2000000000)",
        "SELECT length(repeat(repeat('x', 1000000), 3000))",
        "SELECT range(2000000000)",
        "SELECT list(range) FROM range(1000000000)",
        "SELECT string_agg(repeat('x', 1000), '') FROM range(100000000)",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r, range(100)) SELECT count(*) FROM r",
        f"SELECT {'(' * 500_000}1{')' * 500_000}",
        f"SELECT {'+'.join(['1'] * 100_000)}",
        f"SELECT {'[' * 900}1{']' * 900}",
    ],
    ids=["text", "texts", "list", "aggregate", "joined texts", "recursion", "brackets", "sum", "nested lists"],
)
def test_what_needs_too_much_is_refused(sql: str) -> None:
    with pytest.raises(ClickstreamError):
        ask(sql, memory=256 * MIB, seconds=20.0)


def test_somebody_may_cancel_it() -> None:
    cancel = threading.Event()
    threading.Timer(1.0, cancel.set).start()
    with pytest.raises(Cancelled):
        query("SELECT sum(sqrt(range)) FROM range(100000000000)", [], Limits(seconds=WITHIN_S), cancel=cancel)


def test_the_process_gets_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "secret")
    given: list[dict[str, Any]] = []
    popen = subprocess.Popen

    def start(*words: Any, **options: Any) -> Any:
        given.append(options)
        return popen(*words, **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    ask("SELECT 1")
    assert set(given[0]["env"]) <= {"PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "SYSTEMROOT"}
