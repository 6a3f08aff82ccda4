"""How the differential tests tell what differs."""

from collections import Counter

import pytest

from tests.differential.compare import differences
from tests.differential.outcome import Appends, Upserts


def test_equal_outcomes_have_no_differences() -> None:
    assert differences(Upserts({"k": "1"}), Upserts({"k": "1"})) == ""
    assert differences(Appends(Counter({("k", "1"): 2})), Appends(Counter({("k", "1"): 2}))) == ""


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Upserts({"k": "2"}), ["1 rows are missing:", "missing k: 1", "1 rows are unexpected:", "unexpected k: 2"]),
        (Upserts({}), ["missing k: 1"]),
        (Upserts({"k": "1", "l": "2"}), ["unexpected l: 2"]),
    ],
)
def test_differences_of_keyed_rows(found: Upserts, words: list[str]) -> None:
    told = differences(Upserts({"k": "1"}), found)

    assert all(word in told for word in words)


def test_differences_of_appended_rows_count() -> None:
    told = differences(Appends(Counter({("k", "1"): 2})), Appends(Counter({("k", "1"): 1, ("k", "2"): 1})))

    assert "missing 1 x k: 1" in told
    assert "unexpected 1 x k: 2" in told
