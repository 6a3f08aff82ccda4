"""An archive in an object store that speaks S3."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any
from urllib.parse import urlsplit
from weakref import WeakSet

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
)

from clickstream.deadline import Deadline, cut
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.sinks.target import Away
from clickstream.stop import Stop

ANSWERS_WITHIN_S = 60.0  # each piece of an answer
CONNECTS_WITHIN_S = 10.0
ENDS_WITHIN_S = 300.0  # a request, tried again by the client, and its whole answer
SLOWEST = 64 * 1024  # bytes/s at which what is sent is on its way, and no outage

EXISTS = frozenset(("PreconditionFailed", "412"))
MISSING = frozenset(("NoSuchKey", "404", "NotFound"))
# What passes by itself. With a new connection credentials are asked for again, too.
PASSES = frozenset(
    (
        "ConditionalRequestConflict", "ExpiredToken", "InternalError", "OperationAborted", "RequestTimeout",
        "RequestTimeTooSkewed", "ServiceUnavailable", "SlowDown", "Throttling", "ThrottlingException",
        "TooManyRequestsException", "XMinioStorageFull", "QuotaExceeded",
    )
)  # fmt: skip


class ObjectStore:
    """A Store in a bucket. The client finds its settings where all of AWS's tools do: AWS_ENDPOINT_URL,
    AWS_ACCESS_KEY_ID, AWS_PROFILE, ...

    An object is seen as a whole or not at all, so that there are no unfinished files.
    """

    def __init__(self, url: str, stop: Stop | None = None, *, within_s: float = ENDS_WITHIN_S) -> None:
        """`url`: `s3://bucket/prefix`. Raises ConfigError for another one.

        Each request has `within_s`, and ends when `stop` leaves no more time for draining.
        """
        parts = urlsplit(url)
        self._bucket = parts.netloc
        prefix = parts.path.strip("/")
        if not self._bucket or parts.query or parts.fragment or "@" in self._bucket:
            raise ConfigError("Give an object store as s3://bucket/prefix.")
        self._prefix = f"{prefix}/" if prefix else ""
        self.where = f"s3://{self._bucket}/{prefix}".rstrip("/")
        self._client: Any = None
        self._stop = stop
        self._within_s = within_s
        self._connections: WeakSet[Any] = WeakSet()

    def connect(self) -> None:
        with self._translated():
            self._client = boto3.session.Session().client(
                "s3",
                config=Config(
                    connect_timeout=CONNECTS_WITHIN_S,
                    read_timeout=ANSWERS_WITHIN_S,
                    retries={"mode": "standard", "total_max_attempts": 2},
                ),
            )
            _watch(self._client, self._connections)

    def folders(self) -> list[str]:
        found: list[str] = []
        for page in self._pages(Prefix=self._prefix, Delimiter="/"):
            found += [one["Prefix"][len(self._prefix) :].rstrip("/") for one in page.get("CommonPrefixes", ())]
        return sorted(found)

    def names(self, folder: str) -> list[str]:
        found: list[str] = []
        for page in self._pages(Prefix=f"{self._prefix}{folder}/"):
            found += [one["Key"][len(self._prefix) :] for one in page.get("Contents", ())]
        return sorted(found)

    def read(self, name: str) -> bytes | None:
        with self._explained():
            try:
                content: bytes = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"].read()
            except ClientError as error:
                if _code(error) in MISSING:
                    return None
                raise
        return content

    def open(self, name: str) -> io.BytesIO:
        content = self.read(name)
        if content is None:
            raise FileNotFoundError(2, "no such object", f"{self.where}/{name}")
        return io.BytesIO(content)

    def put(self, name: str, write: Callable[[IO[bytes]], None]) -> int:
        content = io.BytesIO()
        write(content)
        with self._explained(content.tell()):
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content.getvalue())
        return content.tell()

    def create(self, name: str, content: bytes) -> bool:
        with self._explained(len(content)):
            try:
                self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content, IfNoneMatch="*")
            except ClientError as error:
                if _code(error) in EXISTS:
                    return False
                raise
        return True

    def delete(self, name: str) -> None:
        with self._explained():
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def sweep(self, folder: str) -> None:
        pass

    def address(self, name: str) -> str:
        return f"{self.where}/{name}"

    def _pages(self, **query: str) -> Iterator[dict[str, Any]]:
        pages = iter(self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, **query))
        while True:
            with self._explained():
                page = next(pages, None)
            if page is None:
                return
            yield page

    @contextmanager
    def _explained(self, size: int = 0) -> Iterator[None]:
        """Around one request, which sends `size` bytes."""
        within_s = self._within_s + size / SLOWEST
        # The client's time-outs begin anew with each piece: a server that sends one now and then would hold us.
        with Deadline(within_s, stop=self._stop) as deadline:
            deadline.interrupt = self._cut
            try:
                with self._translated():
                    yield
            except ClickstreamError:
                if deadline.over.is_set():
                    raise self._late(within_s) from None
                raise
            if deadline.over.is_set():  # what was cut may look like an end
                raise self._late(within_s)

    def _cut(self) -> None:
        with suppress(RuntimeError):  # the other thread connects just now; it is tried again
            for one in list(self._connections):
                if one.sock is not None:
                    cut(one.sock)

    def _late(self, within_s: float) -> Away:
        if self._stop is not None and self._stop.drain_time_left() == 0:
            return Away(f"{self.where} had not answered when the time to end was over")
        return Away(f"{self.where} does not answer: no whole answer within {round(within_s, 1):g} s")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise ConfigError(f"{self.where}: {error}. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.") from None
        except (ConnectionError, HTTPClientError, IncompleteReadError) as error:
            raise Away(f"{self.where} does not answer: {type(error).__name__}") from None
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            said = f"{self.where} answers {_code(error)}: {error.response.get('Error', {}).get('Message', '')}"
            if _code(error) in PASSES or status >= 500 or status == 429:
                raise Away(said) from None
            raise ClickstreamError(f"{said.rstrip('.')}.") from None
        except (BotoCoreError, ValueError) as error:
            raise ClickstreamError(f"{self.where}: {error}.") from None


def _watch(client: Any, connections: WeakSet[Any]) -> None:
    """Have all connections of a client in a set: it has no other way to end what they read or write."""
    session = client._endpoint.http_session

    def watched(pool: Any) -> Any:
        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            def connect(self) -> None:
                connections.add(self)
                super().connect()

        return type(pool.__name__, (pool,), {"ConnectionCls": Connection})

    # One dictionary, which the managers of direct connections and of those through proxies share.
    pools = session._pool_classes_by_scheme
    pools.update({scheme: watched(pool) for scheme, pool in pools.items()})


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
