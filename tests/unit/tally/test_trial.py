import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from clickstream.errors import ClickstreamError
from clickstream.kafka.consume import End, Run
from clickstream.tally import trial as module
from clickstream.tally.members import PartitionCounts
from clickstream.tally.trial import FieldTrial, Part
from tests.unit.fakes import message
from tests.unit.tally.doubles import OPTIONS, TOPIC, state

NAMED = b'{"name":"a","other":1}'
OTHER = b'{"other":1,"user":{"id":7,"name":"x"}}'


class World:
    """A trial of the field "name" with two partitions."""

    def __init__(self, **options: Any) -> None:
        self.group_has_counted = False
        self.owned = [PartitionCounts(state(partition, 0, counts={})) for partition in range(2)]
        self.trial = FieldTrial(replace(OPTIONS, **options), lambda: self.group_has_counted)
        self.trial.begin()

    def read(self, *values: bytes | None, partition: int = 0) -> list[Part]:
        """The parts that may be counted after a run of these values was read."""
        messages = [message(offset, value, partition=partition) for offset, value in enumerate(values)]
        return self._ready(Run(TOPIC, partition, messages), partition)

    def end(self, partition: int = 0) -> list[Part]:
        return self._ready(End(TOPIC, partition, 9), partition)

    def _ready(self, part: Part, partition: int) -> list[Part]:
        ready = self.trial.ready(part, self.owned[partition], self.owned)
        assert all(own is self.owned[part.partition] for part, own in ready)
        return [part for part, _own in ready]


def kinds(parts: Sequence[Part]) -> list[tuple[str, int]]:
    return [(type(part).__name__, part.partition) for part in parts]


@pytest.fixture
def world() -> World:
    return World()


def test_the_first_name_ends_it_and_what_was_withheld_comes_first_in_its_order(world: World) -> None:
    assert world.read(OTHER, b"no JSON") == []
    assert world.end() == []
    assert world.read(None, partition=1) == []
    assert world.trial.undecided
    assert kinds(world.read(OTHER, NAMED, partition=1)) == [("Run", 0), ("End", 0), ("Run", 1), ("Run", 1)]
    assert (world.trial.over, world.trial.undecided) == (True, False)
    assert kinds(world.read(OTHER)) == [("Run", 0)]


def test_a_group_that_has_counted_is_not_tried() -> None:
    world = World()
    world.group_has_counted = True
    world.trial.begin()
    assert kinds(world.read(OTHER)) == [("Run", 0)]
    assert kinds(world.end()) == [("End", 0)]


@pytest.mark.parametrize("bad", [OTHER, b"no JSON", None, b'{"name":null}'])
def test_a_thousand_records_without_a_name_are_enough(world: World, bad: bytes | None) -> None:
    assert world.read(*[bad] * 600) == []
    with pytest.raises(ClickstreamError, match=r"^None of the first 1,200 records of topic clicks has a name"):
        world.read(*[bad] * 600, partition=1)


def test_so_is_the_end_of_a_shorter_topic(world: World) -> None:
    assert kinds(world.end(1)) == [("End", 1)]
    assert world.read(OTHER, OTHER, b"no JSON") == []
    with pytest.raises(ClickstreamError) as raised:
        world.end()
    assert str(raised.value) == (
        "None of the 3 records of topic clicks has a name in field name; they have other, user.id, user.name. "
        "Nothing was written. Choose another --field."
    )


def test_large_records_are_not_kept_in_memory_without_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_AT_BYTES", 1_000)
    assert world.read(b"x" * 900) == []
    with pytest.raises(ClickstreamError, match="None of the 2 records"):
        world.read(b"x" * 100)


def test_an_empty_topic_is_no_reason_to_stop(world: World) -> None:
    assert world.trial.undecided
    assert kinds(world.end(0) + world.end(1)) == [("End", 0), ("End", 1)]
    assert not world.trial.undecided, "its state may be saved"


def test_a_record_that_comes_to_an_empty_topic_waits_for_a_better_one(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.end(0)
    world.end(1)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert world.read(OTHER) == []
            assert world.end() == []
    assert world.trial.undecided
    assert [record.getMessage() for record in caplog.records] == [
        "None of the 1 records of topic clicks has a name in field name; they have other, user.id, user.name. "
        "They wait until a record has it."
    ]
    assert kinds(world.read(NAMED, partition=1)) == [("Run", 0), ("End", 0)] * 3 + [("Run", 1)]


def test_who_is_to_leave_at_the_end_does_not_wait() -> None:
    world = World(exit_at_end=True)
    world.end(0)
    world.end(1)
    world.read(OTHER)
    with pytest.raises(ClickstreamError, match="None of the 1 records"):
        world.end()


def test_what_another_member_has_counted_is_a_proof(world: World) -> None:
    world.read(*[OTHER] * 600)
    world.group_has_counted = True
    assert kinds(world.read(*[OTHER] * 600)) == [("Run", 0), ("Run", 0)]
    assert world.trial.over


def test_such_a_proof_may_come_later(world: World) -> None:
    world.read(OTHER)
    assert world.trial.release_if(False) == []
    assert len(world.trial.release_if(True)) == 1
    assert world.trial.release_if(True) == []


def test_after_a_rebalance_what_was_withheld_is_read_again(world: World) -> None:
    world.read(*[OTHER] * 600)
    world.trial.begin()
    assert world.read(*[OTHER] * 600) == []
    assert kinds(world.read(NAMED)) == [("Run", 0), ("Run", 0)]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([b'{"name":{"first":"x"}}'], "in field name (field name is an object, not a string, an integer or a boolean)"),
        ([b"no JSON", b"[1]", b"7"], "in field name; they are no JSON objects"),
        ([b'{"\\u001b[2J\\u202e":1}'], "they have \\u001b[2J\\u202e."),
        ([json.dumps({f"f{number}": 1 for number in range(30)}).encode()], "f18, f19 and 10 more"),
        ([b'{"b":1}', b'{"a":1,"b":1}'], "they have b, a"),
        ([b'{"a":' * 3000 + b"1" + b"}" * 3000], "no JSON objects"),
    ],
)
def test_it_says_why_and_what_there_is(values: list[bytes], said: str) -> None:
    world = World()
    world.end(1)
    world.read(*values)
    with pytest.raises(ClickstreamError) as raised:
        world.end()
    assert said in str(raised.value)
