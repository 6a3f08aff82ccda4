import threading

import pytest

from clickstream.parts.threads import Threads


def fail(problem: BaseException) -> None:
    raise problem


def test_a_problem_stops_the_others_and_is_raised_to_who_waits() -> None:
    stop = threading.Event()
    threads = Threads(stop.set)
    threads.start(stop.wait)
    threads.start(fail, ValueError("odd"))
    with pytest.raises(ValueError, match="odd"):
        threads.join()


def test_the_first_problem_is_the_one_that_is_told() -> None:
    first = threading.Event()
    threads = Threads(first.set)

    def second() -> None:
        first.wait()
        raise ValueError("a consequence")

    threads.start(second)
    threads.start(fail, SystemExit("the cause"))
    threads.wait()
    with pytest.raises(SystemExit, match="the cause"):
        threads.raise_problem()


def test_all_are_waited_for() -> None:
    ended: list[str] = []
    threads = Threads()
    for name in ("a", "b"):
        threads.start(ended.append, name)
    threads.join()
    assert sorted(ended) == ["a", "b"]
