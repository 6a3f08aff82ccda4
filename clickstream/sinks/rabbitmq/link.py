"""One connection to RabbitMQ, on a thread of its own: it answers heartbeats and says that it is blocked at any time."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from clickstream.errors import ClickstreamError
from clickstream.kafka.patience import Stopped
from clickstream.sinks.rabbitmq.delivery import Delivery
from clickstream.sinks.rabbitmq.message import OCTETS, Outgoing
from clickstream.sinks.rabbitmq.problems import problem_of
from clickstream.sinks.target import Away
from clickstream.terminal import escaped

log = logging.getLogger(__name__)
# What goes wrong is said once, in our words; the client's own say it in many lines.
logging.getLogger("pika").setLevel(logging.CRITICAL + 1)

OPEN_WITHIN_S = 20.0
ANSWER_WITHIN_S = 20.0
CONFIRM_WITHIN_S = 60.0
STOPPED_AFTER_S = 5.0
CLOSE_WITHIN_S = 2.0
PERSISTENT = 2
# Confirmed one by one, a message costs a round trip and a write to the disk; a window of them costs one of both.
WINDOW = 2_000
AT_ONCE = 200
LOOK_EVERY_S = 0.2
CLOSED = "the connection is closed"
OK, NOT_FOUND, LOCKED = 200, 404, 405  # reply codes


class Link:
    """A connection with one channel, on which everything is confirmed. Its methods are called on one other thread."""

    def __init__(self, parameters: Any, where: str, stop: threading.Event) -> None:
        """`parameters` are pika's; `where` names the server in messages, without secrets."""
        self._parameters = parameters
        self._where = where
        self._stop = stop
        self._connection: Any = None
        self._channel: Any = None
        self._ioloop: Any = None
        self._tag = 0
        self._delivery: Delivery | None = None
        self._opened = threading.Event()
        self._problem: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._exchange = self._routing_key = ""
        self._unblocked_at = 0.0
        self.blocked = False

    # --- called from outside

    def open(self) -> None:
        """Connect. Raises Away, or ClickstreamError for what does not pass: a wrong password."""
        from pika.adapters.select_connection import IOLoop

        self._ioloop = IOLoop()
        self._thread = threading.Thread(target=self._run, name="rabbitmq", daemon=True)
        self._thread.start()
        if not self._opened.wait(OPEN_WITHIN_S):
            raise Away(f"{self._where} does not answer within {OPEN_WITHIN_S:.0f} s")
        self._raise_problem()

    def require(self, exchange: str, queues: Sequence[str]) -> None:
        """Make sure that they exist. Raises ClickstreamError with words, or Away."""
        if exchange:
            self._declare(
                f"exchange {exchange}",
                lambda channel, done: channel.exchange_declare(exchange, passive=True, callback=done),
            )
        for queue in queues:
            self._declare(f"queue {queue}", partial(_find_queue, queue))

    def publish(
        self, exchange: str, routing_key: str, messages: Sequence[Outgoing], *, slow_start: bool = False
    ) -> Delivery:
        """Publish all, and wait until each is confirmed, returned or refused, or the channel is closed.

        After one that is refused no more is published; `slow_start` is for the next try: see Delivery.
        A blocked connection is waited for without end. Raises Away when confirmations do not come, Stopped.
        """
        delivery = Delivery(messages, WINDOW, slow_start=slow_start)
        self._call(lambda: self._begin(delivery, exchange, routing_key))
        stopped_at: float | None = None
        while not delivery.finished.wait(LOOK_EVERY_S):
            now = time.monotonic()
            if self._thread is None or not self._thread.is_alive():
                delivery.fail(self._problem or ConnectionError(CLOSED))
            if self._stop.is_set():
                stopped_at = stopped_at or now
                if self.blocked or now > stopped_at + STOPPED_AFTER_S:
                    raise Stopped(
                        f"Stopped before {self._where} had confirmed all: the rest is sent at the next start."
                    )
            if not self.blocked and now > max(delivery.progress_at, self._unblocked_at) + CONFIRM_WITHIN_S:
                raise Away(f"{self._where} has confirmed nothing for {CONFIRM_WITHIN_S:.0f} s")
        return delivery

    def close(self) -> None:
        """End the connection within CLOSE_WITHIN_S, also while the server reads nothing; never raises."""
        for end in (self._close, self._abort):
            if self._thread is not None and self._thread.is_alive():
                with suppress(Exception):
                    self._call(end)
                self._thread.join(CLOSE_WITHIN_S)
        self._thread = None

    # --- on the connection's thread

    def _run(self) -> None:
        import pika

        try:
            self._connection = pika.SelectConnection(
                self._parameters,
                on_open_callback=self._connected,
                on_open_error_callback=lambda _connection, problem: self._ended(problem),
                on_close_callback=lambda _connection, problem: self._ended(problem),
                custom_ioloop=self._ioloop,
            )
            self._ioloop.start()
        except Exception as problem:  # noqa: BLE001 - handed to whoever waits
            self._ended(problem)
        finally:
            self._ended(ConnectionError(CLOSED))
            with suppress(Exception):
                self._ioloop.close()

    def _connected(self, connection: Any) -> None:
        connection.add_on_connection_blocked_callback(self._note_blocked)
        connection.add_on_connection_unblocked_callback(self._note_unblocked)
        connection.channel(on_open_callback=self._channel_opened)

    def _channel_opened(self, channel: Any) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._channel_closed)
        channel.add_on_return_callback(self._returned)
        channel.confirm_delivery(self._confirmed, callback=lambda _frame: self._opened.set())

    def _channel_closed(self, _channel: Any, problem: BaseException) -> None:
        self._problem = self._problem or problem
        self._opened.set()
        if self._delivery is not None:
            self._delivery.fail(problem)

    def _ended(self, problem: BaseException) -> None:
        self._problem = self._problem or problem
        self.blocked = False
        self._opened.set()
        if self._delivery is not None:
            self._delivery.fail(problem)
        if self._ioloop is not None:
            self._ioloop.stop()

    def _note_blocked(self, _connection: Any, frame: Any) -> None:
        if not self.blocked:
            reason = escaped(str(frame.method.reason))
            log.warning("%s takes no messages just now (%s); waiting for it.", self._where, reason)
        self.blocked = True

    def _note_unblocked(self, _connection: Any, _frame: Any) -> None:
        log.info("%s takes messages again.", self._where)
        self._unblocked_at = time.monotonic()
        self.blocked = False
        self._pump()

    def _begin(self, delivery: Delivery, exchange: str, routing_key: str) -> None:
        if self._problem is not None:
            delivery.fail(self._problem)
            return
        self._delivery = delivery
        self._exchange, self._routing_key = exchange, routing_key
        self._pump()

    def _pump(self) -> None:
        """Publish what the window has room for, some at a time: acknowledgements are read between."""
        import pika

        delivery = self._delivery
        if delivery is None or self.blocked or self._channel is None or not self._channel.is_open:
            return
        for _ in range(AT_ONCE):
            message = delivery.next()
            if message is None:
                return
            properties = pika.BasicProperties(
                content_type=message.content_type,
                content_encoding=None if message.content_type == OCTETS else "utf-8",
                headers=message.headers,
                delivery_mode=PERSISTENT,
                message_id=message.id,
                timestamp=message.timestamp,
                app_id="clickstream",
            )
            self._channel.basic_publish(self._exchange, self._routing_key, message.body, properties, mandatory=True)
            self._tag += 1
            delivery.sent(self._tag)
        self._ioloop.add_callback_threadsafe(self._pump)

    def _confirmed(self, frame: Any) -> None:
        if self._delivery is None:
            return
        method = frame.method
        taken = method.NAME == "Basic.Ack"
        self._delivery.confirm(method.delivery_tag, multiple=method.multiple, taken=taken)
        self._pump()

    def _returned(self, _channel: Any, method: Any, properties: Any, _body: bytes) -> None:
        if self._delivery is not None:
            self._delivery.return_(properties.message_id, method.reply_code, method.reply_text)

    def _close(self) -> None:
        if self._connection is None or self._connection.is_closed:
            self._ioloop.stop()
        elif not self._connection.is_closing:
            self._connection.close()

    def _abort(self) -> None:
        # A server that is blocked does not read our farewell. pika has no public way to drop a connection.
        transport = getattr(self._connection, "_transport", None)
        if transport is not None:
            transport.abort()
        self._ioloop.stop()

    # --- both

    def _call(self, work: Callable[[], None]) -> None:
        """Have the connection's thread do something. Raises what `problem_of` says when it has ended."""

        def safely() -> None:
            try:
                work()
            except Exception as problem:  # noqa: BLE001 - as a connection that has failed
                self._ended(problem)

        if self._thread is None or not self._thread.is_alive():
            raise problem_of(self._problem or ConnectionError(CLOSED), self._where) from None
        self._ioloop.add_callback_threadsafe(safely)

    def _declare(self, what: str, ask: Callable[[Any, Callable[..., None]], None]) -> None:
        """On a channel of its own: a refusal closes it."""
        done = threading.Event()
        refusals: list[BaseException] = []

        def refused(_channel: Any, problem: BaseException) -> None:
            if not done.is_set():  # else it is our own closing
                refusals.append(problem)
                done.set()

        def opened(channel: Any) -> None:
            def found(_frame: Any) -> None:
                done.set()
                channel.close()

            channel.add_on_close_callback(refused)
            ask(channel, found)

        self._call(lambda: self._connection.channel(on_open_callback=opened))
        answered = done.wait(ANSWER_WITHIN_S)
        self._raise_problem()
        if not answered:
            raise Away(f"{self._where} does not answer within {ANSWER_WITHIN_S:.0f} s")
        code = getattr(refusals[0], "reply_code", None) if refusals else None
        if code == NOT_FOUND:
            raise ClickstreamError(f"{self._where} has no {what}. Create it first, with its bindings: a sink does not.")
        if code not in (None, OK, LOCKED):  # locked: another connection's own, so it exists
            raise problem_of(refusals[0], self._where) from None

    def _raise_problem(self) -> None:
        if self._problem is not None:
            raise problem_of(self._problem, self._where) from None


def _find_queue(name: str, channel: Any, done: Callable[..., None]) -> None:
    channel.queue_declare(name, passive=True, callback=done)
