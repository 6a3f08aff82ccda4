"""What the tests of the sink into OpenSearch share."""

from dataclasses import dataclass
from typing import Any

from clickstream.sinks.checking import InputCheck
from clickstream.sinks.model import Claim, Input
from clickstream.sinks.opensearch.check import check
from clickstream.sinks.opensearch.client import Client, address_of
from clickstream.sinks.opensearch.target import OpenSearchOptions, OpenSearchTarget
from clickstream.stop import Stop
from tests import opensearch
from tests.integration.sinksupport import SinkPlace
from tests.integration.support import records


@dataclass
class Place(SinkPlace):
    """A topic, and the index of its rows."""

    kind = "opensearch"
    variable = "CLICKSTREAM_SINK_OPENSEARCH"

    @property
    def url(self) -> str:
        return self.address

    @property
    def index(self) -> str:
        return self.topic

    def target(self, *, early: bool = False, timeout_s: float = 60.0) -> OpenSearchTarget:
        return OpenSearchTarget(Client(address_of(self.url), timeout_s), OpenSearchOptions("", early), Stop())

    def made_target(self, name: str, *, early: bool) -> OpenSearchTarget:
        return self.target(early=early)

    def claimed(self, source: Input, owner: str, name: str = "clickstream") -> OpenSearchTarget:
        """A target that has taken over."""
        target = self.target()
        target.connect()
        target.prepare([source])
        target.claim(Claim(name, owner, [self.identity()]))
        return target

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """A question that has to be answered well."""
        status, answer = opensearch.ask(self.url, method, path, body)
        assert status < 300, answer
        return answer

    def documents(self) -> dict[str, Any]:
        return opensearch.documents(self.url, self.index)

    def values(self) -> dict[str, Any]:
        """The documents by id, without where they came from."""
        return {
            id: {name: value for name, value in found.items() if name != "_origin"}
            for id, found in self.documents().items()
        }

    def numbers(self) -> dict[str, int]:
        return {id: found["n"] for id, found in self.documents().items()}

    def read(self) -> int:
        try:
            path = f"/clickstream-places/_doc/clickstream%2F{self.topic}"
            _, answer = opensearch.ask(self.url, "GET", path)
        except Exception as error:  # noqa: BLE001 - it is away
            return -1 if error else 0
        return sum(answer["_source"]["places"].values()) if answer and answer.get("found") else 0

    def must_equal(self, live: dict[str, int]) -> None:
        """Every document says which record it is of, too."""
        assert self.numbers() == live
        last = {message.key(): message for message in records(self.cluster.address, self.topic)}
        by_place = {(message.partition(), message.offset()) for message in last.values() if message.value()}
        origins = [one["_origin"] for one in self.documents().values()]
        assert {(one["partition"], one["offset"]) for one in origins} == by_place
        assert check_of(self, self.source()).differs == 0


def check_of(
    place: Place, source: Input, *, repair: bool = False, early: bool = False, name: str = "clickstream"
) -> InputCheck:
    client = Client(address_of(place.url))
    try:
        [found] = check(client, place.cluster, [source], name, "", early=early, repair=repair)
    finally:
        client.close()
    return found
