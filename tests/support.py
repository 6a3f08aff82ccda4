"""What tests of every part share."""

import os
import time
from collections.abc import Callable
from typing import NoReturn, TypeVar

import pytest

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


def missing(reason: str) -> NoReturn:
    """A real part is not to be had here: skip the test, or fail it if CLICKSTREAM_REQUIRE_ALL=1."""
    if os.environ.get("CLICKSTREAM_REQUIRE_ALL") == "1":
        pytest.fail(f"required, but missing: {reason}")
    pytest.skip(reason)
