"""What tests of every part share."""

import os
import time
from collections.abc import Callable
from typing import NoReturn, TypeVar

import pytest

T = TypeVar("T")


def wait_until(predicate: Callable[[], T | None], timeout: float = 10.0, what: str = "", poll: float = 0.02) -> T:
    """The first true value of `predicate`, asked every `poll` s; fails the test after `timeout` s, naming `what`."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= deadline:
            pytest.fail(f"not within {timeout:g} s: {what or getattr(predicate, '__name__', 'condition')}")
        time.sleep(poll)


def missing(reason: str) -> NoReturn:
    """A real part is not to be had here: skip the test, or fail it if CLICKSTREAM_REQUIRE_ALL=1."""
    if os.environ.get("CLICKSTREAM_REQUIRE_ALL") == "1":
        pytest.fail(f"required, but missing: {reason}")
    pytest.skip(reason)
