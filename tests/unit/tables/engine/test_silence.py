"""Silence: what the broker confirms without a gap, and nothing else."""

from collections.abc import Iterable

import pytest

from clickstream.tables.engine.fetching.logwatch import CONFIRMS_WITHIN_S, Ends
from clickstream.tables.engine.fetching.silence import Silence, Silences


def confirmed(silences: Silences, times: Iterable[float], partition: int = 0) -> Silence:
    for at in times:
        found = silences.confirm([partition], at)[partition]
    return found


def test_confirmations_without_a_gap_are_one_silence() -> None:
    assert confirmed(Silences(3.0), [100.0, 101.0, 103.9, 105.0]) == Silence(100.0, 105.0)


@pytest.mark.parametrize("gap", [3.1, 25.0, 10_000.0])
def test_a_gap_begins_the_silence_anew(gap: float) -> None:
    assert confirmed(Silences(3.0), [100.0, 101.0, 101.0 + gap, 102.0 + gap]) == Silence(101.0 + gap, 102.0 + gap)


def test_records_begin_the_silence_anew() -> None:
    silences = Silences(3.0)
    confirmed(silences, [100.0, 101.0])
    silences.break_off([0])
    assert confirmed(silences, [101.5, 102.0]) == Silence(101.5, 102.0)


def test_each_partition_has_its_own() -> None:
    silences = Silences(3.0)
    confirmed(silences, [100.0, 101.0], 0)
    assert silences.confirm([0, 1], 102.0) == {0: Silence(100.0, 102.0), 1: Silence(102.0, 102.0)}


def test_a_partition_is_confirmed_where_its_log_ends_at_the_place_that_was_read_to() -> None:
    ends = Ends(asked_at=100.0, answered_at=100.01, offsets={0: 7, 1: 8, 2: 5})
    assert ends.confirmed({0: 7, 1: 7, 2: 6}) == [0], "1 has a record that was not read; 2 has more now"


def test_an_answer_that_took_long_confirms_nothing() -> None:
    ends = Ends(asked_at=100.0, answered_at=100.1 + CONFIRMS_WITHIN_S, offsets={0: 7})
    assert ends.confirmed({0: 7}) == []
