"""librdkafka's mock cluster: the real client against brokers that live in its own process and fail on request.

Python's client can only start one, with `test.mock.num.brokers`; what makes it fail on request is called in the
bundled library itself (rdkafka_mock.h).
"""

import ctypes
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import confluent_kafka
from confluent_kafka import Producer

from clickstream.kafka.clients import Cluster
from tests.support import PATIENCE, missing

QUIET = logging.getLogger("mockkafka")
QUIET.propagate = False
QUIET.addHandler(logging.NullHandler())

# Keys of the Kafka protocol's requests.
PRODUCE, METADATA = 0, 3
INIT_PRODUCER_ID, ADD_PARTITIONS_TO_TXN, END_TXN = 22, 24, 26


def _library() -> ctypes.CDLL:
    bundled = list(Path(confluent_kafka.__file__).parent.parent.glob("confluent_kafka.libs/librdkafka*.so*"))
    if not bundled:
        missing("this build of confluent-kafka has no librdkafka of its own to call")
    library = ctypes.CDLL(str(bundled[0]))
    library.rd_kafka_handle_mock_cluster.restype = ctypes.c_void_p
    library.rd_kafka_handle_mock_cluster.argtypes = [ctypes.c_void_p]
    library.rd_kafka_mock_push_request_errors_array.argtypes = [
        ctypes.c_void_p,
        ctypes.c_int16,
        ctypes.c_size_t,
        ctypes.POINTER(ctypes.c_int),
    ]
    library.rd_kafka_mock_topic_create.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    library.rd_kafka_mock_topic_set_error.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    library.rd_kafka_mock_broker_set_down.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    library.rd_kafka_mock_broker_set_up.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    library.rd_kafka_mock_broker_set_rtt.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int]
    library.rd_kafka_test_fatal_error.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p]
    return library


def _handle(client: Producer) -> ctypes.c_void_p:
    # struct Handle in confluent_kafka.h: PyObject_HEAD, then rd_kafka_t *rk.
    return ctypes.c_void_p.from_address(id(client) + object.__basicsize__)


class MockKafka:
    """One broker; `cluster` is the way to it. Topics come into being with 4 partitions when they are asked for."""

    def __init__(self) -> None:
        self._library = _library()
        self._host = Producer({"test.mock.num.brokers": 1, "log_level": 0, "logger": QUIET})
        self._mock = self._library.rd_kafka_handle_mock_cluster(_handle(self._host))
        (broker,) = self._host.list_topics(timeout=10 * PATIENCE).brokers.values()
        self._broker_id = broker.id
        self.cluster = Cluster(f"{broker.host}:{broker.port}")

    def create(self, topic: str, partitions: int) -> None:
        assert self._library.rd_kafka_mock_topic_create(self._mock, topic.encode(), partitions, 1) == 0

    def fail_next(self, request: int, *errors: int) -> None:
        """Answer the next requests of that kind with these error codes, one each."""
        codes = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(self._mock, request, len(errors), codes)

    def fail_topic(self, topic: str, error: int) -> None:
        """Say `error` of the topic in every answer about metadata; 0 ends that."""
        self._library.rd_kafka_mock_topic_set_error(self._mock, topic.encode(), error)

    @contextmanager
    def down(self) -> Iterator[None]:
        """While the block runs, the broker does not answer."""
        self._library.rd_kafka_mock_broker_set_down(self._mock, self._broker_id)
        try:
            yield
        finally:
            self._library.rd_kafka_mock_broker_set_up(self._mock, self._broker_id)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """While the block runs, the broker takes requests and answers none."""
        self._library.rd_kafka_mock_broker_set_rtt(self._mock, self._broker_id, 3_600_000)
        try:
            yield
        finally:
            self._library.rd_kafka_mock_broker_set_rtt(self._mock, self._broker_id, 0)

    def break_for_good(self, producer: Producer, error: int) -> None:
        """Raise a fatal error inside `producer`."""
        self._library.rd_kafka_test_fatal_error(_handle(producer), error, b"raised by a test")
