"""Over https: only a certificate that is trusted, by the system or by --ca-file, is spoken to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream.errors import ClickstreamError
from clickstream.sinks.opensearch.client import Client, address_of
from clickstream.sinks.target import Away
from tests.unit.certificates import self_signed, server_context
from tests.unit.sinks.searchserver import SearchServer, search_server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(certificate: Path) -> Iterator[SearchServer]:
    with search_server(server_context(certificate)) as found:
        found.url = found.url.replace("http://127.0.0.1", "https://localhost")
        yield found


def test_a_certificate_that_is_given_is_trusted(server: SearchServer, certificate: Path) -> None:
    client = Client(address_of(server.url, certificate))
    status, _ = client.send("POST", "/_bulk", b"")
    assert status == 200
    client.close()


def test_one_that_is_not_trusted_stops_it_with_words(server: SearchServer) -> None:
    client = Client(address_of(server.url))
    with pytest.raises(ClickstreamError, match=r"not trusted here: .* --ca-file") as found:
        client.send("POST", "/_bulk", b"")
    assert not isinstance(found.value, Away)


def test_one_of_another_host_is_not_spoken_to(server: SearchServer, certificate: Path) -> None:
    client = Client(address_of(server.url.replace("localhost", "127.0.0.1"), certificate))
    with pytest.raises(ClickstreamError, match="not trusted here"):
        client.send("POST", "/_bulk", b"")
    assert server.requests == []
