import signal
from collections.abc import Iterator

import pytest

from clickstream.kafka.clients import Cluster
from clickstream.topics import Declared, ensure


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Commands take over the signals of the process that they run in."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def topic(kafka: str, topic_name: str) -> str:
    """An empty topic with three partitions."""
    ensure(Cluster(kafka), [Declared(topic_name, 3, 1)])
    return topic_name
