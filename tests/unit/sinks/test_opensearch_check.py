"""A topic and an index side by side: what is compared, what is left out, and that a repair overwrites nothing newer."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.log import LogIdentity
from clickstream.kafka.produce import Sender
from clickstream.sinks.checking import InputCheck
from clickstream.sinks.inputs import described
from clickstream.sinks.model import Input, Place
from clickstream.sinks.opensearch import check
from clickstream.sinks.opensearch.check import _Comparison
from clickstream.sinks.opensearch.client import Client
from clickstream.sinks.opensearch.expected import Expected
from clickstream.sinks.opensearch.mapping import index_of
from clickstream.sinks.target import Away
from tests.unit.mockkafka import MockKafka
from tests.unit.sinks.searchserver import parsed

TOPIC_ID = "id"


@dataclass
class FakeIndex:
    """An index in memory that answers as a Client does; `before` is called with the path of each request."""

    documents: dict[str, Any] = field(default_factory=dict)
    seq_nos: dict[str, int] = field(default_factory=dict)
    before: Callable[[str], None] = lambda _path: None
    failed: int = 0
    where: str = "fake"
    _view: list[Any] = field(default_factory=list)
    _next: int = 0

    def put(self, id: str, document: Any) -> None:
        self._next += 1
        self.documents[id], self.seq_nos[id] = document, self._next

    def ask(self, _method: str, path: str, body: Any = None, *, but: Any = ()) -> Any:
        self.before(path)
        if path.endswith("_refresh"):
            return {}
        if path.endswith("_mget"):
            return {"docs": [self._found(id) | {"found": id in self.documents} for id in body["ids"]]}
        if "/_search?" in path:
            self._view = [self._found(id) for id in self.documents]
        page, self._view = self._view[: check.PAGE], self._view[check.PAGE :]
        return {"_scroll_id": "s", "hits": {"hits": page}, "_shards": {"failed": self.failed}}

    def _found(self, id: str) -> dict[str, Any]:
        if id not in self.documents:
            return {"_id": id}
        return {"_id": id, "_source": self.documents[id], "_seq_no": self.seq_nos[id], "_primary_term": 1}

    def send(self, _method: str, path: str, body: bytes, _kind: str = "") -> tuple[int, Any]:
        self.before(path)
        return 200, {"items": [{item["verb"]: self._apply(item)} for item in parsed(body)]}

    def _apply(self, item: dict[str, Any]) -> dict[str, Any]:
        id = item["_id"]
        there = self.seq_nos.get(id) if id in self.documents else None
        if there != item.get("if_seq_no"):  # create: it must not be there
            return {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "newer"}}
        if item["verb"] == "delete":
            del self.documents[id]
        else:
            self.put(id, item["source"])
        return {"status": 200}


@dataclass
class Side:
    """A topic of three partitions, and the index of its rows, up to `written` records of each partition."""

    cluster: Cluster
    topic: str
    index: FakeIndex
    written: dict[int, int] = field(default_factory=dict)

    def send(self, *pairs: tuple[str, int | None], partition: int = 0) -> None:
        sender = Sender(self.cluster.producer())
        for key, n in pairs:
            value = None if n is None else json.dumps({"id": key, "n": n}).encode()
            sender.send(self.topic, value, json.dumps({"id": key}).encode(), partition=partition)
        sender.must_have_delivered("The records")

    def write(self, *rows: tuple[str, int, int], partition: int = 0) -> None:
        """Documents, each with its number and its record's offset."""
        for id, n, offset in rows:
            self.index.put(id, document(id, n, offset, partition))
            self.written[partition] = max(self.written.get(partition, 0), offset + 1)

    def check(self, *, repair: bool = False, source: Input | None = None) -> InputCheck:
        source = source or described(self.topic, "id STRING NOT NULL, n INT", "id")
        places = {number: Place(TOPIC_ID, offset) for number, offset in self.written.items()}
        with Expected() as expected:
            index = index_of(source, "", early=False)
            identity = LogIdentity(self.topic, TOPIC_ID)
            comparison = _Comparison(cast(Client, self.index), self.cluster, index, identity, places, expected)
            return comparison.run(repair=repair)


def document(id: str, n: int, offset: int, partition: int = 0) -> dict[str, Any]:
    return {"id": id, "n": n, "_origin": {"topic_id": TOPIC_ID, "partition": partition, "offset": offset}}


@pytest.fixture(scope="module")
def kafka() -> MockKafka:
    return MockKafka()


@pytest.fixture
def side(kafka: MockKafka) -> Side:
    topic = f"t{uuid.uuid4().hex}"
    kafka.create(topic, 3)
    return Side(Cluster(kafka.cluster.address, for_consumers={"fetch.wait.max.ms": "10"}), topic, FakeIndex())


def test_equal_sides_differ_in_nothing(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "PAGE", 2)
    side.send(("a", 1), ("b", 2), ("a", 3), ("c", 4), ("c", None), ("d", None), ("e", 5))
    side.write(("a", 3, 2), ("b", 2, 1), ("e", 5, 6))
    found = side.check()
    assert (found.differs, found.rows, found.expected, found.later) == (0, 3, 3, 0)


def test_each_way_to_differ_is_named_and_only_that_is_repaired(side: Side) -> None:
    side.send(("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5), ("f", None))
    side.write(("a", 1, 0), ("b", -2, 1), ("c", 3, 0), ("e", 5, 4), ("f", 1, 5), ("other", 1, 3))
    side.index.put("by hand", {"id": "by hand"})
    untouched = dict(side.index.seq_nos)

    found = side.check(repair=True)

    assert found.examples == [
        ("b", "changed"), ("c", "changed"), ("d", "missing"), ("f", "foreign"), ("other", "foreign"),
    ]  # fmt: skip
    assert (found.differs, found.repaired, found.unowned) == (5, 5, 1)
    right = {"a": (1, 0), "b": (2, 1), "c": (3, 2), "d": (4, 3), "e": (5, 4)}
    assert side.index.documents == {id: document(id, *one) for id, one in right.items()} | {
        "by hand": {"id": "by hand"}
    }
    assert {id for id in side.index.documents if side.index.seq_nos[id] == untouched.get(id)} == {"a", "e", "by hand"}
    assert side.check().differs == 0


def test_what_the_sink_has_not_written_is_left_out_also_when_it_comes_meanwhile(side: Side) -> None:
    side.send(("a", 1), ("b", 2))
    side.write(("a", 1, 0), ("b", 2, 1))
    side.send(("a", 3))

    def comes(path: str) -> None:
        if path.endswith("_refresh"):
            # It is read and written after the topic's end was asked for, and is in the view.
            side.index.before = lambda _path: None
            side.send(("c", 4), ("b", None), partition=0)
            side.index.put("c", document("c", 4, 3))
            del side.index.documents["b"]

    side.index.before = comes
    found = side.check()
    assert (found.differs, found.later, found.rows) == (0, 3, 0)


def test_a_repair_leaves_what_a_sink_writes_meanwhile(side: Side) -> None:
    side.send(("a", 1), ("b", 2), ("c", 3), ("d", 4))
    side.write(("a", -1, 0), ("b", 2, 1), ("x", 1, 3))
    for id in ("c", "d"):
        side.index.documents.pop(id, None)

    def comes(path: str) -> None:
        if path.endswith("_bulk"):
            side.index.before = lambda _path: None
            side.send(("a", 5), ("x", 6), ("c", None), ("d", 7))
            for id, n, offset in (("a", 5, 4), ("x", 6, 5), ("d", 7, 7)):
                side.index.put(id, document(id, n, offset))

    side.index.before = comes
    found = side.check(repair=True)
    # c was deleted before it was written again: it is taken back.
    assert (found.differs, found.repaired) == (4, 0)
    assert {id: one["n"] for id, one in side.index.documents.items()} == {"a": 5, "b": 2, "x": 6, "d": 7}


def test_a_field_that_came_later_is_null_in_documents_of_before(side: Side) -> None:
    side.send(("a", 1))
    side.write(("a", 1, 0))
    assert side.check(source=described(side.topic, "id STRING NOT NULL, n INT, more STRING", "id")).differs == 0
    assert side.check(source=described(side.topic, "id STRING NOT NULL", "id")).differs == 0


def test_an_index_that_is_not_all_there_is_not_compared(side: Side) -> None:
    side.send(("a", 1))
    side.write(("a", 1, 0))
    side.index.failed = 1
    with pytest.raises(Away, match="does not have all of index"):
        side.check()
    side.index.failed = 0
    side.index._found = lambda id: {"_id": id}  # type: ignore[method-assign]
    with pytest.raises(ClickstreamError, match="keeps no _source"):
        side.check()
