"""What tests of every part share."""

import gc
import itertools
import os
import time
from collections.abc import Callable
from typing import NoReturn, TypeVar

import pytest

from clickstream.java import ports

T = TypeVar("T")

# What deadlines, and what something may take, are multiplied by: a machine that does much else is not wrong for it.
PATIENCE = float(os.environ.get("CLICKSTREAM_TEST_PATIENCE", "1"))


def wait_until(
    predicate: Callable[[], T | None], timeout: float = 10.0, what: str | Callable[[], str] = "", poll: float = 0.02
) -> T:
    """The first true value of `predicate`, asked every `poll` s; fails the test after `timeout` s, naming `what`.

    The time is multiplied by CLICKSTREAM_TEST_PATIENCE. `what` may be a function: it is asked when the time is over,
    and can tell how things stand then.
    """
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= deadline:
            said = what() if callable(what) else what
            pytest.fail(f"not within {timeout:g} s: {said or getattr(predicate, '__name__', 'condition')}")
        time.sleep(poll)


def quickest(work: Callable[[], object], times: int = 3) -> float:
    """The least CPU time in s that it takes in a few times: garbage of others, and cold caches, do not count."""
    took = []
    gc.disable()
    try:
        for _ in range(times):
            begun = time.process_time()
            work()
            took.append(time.process_time() - begun)
    finally:
        gc.enable()
    return min(took)


# Below those of the system's choice (32768 and more on Linux), which it gives to any client and server meanwhile.
FIRST_PORT, PORTS_OF_A_WORKER, WORKERS = 20_000, 500, 24
_numbers = itertools.count(os.getpid())  # runs beside this one begin elsewhere


def free_port() -> int:
    """A port to listen on later, or never: each call gives another one, and each worker of pytest-xdist has its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    ours = FIRST_PORT + worker * PORTS_OF_A_WORKER
    return next(port for number in _numbers if ports.is_free(port := ours + number % PORTS_OF_A_WORKER))


def missing(reason: str) -> NoReturn:
    """A real part is not to be had here: skip the test, or fail it if CLICKSTREAM_REQUIRE_ALL=1."""
    if os.environ.get("CLICKSTREAM_REQUIRE_ALL") == "1":
        pytest.fail(f"required, but missing: {reason}")
    pytest.skip(reason)
