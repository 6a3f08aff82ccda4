"""The window of one partition: calls that are under way, or done and waiting for an earlier one."""

from collections import deque
from collections.abc import Iterator

from clickstream.transform.model import Call


class Window:
    """Calls enter in the order of their offsets and leave in it, whichever is done first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._calls: deque[Call] = deque()

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def room(self) -> int:
        """How many more calls may enter."""
        return self._size - len(self._calls)

    def enter(self, call: Call) -> None:
        """The next one."""
        self._calls.append(call)

    def leave(self) -> Iterator[Call]:
        """Those that are done and wait for no earlier one."""
        while self._calls and self._calls[0].finished is not None:
            yield self._calls.popleft()
