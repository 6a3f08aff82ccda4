"""A batch on its way: which messages are confirmed, returned or not taken. It knows no connection."""

import threading
import time
from collections.abc import Sequence

from clickstream.sinks.rabbitmq.message import Outgoing


class Delivery:
    """Fate of each message, by its index. Changed on the connection's thread, read on another when `finished` is set.

    At most `window` are under way: published and neither confirmed nor refused. With `slow_start` that is one at first,
    and one more for each that is taken. After one that is not taken nothing more is published: where one queue of an
    exchange is full, the others would get a copy of all that comes again.
    """

    def __init__(self, messages: Sequence[Outgoing], window: int, *, slow_start: bool = False) -> None:
        self.messages = messages
        self.confirmed: set[int] = set()
        self.returned: dict[int, tuple[int, str]] = {}  # no queue takes it: code and text
        self.not_taken: set[int] = set()  # basic.nack: just now
        self.problem: BaseException | None = None  # the channel or connection was closed with it
        self.finished = threading.Event()
        self.progress_at = time.monotonic()
        self._most_under_way = window
        self._window = 1 if slow_start else window
        self._next = 0
        self._under_way: dict[int, int] = {}  # delivery tags in their order
        self._by_id = {message.id: index for index, message in enumerate(messages)}
        self._end_if_done()

    def next(self) -> Outgoing | None:
        """The next message to publish, if there is one and room for it in the window; then call `sent`."""
        if self._next >= len(self.messages) or len(self._under_way) >= self._window:
            return None
        return None if self.not_taken or self.finished.is_set() else self.messages[self._next]

    def sent(self, tag: int) -> None:
        """It was published, as the channel's message number `tag`."""
        self._under_way[tag] = self._next
        self._next += 1

    def confirm(self, tag: int, *, multiple: bool, taken: bool) -> None:
        """basic.ack or basic.nack of a message, or of all up to it."""
        tags = [one for one in self._under_way if one <= tag] if multiple else [tag]
        for one in tags:
            index = self._under_way.pop(one, None)
            if index is None:
                continue
            if not taken:
                self.not_taken.add(index)
                continue
            self._window = min(self._window + 1, self._most_under_way)
            if index not in self.returned:
                self.confirmed.add(index)
        self.progress_at = time.monotonic()
        self._end_if_done()

    def return_(self, message_id: str, code: int, text: str) -> None:
        """basic.return: it comes before the confirmation, which it always gets."""
        index = self._by_id.get(message_id)
        if index is not None:
            self.returned[index] = (code, text)

    def fail(self, problem: BaseException) -> None:
        """What is under way will not be confirmed any more."""
        if not self.finished.is_set():
            self.problem = problem
            self.finished.set()

    def _end_if_done(self) -> None:
        if (self._next == len(self.messages) or self.not_taken) and not self._under_way:
            self.finished.set()
