"""`bench opensearch`: how fast an index follows a topic, beside the plain way: documents without versions."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from clickstream.errors import ClickstreamError
from clickstream.sinks.opensearch.client import Client, address_of, path_of


class OpenSearch:
    """See `sinks.Subject`: a space is what an index's name begins with."""

    kind = "opensearch"
    peer = "bulk requests of 2,000 documents without versions, each decoded, then a commit of offsets"

    @contextmanager
    def server(self, address: str | None) -> Iterator[str]:
        """Its URL."""
        if address is not None:
            yield address
            return
        from tests.opensearch import server

        with server(java_options="-Xms1g -Xmx1g") as own:
            yield own.url

    def options(self, space: str, address: str) -> Sequence[str]:
        """See Subject."""
        return ["--prefix", space, "--url", address]

    def must_have(self, address: str, space: str, topic: str, rows: int) -> None:
        """See Subject."""
        index = space + topic
        client = Client(address_of(address))
        try:
            client.ask("POST", path_of(index, "_refresh"))
            found = client.ask("GET", path_of(index, "_count"))["count"]
            client.ask("DELETE", path_of(index))
        finally:
            client.close()
        if found != rows:
            raise ClickstreamError(f"{index} has {found:,} documents instead of {rows:,}.")
