import json
from itertools import islice

import pytest

from clickstream.generate.flaws import NO_FLAWS, FlawDraws, Flaws, spoilers

CLICK = b'{"ip":"10.0.0.1","status":200,"bytes":4096,"referrer":null,"agent":"Mozilla"}'
NUMBERS = ("status", "bytes")


def draws(flaws: Flaws, seed: int = 1) -> FlawDraws:
    return FlawDraws(flaws, seed, NUMBERS)


def spoiled(count: int) -> list[bytes]:
    return [spoil(CLICK) for spoil in islice(spoilers(NUMBERS), count)]


def test_without_flaws_there_are_none() -> None:
    assert (draws(NO_FLAWS).late_by_ms(0), draws(NO_FLAWS).spoilers(0)) == ({}, {})


def test_the_share_that_is_late() -> None:
    found = draws(Flaws(late=0.2, late_by_ms=1_000))
    assert sum(len(found.late_by_ms(block)) for block in range(20)) / 20_000 == pytest.approx(0.2, abs=0.01)


def test_all_may_be_late() -> None:
    assert list(draws(Flaws(late=1.0, late_by_ms=1)).late_by_ms(0)) == list(range(1_000))


def test_lateness_is_anything_up_to_what_was_asked_for() -> None:
    found = set(draws(Flaws(late=1.0, late_by_ms=20)).late_by_ms(0).values())
    assert found == set(range(1, 21))


def test_the_share_that_is_malformed() -> None:
    found = draws(Flaws(malformed=0.1))
    assert sum(len(found.spoilers(block)) for block in range(20)) / 20_000 == pytest.approx(0.1, abs=0.01)


def test_the_same_seed_gives_the_same_flaws_and_another_others() -> None:
    flaws = Flaws(late=0.1, late_by_ms=500, malformed=0.1)
    one, same, other = draws(flaws), draws(flaws), draws(flaws, 2)
    assert one.late_by_ms(3) == same.late_by_ms(3) != other.late_by_ms(3)
    assert list(one.spoilers(3)) == list(same.spoilers(3)) != list(other.spoilers(3))


def test_blocks_differ() -> None:
    found = draws(Flaws(late=0.1, late_by_ms=500))
    assert found.late_by_ms(0) != found.late_by_ms(1)


# --- what malformed means


def test_the_five_kinds_come_in_turn() -> None:
    cut, bad_text, other, wrong, empty = spoiled(5)
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut)
    with pytest.raises(UnicodeDecodeError):
        bad_text.decode()
    assert not isinstance(json.loads(other), dict)
    assert json.loads(wrong) == {**json.loads(CLICK), "status": "unknown"}
    assert empty == b""


def test_the_turns_go_on_from_block_to_block() -> None:
    found = draws(Flaws(malformed=0.0133))
    values = [spoil(CLICK) for block in range(10) for spoil in found.spoilers(block).values()]
    assert len(values) > 50
    assert values == spoiled(len(values))


def test_only_the_bad_byte_is_wrong_with_what_is_not_utf8() -> None:
    assert json.loads(spoiled(2)[1].replace(b"\xff", b"")) == json.loads(CLICK)


def test_each_kind_of_value_that_is_no_object_comes_in_turn() -> None:
    assert [json.loads(value) for value in spoiled(20)[2::5]] == [["click"], "click", 42, None]


def test_each_number_is_spoiled_in_turn() -> None:
    wrong = [json.loads(value) for value in spoiled(15)[3::5]]
    assert [[name for name in NUMBERS if value[name] == "unknown"] for value in wrong] == [
        ["status"],
        ["bytes"],
        ["status"],
    ]


def test_a_null_can_be_spoiled_too() -> None:
    value = b'{"userid":null,"agent":"x"}'
    spoil = list(islice(spoilers(("userid",)), 4))[3]
    assert json.loads(spoil(value)) == {"userid": "unknown", "agent": "x"}
