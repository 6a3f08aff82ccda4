import socket
import ssl

import pika.exceptions as rabbit
import pytest

from clickstream.errors import ClickstreamError
from clickstream.sinks.rabbitmq.problems import problem_of
from clickstream.sinks.target import Away, Refused


@pytest.mark.parametrize(
    ("problem", "kind", "words"),
    [
        (rabbit.ConnectionClosedByBroker(320, "CONNECTION_FORCED - shutdown"), Away, "CONNECTION_FORCED"),
        (rabbit.ConnectionClosedByBroker(541, "INTERNAL_ERROR"), Away, "INTERNAL_ERROR"),
        (rabbit.StreamLostError("gone"), Away, "gone"),
        (rabbit.AMQPHeartbeatTimeout("late"), Away, "late"),
        (ConnectionRefusedError(111, "Connection refused"), Away, "Connection refused"),
        (rabbit.AMQPConnectionError(socket.gaierror(-2, "Name or service not known")), Away, "Name or service"),
        (rabbit.ChannelClosedByBroker(406, "PRECONDITION_FAILED - too large"), Refused, "too large"),
        (rabbit.ChannelClosedByBroker(311, "CONTENT_TOO_LARGE"), Refused, "CONTENT_TOO_LARGE"),
        (rabbit.ChannelClosedByBroker(404, "NOT_FOUND - no exchange"), ClickstreamError, "Create it first"),
        (rabbit.ConnectionClosedByBroker(403, "ACCESS_REFUSED"), ClickstreamError, "Check user, password"),
        (rabbit.ConnectionClosedByBroker(530, "NOT_ALLOWED"), ClickstreamError, "Check the virtual host"),
        (rabbit.ConnectionClosedByBroker(501, "FRAME_ERROR"), ClickstreamError, "FRAME_ERROR"),
        (rabbit.ProbableAuthenticationError("x"), ClickstreamError, "refuses the user or the password"),
        (rabbit.ShortStringTooLong("x" * 256), ClickstreamError, "cannot be spoken to"),
        (rabbit.AMQPConnectionError(ssl.SSLCertVerificationError(1, "self-signed")), ClickstreamError, "not trusted"),
        (ValueError("odd"), ClickstreamError, "ValueError: odd"),
    ],
)
def test_what_passes_is_waited_for_what_is_the_rows_is_set_aside_and_all_else_stops(
    problem: BaseException, kind: type[Exception], words: str
) -> None:
    found = problem_of(problem, "RabbitMQ at h:1")
    assert type(found) is kind
    assert words in str(found)
