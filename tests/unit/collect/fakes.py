"""Stand-ins of the collector's tests."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from clickstream.collect.delivery.tickets import DONE
from clickstream.collect.model import Outgoing, Record, Request, Taken

Report = Callable[[KafkaError | None, Message], None]
TIMED_OUT = KafkaError(KafkaError._MSG_TIMED_OUT)


class LinkedProducer:
    """Holds what it is given until a test says what becomes of it; reports are served by `poll`, as by librdkafka."""

    def __init__(self, room: int = 10**6, *, only_errors: bool = False) -> None:
        """`only_errors`: success is not reported."""
        self.room = room
        self.only_errors = only_errors
        self.refusal: KafkaError | None = None  # what produce() raises
        self.queue: list[tuple[bytes, Report]] = []  # values, and what hears of them
        self.reports: list[tuple[bytes, Report, KafkaError | None]] = []
        self.trouble: Exception | None = None  # what the next poll() raises
        self.acknowledged: list[bytes] = []
        self.automatic = False  # acknowledge at once
        self.undated = False  # what has a timestamp is refused
        self.frozen = False  # nothing is ever reported of what it was given, not even when it is purged
        self.purged = 0
        self._topics: dict[bytes, str] = {}  # by value

    @property
    def client(self) -> Producer:
        return cast(Producer, self)

    def produce(
        self,
        topic: str,
        value: bytes,
        _key: bytes | None = None,
        _partition: int = -1,
        callback: Report | None = None,
        on_delivery: Report | None = None,
        timestamp: int = 0,
        **_: Any,
    ) -> None:
        report = callback or on_delivery
        assert report is not None
        self._topics[value] = topic
        if self.refusal is not None:
            raise KafkaException(self.refusal)
        if len(self) >= self.room:
            raise BufferError("Local: Queue full")
        if self.undated and timestamp:
            self.reports.append((value, report, KafkaError(KafkaError.INVALID_TIMESTAMP)))
            return
        self.queue.append((value, report))
        if self.automatic:
            self.acknowledge()

    def acknowledge(self, number: int | None = None) -> None:
        """The first ones, or all."""
        done, self.queue = self.queue[:number], self.queue[len(self.queue) if number is None else number :]
        self.acknowledged += [value for value, _report in done]
        if not self.only_errors:
            self.reports += [(value, report, None) for value, report in done]

    def fail(self, error: KafkaError = TIMED_OUT, number: int | None = None) -> None:
        """The first ones of what is queued, or all."""
        failed, self.queue = self.queue[:number], self.queue[len(self.queue) if number is None else number :]
        self.reports += [(value, report, error) for value, report in failed]

    def poll(self, _timeout: float) -> int:
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise trouble
        served, self.reports = self.reports, []
        for value, report, error in served:
            report(error, Message(topic=self._topics[value], value=value))
        return len(served)

    def purge(self, in_queue: bool = True, in_flight: bool = True, blocking: bool = True) -> None:
        self.purged += 1
        if self.frozen:
            return
        self.fail(KafkaError(KafkaError._PURGE_QUEUE))

    def __len__(self) -> int:
        return len(self.queue) + len(self.reports)


def outgoing(id_: str | None, *values: str) -> Outgoing:
    """An event of one record for each value; of one with its id, if there are none."""
    return Outgoing([Record("t", None, value.encode()) for value in values or [id_ or "?"]], id_)


class FakeIntake:
    """One event for each request that has an `id` in its query; `take` may be replaced."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.given_back: list[Taken] = []
        self.taken: Callable[[Request], Taken] = lambda _request: Taken([outgoing("1")])

    def take(self, request: Request) -> Taken:
        self.requests.append(request)
        return self.taken(request)

    def not_stored(self, taken: Taken) -> None:
        self.given_back.append(taken)

    def client(self, request: Request) -> str:
        return request.headers.get("x-client", request.peer)


class FakeDelivery:
    """Takes all, or answers with what `answer` raises when it is awaited."""

    def __init__(self) -> None:
        self.submitted: list[Outgoing] = []
        self.answer: Awaitable[None] = DONE

    def submit(self, outgoings: Sequence[Outgoing], verdicts: list[str] | None = None) -> Awaitable[None]:
        self.submitted += outgoings
        if verdicts is not None:
            verdicts[:] = ["kafka"] * len(outgoings)
        return self.answer


class FakeHeaders:
    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = list(pairs)

    def items(self) -> list[tuple[str, str]]:
        return self._pairs


class FakeScope:
    """A request as granian shows it."""

    def __init__(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        client: str = "192.0.2.7:4711",
    ) -> None:
        self.proto = "http"
        self.method = method
        self.path, _question, self.query_string = target.partition("?")
        self.client = client
        self.headers = FakeHeaders(headers.items() if isinstance(headers, Mapping) else headers)


class FakeProtocol:
    """Gives a body, and keeps the answer."""

    def __init__(self, body: bytes = b"") -> None:
        self._body = body
        self.was_read = False
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.body = b""

    async def __call__(self) -> bytes:
        self.was_read = True
        return self._body

    async def __aiter__(self) -> Any:
        self.was_read = True
        for place in range(0, len(self._body), 10):
            yield self._body[place : place + 10]

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.status, self.headers = status, headers

    def header(self, name: str) -> str | None:
        found = [value for one, value in self.headers if one == name]
        assert len(found) < 2, found
        return found[0] if found else None
