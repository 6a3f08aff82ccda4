from hypothesis import given
from hypothesis import strategies as st

from clickstream.generate.moves import SLOTS, Move, shares, tables


def test_a_table_has_a_move_for_every_byte_as_often_as_its_weight_says() -> None:
    built = tables({"here": [Move(3, b"stay", "here"), Move(1, b"go", "there")], "there": [Move(9, b"back", "here")]})
    texts = [text for text, _ in built["here"]]
    assert (texts.count(b"stay"), texts.count(b"go")) == (192, 64)
    assert [text for text, _ in built["there"]] == [b"back"] * SLOTS


def test_a_move_leads_to_the_moves_of_its_position() -> None:
    built = tables({"here": [Move(1, b"go", "there")], "there": [Move(1, b"back", "here")]})
    _, after = built["here"][0]
    assert after is built["there"]
    assert after[0][1] is built["here"]


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=40))
def test_shares_add_up_and_are_at_most_one_slot_off(weights: list[float]) -> None:
    found = shares(weights)
    assert sum(found) == SLOTS
    for share, weight in zip(found, weights, strict=True):
        assert abs(share - weight * SLOTS / sum(weights)) < 1
