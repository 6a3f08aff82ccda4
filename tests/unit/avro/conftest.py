from collections.abc import Iterator

import pytest

from tests.unit.avro.fakeregistry import FakeRegistry, fake_registry


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with fake_registry() as found:
        yield found
