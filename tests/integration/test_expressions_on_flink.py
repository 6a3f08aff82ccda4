"""The cases of tests/unit/tables/engine/expression_cases.py, computed by Flink."""

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from clickstream.flink import jvm
from clickstream.flink.gateway import Session, gateway
from clickstream.flink.rest import Refused
from clickstream.tables.sql.types import Type
from tests.integration.flinksupport import need_flink
from tests.integration.support import make_topic, produce, records
from tests.support import PATIENCE
from tests.unit.tables.engine.expression_cases import CASES, COLUMNS, FAILS, Value

AT_ONCE = 40  # expressions in a job: more of them take Flink's planner ever longer
SETTINGS = {
    "execution.target": "local",
    "table.dml-sync": "true",
    "restart-strategy.type": "none",
    "table.local-time-zone": "UTC",
    "parallelism.default": "1",
}
ROWS = [(row, case.expression, result) for case in CASES for row, result in zip(case.rows, case.results, strict=True)]
GOOD: dict[str, list[int]] = {}
for number, (_, expression, result) in enumerate(ROWS):
    if result != FAILS:
        GOOD.setdefault(expression, []).append(number)
BAD = [(number, expression) for number, (_, expression, result) in enumerate(ROWS) if result == FAILS]


@dataclass
class Flink:
    """A session with the tables cases and results."""

    session: Session
    kafka: str
    results: str

    def compute(self, expressions: Sequence[tuple[str, Sequence[int]]]) -> None:
        """Writes the expressions' texts for the rows of those numbers. Raises Refused where a row fails."""
        queries = (
            f"SELECT id, CAST(({expression}) AS STRING) FROM cases WHERE id IN ({', '.join(map(str, numbers))})"
            for expression, numbers in expressions
        )
        self.session.execute(f"INSERT INTO results {' UNION ALL '.join(queries)}")


@pytest.fixture(scope="module")
def flink(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flink]:
    need_flink()
    name = f"expressions-{uuid.uuid4().hex[:8]}"
    make_topic(kafka, name, partitions=1)
    make_topic(kafka, f"{name}-results", partitions=1)
    produce(kafka, name, [record(number, row) for number, (row, _, _) in enumerate(ROWS)])
    columns = ", ".join(f"`{column}` {type}" for column, type in COLUMNS.items())
    options = f"'connector' = 'kafka', 'properties.bootstrap.servers' = '{kafka}', 'format' = 'json'"
    read = "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'"
    # Before Java 19, Double.toString wrote more digits than needed, and \b knew more letters than \w.
    runtime = jvm.find("wheel", lambda _: None)
    with gateway(runtime, tmp_path_factory.mktemp("flink")) as running:
        session = running.session(SETTINGS)
        session.execute(f"CREATE TABLE cases (id INT, {columns}) WITH ({options}, 'topic' = '{name}', {read})")
        session.execute(f"CREATE TABLE results (id INT, r STRING) WITH ({options}, 'topic' = '{name}-results')")
        yield Flink(session, kafka, f"{name}-results")


def record(number: int, row: dict[str, Value]) -> bytes:
    """A row as Flink reads it: TIMESTAMP_LTZ ends with Z; NaN is a text."""
    local = {key: f"{value}Z" if COLUMNS[key] == Type.TIMESTAMP_LTZ and value else value for key, value in row.items()}
    return json.dumps({"id": number, **local}).encode()


@pytest.mark.timeout(900 * PATIENCE)
@pytest.mark.parametrize("one_in", [16, pytest.param(1, marks=pytest.mark.slow)])  # Flink plans some three in a second
def test_flink_gives_what_the_cases_say(flink: Flink, one_in: int) -> None:
    expressions = list(GOOD.items())[::one_in]
    for start in range(0, len(expressions), AT_ONCE):
        flink.compute(expressions[start : start + AT_ONCE])
    found = {
        one["id"]: one["r"] for one in (json.loads(it.value() or b"") for it in records(flink.kafka, flink.results))
    }
    wrong = [
        f"{ROWS[number][1]} of {ROWS[number][0]} is {found.get(number, 'missing')!r}, not {ROWS[number][2]!r}"
        for _, numbers in expressions
        for number in numbers
        if found.get(number, FAILS) != ROWS[number][2]
    ]
    assert wrong == []


# A job for each: a division and a cast of a text show that Flink stops, whatever else it is that fails.
@pytest.mark.parametrize(
    ("number", "expression"),
    [pytest.param(*one, marks=() if place % 4 == 0 else pytest.mark.slow) for place, one in enumerate(BAD)],
)
def test_flink_stops_where_the_cases_say(flink: Flink, number: int, expression: str) -> None:
    with pytest.raises(Refused):
        flink.compute([(expression, [number])])
