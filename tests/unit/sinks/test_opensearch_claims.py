"""Who else writes to an index: a reset of one sink does not take away what another one needs."""

from typing import Any, cast

import pytest

from clickstream.errors import ClickstreamError
from clickstream.sinks.opensearch.claims import RESET_OWNER, Claims, Destination
from clickstream.sinks.opensearch.client import Client, address_of
from clickstream.sinks.target import Away

PLACES = "clickstream-places"


class FakePlaces:
    """The index of the places: those documents that a search asks for, and nothing that may be changed."""

    where = "http://search:9200"

    def __init__(self, *documents: dict[str, Any]) -> None:
        self._documents = documents

    def search(self, index: str, query: Any) -> list[Any]:
        assert index == PLACES
        [of], [but_not] = query["query"]["bool"]["filter"], query["query"]["bool"]["must_not"]
        return [
            {"_id": f"{one['sink']}/{one['topic']}", "_source": one}
            for one in self._documents
            if one["index"] in of["terms"]["index"] and one["sink"] != but_not["term"]["sink"]
        ]

    def ask(self, _method: str, path: str, _body: Any = None, *, but: Any = ()) -> Any:
        raise _Changes(path)


class _Changes(Exception):
    """The reset begins."""


def document(sink: str, index: str, *, owner: str = "host pid 7", places: dict[str, int] | None = None) -> Any:
    found = {"sink": sink, "topic": "clicks", "index": index, "owner": owner, "epoch": 1, "since": ""}
    return found if places is None else {**found, "places": places}


def reset(*documents: Any) -> None:
    """Raises _Changes once anything would be changed."""
    claims = Claims(cast(Client, FakePlaces(*documents)), PLACES)
    claims.forget("mine", {"clicks": Destination("clicks", "uuid", [])})


@pytest.mark.parametrize("places", [{"0": 5}, None], ids=["it has written", "it has begun"])
def test_a_reset_is_refused_while_another_sink_writes_to_the_index(places: dict[str, int] | None) -> None:
    documents = document("mine", "clicks", places={"0": 9}), document("other", "clicks", places=places)
    words = (
        r"http://search:9200: sink other is one of topic clicks to index clicks, too\. .* end it and "
        r"DELETE /clickstream-places/_doc/other%2Fclicks"
    )
    with pytest.raises(ClickstreamError, match=words):
        reset(*documents)


@pytest.mark.parametrize(
    "other",
    [document("other", "elsewhere", places={"0": 5}), document("other", "clicks", owner=RESET_OWNER, places={})],
    ids=["to another index", "it was started over, and has not begun"],
)
def test_others_that_have_nothing_in_the_index_are_no_reason(other: Any) -> None:
    with pytest.raises(_Changes):
        reset(other, document("mine", "clicks", places={"0": 9}))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"hits": {"hits": []}, "_shards": {"failed": 1}, "timed_out": False}, Away),
        ({"hits": {"hits": []}, "_shards": {"failed": 0}, "timed_out": True}, Away),
        ({"hits": {"hits": []}}, ClickstreamError),
        (None, ClickstreamError),
    ],
    ids=["a shard is away", "it took too long", "another product", "nothing"],
)
def test_a_search_that_says_less_than_all_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, answer: Any, kind: type[ClickstreamError]
) -> None:
    """A reset that took it for the end would leave documents behind."""
    client = Client(address_of("http://search:9200"))
    monkeypatch.setattr(client, "ask", lambda _method, path, _body=None: answer if path.endswith("_search") else {})
    with pytest.raises(kind):
        client.search("clicks", {})
