"""A function behind gRPC: a server that is slow, late, away, dies, refuses, and comes back."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.transform import transform_pb2
from clickstream.transform.transform import Transform
from tests.integration.test_transform import (
    PARTITIONS,
    PATIENCE_S,
    background,
    by_partition,
    fill,
    letters,
    make_topics,
    options,
    results,
    settled,
    to_the_end,
)
from tests.support import PATIENCE, free_port, missing, wait_until

try:
    import grpc

    from clickstream.transform.remote import Remote
except ModuleNotFoundError as problem:
    missing(f"no {problem.name}")

messages: Any = transform_pb2
SERVICE = "clickstream.transform.v1.Transform"
Apply = Callable[[Any, Any], Any]


class Server:
    """Serves a function at an address that stays the same; it can be stopped and started again."""

    def __init__(self, apply: Apply, *, service: str = SERVICE) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.asked: dict[str, list[int]] = defaultdict(list)  # attempts, by idempotency key
        self._apply = apply
        self._service = service
        self._server: Any = None

    def start(self) -> None:
        self._server = grpc.server(ThreadPoolExecutor(16))
        handler = grpc.unary_unary_rpc_method_handler(
            self._note,
            request_deserializer=messages.ApplyRequest.FromString,
            response_serializer=messages.ApplyResponse.SerializeToString,
        )
        handlers = grpc.method_handlers_generic_handler(self._service, {"Apply": handler})
        self._server.add_generic_rpc_handlers((handlers,))
        assert self._server.add_insecure_port(self.address) == self.port
        self._server.start()

    def stop(self) -> None:
        """At once: calls under way are broken off."""
        if self._server is not None:
            self._server.stop(None).wait()
            self._server = None

    def _note(self, request: Any, context: Any) -> Any:
        assert dict(context.invocation_metadata())["idempotency-key"] == request.idempotency_key
        self.asked[request.idempotency_key].append(request.attempt)
        return self._apply(request, context)


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers, and stops them."""
    servers: list[Server] = []

    def start(apply: Apply, **more: Any) -> Server:
        server = Server(apply, **more)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def topic(cluster: Cluster) -> str:
    return make_topics(cluster)


def echo(request: Any, _context: Any) -> Any:
    """One result, the record as it is."""
    return messages.ApplyResponse(results=[request.record])


def numbers(count: int, first: int = 0) -> list[dict[str, int]]:
    return [{"n": number} for number in range(first, first + count)]


def in_order(count: int) -> dict[int, list[int]]:
    return {place: list(range(place, count, PARTITIONS)) for place in range(PARTITIONS)}


def test_a_server_answers_none_one_or_many(cluster: Cluster, topic: str, serve: Serve) -> None:
    seen: list[Any] = []

    def apply(request: Any, _context: Any) -> Any:
        seen.append(request)
        number = json.loads(request.record.value)["n"]
        header = messages.Header(name="part", value=b"1")
        many = [messages.Record(key=b"k", value=b'{"n": 9}', headers=[header]), messages.Record(key=b"gone")]
        return messages.ApplyResponse(results=[[], [request.record], many][number])

    fill(cluster, topic, numbers(3))
    assert to_the_end(cluster, topic, Remote(serve(apply).address, 60.0)).results == 3
    found = sorted(
        (record.key(), record.value(), record.headers(), record.timestamp()[1])
        for record in settled(cluster, f"{topic}-out")
    )
    assert found == [
        (b"gone", None, None, 10_002),
        (b"k", b'{"n": 9}', [("part", b"1")], 10_002),
        (b"p1", b'{"n": 1}', None, 10_001),
    ]
    (one,) = (request for request in seen if request.partition == 1)
    assert (one.topic, one.offset, one.attempt, one.idempotency_key) == (topic, 0, 1, f"{topic}/1/0")
    assert (one.record.key, one.record.timestamp_ms) == (b"p1", 10_001)


def test_a_slow_call_holds_up_only_what_comes_after_it(cluster: Cluster, topic: str, serve: Serve) -> None:
    gate = threading.Event()

    def apply(request: Any, context: Any) -> Any:
        if request.partition == 0 and request.offset == 0:
            gate.wait(PATIENCE_S)
        return echo(request, context)

    fill(cluster, topic, numbers(60))
    server = serve(apply)
    transform = Transform(cluster, Remote(server.address, PATIENCE_S), options(topic, in_flight=8))
    with background(transform):
        wait_until(lambda: transform.processed == 40, PATIENCE_S)
        assert set(by_partition(results(cluster, topic))) == {1, 2}
        wait_until(lambda: transform.gauges()["in_flight"] == 1, PATIENCE_S)
        assert sum(key.startswith(f"{topic}/0/") for key in server.asked) == 8, "the window"
        gate.set()
        wait_until(lambda: transform.processed == 60, PATIENCE_S)
    assert by_partition(results(cluster, topic)) == in_order(60)


def test_a_call_that_is_late_is_made_again_and_answered_twice_but_written_once(
    cluster: Cluster, topic: str, serve: Serve
) -> None:
    both = threading.Event()
    came: list[int] = []

    def apply(request: Any, context: Any) -> Any:
        if request.idempotency_key == f"{topic}/1/1":
            came.append(request.attempt)
            if len(came) == 1:
                both.wait(PATIENCE_S)  # it answers, too: after the second
            else:
                both.set()
        return echo(request, context)

    fill(cluster, topic, numbers(12))
    server = serve(apply)
    transform = to_the_end(cluster, topic, Remote(server.address, 2.0 * PATIENCE), retries=20)
    assert by_partition(results(cluster, topic)) == in_order(12)
    assert len(came) >= 2
    assert came == sorted(set(came))
    assert transform.dead_lettered == 0


def test_what_the_server_refuses_is_set_aside_and_the_others_go_on(cluster: Cluster, topic: str, serve: Serve) -> None:
    codes = {1: grpc.StatusCode.INVALID_ARGUMENT, 5: grpc.StatusCode.INTERNAL}

    def apply(request: Any, context: Any) -> Any:
        number = json.loads(request.record.value)["n"]
        if number in codes:
            context.abort(codes[number], f"not {number}")
        if number == 3:
            raise ValueError("a fault of the server's")
        return echo(request, context)

    fill(cluster, topic, numbers(12))
    transform = to_the_end(cluster, topic, Remote(serve(apply).address, 60.0), retries=1)
    assert sorted(one["n"] for one in results(cluster, topic)) == [0, 2, 4, *range(6, 12)]
    found = {letter.kind: letter.reason for letter in letters(cluster, topic)}
    assert found["grpc-invalid-argument"] == "INVALID_ARGUMENT: not 1"
    assert found["grpc-internal"] == "INTERNAL: not 5 (2 attempts)"
    assert "a fault of the server's" in found["grpc-unknown"]
    assert transform.retried == 1


@pytest.mark.slow
def test_a_call_that_is_always_late_is_set_aside(cluster: Cluster, topic: str, serve: Serve) -> None:
    over = threading.Event()

    def apply(request: Any, context: Any) -> Any:
        if request.idempotency_key == f"{topic}/1/1":
            over.wait(PATIENCE_S)
        return echo(request, context)

    fill(cluster, topic, numbers(12))
    try:
        to_the_end(cluster, topic, Remote(serve(apply).address, 2.0), retries=1)
    finally:
        over.set()
    (letter,) = letters(cluster, topic)
    assert (letter.kind, letter.reason) == ("deadline", "no answer within 2 s (2 attempts)")
    assert (letter.origin.partition, letter.origin.offset) == (1, 1)
    assert sorted(one["n"] for one in results(cluster, topic)) == [n for n in range(12) if n != 4]


def test_a_server_that_is_away_is_waited_for_however_often_it_dies(cluster: Cluster, topic: str, serve: Serve) -> None:
    def apply(request: Any, context: Any) -> Any:
        time.sleep(0.005)
        return echo(request, context)

    fill(cluster, topic, numbers(6_000))
    server = serve(apply)
    server.stop()
    transform = Transform(cluster, Remote(server.address, 60.0), options(topic, retries=50, in_flight=16))
    with background(transform):
        wait_until(lambda: transform.gauges()["function_away"] == 1, PATIENCE_S)
        for _ in range(3):
            before = transform.processed
            server.start()
            wait_until(lambda: transform.processed > before + 50, PATIENCE_S)  # noqa: B023 - used at once
            server.stop()
            wait_until(lambda: transform.gauges()["function_away"] == 1, PATIENCE_S)
        server.start()
        wait_until(lambda: transform.processed == 6_000, PATIENCE_S)
    assert by_partition(results(cluster, topic)) == in_order(6_000)
    assert transform.dead_lettered == 0


def test_a_server_of_something_else_ends_it(cluster: Cluster, topic: str, serve: Serve) -> None:
    fill(cluster, topic, numbers(3))
    with pytest.raises(ClickstreamError, match=r"does not serve /clickstream.transform.v1.Transform/Apply to us"):
        to_the_end(cluster, topic, Remote(serve(echo, service="other.Service").address, 60.0))
    assert results(cluster, topic) == []
