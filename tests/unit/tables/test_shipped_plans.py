"""The shipped files as they are planned, and as a person plans them, come to the same rows."""

import pytest

from tests.differential import shipped
from tests.differential.compare import differences
from tests.differential.data import VARIANTS, topics
from tests.differential.files import SHIPPED, compiled, prepared
from tests.differential.oracle import evaluate


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_shipped_file_is_planned_as_by_hand(variant: str, name: str) -> None:
    given = {f"{topic}-s": records for topic, records in topics(VARIANTS[variant]).items()}
    program = compiled(prepared(name, "s", "r"), "localhost:9092").program

    planned, by_hand = evaluate(program, given), shipped.expected(name, given, "-s")

    assert planned.tables.keys() == by_hand.tables.keys()
    told = {table: differences(by_hand.tables[table], found) for table, found in planned.tables.items()}
    assert {table: difference for table, difference in told.items() if difference} == {}
    assert all(found.rows for found in by_hand.tables.values())
    assert (planned.late, planned.dead) == (by_hand.late, by_hand.dead)
