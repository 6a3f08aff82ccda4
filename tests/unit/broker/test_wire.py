"""The readiness requests, against servers that answer as told."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from clickstream.broker import wire
from tests.support import PATIENCE

HOST = "127.0.0.1"
Serve = Callable[[list[bytes | None]], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that gives one answer after the other (None: closes instead); returns its port."""
    threads: list[threading.Thread] = []
    listeners: list[socket.socket] = []

    def start(answers: list[bytes | None]) -> int:
        listener = socket.create_server((HOST, 0))
        listeners.append(listener)

        def run() -> None:
            connection, _ = listener.accept()
            with connection:
                for answer in answers:
                    connection.recv(4096)
                    if answer is None:
                        return
                    message = struct.pack(">ii", len(answer) + 4, 0) + answer
                    for byte in message:  # in as many pieces as possible
                        connection.sendall(bytes([byte]))

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return int(listener.getsockname()[1])

    yield start
    for thread in threads:
        thread.join(5 * PATIENCE)
    for listener in listeners:
        listener.close()


def metadata(brokers: int) -> bytes:
    return struct.pack(">i", brokers) + b"rest"


def producer_id(error: int) -> bytes:
    return struct.pack(">ihqh", 0, error, 5, 0)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([metadata(1), producer_id(0)], True),
        ([metadata(1), producer_id(14)], False),  # coordinator load in progress
        ([metadata(0)], False),
        ([metadata(1), None], False),
        ([None], False),
        ([b""], False),
    ],
)
def test_ready_is_a_broker_that_hands_out_producer_ids(
    serve: Serve, answers: list[bytes | None], expected: bool
) -> None:
    assert wire.ready(HOST, serve(answers)) is expected


@pytest.mark.parametrize(("answer", "expected"), [(metadata(1), True), (metadata(0), False), (None, False)])
def test_a_broker_that_names_itself_is_there(serve: Serve, answer: bytes | None, expected: bool) -> None:
    assert wire.accepts(HOST, serve([answer])) is expected


def test_nobody_there_is_not_ready() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    assert not wire.ready(HOST, port)
    assert not wire.accepts(HOST, port)
    wire.create_group_topic(HOST, port)  # nothing is raised
