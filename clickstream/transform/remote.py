"""A function behind gRPC: a call for each record, with a deadline."""

import functools
import logging
import queue
import threading
from typing import Any

import grpc

from clickstream.errors import ClickstreamError
from clickstream.transform import transform_pb2
from clickstream.transform.api import Record
from clickstream.transform.model import Answered, Call, Failed, FunctionAway, Outcome, Outcomes
from clickstream.transform.results import NoResult, results_of

log = logging.getLogger(__name__)

# Its classes are made when it is imported: no type checker sees them.
messages: Any = transform_pb2

METHOD = "/clickstream.transform.v1.Transform/Apply"
CHANNEL: list[tuple[str, Any]] = [
    # gRPC's own limit, 4 MB, is not Kafka's.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # The default grows to two minutes: a server that is back would wait as long.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # The function is beside us, whatever proxy leads to the world.
    ("grpc.enable_http_proxy", 0),
    # Each has connections of its own.
    ("grpc.use_local_subchannel_pool", 1),
]
LOOKS_WITHIN_S = 2.0

Code = grpc.StatusCode
AWAY = frozenset({Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED})
MAY_PASS = frozenset({Code.DEADLINE_EXCEEDED, Code.ABORTED, Code.INTERNAL, Code.CANCELLED})
NOT_OURS = frozenset({Code.UNIMPLEMENTED, Code.UNAUTHENTICATED, Code.PERMISSION_DENIED})


class Remote:
    """The function that a server at `address` (HOST:PORT) has."""

    def __init__(self, address: str, deadline_s: float) -> None:
        """A call may take `deadline_s`."""
        self.where = f"the server at {address}"
        self.outcomes: Outcomes = queue.Queue()
        self._address = address
        self._deadline_s = deadline_s
        self._channel: grpc.Channel | None = None

    def start(self) -> None:
        """A server that is away is waited for when there are records."""
        self._channel = grpc.insecure_channel(self._address, options=CHANNEL)
        self._apply = self._channel.unary_unary(
            METHOD,
            request_serializer=messages.ApplyRequest.SerializeToString,
            response_deserializer=messages.ApplyResponse.FromString,
        )

    def ask(self, call: Call) -> None:
        future = self._apply.future(
            request_of(call), timeout=self._deadline_s, metadata=(("idempotency-key", _ascii(call.record.id)),)
        )
        future.add_done_callback(functools.partial(self._note, call))

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()

    def _note(self, call: Call, future: Any) -> None:
        """On a thread of gRPC's."""
        code = future.code()
        if code == Code.OK:
            self.outcomes.put((call, results(future.result(), call.record)))
        elif code == Code.DEADLINE_EXCEEDED:
            # It asks the server something, and that takes a while.
            threading.Thread(target=self._note_late, args=(call,), daemon=True).start()
        else:
            self.outcomes.put((call, outcome_of(code, future.details() or "", self._address)))

    def _note_late(self, call: Call) -> None:
        """A server that is frozen is away; one that takes connections has the record to blame."""
        late = f"no answer within {self._deadline_s:g} s"
        with grpc.insecure_channel(self._address, options=CHANNEL) as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=LOOKS_WITHIN_S)
            except grpc.FutureTimeoutError:
                self.outcomes.put((call, FunctionAway(f"{late}, and no connection")))
                return
        self.outcomes.put((call, Failed(late, "deadline", True)))


def request_of(call: Call) -> Any:
    """What the server gets for a call."""
    record = call.record
    return messages.ApplyRequest(
        idempotency_key=record.id,
        record=messages.Record(
            key=record.key,
            value=record.value,
            headers=[messages.Header(name=name, value=value) for name, value in record.headers],
            timestamp_ms=record.timestamp,
        ),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        attempt=call.attempt,
    )


def results(response: Any, given: Record) -> Outcome:
    """What the server has answered."""
    try:
        return Answered(results_of([_record(one) for one in response.results], given))
    except NoResult as problem:
        return Failed(str(problem), "result")


def _record(one: Any) -> Record:
    return Record(
        one.value if one.HasField("value") else None,
        one.key if one.HasField("key") else None,
        tuple((header.name, header.value if header.HasField("value") else None) for header in one.headers),
        one.timestamp_ms if one.HasField("timestamp_ms") else None,
    )


def outcome_of(code: grpc.StatusCode, details: str, address: str) -> Outcome:
    """What a status means for a record: see transform.proto."""
    said = f"{code.name}: {details}" if details else code.name
    if code == Code.RESOURCE_EXHAUSTED and "larger than max" in details:  # a server's limit for messages
        return Failed(said, "grpc-resource-exhausted")
    if code in AWAY:
        return FunctionAway(said)
    if code in NOT_OURS:
        return ClickstreamError(
            f"The server at {address} does not serve {METHOD} to us: {said}. It must implement transform.proto."
        )
    return Failed(said, f"grpc-{code.name.lower().replace('_', '-')}", code in MAY_PASS)


def _ascii(text: str) -> str:
    # Names of topics are ASCII.
    return text.encode("ascii", "replace").decode()
