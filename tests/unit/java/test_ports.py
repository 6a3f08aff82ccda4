"""Which port the broker takes."""

import socket
from collections.abc import Iterator

import pytest

from clickstream.java import ports
from clickstream.java.ports import PortTakenError, any_free, choose


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.socket() as stranger:
        stranger.bind((ports.HOST, 0))
        stranger.listen()
        yield stranger.getsockname()[1]


@pytest.fixture
def default(monkeypatch: pytest.MonkeyPatch) -> int:
    """A default port that is free, whatever runs on this machine."""
    free = any_free()
    monkeypatch.setattr(ports, "DEFAULT_PORT", free)
    return free


def test_the_default_port_if_it_is_free(default: int) -> None:
    assert choose(default, 0) == default


def test_the_previous_port_if_it_is_free(default: int) -> None:
    previous = any_free()
    assert choose(default, previous) == previous
    assert choose(0, previous) == previous


def test_the_default_port_if_a_stranger_has_the_previous_one(default: int, taken: int) -> None:
    assert choose(default, taken) == default


def test_another_free_one_if_a_stranger_has_the_default(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "DEFAULT_PORT", taken)
    chosen = choose(taken, 0)
    assert chosen not in (0, taken)
    assert ports.is_free(chosen)


def test_any_free_one_if_the_previous_is_taken_and_none_was_asked_for(default: int, taken: int) -> None:
    chosen = choose(0, taken)
    assert chosen not in (0, taken)


def test_a_port_that_was_asked_for_is_meant_exactly(default: int, taken: int) -> None:
    wanted = any_free()
    assert choose(wanted, any_free()) == wanted
    with pytest.raises(PortTakenError, match=rf"port {taken} .* set broker\.port"):
        choose(taken, any_free())


def test_a_port_of_all_addresses_is_taken_too() -> None:
    with socket.socket() as stranger:
        stranger.bind(("0.0.0.0", 0))
        stranger.listen()
        assert not ports.is_free(stranger.getsockname()[1])
