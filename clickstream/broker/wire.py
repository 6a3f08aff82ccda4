"""The few requests of Kafka's protocol that tell whether a broker is ready, spoken directly.

A librdkafka client would do, but costs 0.1 s and 15 MB, and the supervisor has the standard library only.
Message formats: https://kafka.apache.org/protocol
"""

import socket
import struct

METADATA = 3
FIND_COORDINATOR = 10
INIT_PRODUCER_ID = 22

_TIMEOUT = 2.0  # s, for each answer
_CLIENT = b"clickstream"


def accepts(host: str, port: int) -> bool:
    """Whether a broker is there that answers a metadata request and names itself in it."""
    try:
        with socket.create_connection((host, port), _TIMEOUT) as connection:
            return _brokers(connection) > 0
    except (OSError, struct.error):
        return False


def ready(host: str, port: int) -> bool:
    """Whether the broker also hands out producer ids.

    That comes last after a start, and only when asked for the first time: an idempotent producer that is the
    first to ask prints a warning ("Coordinator load in progress") and asks again half a second later.
    """
    try:
        with socket.create_connection((host, port), _TIMEOUT) as connection:
            if _brokers(connection) < 1:
                return False
            # No transactional id, a time-out of 60 s. Answered: throttle time, error code, id, epoch.
            answer = _ask(connection, INIT_PRODUCER_ID, 0, struct.pack(">hi", -1, 60_000))
            return bool(struct.unpack_from(">ih", answer)[1] == 0)
    except (OSError, struct.error):
        return False


def create_group_topic(host: str, port: int) -> None:
    """Have the broker make its __consumer_offsets, if it is missing, before the first consumer waits for that."""
    try:
        with socket.create_connection((host, port), _TIMEOUT) as connection:
            _ask(connection, FIND_COORDINATOR, 1, struct.pack(f">h{len(_CLIENT)}sb", len(_CLIENT), _CLIENT, 0))
    except (OSError, struct.error):
        pass  # it only saves time


def _brokers(connection: socket.socket) -> int:
    no_topics = struct.pack(">i", 0)
    return int(struct.unpack_from(">i", _ask(connection, METADATA, 1, no_topics))[0])


def _ask(connection: socket.socket, api: int, version: int, body: bytes) -> bytes:
    """The answer's body, behind the correlation id."""
    header = struct.pack(f">hhih{len(_CLIENT)}s", api, version, 0, len(_CLIENT), _CLIENT)
    connection.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
    (length,) = struct.unpack(">i", _receive(connection, 4))
    return _receive(connection, length)[4:]


def _receive(connection: socket.socket, length: int) -> bytes:
    parts = b""
    while len(parts) < length:
        part = connection.recv(length - len(parts))
        if not part:
            raise ConnectionError("closed in the middle of an answer")
        parts += part
    return parts
