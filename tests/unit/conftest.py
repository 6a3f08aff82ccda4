"""What unit tests of several parts share."""

import pytest

from clickstream.cli import options
from tests.unit.mockkafka import MockKafka


@pytest.fixture
def kafka() -> MockKafka:
    """A broker in this process, with the real client in front of it."""
    return MockKafka()


@pytest.fixture(autouse=True)
def _survive(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of the tests does not end after a signal, whoever reads what it prints."""
    monkeypatch.setattr(options, "_end_when_stuck", lambda _after_s: None)
