"""The shop's server, on a port of this machine."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from clickstream.errors import ConfigError
from clickstream.serving.listening import listen
from clickstream.shop.shop import Shop
from tests.support import PATIENCE


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    stop, ready = threading.Event(), threading.Event()
    with closing(listen("127.0.0.1", 0)) as listening:
        shop = Shop(listening, "http://127.0.0.1:8322", ready.set)
        thread = threading.Thread(target=shop.run, args=(stop,))
        thread.start()
        assert ready.wait(10 * PATIENCE)
        assert shop.address == f"http://127.0.0.1:{listening.getsockname()[1]}/"
        yield listening.getsockname()[1]
        stop.set()
        thread.join(10 * PATIENCE)
        assert not thread.is_alive()


def ask(port: int, method: str, target: str) -> tuple[int, dict[str, str], bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10 * PATIENCE)) as connection:
        connection.putrequest(method, target)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def test_pages_are_served_with_their_policy(port: int) -> None:
    status, headers, body = ask(port, "GET", "/products/mug?utm_source=mail")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert b"Enamel mug" in body


def test_head_is_as_get_without_the_body(port: int) -> None:
    status, headers, body = ask(port, "HEAD", "/shop.js")
    assert (status, headers["content-type"], body) == (200, "text/javascript; charset=utf-8", b"")


@pytest.mark.parametrize(
    "target", ["/<script>alert(1)</script>", "/..%2f..%2fetc/passwd", "/../../etc/passwd", "/shop.css/", "/404", "404"]
)
def test_where_nothing_is_the_answer_has_nothing_of_the_request(port: int, target: str) -> None:
    status, headers, body = ask(port, "GET", target)
    assert status in (400, 404)
    assert b"alert" not in body
    assert b"passwd" not in body
    assert status == 400 or "default-src 'none'" in headers["content-security-policy"]


def test_nothing_can_be_sent_to_it(port: int) -> None:
    status, headers, _body = ask(port, "POST", "/thanks")
    assert (status, headers["allow"]) == (405, "GET, HEAD")


def test_a_wrong_collector_is_refused_before_it_serves() -> None:
    listening: Any = None
    with pytest.raises(ConfigError, match="is expected"):
        Shop(listening, "ftp://collector.example")
