"""What statuses mean: as the codes' topic defines them, else as HTTP does."""

from http import HTTPStatus

import msgspec

from clickstream.inspect.hub import Hub, Listener
from clickstream.records import StatusCode, decode


class Codes:
    """Listens to the topic of codes until it is closed. For one thread at a time."""

    def __init__(self, hub: Hub, topic: str) -> None:
        self._listener: Listener = hub.latest(topic)
        self._defined: dict[str, str] = {}

    @property
    def listener(self) -> Listener:
        """To the topic: how reading it is going."""
        return self._listener

    def names(self, statuses: list[str]) -> dict[str, str]:
        """By status, for those that are known."""
        self._take()
        found = {status: self._defined.get(status) or _phrase(status) for status in statuses}
        return {status: name for status, name in found.items() if name}

    def name(self, status: str) -> str:
        """Words for one status; "" for one that is not known."""
        return self.names([status]).get(status, "")

    def close(self) -> None:
        self._listener.close()

    def _take(self) -> None:
        news = self._listener.take()
        if news.anew:
            self._defined = {}
        for record in news.records:
            try:
                code = decode(record.value() or b"", StatusCode)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue  # a tombstone, or none of ours
            self._defined[str(code.code)] = code.definition


def _phrase(status: str) -> str:
    try:
        return HTTPStatus(int(status)).phrase.capitalize()
    except ValueError:
        return ""
