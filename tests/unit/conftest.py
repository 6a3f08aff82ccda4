"""What unit tests of several parts share."""

import pytest

from tests.unit.mockkafka import MockKafka


@pytest.fixture
def kafka() -> MockKafka:
    """A broker in this process, with the real client in front of it."""
    return MockKafka()
