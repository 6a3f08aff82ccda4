"""Which ports the broker listens on."""

import socket

DEFAULT_PORT = 9092
HOST = "127.0.0.1"


class PortTakenError(Exception):
    """The port that was asked for is in use by another program."""


def is_free(port: int) -> bool:
    """Whether a server could listen on it now."""
    with socket.socket() as probe:
        # As the JVM does: connections of a previous broker that are still closing are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def any_free() -> int:
    """A free port of the system's choice."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def choose(wanted: int, previous: int) -> int:
    """The port to listen on. `wanted` DEFAULT_PORT may give way to the previous one, then to any free one (0: any
    free one, the previous if possible); another `wanted` is meant exactly and raises PortTakenError.
    """
    if wanted not in (0, DEFAULT_PORT):
        if not is_free(wanted):
            raise PortTakenError(f"port {wanted} of {HOST} is in use by another program")
        return wanted
    for port in (previous, wanted):
        if port and is_free(port):
            return port
    return any_free()


def answers(port: int) -> bool:
    """Whether somebody accepts connections on it."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0
