"""The collector on the wire: what slow, greedy and broken clients get, and that others are served meanwhile."""

import gzip
import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.integration.collectsupport import Collecting, collecting, event, raw, received, workers_of
from tests.support import PATIENCE, wait_until

BODY_S, IDLE_S = 1.0, 2.0
# Nobody has to wait for the usual time-outs, which are not options.
CUT = (
    "import functools, clickstream.collect.options as o; "
    f"o.HttpOptions = functools.partial(o.HttpOptions, body_s={BODY_S}, idle_s={IDLE_S})"
)
SILENT = 2_000
SILENT_MB = 60  # what so many connections may take: 30 kB each
HEAD = b"POST /e HTTP/1.1\r\nHost: c.example\r\n"


@pytest.fixture(scope="module")
def collector(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    folder = tmp_path_factory.mktemp("wire")
    with collecting(kafka, "wire-collector", folder, "--max-body", "10000", before=CUT) as found:
        yield found


@pytest.fixture(autouse=True)
def _others_are_served(collector: Collecting) -> Iterator[None]:
    yield
    assert collector.post(event()).status == 200


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def one_answer(connection: socket.socket) -> bytes:
    """The first answer on a connection that stays open."""
    found = b""
    while b"\r\n\r\n" not in found:
        piece = connection.recv(65_536)
        assert piece, found
        found += piece
    return found


def test_a_connection_is_used_again(collector: Collecting) -> None:
    with raw(collector.port) as connection:
        for _ in range(3):
            connection.sendall(b"GET /ping HTTP/1.1\r\nHost: c.example\r\n\r\n")
            assert status_of(one_answer(connection)) == 200


def test_connections_that_idle_take_no_request_its_place(kafka: str, topic_name: str, tmp_path: Path) -> None:
    few = CUT.replace(f"idle_s={IDLE_S}", "at_once=20").replace(f"body_s={BODY_S}", "body_s=60.0")
    with collecting(kafka, topic_name, tmp_path, "--workers", "1", before=few) as found, ExitStack() as kept:
        for _ in range(20):
            connection = kept.enter_context(raw(found.port))
            connection.sendall(b"GET /ping HTTP/1.1\r\nHost: c.example\r\n\r\n")
            assert status_of(one_answer(connection)) == 200
        assert found.post(event()).status == 200
        for _ in range(21):
            kept.enter_context(raw(found.port, HEAD + b"Content-Length: 100\r\n\r\n{"))
        wait_until(lambda: found.metrics()["unavailable"] == 1, 90, "one is turned away")


def test_a_page_of_another_site_may_send(collector: Collecting) -> None:
    origin = {"Origin": "https://shop.example"}
    asked = collector.ask("OPTIONS", "/e", headers={**origin, "Access-Control-Request-Method": "POST"})
    assert asked.status == 204
    assert asked.headers["access-control-allow-origin"] == "*"
    assert asked.headers["access-control-allow-headers"] == "Content-Type"
    assert collector.post(event(), headers=origin).headers["access-control-allow-origin"] == "*"


def test_a_body_that_drips_is_given_up_and_its_connection_closed(collector: Collecting) -> None:
    with raw(collector.port, HEAD + b"Content-Length: 100\r\n\r\n{") as connection:
        assert status_of(received(connection)) == 408


def test_a_body_that_drips_on_has_no_more_time(collector: Collecting) -> None:
    begun = time.monotonic()
    with raw(collector.port, HEAD + b"Content-Length: 100\r\n\r\n") as connection:
        connection.settimeout(0.1)
        answer = b""
        while not answer and time.monotonic() < begun + 10 * BODY_S:
            connection.sendall(b"x")
            with suppress(TimeoutError):
                answer = connection.recv(65_536)
    assert status_of(answer) == 408


def test_headers_that_drip_are_given_up(collector: Collecting) -> None:
    with raw(collector.port, b"POST /e HTTP/1.1\r\nHo") as connection:
        assert status_of(received(connection)) in (0, 408)


def test_an_idle_connection_is_closed(collector: Collecting) -> None:
    with raw(collector.port, b"GET /ping HTTP/1.1\r\nHost: c.example\r\n\r\n") as connection:
        assert status_of(received(connection)) == 200  # it has ended: more than the answer never came


@pytest.mark.parametrize(
    "headers",
    [
        b"".join(b"X-%d: y\r\n" % number for number in range(2_000)),
        b"X-Long: " + b"x" * 200_000 + b"\r\n",
        b"Cookie: " + b"c=1; " * 30_000 + b"\r\n",
    ],
    ids=["many", "long", "cookies"],
)
def test_a_flood_of_headers_is_refused(collector: Collecting, headers: bytes) -> None:
    try:
        with raw(collector.port, HEAD, headers, b"Content-Length: 0\r\n\r\n") as connection:
            assert status_of(received(connection)) in (0, 400, 431)
    except (ConnectionResetError, BrokenPipeError):
        pass  # closed while it was still sent


def test_a_body_that_says_to_be_too_large_is_refused_unread(collector: Collecting) -> None:
    with raw(collector.port, HEAD + b"Content-Length: 10001\r\n\r\n") as connection:
        assert status_of(received(connection)) == 413


def test_a_body_that_becomes_too_large_is_refused(collector: Collecting) -> None:
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    try:
        with raw(collector.port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 100) as connection:
            assert status_of(received(connection)) in (0, 413)
    except (ConnectionResetError, BrokenPipeError):
        pass


@pytest.mark.parametrize(
    "body",
    [b"zz\r\nnonsense\r\n0\r\n\r\n", b"-5\r\nabc\r\n", b"FFFFFFFFFFFFFFFFFF\r\nabc", b"5\r\nabcdefgh\r\n0\r\n\r\n"],
    ids=["no number", "negative", "overflow", "wrong length"],
)
def test_broken_chunks_are_refused(collector: Collecting, body: bytes) -> None:
    with raw(collector.port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert status_of(received(connection)) in (0, 400)


def test_a_good_chunked_body_is_read(collector: Collecting) -> None:
    with raw(collector.port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n") as connection:
        assert status_of(one_answer(connection)) == 200


def test_both_lengths_at_once_are_no_way_to_smuggle(collector: Collecting) -> None:
    smuggled = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: c.example\r\n\r\n"
    head = HEAD + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(smuggled)
    with raw(collector.port, head + smuggled, timeout=3) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert status_of(received(connection)) in (0, 400, 200)


def test_compressed_bombs_are_not_opened(collector: Collecting) -> None:
    bomb = gzip.compress(bytes(5_000_000))
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with raw(collector.port, head + bomb) as connection:
        assert status_of(received(connection)) == 415


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n",
    ],
    ids=["words", "version", "TLS", "address"],
)
def test_what_is_no_request_is_refused(collector: Collecting, request_: bytes) -> None:
    with raw(collector.port, request_) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert status_of(received(connection)) in (0, 400, 404, 414, 431)


def test_a_connection_on_which_nothing_comes_is_closed(collector: Collecting) -> None:
    with raw(collector.port) as connection:
        assert received(connection) == b""


def test_silent_connections_do_not_keep_others_out(collector: Collecting) -> None:
    number = min(1_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 300)
    silent = [raw(collector.port) for _ in range(number)]
    try:
        begun = time.monotonic()
        assert collector.post(event()).status == 200
        assert time.monotonic() - begun < 2 * PATIENCE
    finally:
        for connection in silent:
            connection.close()


@pytest.mark.slow
def test_two_thousand_silent_connections(kafka: str, topic_name: str, tmp_path: Path) -> None:
    """With the usual time-outs: others are served, memory is bounded, and they are closed by themselves."""
    allow_files(SILENT + 500)
    with collecting(kafka, topic_name, tmp_path) as found:
        [worker] = workers_of(found.part)
        assert found.post(event()).status == 200
        before = resident_mb(worker)
        silent = [raw(found.port, timeout=60) for _ in range(SILENT)]
        try:
            for _ in range(20):
                begun = time.monotonic()
                assert found.post(event()).status == 200
                assert time.monotonic() - begun < PATIENCE
            assert resident_mb(worker) - before < SILENT_MB
            for connection in silent:
                assert received(connection) == b""
        finally:
            for connection in silent:
                connection.close()
        wait_until(lambda: open_files(worker) < 200, 30, lambda: f"their files are closed: {open_files(worker)}")
        assert found.post(event()).status == 200


def allow_files(number: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < number:
        if hard != resource.RLIM_INFINITY and hard < number:
            pytest.skip(f"this process may open {hard} files at most")
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_requests_whose_body_does_not_come_do_not_keep_others_out(collector: Collecting) -> None:
    waiting = [raw(collector.port, HEAD + b"Content-Length: 100\r\n\r\n{") for _ in range(300)]
    try:
        assert collector.post(event()).status == 200
    finally:
        for connection in waiting:
            connection.close()
    wait_until(lambda: collector.metrics().get("failed") == 0, 90, "none of them failed of something unexpected")


def test_who_leaves_before_the_answer_does_no_harm(collector: Collecting, tmp_path: Path) -> None:
    for _ in range(50):
        raw(collector.port, HEAD + b"Content-Length: 2\r\n\r\n[]").close()
    wait_until(lambda: collector.metrics().get("events_waiting") == 0, 90, "nothing is left")
