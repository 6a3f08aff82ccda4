import threading

from clickstream.errors import ClickstreamError
from clickstream.inspect.refreshed import RESTS_AFTER_S, Refreshed
from tests.support import PATIENCE, wait_until


class Source:
    def __init__(self) -> None:
        self.looks = 0
        self.problem = ""
        self.go = threading.Event()
        self.go.set()

    def look(self) -> int:
        assert self.go.wait(60 * PATIENCE)
        self.looks += 1
        if self.problem:
            raise ClickstreamError(self.problem)
        return self.looks


def test_nobody_waits_for_a_look_that_takes_long() -> None:
    source = Source()
    source.go.clear()
    refreshed = Refreshed(source.look, 0.01, "test")
    seen = refreshed.get(0.01)
    assert (seen.answer, seen.problem) == (None, "")
    source.go.set()
    wait_until(lambda: refreshed.get(0.0).answer, 60)
    refreshed.close()


def test_it_is_looked_again_while_somebody_asks_and_no_longer() -> None:
    source, now = Source(), 0.0
    refreshed = Refreshed(source.look, 0.01, "test", clock=lambda: now)
    wait_until(lambda: (refreshed.get(0.0).answer or 0) > 3, 60)
    now += RESTS_AFTER_S + 1
    wait_until(lambda: not refreshed._is_wanted(), 60)
    looks = source.looks
    wait_until(lambda: (refreshed.get(5.0).answer or 0) > looks, 60)
    refreshed.close()


def test_a_glance_is_one_look_and_what_rests_goes_on_resting() -> None:
    source, now = Source(), 0.0
    refreshed = Refreshed(source.look, 0.0, "test", clock=lambda: now)
    for looks in (1, 2, 3):
        assert refreshed.glance(60 * PATIENCE).answer == looks
        assert not refreshed._is_wanted()
    assert source.looks == 3
    wait_until(lambda: (refreshed.get(5.0).answer or 0) > 4, 60)
    source.go.clear()
    assert refreshed.glance(60 * PATIENCE).answer, "while somebody asks, no look is waited for"
    source.go.set()
    refreshed.close()


def test_a_problem_keeps_the_last_answer_and_says_why() -> None:
    source = Source()
    refreshed = Refreshed(source.look, 0.01, "test")
    wait_until(lambda: refreshed.get().answer, 60)
    source.problem = "Kafka is away."
    wait_until(lambda: refreshed.get().problem == "Kafka is away.", 60)
    assert refreshed.get().answer
    source.problem = ""
    wait_until(lambda: not refreshed.get().problem, 60)
    refreshed.close()
