"""An archive in an object store: on moto's S3, over HTTP."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.sinks.parquet.layout import Layout
from clickstream.sinks.parquet.objects import ObjectStore
from clickstream.sinks.parquet.reading import ArchivedTable
from clickstream.sinks.parquet.target import ParquetTarget
from clickstream.sinks.target import Away, Fenced
from tests.support import PATIENCE
from tests.unit.sinks.archives import TOPIC, batch, claim, fill, in_log, interleaved, record


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an S3."""
    put, one_at_a_time = S3Response._key_response_put, threading.Lock()

    def put_alone(*given: Any) -> Any:
        """moto looks whether there is such an object, and then makes it: two may come between."""
        with one_at_a_time:
            return put(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(S3Response, "_key_response_put", put_alone)
        moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        moto.start()
        host, port = moto.get_host_and_port()
        yield f"http://{host}:{port}"
        moto.stop()


@pytest.fixture
def url(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, as users of AWS's tools say where it is."""
    for name, value in (
        ("AWS_ENDPOINT_URL", server),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}/some/where"


def target(url: str, layout: Layout | None = None, **more: Any) -> ParquetTarget:
    return ParquetTarget(ObjectStore(url), layout, **more)


def test_records_are_there_once_and_come_back(url: str) -> None:
    log = interleaved(24, hours=2)
    few = Layout(small_files=1, keep_s=0.0)
    fill(target(url, few, fold_every=3), log[:12], 6)
    fill(target(url, few, fold_every=3), log, 6)
    store = ObjectStore(url)
    store.connect()
    found = [(one.partition, one.offset) for one in ArchivedTable(store, TOPIC).records()]
    assert sorted(found) == in_log(log)
    named = ArchivedTable(store, TOPIC).state
    assert {f"{TOPIC}/{path}" for path in named.files} <= set(store.names(f"{TOPIC}/data"))
    text = store.read("archive.sql")
    assert text is not None
    assert all(f"{url}/{TOPIC}/{path}" in text.decode() for path in named.files)


def test_the_newest_takes_over(url: str) -> None:
    older, newer = target(url), target(url)
    claim(older)
    older.write(batch([record(0)]))
    claim(newer, owner="there pid 2")
    with pytest.raises(Fenced, match="there pid 2"):
        older.write(batch([record(1)]))


def test_of_many_that_create_one_only_one_does(url: str) -> None:
    store = ObjectStore(url)
    store.connect()
    made: list[bool] = []
    threads = [
        threading.Thread(target=lambda text=text: made.append(store.create("a/b", text))) for text in [b"1", b"2"] * 5
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 9 + [True]


def test_a_store_that_does_not_answer_is_away(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Away, match="does not answer"):
        claim(target(url))


class Dribbling(BaseHTTPRequestHandler):
    """Sends a byte now and then, of an answer that is never whole: of its head, or of its body."""

    protocol_version = "HTTP/1.1"
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n"
    in_head: bool
    ended: threading.Event

    def do_GET(self) -> None:
        with suppress(OSError):
            self.wfile.write(self.head if self.in_head else self.head + b"\r\n")
            while not self.ended.wait(0.02):
                self.wfile.write(b"x")
        self.close_connection = True

    def do_PUT(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture(params=["head", "body"])
def dribbling(request: pytest.FixtureRequest) -> Iterator[str]:
    ended = threading.Event()
    handler = type("Handler", (Dribbling,), {"in_head": request.param == "head", "ended": ended})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    ended.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    "work",
    [
        lambda store: store.read("a"),
        lambda store: store.names("a"),
        lambda store: store.put("a", lambda file: file.write(b"1")),
        lambda store: store.create("a", b"1"),
    ],
    ids=["read", "names", "put", "create"],
)
@pytest.mark.timeout(60 * PATIENCE)
def test_a_store_that_sends_a_byte_now_and_then_holds_nobody_for_ever(
    url: str, monkeypatch: pytest.MonkeyPatch, dribbling: str, work: Callable[[ObjectStore], object]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", dribbling)
    store = ObjectStore(url, within_s=0.3)
    store.connect()
    with pytest.raises(Away, match=r"does not answer: no whole answer within 0\.3 s"):
        work(store)


def test_a_bucket_that_is_not_there_is_named(url: str) -> None:
    with pytest.raises(ClickstreamError, match=r"s3://no-such-bucket-of-ours/x answers NoSuchBucket"):
        claim(target("s3://no-such-bucket-of-ours/x"))


def test_without_credentials_it_says_so(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(ConfigError, match="Set AWS_ACCESS_KEY_ID"):
        claim(target(url))


@pytest.mark.parametrize("wrong", ["s3://", "s3:///prefix", "s3://user:secret@bucket/x", "s3://bucket/x?secret=1"])
def test_another_address_is_refused_without_its_secrets(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"s3://bucket/prefix") as said:
        ObjectStore(wrong)
    assert "secret" not in str(said.value)
