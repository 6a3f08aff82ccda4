"""Avro in the parts around tables, with a real schema registry and a real Kafka: sinks, the collector, the dashboard,
questions in SQL."""

import base64
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from clickstream.avro import waiting
from clickstream.avro.codec import Decoder, Encoder, Writer, encoder
from clickstream.avro.http import Address
from clickstream.avro.registry import Registry
from clickstream.avro.shipped import shipped
from clickstream.avro.viewing import Viewer
from clickstream.avro.wire import framed
from clickstream.cli import clickstream
from clickstream.collect.delivery.entry import encoded
from clickstream.collect.delivery.spool.spool import Bounds, Spool
from clickstream.collect.model import Record
from clickstream.errors import ClickstreamError
from clickstream.history.history import History, Topics
from clickstream.history.model import CLICKS
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.parts.threads import Threads
from clickstream.records import WebEvent, encode
from clickstream.sinks.inputs import described
from clickstream.sinks.model import Avro
from clickstream.stop import Stop
from clickstream.topics import Declared, ensure
from tests.integration.apicurio import apicurio
from tests.integration.collectsupport import collecting, event
from tests.integration.hooks import Hook, hook
from tests.integration.postgressupport import Place, check_of
from tests.integration.sinksupport import running
from tests.integration.support import dead_letters, records, run, value
from tests.integration.test_ui_records import asked, search
from tests.integration.test_ui_records import value as answer_of
from tests.integration.uisupport import dashboard
from tests.support import wait_until
from tests.unit.avro.fakeregistry import USER, FakeRegistry, fake_registry

PATIENCE_S = 120.0
HIT = {
    "type": "record", "name": "Hit", "namespace": "shop", "fields": [
        {"name": "id", "type": "string"},
        {"name": "n", "type": ["null", "long"], "default": None},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}], "default": None},
    ],
}  # fmt: skip
# The next version, as a producer that was updated first writes it.
NEXT = {**HIT, "fields": [{"name": "more", "type": "string", "default": ""}, *HIT["fields"]]}
KEY = '{"type": "record", "name": "Key", "fields": [{"name": "id", "type": "string"}]}'
EVENT = encode(
    WebEvent(
        id="e2", event="pageview", site="shop.example", url="https://shop.example/", visitor="v1", session=None,
        page=None, time=1, received_at=2, source="tag", properties={"a": [2]},
    )
)  # fmt: skip
COLUMNS = "id STRING NOT NULL, n INT, `at` TIMESTAMP_LTZ(3)"
AT = 1_585_163_149_123_456


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with apicurio(tmp_path_factory.mktemp("apicurio")) as found:
        yield found


@pytest.fixture
def registry(url: str) -> Registry:
    return Registry(Address(url))


@pytest.fixture
def place(kafka: str, postgres: str) -> Place:
    return Place.at(kafka, postgres)


@pytest.fixture
def server() -> Iterator[Hook]:
    with hook() as found:
        yield found


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    monkeypatch.setattr(waiting, "ASK_EVERY_S", 0.1)
    with fake_registry() as found:
        yield found


def hits(registry: Registry, topic: str, schema: Any = HIT) -> Encoder:
    return encoder(registry, f"{topic}-value", json.dumps(schema), register=True)


def hit(by: Encoder, **fields: Any) -> bytes:
    return by.encode(json.dumps(fields).encode())


def topic_of(cluster: Cluster) -> str:
    name = f"avro-{uuid.uuid4().hex[:8]}"
    ensure(cluster, [Declared(f"{name}{end}", 1) for end in ("", "-events", "-clicks", "-dead")])
    return name


# --- sinks


def test_a_table_in_postgres_is_what_a_topic_in_avro_says(place: Place, url: str, registry: Registry) -> None:
    old, new = hits(registry, place.topic), hits(registry, place.topic, NEXT)
    assert old.schema_id != new.schema_id
    key = encoder(registry, f"{place.topic}-key", KEY, register=True)
    place.send(
        [
            (b'{"id":"a"}', hit(old, id="a", n=1)),
            (b'{"id":"a"}', hit(new, more="x", id="a", n=2, at=AT)),
            (b'{"id":"b"}', hit(old, id="b", n=2**40)),
            (b'{"id":"c"}', hit(old, id="c")),
            (key.encode(b'{"id":"c"}'), None),
            (b'{"id":"d"}', {"id": "d", "n": 4}),
        ],
        partition=0,
    )
    done = run(
        *("sink", "postgres", place.topic, "--format", "avro", "--schema-registry", url, "--columns", COLUMNS),
        *("--key", "id", "--schema", place.schema, "--exit-at-end", "-b", place.cluster.address, "--quiet"),
        *("--dead-letter-topic", f"{place.topic}-dead"),
        CLICKSTREAM_SINK_POSTGRES=place.dsn,
        timeout=PATIENCE_S,
    )
    assert done.code == 0, done.said
    at = "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS')"
    assert place.rows(f"id, n, {at}") == [("a", 2, "2020-03-25 19:05:49.123"), ("b", None, None)]
    (letter,) = place.letters()
    assert (letter.key, json.loads(letter.value or b"")) == (b'{"id":"d"}', {"id": "d", "n": 4})
    assert "looks like JSON" in letter.reason
    assert f"Column {place.topic}.n: 1 x value of another type became NULL." in done.said
    found = check_of(place, described(place.topic, COLUMNS, "id", Avro(registry, registry)))
    assert (found.rows, found.differs, found.unreadable) == (2, 0, 1)


def test_a_sink_waits_for_a_schema_and_for_the_registry(place: Place, fake: FakeRegistry) -> None:
    avro = Avro(fake.registry(), None)
    place.send([(b"1", framed(1, b"\x02\x00")), (b"2", framed(1, b"\x04\x00"))], partition=0)
    source = described(place.topic, "id INT", None, avro)
    sink = place.sink(source)
    with running(sink):
        wait_until(lambda: sink.gauges()["registry_away"] == 1, PATIENCE_S)
        fake.fail = 503, b""
        asked_before = len(fake.requests)
        wait_until(lambda: len(fake.requests) > asked_before, PATIENCE_S)
        fake.schemas[1], fake.fail = {"schema": USER}, None
        wait_until(lambda: _ids(place) == [1, 2], PATIENCE_S)
        assert sink.gauges()["registry_away"] == 0
    assert place.letters() == []


def test_an_unknown_schema_is_set_aside_when_asked_for_and_a_wiped_registry_ends_a_sink(
    place: Place, fake: FakeRegistry
) -> None:
    fake.schemas[1] = {"schema": USER}
    place.send([(b"1", framed(7, b"\x02\x00")), (b"2", framed(1, b"\x04\x00"))], partition=0)
    source = described(place.topic, "id INT", None, Avro(fake.registry(), None, unknown_waits=False))
    sink = place.sink(source)
    threads = Threads()
    threads.start(sink.run, Stop())
    wait_until(lambda: _ids(place) == [2], PATIENCE_S)
    (letter,) = place.letters()
    assert (letter.value, letter.reason) == (
        framed(7, b"\x02\x00"),
        f"the schema registry at {fake.url} does not know schema 7",
    )
    fake.schemas.clear()
    place.send([(b"3", framed(8, b"\x06\x00"))], partition=0)
    with pytest.raises(ClickstreamError, match="no longer has schema 1: it was wiped"):
        threads.join()
    fake.schemas.update({1: {"schema": USER}, 8: {"schema": USER}})
    place.fill(described(place.topic, "id INT", None, Avro(fake.registry(), None)))
    assert _ids(place) == [2, 3]


def _ids(place: Place) -> list[int]:
    try:
        return [one for (one,) in place.rows("id")]
    except Exception:  # noqa: BLE001 - there is no such table yet
        return []


def test_a_webhook_tells_the_fields_of_a_record_in_avro(
    cluster: Cluster, url: str, registry: Registry, server: Hook
) -> None:
    topic = topic_of(cluster)
    sender = Sender(cluster.producer())
    sender.send(topic, hit(hits(registry, topic), id="<a>", n=7))
    sender.must_have_delivered("The record")
    told = [
        *("sink", "webhook", topic, "--value-format", "avro", "--schema-registry", url, "--url", server.url),
        *("--from-start", "--exit-at-end", "-b", cluster.address, "--quiet", "--dead-letter-topic", f"{topic}-dead"),
    ]
    slack = ["--columns", COLUMNS, "--format", "slack", "--template", "{id} was hit {n} times", "--name", topic]
    done = run(*told, *slack, timeout=PATIENCE_S)
    assert done.code == 0, done.said
    assert [post.json() for post in server.taken] == [{"text": "&lt;a&gt; was hit 7 times"}]


# --- the collector


def test_a_collector_writes_avro_also_out_of_the_spool_and_while_the_registry_is_away(
    cluster: Cluster, tmp_path: Path, fake: FakeRegistry
) -> None:
    topic = topic_of(cluster)
    avro = ("--format", "avro", "--schema-registry", fake.url)
    with collecting(cluster.address, topic, tmp_path, *avro, "--auto-register") as one:
        assert one.post(event(id="e1", properties={"a": [1]})).status == 200
        assert one.part.stop() == 0, one.part.said()
    fake.fail = 503, b""
    # As a worker leaves it that could not reach Kafka.
    sent = Writer(fake.subjects[f"{topic}-events-value"], shipped()["web-event"].text).encode(EVENT)
    spool = Spool(tmp_path / "collect" / "spool", Bounds(10**8, free_floor=0))
    spool.append([encoded(1, "e2", [Record(f"{topic}-events", b"v1", sent)])])
    spool.close()
    with collecting(cluster.address, topic, tmp_path, *avro) as two:
        assert "what is written has the schemas of the last start" in two.part.said()
        assert two.post(event(id="e3")).status == 200
        wait_until(lambda: len(records(cluster.address, two.events)) == 3, PATIENCE_S, two.part.said)
        assert two.part.stop() == 0, two.part.said()
    fake.fail = None
    decoder = Decoder(fake.registry())
    found = [value(one) for one in records(cluster.address, f"{topic}-events")]
    assert sent in found
    events = {one["id"]: one["properties"] for one in map(json.loads, map(decoder.to_json, found))}
    assert events == {"e1": {"a": [1]}, "e2": {"a": [2]}, "e3": {}}
    clicks = [json.loads(decoder.to_json(value(one))) for one in records(cluster.address, f"{topic}-clicks")]
    assert [one["request"] for one in clicks] == ["GET / HTTP/1.1"] * 2
    assert dead_letters(cluster.address, f"{topic}-dead") == []


def test_a_collector_ends_without_a_registry_that_it_has_ever_seen(cluster: Cluster, tmp_path: Path) -> None:
    done = run(
        *("collect", "-b", cluster.address, "--port", "0", "--state-dir", str(tmp_path), "--format", "avro"),
        *("--schema-registry", "http://127.0.0.1:1"),
    )
    assert (done.code, "The schema registry at http://127.0.0.1:1 does not answer" in done.said) == (1, True)


# --- looking and asking


def test_the_dashboard_shows_a_record_in_avro_and_its_bytes(cluster: Cluster, url: str, registry: Registry) -> None:
    topic = topic_of(cluster)
    by = hits(registry, topic)
    sent = hit(by, id="a", n=7)
    sender = Sender(cluster.producer())
    sender.send(topic, sent)
    sender.send(topic, hit(by, id="b", n=8))
    sender.send(topic, framed(99_999, b"x"))
    sender.must_have_delivered("The records")
    read = {"id": "a", "n": 7, "at": None}
    where = f"/api/topics/{topic}/0/0"
    with dashboard(cluster, viewer=Viewer(registry), dead_letter_topic=f"{topic}-dead") as address:
        found = answer_of(address, where)
        assert json.loads(found["value"]["text"]) == read
        assert found["value_avro"] == {"schema": by.schema_id, "name": "shop.Hit", "words": ""}
        assert found["size"] == len(sent)
        assert json.loads(answer_of(address, where, part="value")["text"]) == read
        assert bytes.fromhex(answer_of(address, where, part="value", raw="1")["hex"]) == sent
        unknown = answer_of(address, f"/api/topics/{topic}/0/2")
        assert unknown["value_avro"]["name"] is None
        assert "does not know schema 99999" in unknown["value_avro"]["words"]
        (row,) = search(address, topic, filter="n = 7")["rows"]
        assert json.loads(row["value"]["text"]) == read
        export = f"/api/topics/{topic}/export"
        (line,) = asked(address, export, filter="n = 7", format="jsonl")[1].splitlines()
        assert json.loads(line)["value"] == read
        (exact,) = asked(address, export, filter="n = 7", format="exact")[1].splitlines()
        assert base64.b64decode(json.loads(exact)["value_base64"]) == sent
    with dashboard(cluster, dead_letter_topic=f"{topic}-dead") as address:
        found = answer_of(address, where)
        assert "text" not in found["value"]
        assert found["value_avro"]["schema"] == by.schema_id
        assert "--schema-registry" in found["value_avro"]["words"]
        assert search(address, topic)["rows"][-1]["value"]["avro"] == by.schema_id


def test_the_past_of_clicks_in_avro(cluster: Cluster, url: str, registry: Registry) -> None:
    topic = topic_of(cluster)
    told = ["generate", "web", "-b", cluster.address, "--topic", f"{topic}-clicks", "--count", "500", "--rate", "max"]
    done = run(*told, "--quiet", "--format", "avro", "--auto-register", "--schema-registry", url, timeout=PATIENCE_S)
    assert done.code == 0, done.said
    names = Topics(f"{topic}-clicks", f"{topic}-events", f"{topic}-dead")
    history = History(cluster, names, opened=Viewer(registry).open)
    stop, threads = Stop(), Threads()
    threads.start(history.run, stop)
    try:
        wait_until(lambda: history.store.rows[CLICKS].rows == 500, PATIENCE_S, lambda: str(history.status()))
        assert history.status().topics[0].skipped == {}
    finally:
        stop.set()
        threads.join()


def test_sql_and_exports_read_the_fields_of_avro(
    cluster: Cluster, url: str, registry: Registry, tmp_path: Path
) -> None:
    topic = topic_of(cluster)
    by = hits(registry, topic)
    sender = Sender(cluster.producer())
    for number in range(3):
        sender.send(topic, hit(by, id=f"i{number}", n=number), b"k")
    sender.must_have_delivered("The records")
    where = ["-b", cluster.address]
    question = f'SELECT sum(n) AS s, max(id) AS m FROM "{topic}"'
    done = run("query", question, "--json", *where, "--schema-registry", url, timeout=PATIENCE_S)
    assert json.loads(done.printed) == {"s": "3", "m": "i2"}
    path = tmp_path / "out.csv"
    told = ["topics", "export", topic, "--format", "csv", "-o", str(path), *where, "--schema-registry", url]
    assert CliRunner().invoke(clickstream, told).exit_code == 0
    heading, first, *_ = path.read_text().splitlines()
    assert "value.id" in heading
    assert "i0" in first
