"""Requests to OpenSearch or Elasticsearch: JSON over one connection that is kept, a time-out and a bound for each."""

import base64
import http.client
import ssl
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import msgspec

from clickstream import __version__
from clickstream.deadline import Deadline, cut
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.sinks.opensearch.errors import Failure, Meaning, failure_of
from clickstream.sinks.target import Away
from clickstream.terminal import escaped

TIMEOUT_S = 60.0  # for all of a request and its answer; as long as the server itself waits for its shards
MOST_OF_AN_ANSWER = 256 * 2**20  # bytes; that of a bulk request has a few hundred for each item
DEFAULT_PORT = 9200
SHOWN_OF_AN_ANSWER = 200


@dataclass(frozen=True)
class Address:
    """Where the cluster is. `where` is for people, and has no secrets."""

    scheme: str
    host: str
    port: int
    path: str
    authorization: str | None = field(repr=False)
    context: ssl.SSLContext | None = field(repr=False)

    @property
    def where(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def address_of(url: str, ca_file: Path | None = None) -> Address:
    """`https://user:password@host:9200`, with a path where a proxy wants one.

    Raises ConfigError, which does not quote the URL: it may hold a password.
    """
    example = "http://localhost:9200 or https://user:password@search.example:9200 is expected."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"The URL of OpenSearch is not understood: {example}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(f"The URL of OpenSearch is not understood: {example}")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError("The URL of OpenSearch has characters that have to be encoded, as %20.")
    if ca_file is not None and parts.scheme == "http":
        raise ConfigError("--ca-file needs a URL that begins with https://.")
    user = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        user = "Basic " + base64.b64encode(pair.encode()).decode()
    context = _context(ca_file) if parts.scheme == "https" else None
    return Address(parts.scheme, parts.hostname, port or DEFAULT_PORT, parts.path.rstrip("/"), user, context)


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if not isinstance(error, ssl.SSLError) else "it holds no certificates"
        raise ConfigError(f"Cannot read {ca_file}: {reason}.") from None


def path_of(*parts: str) -> str:
    """`/index/_doc/id`, each part encoded."""
    return "".join("/" + quote(part, safe="") for part in parts)


class TooLarge(ClickstreamError):
    """The answer has more bytes than are read."""


class Client:
    """One connection, made when it is needed and kept. Used on one thread."""

    def __init__(
        self, address: Address, timeout_s: float = TIMEOUT_S, most_of_an_answer: int = MOST_OF_AN_ANSWER
    ) -> None:
        """`timeout_s` is for a request and its whole answer, which has `most_of_an_answer` bytes at most."""
        self.where = address.where
        self._address = address
        self._timeout_s = timeout_s
        self._most = most_of_an_answer
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: Any = None, *, but: Iterable[int] = ()) -> Any:
        """The answer of a request, which has to be 2xx, or one of `but`: of those the answer is None.

        Raises Away, or ClickstreamError for what does not pass by itself.
        """
        octets = None if body is None else msgspec.json.encode(body)
        status, answer = self.send(method, path, octets)
        if status in but:
            return None
        if status >= 300:
            raise self.raised(failure_of(status, answer))
        return answer

    def search(self, index: str, query: Any) -> list[Any]:
        """What a search in an index finds, of all that is there at this moment.

        Raises Away when the index, or a part of it, is not there just now, ClickstreamError as `ask` does.
        """
        self.ask("POST", path_of(index, "_refresh"))
        answer = self.ask("POST", path_of(index, "_search"), query)
        try:
            found, failed = answer["hits"]["hits"], answer["_shards"]["failed"] or answer["timed_out"]
        except (KeyError, TypeError):
            raise ClickstreamError(f"{self.where} does not answer a search as OpenSearch does.") from None
        if failed:  # an answer of 200 all the same, with what the others have
            raise Away(f"{self.where} does not have all of index {index} just now")
        return list(found)

    def send(self, method: str, path: str, body: bytes | None, kind: str = "application/json") -> tuple[int, Any]:
        """Status and decoded answer; of a failure its `error`.

        Raises Away when there is no whole answer in time, and TooLarge.
        """
        try:
            status, octets = self._send(method, path, body, kind)
        except ssl.SSLCertVerificationError as problem:
            self.close()
            raise ClickstreamError(
                f"{self.where} has a certificate that is not trusted here: {escaped(str(problem))}. Give the "
                "certificate of who signed it with --ca-file."
            ) from None
        except (OSError, http.client.HTTPException) as problem:
            self.close()
            raise Away(f"{self.where} does not answer ({_words(problem)})") from None
        try:
            answer = msgspec.json.decode(octets) if octets else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            text = escaped(octets.decode("utf-8", "replace").strip())[:SHOWN_OF_AN_ANSWER]
            if status < 300:
                raise ClickstreamError(f"{self.where} is no OpenSearch: it answers {text!r}.") from None
            return status, text  # a proxy's page
        if status >= 300 and isinstance(answer, dict):
            answer = answer.get("error", answer)
        return status, answer

    def raised(self, failure: Failure) -> ClickstreamError:
        """What to raise for a failure that no row is to blame for."""
        # What is gone is made with the next connection.
        if failure.meaning in (Meaning.AWAY, Meaning.GONE):
            return Away(f"{self.where} takes nothing just now ({failure})")
        return ClickstreamError(f"{self.where} answers {failure}. {_remedy(failure)}")

    def _send(self, method: str, path: str, body: bytes | None, kind: str) -> tuple[int, bytes]:
        headers = {"User-Agent": f"clickstream/{__version__}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = kind
        if self._address.authorization is not None:
            headers["Authorization"] = self._address.authorization
        used = self._connection is not None
        try:
            answer, octets = self._exchange(method, path, body, headers)
        except ConnectionError:
            self.close()
            if not used:
                raise
            # Servers and what is between close connections that were idle: that is no outage. Asking twice is harmless.
            answer, octets = self._exchange(method, path, body, headers)
        if answer.will_close:
            self.close()
        return answer.status, octets

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = self._connection or self._connect()
        # A time-out of a socket begins anew with each byte: a server that sends one now and then would hold us.
        with Deadline(self._timeout_s) as deadline:
            deadline.interrupt = partial(cut, connection.sock)
            try:
                connection.request(method, self._address.path + path, body, headers)
                answer = connection.getresponse()
                octets = self._read(answer)
            except (OSError, http.client.HTTPException) as problem:
                if deadline.over.is_set():
                    raise self._late() from problem
                raise
            if deadline.over.is_set():  # what was cut may look like an end
                raise self._late()
        return answer, octets

    def _connect(self) -> http.client.HTTPConnection:
        own = self._address
        self._connection = (
            http.client.HTTPSConnection(own.host, own.port, timeout=self._timeout_s, context=own.context)
            if own.scheme == "https"
            else http.client.HTTPConnection(own.host, own.port, timeout=self._timeout_s)
        )
        self._connection.connect()
        return self._connection

    def _read(self, answer: http.client.HTTPResponse) -> bytes:
        announced = answer.length or 0
        octets = answer.read(self._most + 1) if announced <= self._most else b""
        if max(announced, len(octets)) > self._most:
            self.close()
            raise TooLarge(
                f"{self.where} answers with more than {self._most:,} bytes: it is no OpenSearch, or its documents are "
                "too large to be read."
            )
        if answer.length:  # what is cut short is no error to http.client
            raise http.client.IncompleteRead(octets, answer.length)
        return octets

    def _late(self) -> TimeoutError:
        return TimeoutError(f"no whole answer within {self._timeout_s:g} s")

    def close(self) -> None:
        """The next request has a new connection; never raises."""
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None


def _remedy(failure: Failure) -> str:
    if failure.status == 401:
        return "Check the user and the password in the URL."
    if failure.status == 403:
        return "Give the sink's user the right to do this on its indices: see docs/sinks/opensearch.md."
    if 300 <= failure.status < 400:
        return "A redirect is not followed: give the address that it leads to."
    return "The sink does not know whether this passes by itself. Mend it and start again."


def _words(problem: BaseException) -> str:
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return escaped(str(problem))[:SHOWN_OF_AN_ANSWER] or type(problem).__name__
