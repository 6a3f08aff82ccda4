"""Kills and freezes at random moments; the interleavings that they lead to, one by one, are in test_interleavings.py.

CLICKSTREAM_TEST_SEED repeats the random moments of a run; the operating system still has its say in what they hit.
"""

import os
import random
import threading
import time
from collections import Counter as Counts
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from clickstream.kafka.clients import Cluster
from clickstream.topics import ensure
from tests.integration.support import (
    SHORT_SESSION,
    Part,
    command_of,
    counted_by_hand,
    decreases,
    is_an_error_for_people,
    make_topic,
    members,
    running,
    tallies,
    written,
)
from tests.support import wait_until

SESSION_S = 6.0


@pytest.fixture
def draw() -> random.Random:
    seed = os.environ.get("CLICKSTREAM_TEST_SEED") or str(random.SystemRandom().getrandbits(32))
    print(f"CLICKSTREAM_TEST_SEED={seed}")
    return random.Random(seed)


def let_pass(seconds: float) -> None:
    """Go on at a moment that was drawn: here the waiting is the point."""
    threading.Event().wait(seconds)


# --- two members, at random moments


class Victim:
    """A member of the group whose process is killed and started again, or frozen for a while."""

    def __init__(self, command: list[str], stack: ExitStack) -> None:
        self._command = command
        self._stack = stack
        self._wake_at: float | None = None
        self.part = self._start()

    def _start(self) -> Part:
        return self._stack.enter_context(running(*self._command))

    @property
    def frozen(self) -> bool:
        return self._wake_at is not None

    def kill(self) -> None:
        self.part.kill()
        self._wake_at = None
        self.part = self._start()

    def freeze(self, seconds: float) -> None:
        self.part.freeze()
        self._wake_at = time.monotonic() + seconds

    def thaw_when_due(self) -> None:
        if self._wake_at is not None and time.monotonic() >= self._wake_at:
            self.part.thaw()
            self._wake_at = None


def blow(victim: Victim, draw: random.Random) -> str:
    if draw.random() < 0.5 or victim.frozen:
        victim.kill()
        return "kill"
    # Every other freeze outlasts the session: the group goes on without the member, which then comes back.
    outlast = draw.random() < 0.5
    victim.freeze(draw.uniform(SESSION_S + 0.5, SESSION_S + 3) if outlast else draw.uniform(0.05, 2))
    return "long freeze" if outlast else "short freeze"


class Torment:
    """Blows at random moments: in quick succession, which hits starts and rebalances, or to a group at work."""

    def __init__(self, victims: list[Victim], draw: random.Random, published: Callable[[], int]) -> None:
        self._victims = victims
        self._draw = draw
        self._published = published
        self.dealt: Counts[str] = Counts()

    def deal(self, blows: int) -> None:
        """So many blows; afterwards nobody is left frozen."""
        for number in range(blows):
            self.dealt[blow(self._draw.choice(self._victims), self._draw)] += 1
            if number % 3 == 0:
                before = self._published()
                self._wait_until(lambda: self._published() > before, "the group counts again")  # noqa: B023
            moment = time.monotonic() + self._draw.uniform(0.05, 1)
            self._wait_until(lambda: time.monotonic() >= moment)  # noqa: B023
        self._wait_until(lambda: not any(victim.frozen for victim in self._victims))

    def _wait_until(self, condition: Callable[[], bool], what: str = "") -> None:
        def reached() -> bool:
            for victim in self._victims:
                victim.thaw_when_due()
                assert victim.part.running, victim.part.said()
            return condition()

        wait_until(reached, 60, what)


@pytest.mark.parametrize(("blows", "events"), [(8, 100_000), pytest.param(22, 300_000, marks=pytest.mark.slow)])
def test_kills_and_freezes_of_two_members_lose_and_double_nothing(
    kafka: str, topic_name: str, draw: random.Random, blows: int, events: int
) -> None:
    make_topic(kafka, topic_name)
    flow = ["run-producer", "-b", kafka, "--topic", topic_name, "--quiet", "--rate", "6000"]
    member = [*command_of(topic_name), "-b", kafka, *SHORT_SESSION]
    out = f"{topic_name}-tally"
    ensure(Cluster(kafka), [out])
    with ExitStack() as stack:
        producer = stack.enter_context(running(*flow))
        victims = [Victim(member, stack) for _ in range(2)]
        torment = Torment(victims, draw, lambda: written(kafka, out))
        torment.deal(blows)
        print(dict(torment.dealt))
        wait_until(lambda: written(kafka, topic_name) >= events, 60, f"{events:,} events", 0.2)
        assert producer.stop() == 0, producer.said()
        by_hand = counted_by_hand(kafka, topic_name)
        assert f"acknowledged {sum(by_hand.values()):,}, failed 0" in producer.said()
        wait_until(lambda: tallies(kafka, out)[-1] == by_hand, 60, "everything is counted, exactly", 0.5)
        for victim in victims:
            assert victim.part.stop() == 0, victim.part.said()
    found = tallies(kafka, out)
    assert found[-1] == by_hand
    assert decreases(found) == []
    assert len(found) > blows // 3  # it was not all counted in one go at the end


def test_kills_and_freezes_leave_exactly_one_tally_per_event(kafka: str, topic_name: str, draw: random.Random) -> None:
    make_topic(kafka, topic_name)
    flow = ["run-producer", "-b", kafka, "--topic", topic_name, "--quiet", "--rate", "500"]
    counter = [*command_of(topic_name), "-b", kafka, "--emit", "each", *SHORT_SESSION]
    group, out = f"{topic_name}-group", f"{topic_name}-tally"
    ensure(Cluster(kafka), [out])

    def published() -> int:
        return written(kafka, out)

    def forgotten() -> bool:
        return members(kafka, group) == 0

    with ExitStack() as stack:
        producer = stack.enter_context(running(*flow))
        part = stack.enter_context(running(*counter))
        wait_until(lambda: not part.running or members(kafka, group), 30, "the counter is a member", 0.1)
        for kind in draw.sample(["kill", "kill", "short freeze", "outlasting freeze"], 4):
            let_pass(draw.uniform(0.2, 2))
            assert part.running, part.said()
            if kind == "kill":
                part.kill()
                wait_until(forgotten, 30, "the group is empty", 0.1)
                part = stack.enter_context(running(*counter))
                wait_until(lambda: not part.running or members(kafka, group), 30, "it is back", 0.1)  # noqa: B023
            elif kind == "short freeze":
                part.freeze()
                let_pass(draw.uniform(0.2, 2))
                part.thaw()
            else:
                old, before = part, published()
                old.freeze()
                wait_until(forgotten, 30, "the group is empty", 0.1)
                part = stack.enter_context(running(*counter))
                wait_until(lambda: not part.running or published() > before + 100, 30, "it counts", 0.1)  # noqa: B023
                old.thaw()
                assert old.wait() == 1, old.said()
                assert is_an_error_for_people(old.done(), "has taken over")
        assert producer.stop() == 0, producer.said()
        by_hand = counted_by_hand(kafka, topic_name)
        events = sum(by_hand.values())
        wait_until(lambda: not part.running or len(tallies(kafka, out)) >= events, 60, "everything is counted", 1)
        assert part.stop() == 0, part.said()
    found = tallies(kafka, out)
    assert [sum(tally.values()) for tally in found] == list(range(1, events + 1))
    assert decreases(found) == []
    assert found[-1] == by_hand


# --- one interleaving at a time
