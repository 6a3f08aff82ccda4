"""How a command is asked to end: by signals, and by time."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from clickstream.cli.options import stop_after, stop_event
from clickstream.stop import Stop
from tests.support import PATIENCE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_for_the_end(number: signal.Signals) -> None:
    stop = stop_event()
    assert not stop.is_set()
    signal.raise_signal(number)
    assert stop.wait(60 * PATIENCE)


@pytest.mark.parametrize(("number", "seconds"), [(signal.SIGINT, 20), (signal.SIGTERM, 8), (signal.SIGHUP, 8)])
def test_a_signal_says_how_long_draining_may_take(number: signal.Signals, seconds: float) -> None:
    stop = stop_event()
    signal.raise_signal(number)
    assert stop.wait(60 * PATIENCE)
    assert seconds - 5 < stop.drain_time_left() <= seconds


def test_the_stop_of_a_part_is_the_one_that_is_set() -> None:
    stop = Stop()
    assert stop_event(stop) is stop
    signal.raise_signal(signal.SIGTERM)
    assert stop.wait(60 * PATIENCE)


AMID_A_WAIT = """
import signal
from clickstream.cli.options import stop_event

stop = stop_event()
with stop._cond:  # as `stop.wait` holds it for a moment
    signal.raise_signal(signal.SIGINT)
assert stop.wait()
"""


def test_a_signal_that_comes_amid_a_wait_asks_too() -> None:
    done = subprocess.run([sys.executable, "-c", AMID_A_WAIT], timeout=60 * PATIENCE)
    assert done.returncode == 0


def test_a_sighup_that_was_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop_event()
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_a_second_ctrl_c_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []
    monkeypatch.setattr(os, "_exit", ends.append)
    stop_event()
    signal.raise_signal(signal.SIGINT)
    assert ends == []
    signal.raise_signal(signal.SIGINT)
    assert ends == [130]


def test_a_second_sigterm_lets_it_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []
    monkeypatch.setattr(os, "_exit", ends.append)
    stop_event()
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    assert ends == []


def test_time_ends_it() -> None:
    stop = threading.Event()
    with stop_after(0.01, stop):
        assert stop.wait(10 * PATIENCE)


@pytest.mark.parametrize("seconds", [None, 1e12])
def test_no_time_does_not(seconds: float | None) -> None:
    stop = threading.Event()
    before = set(threading.enumerate())
    with stop_after(seconds, stop):
        assert not set(threading.enumerate()) - before
    assert not stop.is_set()


def test_time_is_not_waited_for_when_it_ends_before() -> None:
    stop = threading.Event()
    before = set(threading.enumerate())
    with stop_after(60.0, stop):
        (timer,) = set(threading.enumerate()) - before
    timer.join(10 * PATIENCE)
    assert not timer.is_alive()
    assert not stop.is_set()
