"""Bulk requests of which every item's answer is read."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from clickstream.errors import ClickstreamError
from clickstream.kafka.patience import Stopped
from clickstream.sinks.opensearch import bulk
from clickstream.sinks.opensearch.bulk import Bulk, Gone, Item
from clickstream.sinks.opensearch.client import Client, address_of
from clickstream.sinks.opensearch.errors import Meaning, failure_of
from clickstream.sinks.opensearch.operations import Operation
from clickstream.sinks.target import Away
from clickstream.stop import Stop
from tests.support import PATIENCE
from tests.unit.sinks.searchserver import ALIAS, SearchServer, error, http, search_server

FULL = {"type": "rejected_execution_exception", "reason": "rejected execution of coordinating operation"}
BAD = {
    "type": "mapper_parsing_exception",
    "reason": "failed to parse field [n] of type [long] in document with id '3'",
    "caused_by": {"type": "illegal_argument_exception", "reason": 'For input string: "x"'},
}


@pytest.fixture
def server() -> Iterator[SearchServer]:
    with search_server() as found:
        yield found


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "FIRST_PAUSE_S", 0.0)


@pytest.fixture
def client(server: SearchServer) -> Iterator[Client]:
    one = Client(address_of(server.url), timeout_s=30.0)
    yield one
    one.close()


@pytest.fixture
def writer(client: Client) -> Bulk:
    return Bulk(client, Stop())


def items(count: int, first: int = 0) -> list[Item]:
    found = []
    for number in range(first, first + count):
        one = Operation(str(number), 100 + number, json.dumps({"n": number}).encode(), 0, number, None)
        found.append((one, one.lines()))
    return found


def deletion(id: str, version: int) -> Item:
    one = Operation(id, version, None, 0, 0, None)
    return one, one.lines()


def ids(server: SearchServer) -> list[list[str]]:
    return [[item["_id"] for item in request] for request in server.requests]


def test_what_is_written_and_deleted(server: SearchServer, writer: Bulk) -> None:
    writer.write(ALIAS, items(3))
    outcome = writer.write(ALIAS, [deletion("1", 200), deletion("none", 201)])
    assert (outcome.refused, outcome.conflicts) == ([], [])
    assert server.sources == {"0": {"n": 0}, "2": {"n": 2}}
    assert server.requests[0][0] == {
        "verb": "index",
        "_id": "0",
        "version": 100,
        "version_type": "external_gte",
        "source": {"n": 0},
    }


def test_of_mixed_answers_only_what_found_no_room_is_sent_again_in_its_order(
    server: SearchServer, writer: Bulk
) -> None:
    once = {"1", "4", "5"}

    def fault(id: str) -> tuple[int, dict[str, Any]] | None:
        if id in once:
            once.discard(id)
            return 429, FULL
        return (400, BAD) if id == "3" else None

    server.item_fault = fault
    server.versions["2"] = 10**9
    outcome = writer.write(ALIAS, items(7))
    assert ids(server) == [["0", "1", "2", "3", "4", "5", "6"], ["1", "4", "5"]]
    assert sorted(server.sources) == ["0", "1", "4", "5", "6"]
    [(refused, why)] = outcome.refused
    assert (refused.id, why.type, why.field) == ("3", "mapper_parsing_exception", "n")
    assert why.reason.endswith('For input string: "x"')
    assert [one.id for one in outcome.conflicts] == ["2"]


# A proxy's, in Latin-1; and one that no decoder gets to the bottom of.
PAGE = "Zeit\u00fcberschreitung".encode("latin-1")
NO_UTF8 = b'HTTP/1.1 502 Some\r\nContent-Length: %d\r\n\r\n"%b"' % (len(PAGE) + 2, PAGE)
TOO_DEEP = b"HTTP/1.1 502 Some\r\nContent-Length: 5000\r\n\r\n" + b"[" * 5_000


@pytest.mark.parametrize(
    "answer",
    [error(429, FULL["type"]), error(503, "x"), http(502, "<html>"), error(500, "y"), NO_UTF8, TOO_DEEP],
)
def test_a_request_that_is_too_much_just_now_is_sent_again_in_smaller_ones(
    server: SearchServer, writer: Bulk, answer: bytes
) -> None:
    server.faults = [lambda _server, _items: answer] * 2
    writer.write(ALIAS, items(8))
    assert [len(request) for request in server.requests] == [8, 4, 2, 4, 2]
    assert len(server.sources) == 8


def test_what_finds_no_room_for_long_is_a_target_that_is_away_and_no_row_is_to_blame(
    server: SearchServer, writer: Bulk
) -> None:
    server.item_fault = lambda _id: (429, FULL)
    with pytest.raises(Away, match=r"takes nothing just now \(429 rejected_execution_exception"):
        writer.write(ALIAS, items(100))
    assert len(server.requests) == bulk.TRIES
    assert len(server.requests[-1]) == 3


def test_a_read_only_index_is_waited_for(server: SearchServer, writer: Bulk) -> None:
    reason = "index [hits] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];"
    server.item_fault = lambda _id: (403, {"type": "cluster_block_exception", "reason": reason})
    with pytest.raises(Away, match="read-only"):
        writer.write(ALIAS, items(1))


def test_an_answer_that_is_lost_after_it_was_applied(server: SearchServer, writer: Bulk) -> None:
    def applied(own: SearchServer, asked: list[dict[str, object]]) -> bytes:
        own.apply(asked)
        return b""

    server.faults = [applied]
    with pytest.raises(Away, match="does not answer"):
        writer.write(ALIAS, items(3))
    outcome = writer.write(ALIAS, items(3))
    assert (outcome.refused, outcome.conflicts, len(server.sources)) == ([], [], 3)


def test_a_connection_that_was_closed_while_it_was_idle_is_no_outage(server: SearchServer, writer: Bulk) -> None:
    server.faults = [lambda _server, _items: None, lambda _server, _items: b""]
    writer.write(ALIAS, items(1))
    writer.write(ALIAS, items(1, 1))
    assert len(server.sources) == 2


def test_a_connection_that_is_cut_in_the_middle_of_an_answer(server: SearchServer, writer: Bulk) -> None:
    server.faults = [lambda _server, _items: b'HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n{"errors":fal']
    with pytest.raises(Away, match="does not answer"):
        writer.write(ALIAS, items(3))
    writer.write(ALIAS, items(3))
    assert len(server.sources) == 3


@pytest.mark.parametrize("way", ["with a length", "until the end"])
def test_an_answer_that_drips_does_not_hold_us(server: SearchServer, way: str) -> None:
    within = 0.5 * PATIENCE
    client = Client(address_of(server.url), timeout_s=within)
    server.drip_s = 0.02
    if way == "until the end":
        server.faults = [lambda _server, _items: b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}" + b" " * 1_000]
    began = time.monotonic()
    with pytest.raises(Away, match=rf"does not answer \(no whole answer within {re.escape(f'{within:g}')} s\)"):
        Bulk(client, Stop()).write(ALIAS, items(20))
    assert time.monotonic() - began < 5.0 * PATIENCE
    server.drip_s = 0.0
    assert Bulk(client, Stop()).write(ALIAS, items(20)).conflicts == []
    client.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b" " * 20_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"400\r\n" + b" " * 1024 + b"\r\n") * 20,
    ],
    ids=["announced", "without an end", "in chunks"],
)
def test_an_answer_without_bounds_is_not_read(server: SearchServer, answer: bytes) -> None:
    client = Client(address_of(server.url), timeout_s=30.0, most_of_an_answer=10_000)
    server.faults = [lambda _server, _items: answer]
    with pytest.raises(ClickstreamError, match=r"answers with more than 10,000 bytes: it is no OpenSearch"):
        Bulk(client, Stop()).write(ALIAS, items(2))
    assert Bulk(client, Stop()).write(ALIAS, items(2)).conflicts == []
    client.close()


def test_a_request_that_is_refused_as_a_whole_is_halved_down_to_the_row(server: SearchServer, writer: Bulk) -> None:
    def too_large(_server: SearchServer, asked: list[dict[str, object]]) -> bytes | None:
        return error(413, "http_413", "too large") if any(item["_id"] == "5" for item in asked) else None

    server.faults = [too_large] * 100
    outcome = writer.write(ALIAS, items(16))
    assert [one.id for one, _ in outcome.refused] == ["5"]
    assert len(server.sources) == 15
    assert len(server.requests) < 16


@pytest.mark.parametrize("kind", ["invalid_index_name_exception", "index_not_found_exception"])
def test_an_alias_that_is_gone_is_told_from_a_bad_row(server: SearchServer, writer: Bulk, kind: str) -> None:
    server.item_fault = lambda _id: (400, {"type": kind, "reason": "Invalid index name, must be lowercase"})
    with pytest.raises(Gone):
        writer.write(ALIAS, items(2))


def test_a_right_that_is_missing_stops_it(server: SearchServer, writer: Bulk) -> None:
    server.item_fault = lambda _id: (403, {"type": "security_exception", "reason": "no permissions"})
    with pytest.raises(ClickstreamError, match=r"403 security_exception: no permissions\. Give the sink") as found:
        writer.write(ALIAS, items(2))
    assert not isinstance(found.value, Away)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http(200, {"items": []}), "answers a bulk request of 2 items with 0"),
        (http(200, {}), "with 0"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "is no OpenSearch: it answers '<html>'"),
        (error(401, "security_exception"), "Check the user and the password"),
        (http(301, ""), "A redirect is not followed"),
    ],
)
def test_answers_of_what_is_no_such_server(server: SearchServer, writer: Bulk, answer: bytes, words: str) -> None:
    server.faults = [lambda _server, _items: answer]
    with pytest.raises(ClickstreamError, match=words) as found:
        writer.write(ALIAS, items(2))
    assert not isinstance(found.value, Away)


def test_requests_are_bounded_in_bytes_and_items(
    server: SearchServer, writer: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST_BYTES", 1_000)
    writer.write(ALIAS, items(100))
    assert len(server.sources) == 100
    assert max(len(request) for request in server.requests) <= 20


def test_stopping_does_not_wait_for_room(server: SearchServer, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "FIRST_PAUSE_S", 1_000.0)
    stop = Stop()
    stop.set()
    server.item_fault = lambda _id: (429, FULL)
    with pytest.raises(Stopped):
        Bulk(client, stop).write(ALIAS, items(1))


@pytest.mark.parametrize(
    ("status", "kind", "meaning"),
    [
        (400, "mapper_parsing_exception", Meaning.ROW),
        (400, "document_parsing_exception", Meaning.ROW),
        (400, "strict_dynamic_mapping_exception", Meaning.ROW),
        (400, "illegal_argument_exception", Meaning.ROW),
        (409, "version_conflict_engine_exception", Meaning.CONFLICT),
        (429, "cluster_block_exception", Meaning.AWAY),
        (403, "cluster_block_exception", Meaning.AWAY),
        (400, "index_closed_exception", Meaning.AWAY),
        (429, "circuit_breaking_exception", Meaning.AWAY),
        (500, "node_closed_exception", Meaning.AWAY),
        (503, "unavailable_shards_exception", Meaning.AWAY),
        (404, "index_not_found_exception", Meaning.GONE),
        (400, "invalid_index_name_exception", Meaning.GONE),
        (403, "security_exception", Meaning.STOP),
        (401, "security_exception", Meaning.STOP),
        (405, "whatever", Meaning.STOP),
    ],
)
def test_what_errors_mean(status: int, kind: str, meaning: Meaning) -> None:
    assert failure_of(status, {"type": kind, "reason": "r"}).meaning is meaning


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("http://localhost", "http://localhost:9200"),
        ("https://user:hunter2@search.example:443/os/", "https://search.example:443/os"),
        ("http://[::1]:9201", "http://[::1]:9201"),
    ],
)
def test_where_it_is_is_told_without_secrets(url: str, where: str) -> None:
    address = address_of(url)
    assert address.where == where
    assert "hunter2" not in repr(address)
    assert address_of("http://a%20b:c%3A@h").authorization == "Basic YSBiOmM6"
