"""The few requests of Kafka's protocol that tell whether a broker is ready and bound its disk, spoken directly.

A librdkafka client would do, but costs 0.1 s and 15 MB, and the supervisor has the standard library only.
Message formats: https://kafka.apache.org/protocol
"""

import socket
import struct
from collections.abc import Sequence

from clickstream.java.ports import HOST as HOST

METADATA = 3
FIND_COORDINATOR = 10
INIT_PRODUCER_ID = 22
DESCRIBE_CONFIGS = 32
INCREMENTAL_ALTER_CONFIGS = 44

# Kinds of resources, operations, and where a value comes from, as numbers of the protocol.
_TOPIC, _BROKER = 2, 4
_SET, _DELETE = 0, 1
_OF_THE_TOPIC = 1

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


def shortened_topics(host: str, port: int, topics: Sequence[str]) -> list[str]:
    """Those of `topics` that lose old records when log.retention.bytes asks for it. Raises OSError."""
    body = struct.pack(">i", len(topics))
    for topic in topics:
        body += struct.pack(">b", _TOPIC) + _text(topic)
        body += struct.pack(">i", 2) + _text("cleanup.policy") + _text("retention.bytes")
    with socket.create_connection((host, port), _TIMEOUT) as connection:
        answer = _Answer(_ask(connection, DESCRIBE_CONFIGS, 1, body + b"\0"))  # no synonyms
    found = []
    try:
        answer.number(4)  # throttle time
        for _ in range(answer.number(4)):
            error, _reason, _kind, topic = answer.number(2), answer.text(), answer.number(1), answer.text()
            policy, own = "", False
            for _ in range(answer.number(4)):
                name, value, _read_only, source = answer.text(), answer.text(), answer.number(1), answer.number(1)
                answer.number(1)  # whether it is secret
                answer.number(4)  # of the synonyms, which are none
                policy = value if name == "cleanup.policy" else policy
                own |= name == "retention.bytes" and source == _OF_THE_TOPIC
            if not error and "delete" in policy and not own:
                found.append(topic)
    except struct.error as error_:
        raise ConnectionError("an answer that ends too soon") from error_
    return found


def limit_partitions(host: str, port: int, size: int | None) -> None:
    """Set log.retention.bytes of all brokers, for now and later starts; None: as it was configured. Raises OSError."""
    operation = struct.pack(">b", _DELETE if size is None else _SET)
    value = struct.pack(">h", -1) if size is None else _text(str(size))
    config = struct.pack(">i", 1) + _text("log.retention.bytes") + operation + value
    body = struct.pack(">ib", 1, _BROKER) + _text("") + config + b"\0"  # not only to validate
    with socket.create_connection((host, port), _TIMEOUT) as connection:
        answer = _Answer(_ask(connection, INCREMENTAL_ALTER_CONFIGS, 0, body))
    try:
        answer.number(4)  # throttle time
        answer.number(4)  # of the answers, which is 1
        error, reason = answer.number(2), answer.text()
    except struct.error as error_:
        raise ConnectionError("an answer that ends too soon") from error_
    if error:
        raise OSError(f"Kafka refuses to limit its partitions: {reason or f'error {error}'}")


class _Answer:
    """Reads one field of an answer after the other. Raises struct.error at its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, size: int) -> int:
        """Of 1, 2 or 4 bytes."""
        (found,) = struct.unpack_from({1: ">b", 2: ">h", 4: ">i"}[size], self._data, self._at)
        self._at += size
        return int(found)

    def text(self) -> str:
        """A null is the empty text."""
        length = max(self.number(2), 0)
        (found,) = struct.unpack_from(f"{length}s", self._data, self._at)
        self._at += length
        return str(found, "utf-8", "replace")


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">h", len(encoded)) + encoded


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
