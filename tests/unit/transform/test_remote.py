from pathlib import Path
from typing import Any

import pytest

from clickstream.errors import ClickstreamError
from clickstream.transform import transform_pb2
from clickstream.transform.api import Record
from clickstream.transform.model import Answered, Call, Failed, FunctionAway
from clickstream.transform.remote import messages, outcome_of, request_of, results
from tests.support import missing

grpc = pytest.importorskip("grpc")
ROOT = Path(__file__).parents[3]
PROTO = "clickstream/transform/transform.proto"


@pytest.mark.parametrize(
    ("code", "details", "outcome"),
    [
        ("UNAVAILABLE", "refused", FunctionAway("UNAVAILABLE: refused")),
        ("RESOURCE_EXHAUSTED", "", FunctionAway("RESOURCE_EXHAUSTED")),
        (
            "RESOURCE_EXHAUSTED",
            "Received message larger than max (9 vs. 4)",
            Failed("RESOURCE_EXHAUSTED: Received message larger than max (9 vs. 4)", "grpc-resource-exhausted"),
        ),
        ("INTERNAL", "no", Failed("INTERNAL: no", "grpc-internal", True)),
        ("ABORTED", "no", Failed("ABORTED: no", "grpc-aborted", True)),
        ("CANCELLED", "no", Failed("CANCELLED: no", "grpc-cancelled", True)),
        ("INVALID_ARGUMENT", "no", Failed("INVALID_ARGUMENT: no", "grpc-invalid-argument")),
        ("UNKNOWN", "no", Failed("UNKNOWN: no", "grpc-unknown")),
    ],
)
def test_what_a_status_means(code: str, details: str, outcome: Any) -> None:
    assert outcome_of(grpc.StatusCode[code], details, "host:1") == outcome


@pytest.mark.parametrize("code", ["UNIMPLEMENTED", "UNAUTHENTICATED", "PERMISSION_DENIED"])
def test_a_server_that_does_not_serve_us_ends_it(code: str) -> None:
    outcome = outcome_of(grpc.StatusCode[code], "no", "host:1")
    assert isinstance(outcome, ClickstreamError)
    assert "host:1" in str(outcome)


def test_a_request_has_all_of_the_record() -> None:
    call = Call(Record(None, b"", (("a", b"1"), ("b", None)), 5, "t", 2, 2**40), failures=1, waits=1)
    request = messages.ApplyRequest.FromString(request_of(call).SerializeToString())
    assert (request.idempotency_key, request.attempt) == (f"t/2/{2**40}", 3)
    assert (request.topic, request.partition, request.offset) == ("t", 2, 2**40)
    assert not request.record.HasField("value")
    assert (request.record.key, request.record.HasField("key")) == (b"", True)
    assert request.record.timestamp_ms == 5
    assert [(one.name, one.value, one.HasField("value")) for one in request.record.headers] == [
        ("a", b"1", True),
        ("b", b"", False),
    ]


def test_an_answer_is_read_as_records() -> None:
    given = Record(b"", b"k", (), 7)
    header = messages.Header(name="a", value=b"1")
    response = messages.ApplyResponse(
        results=[messages.Record(), messages.Record(key=b"", value=b"", headers=[header], timestamp_ms=0)]
    )
    assert results(response, given) == Answered([Record(None, None, (), 7), Record(b"", b"", (("a", b"1"),), 0)])
    late = results(messages.ApplyResponse(results=[messages.Record(timestamp_ms=-1)]), given)
    assert isinstance(late, Failed)
    assert late.kind == "result"


def test_the_generated_code_is_that_of_the_proto(tmp_path: Path) -> None:
    """If not: python -m grpc_tools.protoc -I. --python_out=. clickstream/transform/transform.proto"""
    try:
        from grpc_tools import protoc
    except ModuleNotFoundError:
        missing("no grpcio-tools")
    assert protoc.main(["protoc", f"-I{ROOT}", f"--python_out={tmp_path}", PROTO]) == 0
    made = (tmp_path / PROTO).with_name("transform_pb2.py").read_text("utf-8")
    assert _descriptor(made) == _descriptor(Path(transform_pb2.__file__).read_text("utf-8"))


def _descriptor(code: str) -> str:
    """The line that is the proto; the others are of the compiler's version."""
    return next(line for line in code.splitlines() if line.startswith("DESCRIPTOR = "))
