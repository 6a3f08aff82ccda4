"""What a sink has read and not written yet: how much more it takes at once, and when it is due."""

from confluent_kafka import Message

CONSUME_AT_MOST = 10_000


class Buffer:
    """Messages by topic, until they fill a batch or have waited long enough. For one thread. `now`: monotonic, s."""

    def __init__(self, rows: int, size: int, linger_s: float) -> None:
        """`rows` messages, or `size` bytes of their values, fill a batch; nothing waits longer than `linger_s`."""
        self._batch_rows = rows
        self._batch_bytes = size
        self._linger_s = linger_s
        self._messages: dict[str, list[Message]] = {}
        self._rows = 0
        self._bytes = 0  # of values
        self._usual_bytes = 1_000  # of a value, as last seen
        self._lingers_since = float("inf")

    def room(self) -> int:
        """How many messages to read at once: at least one, and not more than the batch lacks if they are as usual."""
        rows = self._batch_rows - self._rows
        fitting = (self._batch_bytes - self._bytes) // self._usual_bytes
        return max(1, min(rows, fitting, CONSUME_AT_MOST))

    def add(self, topic: str, messages: list[Message], now: float) -> None:
        """Messages of one topic, at least one; those of a partition come in offset order."""
        self._messages.setdefault(topic, []).extend(messages)
        size = sum(map(len, messages))
        self._rows += len(messages)
        self._bytes += size
        self._usual_bytes = max(1, size // len(messages))
        self.start_linger(now)

    def start_linger(self, now: float) -> None:
        """The time runs from `now` on if it does not yet; by itself for an offset that is to be written alone."""
        self._lingers_since = min(self._lingers_since, now)

    def is_due(self, now: float) -> bool:
        """Whether to write what there is: the batch is full, or the time is over."""
        if self._rows >= self._batch_rows or self._bytes >= self._batch_bytes:
            return True
        return now >= self._lingers_since + self._linger_s

    def drain(self) -> dict[str, list[Message]]:
        """All messages, by topic; it is empty then, and nothing is due."""
        messages, self._messages = self._messages, {}
        self._rows, self._bytes, self._lingers_since = 0, 0, float("inf")
        return messages
