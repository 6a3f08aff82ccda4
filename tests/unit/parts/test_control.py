"""Which commands are heeded, and what is said of them."""

import pytest
from confluent_kafka import Message

from clickstream.kafka.clients import Cluster
from clickstream.parts.control import ANSWERS_KEPT, EXPIRES_AFTER_MS, Control
from clickstream.parts.part import Controls
from clickstream.records import Action, Answer, Command, encode

NOW_MS = 1_767_225_600_000


class Obeying(Controls):
    """Does what it is told, but for another rate."""

    paused = False
    wanted_rate = 5.0

    def __init__(self) -> None:
        self.told: list[tuple[Action, float | None]] = []

    def obey(self, action: Action, value: float | None) -> str:
        if action == "rate":
            raise ValueError("it follows a schedule")
        self.told.append((action, value))
        return "done so"


class Heeding:
    """Two parts, and the control that heeds commands for them at NOW_MS."""

    def __init__(self) -> None:
        self.parts = {"web-1": Obeying(), "vip-1": Obeying()}
        self.answered = 0
        self.control = Control(
            Cluster("localhost:1"), "control", self.parts, answered=self._count, clock=lambda: NOW_MS
        )

    def _count(self) -> None:
        self.answered += 1

    def take(self, value: bytes | None) -> None:
        self.control.take(Message(topic="control", partition=0, offset=0, value=value))


@pytest.fixture
def heeding() -> Heeding:
    return Heeding()


def command(part: str = "web-1", action: Action = "pause", **others: object) -> bytes:
    fields = {"id": "c1", "part": part, "action": action, "value": None, "sent_at": NOW_MS}
    return encode(fields | others)


def test_a_command_reaches_the_part_that_it_names_and_is_answered(heeding: Heeding) -> None:
    heeding.take(command(action="late", value=5))
    assert heeding.parts["web-1"].told == [("late", 5.0)]
    assert heeding.parts["vip-1"].told == []
    assert heeding.control.answers("web-1") == [Answer("c1", True, "done so", NOW_MS)]
    assert heeding.control.answers("vip-1") == []
    assert heeding.answered == 1


def test_a_refusal_is_an_answer(heeding: Heeding) -> None:
    heeding.take(command(action="rate", value=10))
    assert heeding.control.answers("web-1") == [Answer("c1", False, "it follows a schedule", NOW_MS)]


def test_one_for_another_part_is_not_ours(heeding: Heeding) -> None:
    heeding.take(command(part="web-2"))
    assert heeding.answered == 0


@pytest.mark.parametrize(
    ("age_ms", "heeded"),
    [(0, True), (EXPIRES_AFTER_MS, True), (EXPIRES_AFTER_MS + 1, False), (-EXPIRES_AFTER_MS - 1, False)],
)
def test_a_command_expires(heeding: Heeding, age_ms: int, heeded: bool) -> None:
    heeding.take(command(sent_at=NOW_MS - age_ms))
    assert len(heeding.parts["web-1"].told) == heeding.answered == int(heeded)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"id":"c1","part":"web-1","action":"explode","value":null,"sent_at":1767225600000}',
        b'{"id":"c1","part":"web-1","action":"late","value":"5","sent_at":1767225600000}',
        b'{"id":"c1","part":"web-1","action":"pause","value":null,"sent_at":1767225600000,"more":1}',
    ],
)
def test_what_is_no_command_is_ignored(heeding: Heeding, value: bytes | None) -> None:
    heeding.take(value)
    assert heeding.answered == 0
    assert heeding.parts["web-1"].told == []


def test_only_the_latest_answers_are_kept(heeding: Heeding) -> None:
    for number in range(20):
        heeding.take(command(id=f"c{number}"))
    assert [answer.id for answer in heeding.control.answers("web-1")] == [f"c{n}" for n in range(20)][-ANSWERS_KEPT:]


def test_a_command_as_it_is_written() -> None:
    text = b'{"id":"c1","part":"web-1","action":"rate","value":5.0,"sent_at":1767225600000}'
    assert encode(Command("c1", "web-1", "rate", 5.0, NOW_MS)) == text
