"""JSON over HTTP, and Java's stack traces in one line."""

import pytest

from clickstream.flink.rest import Refused, Rest, Unreachable, root_cause
from tests.support import free_port
from tests.unit.flink.fakes import serving

TRACE = """<Exception on server side:
org.apache.flink.table.gateway.api.utils.SqlGatewayException: Failed to fetchResults.
\tat org.apache.flink.Some.method(Some.java:91)
Caused by: org.apache.flink.table.api.ValidationException: Unable to create a source for reading table 't'.

Table options are:
\tat org.apache.flink.Some.other(Some.java:1)
\t... 7 more
Caused by: org.apache.flink.table.api.ValidationException: Cannot discover a connector: 'x'.
\t... 15 more

End of exception on server side>"""


@pytest.mark.parametrize(
    ("trace", "cause"),
    [
        (TRACE, "ValidationException: Cannot discover a connector: 'x'."),
        ("java.lang.NullPointerException\n\tat a.B.c(B.java:1)", "NullPointerException"),
        ("a.b.Outer$Inner: x: y\n\tat a.B.c(B.java:1)", "Outer$Inner: x: y"),
        ("Job could not be found.", "Job could not be found."),
    ],
)
def test_the_root_cause(trace: str, cause: str) -> None:
    assert root_cause(trace) == cause


def test_an_answer() -> None:
    with serving(lambda _method, _path, body: (200, {"got": body})) as server:
        assert Rest(server.address).call("POST", "/v3/x", {"a": "ü"}) == {"got": {"a": "ü"}}
        assert server.asked == [("POST", "/v3/x", {"a": "ü"})]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"errors": ["Internal server error.", TRACE]}, "ValidationException: Cannot discover a connector: 'x'."),
        ({"errors": ["Not found: /v9"]}, "Not found: /v9"),
        ({"errors": []}, "an error without a message"),
        (b"<html>", "<html>"),
        (b"", "an error without a message"),
    ],
)
def test_an_error_of_the_server(body: object, message: str) -> None:
    with serving(lambda *_: (500, body)) as server, pytest.raises(Refused) as raised:
        Rest(server.address).call("GET", "/")

    assert (str(raised.value), raised.value.status) == (message, 500)


def test_nobody_there() -> None:
    with pytest.raises(Unreachable, match=r"No Flink answers at 127\.0\.0\.1:\d+: Connection refused\. Check"):
        Rest(f"127.0.0.1:{free_port()}").call("GET", "/overview")


def test_another_program() -> None:
    with serving(lambda *_: (200, b"<html>")) as server, pytest.raises(Unreachable):
        Rest(server.address).call("GET", "/overview")


def test_a_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with serving(lambda *_: (200, {})) as server:
        assert Rest(server.address).call("GET", "/") == {}
