from collections import Counter

import pytest

from clickstream.generate.crowd import BLOCK_SIZE, Click, Crowd, Visitor
from clickstream.generate.moves import Move, tables

STEPS = tables({"even": [Move(1, b"A", "odd")], "odd": [Move(1, b"B", "even"), Move(1, b"C", "even")]})


def crowd(size: int = 20, *, seed: int = 1, skew: float = 0.0) -> Crowd:
    return Crowd(size, lambda n: Visitor(f"v{n}", b"<%d," % n, b">", STEPS["even"]), seed=seed, skew=skew)


def blocks(source: Crowd, count: int) -> list[Click]:
    return [click for _ in range(count) for click in source.block()[1]]


def shares(clicks: list[Click], size: int) -> list[float]:
    """Of visitor 0, 1, ..."""
    counts = Counter(key for key, _, _ in clicks)
    return [counts[f"v{n}"] / len(clicks) for n in range(size)]


def test_blocks_are_numbered_and_have_1000_clicks() -> None:
    source = crowd()
    assert [source.block()[0] for _ in range(3)] == [0, 1, 2]
    assert len(source.block()[1]) == BLOCK_SIZE == 1_000


def test_every_visitor_walks_his_own_way() -> None:
    for visitor in range(20):
        steps = b"".join(tail[:1] for key, _, tail in blocks(crowd(), 3) if key == f"v{visitor}")
        # A and then B or C, from block to block, however many others came in between.
        assert set(steps[::2]) == {ord("A")}
        assert set(steps[1::2]) == set(b"BC")


def test_a_click_has_the_parts_of_its_visitor() -> None:
    for key, head, tail in blocks(crowd(), 1):
        assert head == b"<" + key[1:].encode() + b","
        assert tail in (b"A>", b"B>", b"C>")


# --- the same again


def test_the_same_seed_gives_the_same_clicks() -> None:
    assert blocks(crowd(skew=1.0), 3) == blocks(crowd(skew=1.0), 3)


def test_another_seed_gives_other_clicks() -> None:
    assert blocks(crowd(), 1) != blocks(crowd(seed=2), 1)


def test_blocks_differ() -> None:
    source = crowd()
    assert source.block()[1] != source.block()[1]


def test_a_visitor_is_met_when_he_first_comes_and_only_then() -> None:
    met = []

    def meet(number: int) -> Visitor:
        met.append(number)
        return Visitor(str(number), b"", b"", STEPS["even"])

    source = Crowd(1_000_000, meet, seed=1)
    assert met == []
    came = {key for key, _, _ in blocks(source, 3)}
    assert len(met) == len(set(met)) == len(came)


# --- skew


def test_without_skew_all_come_alike() -> None:
    assert shares(blocks(crowd(4), 20), 4) == [pytest.approx(0.25, abs=0.02)] * 4


def test_with_skew_visitors_come_by_zipfs_law() -> None:
    total = 1 + 1 / 2 + 1 / 3 + 1 / 4
    found = shares(blocks(crowd(4, skew=1.0), 20), 4)
    assert found == [pytest.approx(1 / n / total, abs=0.02) for n in (1, 2, 3, 4)]


def test_skew_is_the_exponent() -> None:
    first, second, *_ = shares(blocks(crowd(4, skew=2.0), 20), 4)
    assert first / second == pytest.approx(4, rel=0.15)
