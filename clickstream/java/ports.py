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
    """The port to listen on: the previous one if it is free, or DEFAULT_PORT, or any (`wanted` 0: not DEFAULT_PORT).

    Another `wanted` is meant exactly; raises PortTakenError if it is in use.
    """
    if wanted not in (0, DEFAULT_PORT):
        if not is_free(wanted):
            raise PortTakenError(
                f"port {wanted} of {HOST} is in use by another program; end that, or set broker.port to another port"
            )
        return wanted
    for port in (previous, wanted):
        if port and is_free(port):
            return port
    return any_free()
