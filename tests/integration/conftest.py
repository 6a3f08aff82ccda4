"""The real servers that integration tests share; of Kafka one embedded broker per session, or any given one.

CLICKSTREAM_TEST_BOOTSTRAP=host:port runs them against that broker instead.
"""

import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream.broker import EmbeddedBroker
from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from tests.integration.brokers import MortalBroker
from tests.integration.rabbit import Rabbit, rabbit_in
from tests.postgres import given_or_own
from tests.support import missing


@pytest.fixture(scope="session")
def broker_java() -> str:
    """Which Java the embedded brokers of tests use (see CLICKSTREAM_JAVA)."""
    return os.environ.get("CLICKSTREAM_JAVA", "auto")


@pytest.fixture(scope="session")
def kafka_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State directory of the session's broker; its records are in data/ below."""
    return tmp_path_factory.mktemp("broker")


@pytest.fixture(scope="session")
def kafka(kafka_data_dir: Path, broker_java: str) -> Iterator[str]:
    """Bootstrap address of a real Kafka."""
    given = os.environ.get("CLICKSTREAM_TEST_BOOTSTRAP")
    if given:
        yield given
        return
    broker = EmbeddedBroker(kafka_data_dir, java=broker_java, port=0, linger=5.0)
    try:
        lease = broker.acquire()
    except ClickstreamError as error:
        missing(f"no embedded Kafka: {error}")
    with lease:
        yield lease.address
    broker.stop(force=True)


@pytest.fixture
def cluster(kafka: str) -> Cluster:
    return Cluster(kafka)


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory, broker_java: str) -> Iterator[MortalBroker]:
    """A broker of the module's own, for tests that kill it."""
    broker = EmbeddedBroker(tmp_path_factory.mktemp("mortal"), java=broker_java, port=0, linger=5.0)
    try:
        lease = broker.acquire()
    except ClickstreamError as error:
        missing(f"no embedded Kafka: {error}")
    with lease:
        yield MortalBroker(broker, lease.address)
    broker.stop(force=True)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The DSN of a real PostgreSQL."""
    with given_or_own() as dsn:
        yield dsn


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    """A RabbitMQ of the module's own."""
    with rabbit_in(tmp_path_factory.mktemp("rabbit")) as node:
        yield node


@pytest.fixture
def topic_name(request: pytest.FixtureRequest) -> str:
    """A topic name that no other test uses."""
    test = re.sub(r"[^A-Za-z0-9._-]+", "-", request.node.name).strip("-")
    return f"{test[:80]}-{uuid.uuid4().hex[:8]}"
