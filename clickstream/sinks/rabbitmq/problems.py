"""What RabbitMQ and its client say, as what a sink does then: wait, set a row aside, or stop."""

import ssl
from collections.abc import Iterator
from typing import Any

from clickstream.errors import ClickstreamError
from clickstream.sinks.target import Away, Refused

# Reply codes of AMQP 0-9-1, https://www.rabbitmq.com/amqp-0-9-1-reference.html#constants. Any other: stop.
_AWAY = frozenset({320, 405, 506, 541})  # it shuts down, a queue is locked, no resources, an internal error
_ROW = frozenset({311, 406})  # content too large; precondition failed, as a message over max_message_size does

_REMEDIES = {
    402: "Check the virtual host in the URL.",
    403: "Check user, password and virtual host, and the user's right to write to the exchange.",
    404: "Create it first: a sink does not.",
    530: "Check the virtual host in the URL, and the user's right to it.",
}


def problem_of(problem: BaseException, where: str) -> Exception:
    """Away, Refused, or a ClickstreamError, for what an operation ended with."""
    import pika.exceptions as rabbit

    inner = list(_inner(problem))
    closed = next((one for one in inner if isinstance(one, rabbit.ConnectionClosed | rabbit.ChannelClosed)), None)
    if closed is not None and closed.reply_code:
        code, text = closed.reply_code, str(closed.reply_text)
        if code in _AWAY:
            return Away(f"{where} is away: {text} ({code})")
        if code in _ROW:
            return Refused(str(code), text)
        if code != 200:
            return ClickstreamError(f"{where} refuses: {text} ({code}). {_REMEDIES.get(code, '')}".rstrip())
    if any(isinstance(one, rabbit.ProbableAuthenticationError | rabbit.AuthenticationError) for one in inner):
        return ClickstreamError(f"{where} refuses the user or the password. Check both in the URL.")
    if any(isinstance(one, rabbit.ProbableAccessDeniedError) for one in inner):
        return ClickstreamError(f"{where} refuses the virtual host. {_REMEDIES[530]}")
    untrusted = next((one for one in inner if isinstance(one, ssl.SSLCertVerificationError)), None)
    if untrusted is not None:
        return ClickstreamError(f"{where} has a certificate that is not trusted here: {untrusted}.")
    if any(isinstance(one, rabbit.ProtocolSyntaxError | rabbit.ShortStringTooLong) for one in inner):
        return ClickstreamError(f"{where} cannot be spoken to: {type(problem).__name__} {_words(inner)}.")
    if any(isinstance(one, rabbit.AMQPError | OSError) for one in inner):
        return Away(f"{where} is away: {_words(inner)}")
    return ClickstreamError(f"{where}: {type(problem).__name__}: {_words(inner)}.")


def _words(inner: list[BaseException]) -> str:
    # The innermost one says why: "Connection refused".
    for one in reversed(inner):
        if isinstance(one, OSError) and one.strerror:
            return one.strerror
    return next((str(one) for one in reversed(inner) if str(one)), type(inner[-1]).__name__)


def _inner(problem: BaseException) -> Iterator[BaseException]:
    """The exceptions within one: pika wraps what went wrong into lists and arguments."""
    yield problem
    for held in (*problem.args, getattr(problem, "exception", None), *_listed(problem)):
        if isinstance(held, BaseException):
            yield from _inner(held)


def _listed(problem: Any) -> list[Any]:
    found = getattr(problem, "exceptions", None)
    return list(found) if isinstance(found, list | tuple) else []
