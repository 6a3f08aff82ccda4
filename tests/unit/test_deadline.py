import threading

import pytest

from clickstream.deadline import Cancelled, Deadline, TooLong
from clickstream.stop import Stop
from tests.support import PATIENCE, wait_until


def test_what_is_in_time_is_not_interrupted() -> None:
    interrupted = threading.Event()
    with Deadline(60.0) as deadline:
        deadline.interrupt = interrupted.set
        deadline.check()
    assert not deadline.over.is_set()
    assert not interrupted.is_set()


def test_it_is_interrupted_again_and_again_once_the_time_is_over() -> None:
    times: list[int] = []
    with Deadline(0.0) as deadline:
        deadline.interrupt = lambda: times.append(1)
        wait_until(lambda: len(times) >= 3, 60, "it is interrupted")
        with pytest.raises(TooLong, match="longer than 0 s"):
            deadline.check()
    assert deadline.over.is_set()


def test_somebody_may_cancel_it() -> None:
    cancel = threading.Event()
    with Deadline(60.0, cancel) as deadline:
        cancel.set()
        assert deadline.over.wait(60 * PATIENCE)
        with pytest.raises(Cancelled):
            deadline.check()


def test_a_stop_leaves_it_the_time_for_draining_and_no_more() -> None:
    stop = Stop()
    with Deadline(60.0, stop=stop) as deadline:
        stop.set_for(3_600.0)
        deadline.check()
        stop.set_for(0.0)
        assert deadline.over.wait(60 * PATIENCE)
        with pytest.raises(TooLong):
            deadline.check()
