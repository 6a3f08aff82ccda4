import pytest

from tests.unit.parts.doubles import Working


@pytest.fixture
def part() -> Working:
    return Working()
