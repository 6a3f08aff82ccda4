import os
import socket
from contextlib import closing, suppress
from pathlib import Path

import pytest

from clickstream.errors import ConfigError
from clickstream.serving import listening
from clickstream.serving.listening import holder, listen, spread


def port_of(found: socket.socket) -> int:
    number: int = found.getsockname()[1]
    return number


def test_a_free_port_is_listened_on() -> None:
    with closing(listen("127.0.0.1", 0)) as found:
        assert found.getsockname()[0] == "127.0.0.1"
        with socket.create_connection(("127.0.0.1", port_of(found)), 60):
            pass


def test_connections_are_spread_over_several_sockets() -> None:
    several = spread(listen("127.0.0.1", 0), 3)
    port = port_of(several[0])
    try:
        assert [port_of(one) for one in several] == [port] * 3
        clients = [socket.create_connection(("127.0.0.1", port), 60) for _ in range(60)]
        assert [accepted(one) for one in several].count(0) == 0
        with pytest.raises(ConfigError):
            listen("127.0.0.1", port)  # nobody else comes in between
    finally:
        for one in several:
            one.close()
    for client in clients:
        client.close()


def accepted(listening: socket.socket) -> int:
    """How many connections wait at it."""
    number = 0
    with suppress(BlockingIOError):
        while True:
            listening.accept()[0].close()
            number += 1
    return number


def test_a_taken_port_says_by_whom() -> None:
    with closing(listen("127.0.0.1", 0)) as found:
        with pytest.raises(ConfigError) as refused:
            listen("127.0.0.1", port_of(found))
        assert f"Port {port_of(found)} of 127.0.0.1 is in use by process {os.getpid()} (" in str(refused.value)
        assert "--port" in str(refused.value)


def test_a_file_that_is_closed_meanwhile_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []

    def readlink(file: Path) -> str:
        seen.append(file)
        if file.parts[-3] == str(os.getpid()) and file.name == "0":
            raise FileNotFoundError(2, "No such file or directory")
        return original(file)

    original = os.readlink
    with closing(listen("127.0.0.1", 0)) as found:
        monkeypatch.setattr(os, "readlink", readlink)
        assert holder(port_of(found)).startswith(f"process {os.getpid()} (")
    assert seen


def test_it_is_taken_also_by_one_that_would_share_it() -> None:
    with closing(socket.socket()) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ConfigError, match="in use"):
            listen("127.0.0.1", port_of(other))


def test_another_one_may_do() -> None:
    with closing(listen("127.0.0.1", 0)) as found, closing(listen("127.0.0.1", port_of(found), or_any=True)) as other:
        assert port_of(other) != port_of(found)


def test_a_port_that_is_only_closing_is_free() -> None:
    with closing(listen("127.0.0.1", 0)) as found:
        port = port_of(found)
        found.setblocking(True)
        with socket.create_connection(("127.0.0.1", port), 60):
            accepted, _address = found.accept()
            accepted.close()  # its end waits for that of the other (TIME_WAIT)
    listen("127.0.0.1", port).close()


def test_a_host_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match="--host"):
        listen("192.0.2.1", 0)


def test_who_cannot_be_told_is_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "holder", lambda _port: "")
    with closing(listen("127.0.0.1", 0)) as found, pytest.raises(ConfigError, match="another program"):
        listen("127.0.0.1", port_of(found))


def test_nobody_has_a_free_port() -> None:
    with closing(listen("127.0.0.1", 0)) as found:
        port = port_of(found)
    assert holder(port) == ""
