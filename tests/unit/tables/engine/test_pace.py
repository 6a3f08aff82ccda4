"""How soon steps follow one another."""

import pytest

from clickstream.tables.engine.pace import LONGEST_PAUSE_S, Pace, longest_pause


class Machine:
    """A clock, and the CPU time that was used."""

    def __init__(self, longest: float = LONGEST_PAUSE_S) -> None:
        self.now = 1_000.0
        self.worked = 0.0
        self.pace = Pace(lambda: self.now, lambda: self.worked, longest=longest)

    def step(self, rows: int, after: float, work: float = 0.05) -> float:
        """A step with so many rows, so long (s) after the last one; returns the pause."""
        self.now += after
        self.pace.began()
        self.pace.took(rows)
        self.now += work
        self.worked += work
        self.pace.ended()
        return self.pace.left


def test_there_is_no_pause_before_the_first_step() -> None:
    assert Machine().pace.left == 0.0


def test_few_rows_are_taken_together() -> None:
    machine = Machine()
    machine.step(1, 10.0)
    assert machine.step(10, 1.0) == pytest.approx(0.8, abs=0.05)


def test_many_rows_are_taken_at_once() -> None:
    machine = Machine()
    machine.step(250, 10.0)
    assert machine.step(250, 0.05) == 0.0


def test_a_pause_is_never_longer_than_rows_may_wait() -> None:
    assert Machine().step(1, 10.0, work=3.0) == pytest.approx(LONGEST_PAUSE_S, abs=0.01)
    assert Machine(2.0).step(1, 10.0, work=3.0) == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize(("delay", "longest"), [(0.0, 0.9), (1.0, 0.9), (2.5, 1.5), (5.0, 3.0), (3_600.0, 3.0)])
def test_rows_that_wait_for_a_watermark_may_be_kept_together_for_longer(delay: float, longest: float) -> None:
    assert longest_pause(delay) == pytest.approx(longest)


def test_cheap_steps_follow_soon() -> None:
    assert Machine().step(1, 10.0, work=0.002) < 0.05


def test_a_pause_ends() -> None:
    machine = Machine()
    machine.step(1, 10.0)
    machine.now += LONGEST_PAUSE_S
    assert machine.pace.left == 0.0
