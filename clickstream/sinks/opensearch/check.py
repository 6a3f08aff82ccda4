"""Is what is in the indices what is in the topics? And what differs, made equal again.

A server computes no hash of its documents, so all of them are read, from one view of the index, and compared here with
what the topic's records up to where the sink is come to, by the sink's own rules. A sink may go on meanwhile: records
that it has not written when the comparison begins are read after the view was opened, and their documents are left out.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from confluent_kafka import Message

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.log import LogIdentity
from clickstream.kafka.offsets import ends, limits
from clickstream.sinks.checking import NAMED, InputCheck, batches, kept, must_be_of, written_and_later
from clickstream.sinks.model import OFFSET, PARTITION, Input, Place, Rows
from clickstream.sinks.opensearch.bulk import Bulk, Gone, Item
from clickstream.sinks.opensearch.claims import Claims
from clickstream.sinks.opensearch.client import Client, path_of
from clickstream.sinks.opensearch.expected import CHANGED, FOREIGN, MISSING, Differing, Document, Expected
from clickstream.sinks.opensearch.mapping import ORIGIN, Index, index_name, indices_of, missing, problems
from clickstream.sinks.opensearch.operations import Operation, Operations, operations
from clickstream.sinks.opensearch.target import PLACES, look, product_of
from clickstream.sinks.reading import RecordReader
from clickstream.sinks.target import Away
from clickstream.stop import Stop

PAGE = 250  # documents: of a megabyte each, they are as much as the client takes
VIEW_LASTS = "10m"  # after each page
DELETED_AT_ONCE = 5_000
ANY_EPOCH = 1


def check(
    client: Client, cluster: Cluster, inputs: Sequence[Input], name: str, prefix: str, *, early: bool, repair: bool
) -> list[InputCheck]:
    """Compare the indices of the sink `name` with their topics, and with `repair` make them equal.

    Raises ClickstreamError; also Away, as it does not wait.
    """
    product_of(client)
    indices = indices_of(inputs, prefix, early=early)
    for one in indices:
        _must_exist(client, one)
    claims = Claims(client, index_name(prefix + PLACES))
    result = []
    for one in indices:
        topic = one.source.topic
        places = {number: place for (_, number), place in claims.stored(name, [topic]).items()}
        identity = must_be_of(cluster, topic, places, client.where, name)
        with Expected() as expected:
            result.append(_Comparison(client, cluster, one, identity, places, expected).run(repair=repair))
    return result


def _must_exist(client: Client, index: Index) -> None:
    found = look(client, index.name)
    lacks = f"index {index.name}"
    if found is not None:
        said = problems(index, found)
        if said:
            raise ClickstreamError(f"{client.where}: {said[0]}")
        lacking = missing(index, found)
        if not lacking:
            return
        lacks = f"field {next(iter(lacking))} in index {index.name}"
    raise ClickstreamError(f"{client.where} has no {lacks}: there is nothing to compare. Fill it first.")


class _Comparison:
    """One index and its topic."""

    def __init__(
        self, client: Client, cluster: Cluster, index: Index, identity: LogIdentity, places: Mapping[int, Place],
        expected: Expected,
    ) -> None:  # fmt: skip
        self._client = client
        self._cluster = cluster
        self._index = index
        self._identity = identity
        self._topic, self._topic_id = identity.topic, identity.topic_id
        self._ends = {number: place.offset for number, place in places.items()}
        self._expected = expected
        self._reader = RecordReader(index.source, early=index.early)
        self._names = frozenset(index.properties())
        self._bulk = Bulk(client, Stop())
        self._found = InputCheck(index.source)

    def run(self, *, repair: bool) -> InputCheck:
        found = self._found
        known = limits(self._cluster, self._topic)
        self._read({number: (limit.low, limit.high) for number, limit in known.items()})
        pages = self._pages()
        first = next(pages, [])
        # Whatever the view has that is not among what was read is of records that come now.
        highs = ends(self._cluster, self._topic)
        self._leave_out({number: (known[number].high if number in known else 0, end) for number, end in highs.items()})
        found.expected, found.later = self._expected.finish()
        lows = {number: limit.low for number, limit in known.items()}
        self._compare(first, lows)
        for page in pages:
            self._compare(page, lows)
        self._expected.note_missing()
        counts = self._expected.counts()
        found.missing, found.foreign = counts.get(MISSING, 0), counts.get(FOREIGN, 0)
        found.changed = counts.get(CHANGED, 0)
        found.examples = self._expected.examples(NAMED)
        if repair and found.differs:
            self._repair(highs)
        return found

    # --- what should be there

    def _read(self, spans: Mapping[int, tuple[int, int]]) -> None:
        for messages in batches(self._cluster, self._identity, spans):
            read = self._reader.read(messages)
            self._found.unreadable += len(read.bad)
            written, later = written_and_later(read.rows, self._ends)
            todo = self._operations(written)
            self._found.refused += len(todo.refused)
            self._expected.put((one.id, self._document(one)) for one in todo.todo)
            self._expected.leave_out(one.id for one in self._operations(later).todo)

    def _leave_out(self, spans: Mapping[int, tuple[int, int]]) -> None:
        for ids in self._ids(spans):
            self._expected.leave_out(ids)

    def _ids(self, spans: Mapping[int, tuple[int, int]]) -> Iterator[list[str]]:
        """The documents that records are of."""
        for messages in batches(self._cluster, self._identity, spans):
            yield [one.id for one in self._operations(self._reader.read(messages).rows).todo]

    def _operations(self, rows: Rows) -> Operations:
        return operations(self._index, rows, ANY_EPOCH, self._topic_id)

    def _document(self, operation: Operation) -> Document | None:
        if operation.source is None:
            return None
        digest = self._digest(msgspec.json.decode(operation.source))
        return Document(operation.partition, operation.offset, digest)

    def _digest(self, document: Mapping[str, Any]) -> bytes:
        """Of the fields that the sink writes. One that is null is as one that is not there: a field that was added
        later is so in older documents."""
        own = {name: value for name, value in document.items() if name in self._names and value is not None}
        return hashlib.blake2b(msgspec.json.encode(own, order="deterministic"), digest_size=16).digest()

    # --- what is there

    def _pages(self) -> Iterator[list[Any]]:
        """All documents as they are now, in one view, some at a time; `_source` is as it was sent."""
        self._client.ask("POST", path_of(self._index.name, "_refresh"))
        query = {"size": PAGE, "sort": ["_doc"], "seq_no_primary_term": True}
        found = self._page(path_of(self._index.name, "_search") + f"?scroll={VIEW_LASTS}", query)
        view = {"scroll_id": found.scroll_id}
        try:
            while found.hits:
                yield found.hits
                found = self._page("/_search/scroll", {**view, "scroll": VIEW_LASTS})
        finally:
            with suppress(ClickstreamError):  # it ends by itself
                self._client.ask("DELETE", "/_search/scroll", view, but=[404])

    def _page(self, path: str, body: Any) -> "_Page":
        answer = self._client.ask("POST", path, body)
        try:
            found = _Page(answer["_scroll_id"], answer["hits"]["hits"])
            failed = answer["_shards"]["failed"]
        except (KeyError, TypeError):
            raise ClickstreamError(f"{self._client.where} does not answer a search as OpenSearch does.") from None
        if failed:
            raise Away(f"{self._client.where} does not have all of index {self._index.name} just now")
        if any("_source" not in one for one in found.hits):
            raise ClickstreamError(f"Index {self._index.name} keeps no _source: there is nothing to compare.")
        return found

    def _compare(self, page: Sequence[Any], lows: Mapping[int, int]) -> None:
        ids = [one["_id"] for one in page]
        if not ids:
            return
        left_out = self._expected.left_out(ids)
        wanted = self._expected.find(ids)
        differing = []
        for one in page:
            if one["_id"] in left_out:
                continue
            want = wanted.get(one["_id"])
            kind = self._judge(one["_source"], want, lows)
            if kind is not None:
                condition = {"if_seq_no": one["_seq_no"], "if_primary_term": one["_primary_term"]}
                partition, offset = (None, None) if want is None else (want.partition, want.offset)
                differing.append(Differing(one["_id"], kind, partition, offset, condition))
        self._expected.note(differing)

    def _judge(self, document: Any, want: Document | None, lows: Mapping[int, int]) -> str | None:
        """How a document differs, if it does; all are counted."""
        if want is not None:
            self._found.rows += 1
            return None if self._digest(document) == want.digest else CHANGED
        origin = document.get(ORIGIN)
        if not isinstance(origin, dict):
            self._found.unowned += 1
            return None
        low = lows.get(origin.get("partition", -1), 0)
        if origin.get("topic_id") == self._topic_id and origin.get("offset", low) < low:
            self._found.older += 1
            return None
        self._found.rows += 1
        return FOREIGN

    # --- repair

    def _repair(self, highs: Mapping[int, int]) -> None:
        """Each document only as long as it is what was compared: what a sink writes meanwhile is newer."""
        after = None
        while gone := self._expected.foreign(after, DELETED_AT_ONCE):
            self._write([(Operation(one.id, 0, None, 0, 0, None), one) for one in gone])
            after = gone[-1].id
        for messages in batches(self._cluster, self._identity, self._expected.spans()):
            self._rewrite(messages)
        # What was missing has nothing to be compared with. Of a record that came before it was written, a sink may have
        # deleted it before that; it is not there again, then. Any later record is still to be written by the sink.
        now = ends(self._cluster, self._topic)
        for ids in self._ids({number: (highs.get(number, 0), end) for number, end in now.items()}):
            self._take_back(self._expected.missing_among(ids))

    def _rewrite(self, messages: Sequence[Message]) -> None:
        rows = self._reader.read(messages).rows
        numbers, offsets = rows.table[PARTITION].to_pylist(), rows.table[OFFSET].to_pylist()
        wanted: dict[tuple[int, int], Differing] = {}
        for number in set(numbers):
            own = [offset for other, offset in zip(numbers, offsets, strict=True) if other == number]
            for one in self._expected.to_write(number, min(own), max(own) + 1):
                wanted[number, one.offset or 0] = one
        rows = kept(rows, [place in wanted for place in zip(numbers, offsets, strict=True)])
        self._write([(one, wanted[one.partition, one.offset]) for one in self._operations(rows).todo])

    def _write(self, todo: Sequence[tuple[Operation, Differing]]) -> None:
        items: list[Item] = []
        for operation, one in todo:
            items.append((operation, operation.lines(**({"create": True} if one.condition is None else one.condition))))
        try:
            outcome = self._bulk.write(self._index.name, items)
        except Gone:
            raise ClickstreamError(f"{self._client.where}: index {self._index.name} was deleted meanwhile.") from None
        self._found.repaired += len(items) - len(outcome.conflicts) - len(outcome.refused)

    def _take_back(self, ids: Sequence[str]) -> None:
        """Delete what was written, if it is still that."""
        if not ids:
            return
        answer = self._client.ask("POST", path_of(self._index.name, "_mget"), {"ids": list(ids)})
        for one in answer["docs"]:
            origin = (one.get("_source") or {}).get(ORIGIN) or {}
            if not one.get("found") or origin.get("offset", 0) >= self._ends.get(origin.get("partition", -1), 0):
                continue
            condition = {"if_seq_no": one["_seq_no"], "if_primary_term": one["_primary_term"]}
            self._bulk.write(self._index.name, [_deletion(one["_id"], condition)])
            self._found.repaired -= 1


@dataclass(frozen=True)
class _Page:
    scroll_id: str
    hits: list[Any]


def _deletion(id: str, condition: Mapping[str, int]) -> Item:
    operation = Operation(id, 0, None, 0, 0, None)
    return operation, operation.lines(**condition)
