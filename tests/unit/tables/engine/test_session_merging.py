"""Pieces that hang together; `resolve` is tested with the sessions."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clickstream.tables.engine.operators.session_merging import islands

GAP = 10

pieces = st.tuples(st.integers(0, 2), st.integers(-100, 100) | st.sampled_from([-(2**53), 2**53]), st.integers(0, 30))


def hanging_together(given_pieces: list[tuple[int, int, int]]) -> set[frozenset[int]]:
    found: list[set[int]] = []
    for number, (key, start, length) in enumerate(given_pieces):
        touching = [
            group
            for group in found
            if any(
                other_key == key and start <= other + other_length + GAP and other <= start + length + GAP
                for other_key, other, other_length in (given_pieces[one] for one in group)
            )
        ]
        found = [group for group in found if group not in touching]
        found.append({number}.union(*touching))
    return {frozenset(group) for group in found}


@given(st.lists(pieces, min_size=1, max_size=20))
def test_islands_are_pieces_that_hang_together(given_pieces: list[tuple[int, int, int]]) -> None:
    keys, start, length = (np.array(column, dtype=np.int64) for column in zip(*given_pieces, strict=True))
    numbers = islands(keys, start, start + length, GAP)
    groups = {frozenset(np.flatnonzero(numbers == number).tolist()) for number in set(numbers.tolist())}
    assert groups == hanging_together(given_pieces)


def test_many_keys_with_times_far_apart_do_not_overflow() -> None:
    keys = np.repeat(np.arange(20_000), 2)
    start = np.tile(np.array([-(2**53), 2**53]), 20_000)
    assert len(np.unique(islands(keys, start, start, GAP))) == 40_000
