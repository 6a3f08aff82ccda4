"""Requests to a schema registry: a time-out for all of one, no redirects, no proxies of the environment."""

import base64
import http.client
import json
import ssl
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from clickstream import __version__
from clickstream.deadline import Deadline, cut
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.terminal import escaped

TIMEOUT_S = 10.0
MOST_BYTES = 16_000_000
SHOWN = 200
MEDIA = "application/vnd.schemaregistry.v1+json"
_AWAY = frozenset({408, 425, 429})
CREDENTIALS = "CLICKSTREAM_SCHEMA_REGISTRY_CREDENTIALS"
CA = "schema-registry-ca, or CLICKSTREAM_SCHEMA_REGISTRY_CA"


class RegistryAway(Exception):
    """The registry does not answer, or not now; the message says how."""


class NotThere(Exception):
    """The registry answers that there is no such subject, version or schema."""


@dataclass(frozen=True)
class Address:
    """Where a registry is. `credentials` are `user:password`, which people set in `given_in`; they are never shown.

    `ca` is a PEM file, which people name in `ca_given_in`.
    """

    url: str
    credentials: str | None = field(default=None, repr=False)
    ca: str | None = None
    given_in: str = CREDENTIALS
    ca_given_in: str = CA

    def __post_init__(self) -> None:
        """Raises ConfigError for what is no address."""
        try:
            parts = urlsplit(self.url)
            _ = parts.port
        except ValueError:
            raise ConfigError(
                "The URL of the schema registry is not understood: http://host:port is expected."
            ) from None
        if parts.username is not None or parts.password is not None:
            raise ConfigError(
                f"The URL of the schema registry has a password in it, where others see it: set {self.given_in} to "
                "user:password instead."
            )
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ConfigError(
                f"The URL of the schema registry is {escaped(self.url)!r}: http://host:port, or https://, is expected."
            )
        if not self.url.isascii() or not self.url.isprintable() or " " in self.url:
            raise ConfigError("The URL of the schema registry has characters that have to be encoded, as %20.")
        if self.credentials is not None and ":" not in self.credentials:
            raise ConfigError("The credentials of the schema registry have no colon: user:password is expected.")


class Client:
    """Asks one registry, on a new connection each time: schemas are asked for once."""

    def __init__(self, address: Address, timeout_s: float = TIMEOUT_S) -> None:
        """Raises ConfigError when the file of `ca` cannot be used."""
        parts = urlsplit(address.url)
        self.where = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "") + parts.path
        self._host, self._port, self._path = parts.hostname or "", parts.port, parts.path.rstrip("/")
        self._timeout_s = timeout_s
        self._answered = False  # as a registry does
        self._context = _context(address.ca) if parts.scheme == "https" else None
        self._credentials_given_in = address.given_in
        self._ca_given_in = address.ca_given_in
        self._headers = {
            "Accept": f"{MEDIA}, application/json",
            "Content-Type": MEDIA,
            "User-Agent": f"clickstream/{__version__}",
            "Connection": "close",
        }
        if address.credentials is not None:
            pair = base64.b64encode(address.credentials.encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON.

        Raises RegistryAway when another attempt may succeed, NotThere, and ClickstreamError when it refuses.
        """
        try:
            status, said = self._send(method, path, None if body is None else json.dumps(body).encode())
        except ssl.SSLCertVerificationError as problem:
            raise ClickstreamError(
                f"The schema registry at {self.where} has a certificate that is not trusted here "
                f"({escaped(str(problem))}). Give its CA: {self._ca_given_in}."
            ) from None
        except (OSError, http.client.HTTPException) as problem:
            raise RegistryAway(f"{self.where} does not answer ({_words(problem)})") from None
        return self._judged(status, said, path)

    def _judged(self, status: int, said: bytes, path: str) -> Any:
        try:
            answer = json.loads(said)
        except ValueError:
            answer = None
        told = answer if isinstance(answer, dict) else {}
        code = told.get("error_code")
        good = 200 <= status < 300 and answer is not None
        if good or code is not None:
            self._answered = True
        if good:
            return answer
        message = escaped(str(told.get("message") or said[: 4 * SHOWN].decode("utf-8", "replace").strip()))[:SHOWN]
        words = f"{self.where} answers {status}" + (f" ({message})" if message else "")
        if status >= 500 or status in _AWAY:
            raise RegistryAway(words)
        if status == 404 and code is not None:
            raise NotThere(message)
        if status in (401, 403):
            raise ClickstreamError(
                f"The schema registry at {words}. Set {self._credentials_given_in} to user:password."
            )
        if code is None and self._answered and (status < 400 or status == 404):
            # So does a proxy whose registry restarts: with 404, or a page of its own.
            raise RegistryAway(f"{words} to {path}, not as a registry does")
        if status == 404 or code is None:
            raise ClickstreamError(
                f"The schema registry at {words} to {path}: it is none, or its API is below another path "
                "(Apicurio: /apis/ccompat/v7)."
            )
        raise ClickstreamError(f"The schema registry at {words}.")

    def _send(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        connection: http.client.HTTPConnection
        if self._context is not None:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout_s, context=self._context
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.connect()
            # A time-out of a socket begins anew with each byte: a server that sends one now and then would hold us.
            with Deadline(self._timeout_s) as deadline:
                deadline.interrupt = partial(cut, connection.sock)
                connection.request(method, self._path + path, body, self._headers)
                answer = connection.getresponse()
                said = answer.read(MOST_BYTES)
                # What is cut short is no error to http.client.
                if deadline.over.is_set() or answer.length:
                    raise TimeoutError(f"no whole answer within {self._timeout_s:g} s")
                return answer.status, said
        finally:
            connection.close()


def _context(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError) as problem:
        raise ConfigError(
            f"The CA of the schema registry, {ca}, cannot be used: {problem}. A PEM file is expected."
        ) from None


def _words(problem: BaseException) -> str:
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return escaped(str(problem))[:SHOWN] or type(problem).__name__
