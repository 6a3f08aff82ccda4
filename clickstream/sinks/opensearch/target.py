"""The target itself: documents first, each of them harmless when it comes again, then their places."""

import itertools
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clickstream.errors import ClickstreamError
from clickstream.sinks.model import Batch, Claim, Input, Rows, Stored, Written
from clickstream.sinks.opensearch.bulk import Bulk, Gone, Item
from clickstream.sinks.opensearch.claims import Claims, Destination, epochs_of, make
from clickstream.sinks.opensearch.client import Client, path_of
from clickstream.sinks.opensearch.mapping import ORIGIN, Index, index_name, indices_of, missing, problems
from clickstream.sinks.opensearch.operations import Operation, operations, version_of
from clickstream.sinks.target import Away, Refused, RefusedRows
from clickstream.stop import Stop

log = logging.getLogger(__name__)

PLACES = "clickstream-places"
TRIES = 5
DELETED_AT_ONCE = 5_000  # of 10,000 that a search finds
OLDEST_OPENSEARCH, OLDEST_ELASTICSEARCH = 2, 8


@dataclass(frozen=True)
class OpenSearchOptions:
    """`prefix` is of all indices, those of the places too. `early`: with a field is_final."""

    prefix: str = ""
    early: bool = False


class OpenSearchTarget:
    """One sink's indices."""

    kind = "opensearch"

    def __init__(self, client: Client, options: OpenSearchOptions, stop: Stop) -> None:
        self.where = client.where
        self._client = client
        self._options = options
        self._bulk = Bulk(client, stop)
        self._claims = Claims(client, index_name(options.prefix + PLACES))
        self._indices: dict[str, Index] = {}
        self._there: dict[str, Destination] = {}

    def connect(self) -> None:
        """See Target."""
        self.close()
        product_of(self._client)

    def prepare(self, inputs: Sequence[Input]) -> None:
        """See Target. All indices are looked at before any is changed."""
        indices = indices_of(inputs, self._options.prefix, early=self._options.early)
        found = {one.name: look(self._client, one.name) for one in indices}
        said = [problem for one in indices if (there := found[one.name]) for problem in problems(one, there)]
        if said:
            more = f" ({len(said) - 1} more)" if len(said) > 1 else ""
            raise ClickstreamError(f"{self.where}: {said[0]}{more}")
        self._claims.prepare()
        for one in indices:
            there = found[one.name] or self._make(one)
            lacking = missing(one, there)
            if lacking:
                self._client.ask("PUT", path_of(one.name, "_mapping"), {"properties": lacking})
                log.info("%s: index %s has more fields: %s.", self.where, one.name, ", ".join(lacking))
            self._indices[one.source.topic] = one
            uuid = str(there["settings"]["index"]["uuid"])
            self._there[one.source.topic] = Destination(one.name, uuid, epochs_of(one.name, there["aliases"]))

    def _make(self, one: Index) -> dict[str, Any]:
        make(self._client, one.name, one.definition())
        log.info("%s: made index %s.", self.where, one.name)
        found = look(self._client, one.name)
        if found is None:
            raise Away(f"{self.where}: index {one.name} was made, and is not there yet")
        return found

    def claim(self, claim: Claim) -> Stored:
        """See Target."""
        return self._claims.claim(claim, self._there)

    def write(self, batch: Batch) -> Written:
        """See Target. Rows that are refused are named all at once; the places stay as they were then."""
        total = Written()
        refused: list[tuple[Any, Refused]] = []
        try:
            for rows in batch.rows:
                refused += self._write_rows(rows, total)
        except Gone as gone:
            self._claims.verify()
            raise Away(f"{self.where} lost the alias that the sink writes through ({gone})") from None
        if refused:
            raise RefusedRows(refused)
        self._claims.save(batch.places)
        return total

    def cleaned(self, rows: Rows) -> Counter[tuple[str, str]]:
        """See TellsCleaned."""
        topic = rows.input.topic
        return operations(self._indices[topic], rows, self._claims.epoch, self._claims.topic_id(topic)).cleaned

    def _write_rows(self, rows: Rows, total: Written) -> list[tuple[Any, Refused]]:
        topic = rows.input.topic
        index, alias = self._indices[topic], self._claims.alias(topic)
        found = operations(index, rows, self._claims.epoch, self._claims.topic_id(topic))
        refused = found.refused
        items: list[Item] = [(one, one.lines()) for one in found.todo]
        for _ in range(TRIES):
            outcome = self._bulk.write(alias, items)
            refused += [
                (one.row(), Refused(why.type, why.reason, _column(index, why.field))) for one, why in outcome.refused
            ]
            if not outcome.conflicts:
                break
            items = self._decide(index.name, topic, outcome.conflicts)
        else:
            raise Away(f"{self.where}: documents of {index.name} change while they are written")
        if rows.input.upsert:
            total.upserted += found.upserted
        else:
            total.appended += found.upserted
        total.deleted += found.deleted
        total.cleaned.update(found.cleaned)
        return refused

    def _decide(self, index: str, topic: str, conflicts: Sequence[Operation]) -> list[Item]:
        """What is to be written all the same: the document has a higher version, and not of a later record.

        It is so after a key has moved to another partition, where another sink writes the same index, and where a
        document was changed by hand.
        """
        asked = {"docs": [{"_id": one.id, "_source": [ORIGIN]} for one in conflicts]}
        answer = self._client.ask("POST", path_of(index, "_mget"), asked)
        todo: list[Item] = []
        for one, found in zip(conflicts, answer["docs"], strict=True):
            if "error" in found:
                raise Away(f"{self.where} does not say what it has of {index} ({found['error'].get('type')})")
            if not found.get("found"):
                # It was deleted, and its version is still known. What follows in the topic comes after this one.
                todo += [] if one.source is None else [(one, one.lines(create=True))]
                continue
            origin = (found.get("_source") or {}).get(ORIGIN) or {}
            place = (origin.get("topic_id"), origin.get("partition"))
            if place == (self._claims.topic_id(topic), one.partition) and origin.get("offset", -1) >= one.offset:
                continue
            todo.append((one, one.lines(if_seq_no=found["_seq_no"], if_primary_term=found["_primary_term"])))
        return todo

    def forget(self, inputs: Sequence[Input], sink: str) -> None:
        """See Target. Documents that no sink wrote, which have no origin, stay."""
        self._claims.forget(sink, {one.topic: self._there[one.topic] for one in inputs})
        for one in inputs:
            try:
                self._delete_all(one.topic)
            except Away as away:
                raise ClickstreamError(f"{away} The reset is not finished: say --reset again.") from away

    def _delete_all(self, topic: str) -> None:
        """Not by `_delete_by_query`, which not every server has, and which is a task to be looked after."""
        index, alias = self._there[topic].name, self._claims.alias(topic)
        query = {"query": {"exists": {"field": f"{ORIGIN}.offset"}}, "size": DELETED_AT_ONCE, "_source": False}
        version = version_of(self._claims.epoch, 0)
        for tries in itertools.count():
            found = self._client.search(index, query)
            if not found:
                return
            if tries % TRIES == 0:
                log.info("%s: deleting rows of %s.", self.where, index)
            gone = [Operation(one["_id"], version, None, 0, 0, None) for one in found]
            words = f"{self.where}: rows of {index} change while they are deleted. End who writes them."
            try:
                outcome = self._bulk.write(alias, [(one, one.lines()) for one in gone])
            except Gone:
                raise ClickstreamError(words) from None
            if outcome.conflicts or outcome.refused:
                raise ClickstreamError(words)

    def close(self) -> None:
        """See Target."""
        self._client.close()


def product_of(client: Client) -> str:
    """What answers, with its version: `OpenSearch 2.19.1`. Raises Away, and ClickstreamError for what is too old."""
    version = (client.ask("GET", "/") or {}).get("version")
    if not isinstance(version, dict) or "number" not in version:
        raise ClickstreamError(f"{client.where} is no OpenSearch, nor Elasticsearch: it does not say its version.")
    ours = version.get("distribution") == "opensearch"
    oldest = OLDEST_OPENSEARCH if ours else OLDEST_ELASTICSEARCH
    name, number = "OpenSearch" if ours else "Elasticsearch", str(version["number"])
    if number.partition(".")[0].isdigit() and int(number.partition(".")[0]) < oldest:
        raise ClickstreamError(f"{client.where} is {name} {number}: {oldest}.0 or newer is needed.")
    return f"{name} {number}"


def look(client: Client, name: str) -> dict[str, Any] | None:
    """What the server says of an index; None: there is none. Raises ClickstreamError for an alias."""
    answer = client.ask("GET", path_of(name), but=[404])
    if answer is None:
        return None
    if name not in answer:
        raise ClickstreamError(
            f"{client.where}: {name} is an alias of {', '.join(sorted(answer))}, and the sink needs an index of its "
            "own. Give it --prefix."
        )
    found: dict[str, Any] = answer[name]
    return found


def _column(index: Index, field: str | None) -> str | None:
    return next((one.column for one in index.fields if one.name == field), field)
