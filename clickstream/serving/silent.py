"""Connections on which nothing ever came: no HTTP server of ours closes them, and there may be thousands.

A server's time-out for headers begins with their first byte. The kernel knows how many bytes a connection has received
(TCP_INFO), and when; what this finds silent for too long it shuts down, which the server sees as its end.
"""

import logging
import os
import socket
import struct
import sys
from contextlib import suppress

log = logging.getLogger(__name__)

# struct tcp_info of include/uapi/linux/tcp.h: tcpi_state, tcpi_last_data_recv (ms), tcpi_bytes_received.
_LENGTH = 136
_STATE, _LAST_DATA, _RECEIVED = struct.Struct("B"), struct.Struct("I"), struct.Struct("Q")
_LAST_DATA_AT, _RECEIVED_AT = 52, 128
_ESTABLISHED = 1


def shut_silent(port: int, after_s: float) -> int:
    """Shut down this process's connections to its `port` that have been open for `after_s` seconds without a byte.

    Returns how many. Elsewhere than on Linux it does nothing.
    """
    if sys.platform != "linux":
        return 0
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError, ValueError):  # closed meanwhile, or no socket
            found += _shut_if_silent(int(name), port, after_s)
    if found:
        log.info("Closed connections on which nothing came: %d.", found)
    return found


def _shut_if_silent(descriptor: int, port: int, after_s: float) -> bool:
    # A copy of our own: whoever owns the descriptor may close it meanwhile, and its number be another's.
    copy = os.dup(descriptor)
    try:
        found = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        return False
    with found as connection:
        if connection.type != socket.SOCK_STREAM or connection.family not in (socket.AF_INET, socket.AF_INET6):
            return False
        if connection.getsockname()[1] != port:
            return False
        told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LENGTH)
        if len(told) < _LENGTH or _STATE.unpack_from(told)[0] != _ESTABLISHED:
            return False
        silent_ms = _LAST_DATA.unpack_from(told, _LAST_DATA_AT)[0]
        if _RECEIVED.unpack_from(told, _RECEIVED_AT)[0] or silent_ms < after_s * 1000:
            return False
        connection.shutdown(socket.SHUT_RDWR)
        return True
