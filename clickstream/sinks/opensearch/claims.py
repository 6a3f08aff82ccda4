"""Who writes, and how far: one document for each sink and topic, and an alias for each writer.

A document is changed only as long as it is the one that was read (`if_seq_no`, `if_primary_term`), so of two processes
one gets the next epoch. Rows are written through an alias that has the epoch in its name; taking over removes those of
earlier epochs, in one change of the cluster's state. A process that was frozen then writes to a name that is not there,
however late it wakes. The alias has an upper-case letter, as no index may have: where it is gone, the server makes no
index in its place.
"""

import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from clickstream.errors import ClickstreamError
from clickstream.kafka.offsets import Partition
from clickstream.sinks.model import Claim, Place, Stored
from clickstream.sinks.opensearch.client import Client, path_of
from clickstream.sinks.opensearch.errors import Meaning, failure_of
from clickstream.sinks.opensearch.operations import id_of
from clickstream.sinks.target import Away, Fenced

RESET_OWNER = "a --reset"
TRIES = 10
SINKS_AT_MOST = 1_000  # that are looked at, of those which write to one index

DEFINITION = {
    "settings": {"number_of_shards": 1},
    "mappings": {
        "dynamic": "strict",
        "properties": {
            "sink": {"type": "keyword"},
            "topic": {"type": "keyword"},
            "topic_id": {"type": "keyword"},
            "epoch": {"type": "long"},
            "owner": {"type": "keyword"},
            "since": {"type": "date"},
            "index": {"type": "keyword"},
            "index_uuid": {"type": "keyword"},
            "places": {"type": "object", "enabled": False},
        },
    },
}


class Record(msgspec.Struct, frozen=True):
    """What is kept of a sink and a topic. `places` has by partition the offset to read next."""

    sink: str
    topic: str
    epoch: int
    owner: str
    since: str
    index: str
    topic_id: str = ""
    index_uuid: str = ""
    places: dict[str, int] = {}


@dataclass(frozen=True)
class _Held:
    """A document as it was read, or None, and what it has to be changed with."""

    record: Record | None
    condition: Mapping[str, int]


@dataclass(frozen=True)
class Destination:
    """An index that rows of a topic go to, as it is there; `epochs` are those of the aliases of all its writers."""

    name: str
    uuid: str
    epochs: Sequence[int]


class _Changed(Exception):
    """Another process has changed a document since it was read."""


class Claims:
    """The documents in one index, and the aliases."""

    def __init__(self, client: Client, index: str) -> None:
        self._client = client
        self._index = index
        self._where = client.where
        self._claim: Claim | None = None
        self._epoch = 0
        self._indices: Mapping[str, Destination] = {}
        self._held: dict[str, _Held] = {}

    def prepare(self) -> None:
        """Make the index of the places if it is not there."""
        if self._client.ask("GET", path_of(self._index), but=[404]) is None:
            make(self._client, self._index, DEFINITION)

    def claim(self, claim: Claim, indices: Mapping[str, Destination]) -> Stored:
        """What Target.claim is to do; `indices` by topic. Raises Fenced, Away, ClickstreamError."""
        self._claim, self._indices = claim, indices
        topics = sorted(one.topic for one in claim.topics)
        for _ in range(TRIES):
            self._held = self._read(claim.sink, topics)
            self._epoch = self._next_epoch(claim)
            self._refuse_newer()
            self._refuse_others()
            try:
                self._write_claim(claim)
                break
            except _Changed:
                continue
        else:
            raise Away(f"{self._where}: another process claims sink {claim.sink} again and again")
        self._switch_aliases()
        # Who was slow, and has removed a newer one's alias, finds out here; the newer one puts it back.
        self.verify()
        return Stored(self._epoch, self._places())

    def stored(self, sink: str, topics: Sequence[str]) -> dict[Partition, Place]:
        """The places of a sink, without claiming them."""
        if self._client.ask("GET", path_of(self._index), but=[404]) is None:
            return {}
        self._held = self._read(sink, topics)
        return self._places()

    def verify(self) -> None:
        """Make sure that nobody newer has taken over. Raises Fenced."""
        assert self._claim is not None
        self._held = self._read(self._claim.sink, sorted(self._held))
        self._refuse_newer()

    def alias(self, topic: str) -> str:
        """The name to write rows of a topic to."""
        assert self._claim is not None
        return f"{_family(self._indices[topic].name, self._claim.sink)}{self._epoch}"

    @property
    def epoch(self) -> int:
        return self._epoch

    def topic_id(self, topic: str) -> str:
        assert self._claim is not None
        return next(one.topic_id for one in self._claim.topics if one.topic == topic)

    def save(self, places: Mapping[Partition, int]) -> None:
        """Write places, after their rows. Raises Fenced, Away."""
        changed: dict[str, Record] = {}
        for topic in sorted({topic for topic, _ in places}):
            record = self._held[topic].record
            if record is None:
                raise Away(f"{self._where} lost what the sink wrote about itself")
            own = {str(number): offset for (name, number), offset in places.items() if name == topic}
            changed[topic] = msgspec.structs.replace(
                record,
                topic_id=self.topic_id(topic),
                index_uuid=self._indices[topic].uuid,
                places={**record.places, **own},
            )
        try:
            self._put(changed)
        except _Changed:
            self.verify()
            raise Away(f"{self._where} has other places than those that were read") from None

    def forget(self, sink: str, indices: Mapping[str, Destination]) -> None:
        """Forget the places, and fence whoever still writes.

        Raises ClickstreamError when another sink writes to one of the indices: it would lack the documents.
        """
        self._refuse_shared(sink, indices)
        self._indices = indices
        self._claim = Claim(sink, RESET_OWNER, [])
        for _ in range(TRIES):
            self._held = self._read(sink, sorted(indices))
            self._epoch = 1 + self._highest()
            try:
                self._put({topic: self._record(sink, topic, RESET_OWNER) for topic in indices})
                break
            except _Changed:
                continue
        else:
            raise ClickstreamError(f"{self._where}: another process starts sink {sink} again and again. End it first.")
        self._switch_aliases()

    def _refuse_shared(self, sink: str, indices: Mapping[str, Destination]) -> None:
        # A document has the topic, partition and offset that it is of, and not the sink: sinks of one topic that write
        # to one index share its documents.
        names = [one.name for one in indices.values()]
        others = {"filter": [{"terms": {"index": names}}], "must_not": [{"term": {"sink": sink}}]}
        query = {"query": {"bool": others}, "sort": ["sink", "topic"], "size": SINKS_AT_MOST}
        for found in self._client.search(self._index, query):
            other = found["_source"]
            # One that was started over, and did not begin again, has nothing there.
            if other.get("places") or other.get("owner") != RESET_OWNER:
                raise ClickstreamError(
                    f"{self._where}: sink {other.get('sink')} is one of topic {other.get('topic')} to index "
                    f"{other.get('index')}, too. The documents that are deleted would be missing for it. If it is used "
                    "no more, or may write them again, end it and DELETE "
                    f"{path_of(self._index, '_doc', found['_id'])}; or give each sink a --prefix of its own."
                )

    # --- epochs

    def _highest(self) -> int:
        """Also of the aliases: the documents may have been deleted, and versions must go on."""
        epochs = [held.record.epoch for held in self._held.values() if held.record is not None]
        return max([0, *epochs, *(epoch for one in self._indices.values() for epoch in one.epochs)])

    def _next_epoch(self, claim: Claim) -> int:
        return 1 + self._highest() if claim.epoch is None else claim.epoch

    def _refuse_newer(self) -> None:
        assert self._claim is not None
        for topic, held in self._held.items():
            if held.record is not None and held.record.epoch > self._epoch:
                raise Fenced(
                    f"{held.record.owner} has taken over sink {self._claim.sink} of topic {topic} at {self._where}, at "
                    f"{held.record.since}: this one ends. Give one of them another --name if both shall run."
                )

    def _refuse_others(self) -> None:
        """Raises ClickstreamError when an index is not the one that the places are of."""
        for topic, held in self._held.items():
            record, index = held.record, self._indices[topic]
            if record is None or not record.places:
                continue
            if record.index != index.name:
                raise ClickstreamError(
                    f"Sink {record.sink} has written topic {topic} to index {record.index}, and this is {index.name}: "
                    "give it another --name, or start it over with --reset."
                )
            if record.index_uuid != index.uuid:
                raise ClickstreamError(
                    f"Index {index.name} at {self._where} was deleted and made again, or restored, since sink "
                    f"{record.sink} wrote to it: rows are missing. --reset fills it from the start."
                )

    def _write_claim(self, claim: Claim) -> None:
        changed = {}
        for topic, held in self._held.items():
            if held.record is not None and (held.record.epoch, held.record.owner) == (self._epoch, claim.owner):
                continue
            if held.record is None:
                changed[topic] = self._record(claim.sink, topic, claim.owner)
            else:
                changed[topic] = msgspec.structs.replace(
                    held.record, epoch=self._epoch, owner=claim.owner, since=_now(), index=self._indices[topic].name
                )
        self._put(changed)

    def _record(self, sink: str, topic: str, owner: str) -> Record:
        return Record(sink, topic, self._epoch, owner, _now(), self._indices[topic].name)

    def _places(self) -> dict[Partition, Place]:
        return {
            (topic, int(number)): Place(held.record.topic_id, offset)
            for topic, held in self._held.items()
            if held.record is not None
            for number, offset in held.record.places.items()
        }

    # --- documents and aliases

    def _read(self, sink: str, topics: Sequence[str]) -> dict[str, _Held]:
        asked = {"ids": [id_of(f"{sink}/{topic}") for topic in topics]}
        answer = self._client.ask("POST", path_of(self._index, "_mget"), asked)
        found = {}
        for topic, one in zip(topics, answer["docs"], strict=True):
            if "error" in one:
                failure = failure_of(0, one["error"])
                # The index was deleted: with the next connection it is made again.
                raise Away(f"{self._where} does not have the sink's places ({failure.type}: {failure.reason})")
            if not one.get("found"):
                found[topic] = _Held(None, {})
                continue
            try:
                record = msgspec.convert(one["_source"], Record)
            except msgspec.ValidationError as problem:
                raise ClickstreamError(
                    f"Index {self._index} has something of sink {sink} that is not understood ({problem}). Give the "
                    "sink another --name, or delete that document and start it over with --reset."
                ) from None
            found[topic] = _Held(record, {"if_seq_no": one["_seq_no"], "if_primary_term": one["_primary_term"]})
        return found

    def _put(self, records: Mapping[str, Record]) -> None:
        """Raises _Changed when a document is not any more what was read."""
        if not records:
            return
        body = b""
        for topic, record in records.items():
            held = self._held[topic]
            verb = "index" if held.condition else "create"
            head = {verb: {"_id": id_of(f"{record.sink}/{topic}"), **held.condition}}
            body += msgspec.json.encode(head) + b"\n" + msgspec.json.encode(record) + b"\n"
        status, answer = self._client.send("POST", path_of(self._index, "_bulk"), body, "application/x-ndjson")
        if status >= 300:
            raise self._client.raised(failure_of(status, answer))
        for (topic, record), item in zip(records.items(), answer["items"], strict=True):
            [result] = item.values()
            if "error" in result:
                failure = failure_of(int(result["status"]), result["error"])
                if failure.meaning is Meaning.CONFLICT:
                    raise _Changed
                raise self._client.raised(failure)
            condition = {"if_seq_no": result["_seq_no"], "if_primary_term": result["_primary_term"]}
            self._held[topic] = _Held(record, condition)

    def _switch_aliases(self) -> None:
        """Take away the aliases of all earlier writers of this sink, and have an own one, in one change."""
        assert self._claim is not None
        actions: list[dict[str, Any]] = []
        for index in self._indices.values():
            family = _family(index.name, self._claim.sink)
            # With `must_exist`, also false, OpenSearch 2.19 takes the pattern for a name, and removes nothing.
            actions.append({"remove": {"index": index.name, "alias": f"{family}*"}})
            actions.append({"add": {"index": index.name, "alias": f"{family}{self._epoch}", "is_hidden": True}})
        self._client.ask("POST", "/_aliases", {"actions": actions})
        for index in self._indices.values():
            family = _family(index.name, self._claim.sink)
            found = self._client.ask("GET", path_of(index.name, "_alias"))[index.name]["aliases"]
            others = [name for name in found if name.startswith(family) and name != f"{family}{self._epoch}"]
            if others:
                raise Away(f"{self._where}: index {index.name} still has the aliases of another writer")


def make(client: Client, index: str, definition: Any) -> None:
    """Make an index; another process may have done it meanwhile. Raises Away, ClickstreamError."""
    status, answer = client.send("PUT", path_of(index), msgspec.json.encode(definition))
    if status >= 300:
        failure = failure_of(status, answer)
        if failure.type != "resource_already_exists_exception":
            raise client.raised(failure)


def _family(index: str, sink: str) -> str:
    """What all aliases of a sink's writers begin with."""
    return f"{index}-W-{hashlib.sha256(sink.encode()).hexdigest()[:8]}-"


def epochs_of(index: str, aliases: Mapping[str, Any]) -> list[int]:
    """The epochs in names of aliases that an index has."""
    pattern = re.compile(re.escape(index) + r"-W-[0-9a-f]{8}-(\d+)")
    return [int(found[1]) for found in map(pattern.fullmatch, aliases) if found]


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
