import base64
import time

import pytest

from clickstream.avro.http import Address, NotThere, RegistryAway
from clickstream.avro.registry import Registry, UnknownSchema
from clickstream.errors import ClickstreamError, ConfigError
from tests.unit.avro.fakeregistry import USER, FakeRegistry


def test_a_schema_that_is_not_there_yet_is_there_later(fake: FakeRegistry) -> None:
    registry = fake.registry()
    with pytest.raises(UnknownSchema, match="does not know schema 1"):
        registry.schema(1)
    assert registry.register("users-value", USER) == 1
    assert registry.schema(1).text == USER
    assert registry.id_of("users-value", USER) == 1
    assert registry.id_of("users-value", '"string"') is None
    assert registry.latest("others") is None


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_what_passes_by_itself_is_no_refusal(fake: FakeRegistry, status: int) -> None:
    fake.fail = status, b'{"error_code": 50001, "message": "busy"}'
    with pytest.raises(RegistryAway, match=rf"answers {status} \(busy\)"):
        fake.registry().schema(1)


def test_nobody_there_is_away() -> None:
    with pytest.raises(RegistryAway, match=r"http://127.0.0.1:1 does not answer \(Connection refused\)"):
        Registry(Address("http://127.0.0.1:1")).subjects()


def test_a_registry_that_drips_does_not_hold_us(fake: FakeRegistry) -> None:
    fake.fail, fake.drip_s = (200, b"[" + b" " * 2_000 + b"]"), 0.05
    begun = time.monotonic()
    with pytest.raises(RegistryAway):
        fake.registry(timeout_s=0.5).subjects()
    assert time.monotonic() - begun < 60  # the whole answer takes 100 s


def test_something_else_that_speaks_http_is_no_registry(fake: FakeRegistry) -> None:
    with pytest.raises(ClickstreamError, match="it is none, or its API is below another path"):
        fake.registry().subjects()


@pytest.mark.parametrize(
    "page", [(404, b"<html>no backend</html>"), (200, b"<html>back soon</html>"), (404, b'{"detail": "no backend"}')]
)
def test_a_proxy_before_a_registry_that_restarts_is_no_refusal(fake: FakeRegistry, page: tuple[int, bytes]) -> None:
    registry = fake.registry()
    fake.fail = page
    with pytest.raises(ClickstreamError, match="it is none"):
        registry.schema(1)
    fake.fail = None
    with pytest.raises(UnknownSchema):
        registry.schema(1)
    fake.fail = page
    with pytest.raises(RegistryAway, match=r"answers \d{3} .* to /schemas/ids/1, not as a registry does"):
        registry.schema(1)
    fake.fail, fake.schemas[1] = None, {"schema": USER}
    assert registry.schema(1).text == USER


def test_a_refusal_says_why_and_what_to_set(fake: FakeRegistry) -> None:
    fake.fail = 401, b'{"error_code": 401, "message": "Unauthorized"}'
    with pytest.raises(ClickstreamError, match=r"Unauthorized.*CLICKSTREAM_SCHEMA_REGISTRY_CREDENTIALS") as refused:
        fake.registry(credentials="ann:s3cret").subjects()
    assert "s3cret" not in str(refused.value)
    fake.fail = 409, b'{"error_code": 409, "message": "incompatible: b"}'
    with pytest.raises(ClickstreamError, match="incompatible: b"):
        fake.registry().register("users-value", USER)


def test_credentials_are_sent_and_never_shown(fake: FakeRegistry) -> None:
    with pytest.raises(UnknownSchema):
        fake.registry(credentials="ann:s3cret").schema(1)
    assert fake.requests[0][2]["Authorization"] == "Basic " + base64.b64encode(b"ann:s3cret").decode()
    assert "s3cret" not in repr(Address("http://x", "ann:s3cret"))


@pytest.mark.parametrize(
    "url", ["", "localhost:8081", "ftp://host", "http://", "http://h:port", "http://h/?q=1", "http://h/a b"]
)
def test_what_is_no_address_is_refused_before_anything_is_asked(url: str) -> None:
    with pytest.raises(ConfigError, match="URL of the schema registry"):
        Address(url)


def test_a_password_in_the_url_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError, match="CLICKSTREAM_SCHEMA_REGISTRY_CREDENTIALS") as refused:
        Address("http://ann:s3cret@host:8081")
    assert "s3cret" not in str(refused.value)


def test_a_ca_that_is_none_is_said() -> None:
    with pytest.raises(ConfigError, match=r"no/such\.pem"):
        Registry(Address("https://localhost:1", ca="no/such.pem"))


def test_subjects_are_quoted(fake: FakeRegistry) -> None:
    assert fake.registry().latest("a/b c") is None
    assert fake.requests[0][1] == "/subjects/a%2Fb%20c/versions/latest"


@pytest.mark.parametrize("answer", [b"[]", b'{"id": "x"}', b'{"schema": 3}', b"null", b"7"])
def test_nonsense_is_not_taken_for_an_answer(fake: FakeRegistry, answer: bytes) -> None:
    fake.fail = 200, answer
    with pytest.raises((ClickstreamError, NotThere)):
        fake.registry().register("users-value", USER)
