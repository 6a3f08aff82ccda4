"""What only a client of our own making can force: when callbacks come."""

from collections.abc import Callable
from typing import Any

from pika.exceptions import ChannelClosedByClient

from clickstream.sinks.rabbitmq.link import Link
from clickstream.stop import Stop


class Channel:
    """Finds every queue, and tells at once that it was closed."""

    def add_on_close_callback(self, callback: Callable[[Any, BaseException], None]) -> None:
        self._told = callback

    def queue_declare(self, _queue: str, *, callback: Callable[[Any], None], **_options: Any) -> None:
        callback(None)

    def close(self) -> None:
        self._told(self, ChannelClosedByClient(0, "Normal shutdown"))


class Connection:
    def channel(self, *, on_open_callback: Callable[[Channel], None]) -> None:
        on_open_callback(Channel())


class Connected(Link):
    def __init__(self) -> None:
        super().__init__(None, "RabbitMQ at here", Stop())
        self._connection = Connection()

    def _call(self, work: Callable[[], None]) -> None:
        work()


def test_that_we_close_a_channel_ourselves_is_no_refusal() -> None:
    Connected().require("", ["there", "and there"])
