"""One POST: a time-out for all of it, no redirects, no proxies of the environment, signed if wanted."""

import base64
import email.utils
import hashlib
import hmac
import http.client
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote, urlsplit

from clickstream import __version__
from clickstream.deadline import Deadline, cut
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.sinks.target import Away, Refused
from clickstream.terminal import escaped

TIMEOUT_S = 10.0
MOST_OF_AN_ANSWER = 2_000
SHOWN_OF_AN_ANSWER = 200
LONGEST_WAIT_S = 3_600.0

_AWAY = frozenset({408, 425, 429})
# They are about the address or the right to post there: no other row would be taken either.
_NOT_THE_ROW = frozenset({401, 402, 403, 404, 405, 407, 410, 411, 426, 451})


@dataclass(frozen=True)
class Address:
    """Where to post. `where` is for people: without the path, which is often the secret.

    `identity` also tells apart two paths of one host, by a hash too short to lead back to them.
    """

    scheme: str
    host: str
    port: int | None
    target: str
    authorization: str | None
    where: str
    identity: str


def address_of(url: str) -> Address:
    """Raises ConfigError, which does not quote the URL: it holds secrets."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError("The URL of the webhook is not understood: https://host/path is expected.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("The URL of the webhook has to begin with https://, or http://, and a host.")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError("The URL of the webhook has characters that have to be encoded, as %20.")
    user = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        user = "Basic " + base64.b64encode(pair.encode()).decode()
    shown = f"{parts.scheme}://{parts.hostname}" + (f":{port}" if port else "")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    where = f"webhook at {shown}"
    identity = f"{where} #{hashlib.sha256(target.encode()).hexdigest()[:6]}"
    return Address(parts.scheme, parts.hostname, port, target, user, where, identity)


class Poster:
    """Posts to one address, a new connection for each: what a server says too much is of no other answer."""

    def __init__(self, address: Address, key: bytes | None = None, timeout_s: float = TIMEOUT_S) -> None:
        """`key` signs: see docs/sinks/webhook.md."""
        self._address = address
        self._key = key
        self._timeout_s = timeout_s
        self._not_before = float("-inf")

    def post(self, body: bytes, id: str) -> None:
        """Post once. Raises Away, Refused, or ClickstreamError when the address is wrong or may not be used."""
        left = self._not_before - time.monotonic()
        if left > 0:
            raise Away(f"{self._address.where} wants nothing for {left:.0f} s more")
        try:
            status, headers, said = self._send(body, id)
        except ssl.SSLCertVerificationError as problem:
            raise ClickstreamError(
                f"{self._address.where} has a certificate that is not trusted here: {escaped(str(problem))}."
            ) from None
        except (OSError, http.client.HTTPException) as problem:
            raise Away(f"{self._address.where} does not answer ({_words(problem)})") from None
        if 200 <= status < 300:
            return
        answer = f"{self._address.where} answers {status}" + (f" ({said})" if said else "")
        if status >= 500 or status in _AWAY:
            self._wait_for(headers)
            raise Away(answer)
        if 300 <= status < 400:
            raise ClickstreamError(f"{answer}: a redirect is not followed. Give the address that it leads to.")
        if status in _NOT_THE_ROW or status < 200:
            raise ClickstreamError(f"{answer}. Check the URL, and the right to post there.")
        raise Refused(str(status), said or "no reason was given")

    def _send(self, body: bytes, id: str) -> tuple[int, http.client.HTTPMessage, str]:
        own = self._address
        connection: http.client.HTTPConnection
        if own.scheme == "https":
            connection = http.client.HTTPSConnection(
                own.host, own.port, timeout=self._timeout_s, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(own.host, own.port, timeout=self._timeout_s)
        connection.connect()
        # A time-out of a socket begins anew with each byte: a server that sends one now and then would hold us.
        try:
            with Deadline(self._timeout_s) as deadline:
                deadline.interrupt = partial(cut, connection.sock)
                connection.request("POST", own.target, body, self._headers(body, id))
                answer = connection.getresponse()
                said = b""
                with suppress(OSError, http.client.HTTPException):  # the status is what counts
                    said = answer.read(MOST_OF_AN_ANSWER)
        finally:
            connection.close()
        return answer.status, answer.headers, escaped(said.decode("utf-8", "replace").strip())[:SHOWN_OF_AN_ANSWER]

    def _headers(self, body: bytes, id: str) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"clickstream/{__version__}",
            "Idempotency-Key": id,
            "Connection": "close",
        }
        if self._address.authorization is not None:
            headers["Authorization"] = self._address.authorization
        if self._key is not None:
            stamp = str(int(time.time()))
            headers["X-Clickstream-Timestamp"] = stamp
            headers["X-Clickstream-Signature"] = f"sha256={signature(self._key, stamp, body)}"
        return headers

    def _wait_for(self, headers: http.client.HTTPMessage) -> None:
        wait = _retry_after(headers.get("Retry-After"))
        if wait is not None:
            self._not_before = time.monotonic() + min(wait, LONGEST_WAIT_S)


def signature(key: bytes, stamp: str, body: bytes) -> str:
    """HMAC-SHA256, in hex, of the time, a dot and the body."""
    return hmac.new(key, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _retry_after(text: str | None) -> float | None:
    """Seconds, of either form that HTTP has."""
    if text is None:
        return None
    if text.isascii() and text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def _words(problem: BaseException) -> str:
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return escaped(str(problem))[:SHOWN_OF_AN_ANSWER] or type(problem).__name__
