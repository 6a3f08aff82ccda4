import socket
import sys
import time
from collections.abc import Iterator

import pytest

from clickstream.serving.listening import listen
from clickstream.serving.silent import shut_silent
from tests.support import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO as Linux has it")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client, and the server's end of its connection."""
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname(), 10) as client:
        listening.setblocking(True)
        server, _address = listening.accept()
        with server:
            yield client, server


def port_of(server: socket.socket) -> int:
    number: int = server.getsockname()[1]
    return number


def test_a_connection_on_which_nothing_came_is_shut(pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    assert shut_silent(port_of(server), 60) == 0  # it may still begin
    wait_until(lambda: shut_silent(port_of(server), 0.05) == 1, 10, "it is found")
    assert client.recv(1) == b""
    assert server.recv(1) == b""


def test_one_that_has_begun_is_left_to_the_server(pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    client.sendall(b"P")
    assert server.recv(1) == b"P"
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        assert shut_silent(port_of(server), 0.01) == 0


def test_those_of_other_ports_are_none_of_ours(pair: tuple[socket.socket, socket.socket]) -> None:
    _client, server = pair
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        assert shut_silent(1, 0.01) == 0
    assert port_of(server) != 1
