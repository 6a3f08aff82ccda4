"""Records, exports and dead letters over HTTP, from the dashboard on a real Kafka."""

import base64
import csv
import http.client
import io
import json
import statistics
import threading
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from clickstream.inspect import search as searching
from clickstream.inspect.search import Answer, End, Search
from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import DeadLetter, DeadLetters, Origin
from clickstream.kafka.produce import Sender
from tests.hostilerecords import HOSTILE
from tests.integration.support import make_topic, produce, records
from tests.integration.test_records_exact import fill
from tests.integration.uisupport import TOKEN, dashboard, get
from tests.support import PATIENCE, wait_until

DEAD = "ui-records-dead"


@pytest.fixture(scope="module")
def address(kafka: str) -> Iterator[str]:
    make_topic(kafka, DEAD, 1)
    fill(kafka, "ui-hostile", HOSTILE)
    with dashboard(Cluster(kafka), dead_letter_topic=DEAD) as found:
        yield found


def asked(address: str, path: str, **params: str) -> tuple[int, str]:
    """Status and text; asked again while the server only comes up."""
    query = urllib.parse.urlencode(params)

    def answer() -> tuple[int, str] | None:
        try:
            status, _headers, text = get(f"{address}{path}?{query}")
        except OSError:
            return None
        return status, text

    return wait_until(answer, 60, "the server answers")


def value(address: str, path: str, **params: str) -> Any:
    status, text = asked(address, path, **params)
    assert status == 200, text
    return json.loads(text)


def search(address: str, topic: str, **params: str) -> Any:
    status, text = asked(address, f"/api/topics/{topic}/records", **params)
    assert status == 200, text
    *progress, last = map(json.loads, text.splitlines())
    assert all(set(line) == {"progress"} for line in progress)
    return last["answer"]


def test_every_record_comes_to_the_byte(address: str) -> None:
    for offset, sent in enumerate(HOSTILE):
        found = value(address, f"/api/topics/ui-hostile/0/{offset}")
        part = found["value"]
        if sent.value is None:
            assert part is None
            continue
        assert part["length"] == len(sent.value)
        first = part["text"].encode() if "text" in part else base64.b64decode(part["base64"])
        assert sent.value.startswith(first)
        assert len(first) >= min(len(sent.value), 65_530)


def test_a_large_record_comes_in_pieces(address: str) -> None:
    offset = next(offset for offset, one in enumerate(HOSTILE) if one.key == b"large")
    got = b""
    start: int | None = 0
    while start is not None:
        part = value(address, f"/api/topics/ui-hostile/0/{offset}", part="value", start=str(start))
        got += part["text"].encode()
        start = part["next"]
    assert got == HOSTILE[offset].value


def test_bytes_are_downloaded_as_they_are(kafka: str, address: str) -> None:
    offset = next(offset for offset, one in enumerate(HOSTILE) if one.value == b"<a>&amp;<b/></a>")
    status, headers, text = get(f"{address}/api/topics/ui-hostile/0/{offset}/value")
    assert (status, text.encode()) == (200, HOSTILE[offset].value)
    lower = {name.lower(): found for name, found in headers.items()}
    assert lower["content-type"] == "application/octet-stream"
    assert lower["content-disposition"].startswith("attachment;")
    assert lower["x-content-type-options"] == "nosniff"


def test_an_export_of_a_filter_has_all_that_fit(kafka: str, address: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, 3)
    produce(kafka, topic_name, [b'{"n":%d,"f":"=1+1"}' % (number % 10) for number in range(3_000)])
    counted = sum(json.loads(one.value() or b"")["n"] >= 7 for one in records(kafka, topic_name))
    path = f"/api/topics/{topic_name}/export"
    lines = asked(address, path, filter="n >= 7", format="jsonl")[1].splitlines()
    assert len(lines) == counted == 900
    assert {json.loads(line)["value"]["n"] for line in lines} == {7, 8, 9}
    rows = list(csv.DictReader(io.StringIO(asked(address, path, filter="n >= 7", format="csv")[1])))
    assert len(rows) == 900
    assert {row["value.f"] for row in rows} == {"'=1+1"}
    raw = list(csv.DictReader(io.StringIO(asked(address, path, filter="n = 7", format="csv", raw="1")[1])))
    assert {row["value.f"] for row in raw} == {"=1+1"}
    exact = asked(address, path, format="exact")[1].splitlines()
    assert len(exact) == 3_000


def test_searches_seek_and_go_on(kafka: str, address: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, 2)
    produce(kafka, topic_name, [b'{"n":%d}' % number for number in range(500)], partition=1)
    first = search(address, topic_name, limit="3")
    assert [row["offset"] for row in first["rows"]] == ["499", "498", "497"]
    assert first["places"] == "1:497"
    then = search(address, topic_name, limit="2", places=first["places"])
    assert [row["offset"] for row in then["rows"]] == ["496", "495"]
    seek = search(address, topic_name, **{"from": "100"}, limit="2", partition="1", column="n")
    assert [(row["offset"], row["cells"]) for row in seek["rows"]] == [("100", ["100"]), ("101", ["101"])]
    one = search(address, topic_name, filter="n = 17")
    assert ([row["offset"] for row in one["rows"]], one["end"]) == (["17"], "complete")


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/api/topics/ui-hostile/records?filter=%24x+%3D+1", 400, "there is no $x"),
        ("/api/topics/ui-hostile/records?from=soon", 400, "newest, oldest"),
        ("/api/topics/ui-hostile/0/99999", 404, "has no record at offset 99999"),
        ("/api/topics/ui-hostile/0/x", 400, "whole number"),
        ("/api/topics/ui-hostile/export?format=exe", 400, "csv, jsonl or exact"),
        ("/api/topics/no-such-topic/export", 503, "does not exist"),
        ("/api/topics/ui-hostile/0/0/header9", 400, "header0"),
    ],
)
def test_refusals_are_json_with_words(address: str, path: str, status: int, says: str) -> None:
    found, text = asked(address, path.partition("?")[0], **dict(urllib.parse.parse_qsl(path.partition("?")[2])))
    assert found == status, text
    assert says in json.loads(text)["error"]


def test_a_search_that_is_given_up_ends_at_the_server(kafka: str, address: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [b"x" * 200] * 50_000)

    def running() -> int:
        return sum(thread.name == "request" for thread in threading.enumerate())

    wait_until(lambda: running() == 0, 60, "the searches before have ended")
    host = address.removeprefix("http://")
    clients = [http.client.HTTPConnection(host, timeout=60 * PATIENCE) for _number in range(3)]
    for client in clients:
        client.request("GET", f"/api/topics/{topic_name}/records?filter=nowhere")
    for client in clients:
        client.close()
    wait_until(lambda: running() == 0, 60, lambda: f"{running()} go on")


PER_SECOND = 5
# Of an idle machine it is a few ms; a hundred is what a person does not notice.
ANSWERED_WITHIN_S = 0.1
GENEROUS = 5


class Searching(threading.Thread):
    """A search over HTTP, with the time at which each line came."""

    def __init__(self, address: str, path: str) -> None:
        super().__init__()
        self._client = http.client.HTTPConnection(address.removeprefix("http://"), timeout=120 * PATIENCE)
        self._path = path
        self.lines: list[tuple[float, Any]] = []
        self.begun = time.monotonic()

    def run(self) -> None:
        self._client.request("GET", self._path)
        answer = self._client.getresponse()
        while line := answer.readline():
            self.lines.append((time.monotonic(), json.loads(line)))
        self._client.close()


@pytest.mark.parametrize("number", [50_000, pytest.param(2_000_000, marks=pytest.mark.slow)])
def test_a_search_for_a_key_that_is_nowhere_tells_little_and_holds_nobody_up(
    kafka: str, address: str, topic_name: str, number: int
) -> None:
    make_topic(kafka, topic_name, 3)
    fill_with(kafka, topic_name, number)
    job = Searching(address, f"/api/topics/{topic_name}/records?key=nowhere")
    job.start()
    took = []
    while job.is_alive():
        begun = time.monotonic()
        assert get(f"{address}/index.html")[0] == 200
        took.append(time.monotonic() - begun)
        job.join(0.05)
    *progress, (ended, last) = job.lines
    answer = last["answer"]
    assert answer["rows"] == []
    assert answer["progress"]["total"] == number
    if answer["end"] == "complete":
        assert answer["progress"]["read"] == number
    else:  # so many, or a slow machine: it ends within its limits, says so, and where it can go on
        assert answer["end"] in ("records", "time")
        assert answer["places"] is not None
    assert len(progress) <= 1 + PER_SECOND * (ended - job.begun)
    assert all({"progress"} == set(line) for _at, line in progress)
    assert statistics.median(took) < ANSWERED_WITHIN_S * GENEROUS * PATIENCE


def fill_with(kafka: str, topic: str, number: int) -> None:
    sender = Sender(Cluster(kafka).producer())
    for one in range(number):
        sender.send(topic, b'{"n":%d,"path":"/index.html"}' % one, key=b"k%d" % one, partition=one % 3)
    sender.must_have_delivered("the test's records")


def test_a_search_that_is_given_up_reads_no_further(
    kafka: str, address: str, topic_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In small windows, so that it would read for long."""
    ends: list[Answer[Any]] = []
    run = Search.run

    def noted(self: Search[Any], stop: threading.Event) -> Answer[Any]:
        ends.append(run(self, stop))
        return ends[-1]

    monkeypatch.setattr(searching, "FIRST_WINDOW", 20)
    monkeypatch.setattr(searching, "MAX_WINDOW", 20)
    monkeypatch.setattr(Search, "run", noted)
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [b"x"] * 50_000)
    client = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60 * PATIENCE)
    client.request("GET", f"/api/topics/{topic_name}/records?key=nowhere")
    answer = client.getresponse()
    assert "progress" in json.loads(answer.readline())
    answer.close()
    client.close()
    wait_until(lambda: ends, 60, "it ends")
    assert ends[0].end is End.STOPPED
    assert ends[0].progress.read < 50_000


def add_letter(kafka: str, origin: str) -> int:
    sender = Sender(Cluster(kafka).producer())
    DeadLetters(sender, DEAD, "counter").send(
        DeadLetter(b'{"n":NaN}', "no JSON", Origin(origin, 0, 3), headers=[("trace", b"1")]), b"key"
    )
    sender.must_have_delivered("a letter")
    return max(one.offset() or 0 for one in records(kafka, DEAD))


def post(address: str, path: str, body: object, **headers: str) -> tuple[int, str]:
    import urllib.error
    import urllib.request

    request = urllib.request.Request(f"{address}{path}", method="POST", data=json.dumps(body).encode())
    for name, found in headers.items():
        request.add_header(name, found)
    try:
        with urllib.request.urlopen(request, timeout=60 * PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_a_letter_is_sent_again_with_the_token_once(kafka: str, address: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, 1)
    offset = add_letter(kafka, topic_name)
    path = f"/api/dead-letters/0/{offset}"
    letter = value(address, path)
    assert (letter["reason"], letter["bad"], letter["refusal"]) == ("no JSON", 5, "")
    own = {"Origin": address}
    assert post(address, f"{path}/retry", {}, **own)[0] == 401
    assert records(kafka, topic_name) == []
    allowed = {**own, "Authorization": f"Bearer {TOKEN}"}
    assert post(address, f"{path}/retry", {"velue": "x"}, **allowed)[0] == 400
    status, text = post(address, f"{path}/retry", {"value": '{"n":null}'}, **allowed)
    assert (status, json.loads(text)) == (200, {"topic": topic_name})
    [sent] = records(kafka, topic_name)
    assert (sent.key(), sent.value(), sent.headers()) == (b"key", b'{"n":null}', [("trace", b"1")])
    status, text = post(address, f"{path}/retry", {}, **allowed)
    assert (status, "sent again already" in text) == (409, True)
    assert len(records(kafka, topic_name)) == 1
    assert value(address, path)["retried"]
