"""Avro with a real schema registry and a real Kafka: converted, produced, read by tables, shown to people."""

import json
import os
import random
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from clickstream.avro.codec import encoder
from clickstream.avro.http import Address
from clickstream.avro.registry import Registry
from clickstream.avro.shipped import shipped
from clickstream.avro.waiting import patient_json
from clickstream.avro.wire import framed
from clickstream.cli import clickstream
from clickstream.counter import Counter
from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from clickstream.kafka.patience import Stopped
from clickstream.kafka.produce import Sender
from clickstream.parts.threads import Threads
from clickstream.stop import Stop
from clickstream.tables.engine.decoding.avro import AvroMessages
from clickstream.topics import Declared, ensure
from clickstream.transform import convert
from clickstream.transform.local import Local
from clickstream.transform.model import Options
from clickstream.transform.transform import Transform
from tests.integration import avrosupport
from tests.integration.apicurio import apicurio
from tests.integration.support import (
    count,
    dead_letters,
    is_an_error_for_people,
    options_for,
    produce,
    records,
    run,
    running,
    value,
    written,
)
from tests.integration.tablesupport import command, table, tables
from tests.integration.test_tables_crashes import kill_at_some_moment
from tests.integration.test_transform import background, settled
from tests.support import PATIENCE, wait_until
from tests.unit.avro.fakeregistry import USER, FakeRegistry, fake_registry
from tests.unit.avro.test_shipped import NAMES, versions

PATIENCE_S = 120.0
CLICK = {
    "ip": "10.0.0.1", "userid": None, "remote_user": None, "time": "25/Mar/2020:19:05:49 +0000", "_time": 1585163149000,
    "request": "GET / HTTP/1.1", "status": 200, "bytes": 12, "referrer": None, "agent": "ü",
}  # fmt: skip


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with apicurio(tmp_path_factory.mktemp("apicurio")) as found:
        yield found


@pytest.fixture
def registry(url: str) -> Registry:
    return Registry(Address(url))


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with fake_registry() as found:
        yield found


@pytest.fixture
def topic(cluster: Cluster) -> str:
    """A topic, and others beside it."""
    name = f"avro-{uuid.uuid4().hex[:8]}"
    ensure(cluster, [Declared(f"{name}{end}", 1) for end in ("", "-avro", "-json", "-dead")])
    return name


def converting(cluster: Cluster, topic: str, caller: Local, begin: str, end: str, *, to_end: bool = True) -> Transform:
    name = f"{topic}{begin}-to{end}"
    return Transform(cluster, caller, Options(topic + begin, topic + end, f"{topic}-dead", name, exit_at_end=to_end))


def test_json_becomes_avro_and_comes_back(cluster: Cluster, topic: str, registry: Registry) -> None:
    sender = Sender(cluster.producer())
    for number in range(500):
        body = json.dumps({**CLICK, "bytes": number}).encode()
        sender.send(topic, body, b"k%d" % number, headers=[("h", b"\xff")], timestamp=1_000 + number)
    sender.send(topic, None, b"gone")
    sender.send(topic, b'{"ip": 7}', b"bad", headers=[("h", b"1")])
    sender.must_have_delivered("The records")
    subject = f"{topic}-avro-value"

    def avro() -> Local:
        text = shipped()["web-click"].text
        return convert.to_avro(registry, lambda: encoder(registry, subject, text, register=False))

    with pytest.raises(ClickstreamError, match=f"Subject {subject} .* does not have the schema"):
        converting(cluster, topic, avro(), "", "-avro").run(Stop())
    assert subject not in registry.subjects()
    schema_id = registry.register(subject, shipped()["web-click"].text)
    converting(cluster, topic, avro(), "", "-avro").run(Stop())
    written = settled(cluster, f"{topic}-avro")
    assert {(one.value() or b"")[:5] for one in written} == {framed(schema_id, b""), b""}
    produce(cluster.address, f"{topic}-avro", [b"GET / HTTP/1.1"])
    converting(cluster, topic, convert.to_json(registry, unknown_waits=True), "-avro", "-json").run(Stop())

    def told(message: Any) -> Any:
        body = message.value()
        return message.key(), message.headers(), message.timestamp()[1], body and json.loads(body)

    before = [told(one) for one in records(cluster.address, topic)]
    assert [told(one) for one in settled(cluster, f"{topic}-json")] == before[:-1]
    first, second = dead_letters(cluster.address, f"{topic}-dead")
    assert (first.kind, first.value, first.key, first.headers) == ("no-fit", b'{"ip": 7}', b"bad", (("h", b"1"),))
    assert first.reason == "ip: 7 is no text"
    assert (second.kind, second.value) == ("not-avro", b"GET / HTTP/1.1")
    assert "looks like plain text" in second.reason


def test_tables_read_what_a_producer_has_written(
    cluster: Cluster, topic: str, url: str, tmp_path: Path, registry: Registry
) -> None:
    kafka = cluster.address
    told = ["run-producer", "-b", kafka, "--topic", f"{topic}-avro", "--count", "1000", "--rate", "max", "--quiet"]
    told += ["--format", "avro", "--schema-registry", url]
    refused = run(*told, timeout=PATIENCE_S)
    assert refused.code == 1
    assert "--auto-register" in refused.said
    done = run(*told, "--auto-register", timeout=PATIENCE_S)
    assert done.code == 0, done.said
    latest = registry.latest(f"{topic}-avro-value")
    assert latest is not None
    # Fields that a table has no column for, of another order, and times: what another writer sends.
    other = {
        "type": "record", "name": "Other", "fields": [
            {"name": "moment", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "eventName", "type": {"type": "enum", "name": "E", "symbols": ["purchase"]}},
            {"name": "more", "type": ["null", "double"]},
        ],
    }  # fmt: skip
    written = encoder(registry, f"{topic}-other-value", json.dumps(other), register=True)
    produce(kafka, f"{topic}-avro", [written.encode(b'{"moment": 1585163149123456, "eventName": "purchase"}'), b"{}"])
    path = tmp_path / f"{topic}.sql"
    path.write_text(
        f"""
        CREATE TABLE events (eventName STRING, userId STRING, moment TIMESTAMP_LTZ(3)) WITH (
          'connector' = 'kafka', 'topic' = '{topic}-avro', 'properties.bootstrap.servers' = 'x',
          'scan.startup.mode' = 'earliest-offset', 'format' = 'avro-confluent', 'avro-confluent.url' = '{url}');
        CREATE TABLE counts (eventName STRING, hits BIGINT, users BIGINT, latest TIMESTAMP_LTZ(3),
          PRIMARY KEY (eventName) NOT ENFORCED) WITH (
          'connector' = 'upsert-kafka', 'topic' = '{topic}-json', 'properties.bootstrap.servers' = 'x',
          'key.format' = 'json', 'value.format' = 'json');
        INSERT INTO counts SELECT eventName, COUNT(*), COUNT(userId), MAX(moment) FROM events GROUP BY eventName;
        """
    )
    done = tables(kafka, path, timeout=PATIENCE_S)
    assert done.code == 0, done.said
    found = table(kafka, f"{topic}-json")
    assert sum(row["hits"] for row in found.values()) == 1001
    assert sum(row["users"] for row in found.values()) == 1000
    assert [row["latest"] for row in found.values() if row["latest"]] == ["2020-03-25 19:05:49.123Z"]
    options = options_for(
        topic, from_topic=f"{topic}-avro", as_json=patient_json(registry, PATIENCE_S, threading.Event())
    )
    counter = count(kafka, topic, options=options)
    assert isinstance(counter, Counter)
    assert (counter.totals()["counted"], counter.totals()["dead_letters"]) == (1001, 1)
    assert counter.tally == {row["eventName"]: row["hits"] for row in found.values()}
    # One of the table's, one of the counter's.
    letters = dead_letters(kafka, f"{topic}-dead")
    assert [one.value for one in letters] == [b"{}"] * 2
    assert all("looks like JSON" in one.reason for one in letters)


def test_people_see_json(cluster: Cluster, topic: str, url: str, registry: Registry) -> None:
    written = encoder(registry, f"{topic}-value", USER, register=True)
    produce(
        cluster.address, topic, [written.encode(b'{"id": 1, "name": "Ann"}'), written.encode(b'{"id": 2}'), b"text"]
    )
    told = ["topics", "tail", topic, "-b", cluster.address]
    done = run(*told, "--filter", "id>=1", "--schema-registry", url, timeout=PATIENCE_S)
    assert [json.loads(line)["value"] for line in done.printed.splitlines()] == [
        {"id": 1, "name": "Ann"},
        {"id": 2, "name": None},
    ]
    done = run(*told, timeout=PATIENCE_S)
    assert [next(iter(json.loads(line)["value"])) for line in done.printed.splitlines()] == ["\0", "\0", "t"]
    assert f"look like Avro of a schema registry (schema {written.schema_id}): --schema-registry" in done.said


def test_the_registry_takes_each_version_after_the_one_before_and_no_other(registry: Registry) -> None:
    for name in NAMES:
        subject = f"{uuid.uuid4().hex[:8]}-{name}"
        for text in map(json.dumps, versions(name)):
            assert registry.check(subject, text).compatible
            registry.register(subject, text)
            registry.require_backward(subject)
        broken = versions(name)[-1]
        broken["fields"].append({"name": "another", "type": "long"})
        assert not registry.check(subject, json.dumps(broken)).compatible
        with pytest.raises(ClickstreamError, match=r"409|ncompatible"):
            registry.register(subject, json.dumps(broken))


def test_schemas_are_registered_once_and_shown(url: str) -> None:
    def schemas(*more: str) -> Result:
        return CliRunner().invoke(clickstream, ["schemas", *more, "--schema-registry", url])

    assert schemas("register").exit_code == 0
    again = schemas("register")
    assert again.output.count("is there already.") == len(NAMES)
    rows = [json.loads(line) for line in schemas("list", "--format", "json").output.splitlines()]
    state = {row["schema"]: (row["state"], row["id"]) for row in rows if row["schema"]}
    assert {one for one, _ in state.values()} == {"registered"}
    shown = schemas("show", str(state["event"][1]))
    assert json.loads(shown.output)["name"] == "Event"
    assert schemas("check").exit_code == 0


# --- results of tables


@pytest.mark.timeout(900 * PATIENCE)
@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_of_tables_that_write_avro_lose_and_double_nothing(
    kafka: str, topic: str, url: str, tmp_path: Path, kills: int
) -> None:
    seed = os.environ.get("CLICKSTREAM_TEST_SEED") or str(random.SystemRandom().getrandbits(32))
    print(f"CLICKSTREAM_TEST_SEED={seed}")
    draw = random.Random(seed)
    killed = avrosupport.file_of(tmp_path / "killed" / "killed.sql", topic, f"{topic}-killed", url)
    calm = avrosupport.file_of(tmp_path / "calm" / "calm.sql", topic, f"{topic}-calm", url)
    options = ("--idle-timeout", "0", "--auto-register")
    early = ("--emit", "changes", "--early-interval", "0.2")
    avro = ("--format", "avro", "--auto-register", "--schema-registry", url, "--topic", topic)
    names = [f"--{name}-topic={topic}-{name}" for name in ("codes", "users")]
    flow = ("--rate", "1000", "--event-rate", "100", "--seed", "3", "--users", "30", "--quiet")
    with running("generate", "web", "-b", kafka, *avro, *names, *flow) as feed:
        for _ in range(kills):
            stream = f"{topic}-killed-{draw.choice(avrosupport.STREAMS)}"
            kill_at_some_moment(kafka, command(kafka, killed, *options, *early), stream, draw)
        assert feed.running, feed.said()
        feed.stop()
    for path, more in ((killed, early), (calm, ())):
        done = tables(kafka, path, *options, *more, timeout=300)
        assert done.code == 0, done.said
        assert "0 dead letters" in done.said
    found, expected = (avrosupport.rows(kafka, f"{topic}-{name}") for name in ("killed", "calm"))
    for name, wanted in expected.items():
        assert wanted, name
        assert found[name] == wanted, name


def test_a_file_whose_schemas_are_missing_says_how_they_are_registered(
    kafka: str, topic: str, url: str, registry: Registry, tmp_path: Path
) -> None:
    """And then all that is done with tables is done with it."""
    path = tmp_path / f"{topic}.sql"
    value = f"'value.format' = 'avro-confluent', 'value.avro-confluent.url' = '{url}'"
    path.write_text(
        f"""
        CREATE TABLE events (eventName STRING) WITH (
          'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = 'x',
          'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
        CREATE TABLE counts (eventName STRING, hits BIGINT, PRIMARY KEY (eventName) NOT ENFORCED) WITH (
          'connector' = 'upsert-kafka', 'topic' = '{topic}-counts', 'properties.bootstrap.servers' = 'x',
          'key.format' = 'avro-confluent', 'key.avro-confluent.url' = '{url}', {value});
        INSERT INTO counts SELECT eventName, COUNT(*) FROM events GROUP BY eventName;
        """
    )
    produce(kafka, topic, [b'{"eventName": "a"}', b'{"eventName": "b"}', b'{"eventName": "a"}'])
    done = tables(kafka, path, timeout=PATIENCE_S)
    command = f"clickstream schemas register {path}"
    assert is_an_error_for_people(done, f"Subject {topic}-counts-key ", f"Register it: {command}, or say --auto-reg")
    assert done.code == 1
    assert f"{topic}-counts" not in existing(Cluster(kafka))

    assert run("schemas", "register", str(path), timeout=PATIENCE_S).code == 0
    assert {f"{topic}-counts-key", f"{topic}-counts-value"} <= set(registry.subjects())
    done = tables(kafka, path, timeout=PATIENCE_S)
    assert done.code == 0, done.said
    shown = ("tables", "show", str(path), "counts", "-b", kafka, "--format", "json")
    found = run(*shown, timeout=PATIENCE_S)
    rows = [json.loads(line) for line in found.printed.splitlines()]
    assert sorted((row["eventName"], row["hits"]) for row in rows) == [("a", 2), ("b", 1)]
    before = avrosupport.table(kafka, f"{topic}-counts")
    assert len(before) == 2
    done = tables(kafka, path, "--reset", "--yes", timeout=PATIENCE_S)
    assert "Deleted 2 rows of a former run." in done.said
    assert avrosupport.table(kafka, f"{topic}-counts") == before
    assert [record.value() for record in records(kafka, f"{topic}-counts")].count(None) == 2


# --- what only a fake can be made to do


def test_a_record_of_an_unknown_schema_waits_until_it_is_known(
    cluster: Cluster, topic: str, fake: FakeRegistry
) -> None:
    produce(cluster.address, f"{topic}-avro", [framed(1, b"\x02\x00"), framed(1, b"\x04\x00")])
    transform = converting(
        cluster, topic, convert.to_json(fake.registry(), unknown_waits=True), "-avro", "-json", to_end=False
    )
    with background(transform) as threads:
        wait_until(lambda: transform.gauges()["function_away"], PATIENCE_S)
        fake.fail = 503, b""
        asked = len(fake.requests)
        wait_until(lambda: len(fake.requests) > asked, PATIENCE_S)
        fake.schemas[1], fake.fail = {"schema": USER}, None
        wait_until(lambda: transform.results == 2, PATIENCE_S)
        threads.raise_problem()
    assert [json.loads(value(one))["id"] for one in settled(cluster, f"{topic}-json")] == [1, 2]
    assert dead_letters(cluster.address, f"{topic}-dead") == []


def test_a_record_of_an_unknown_schema_is_set_aside_when_asked_for(
    cluster: Cluster, topic: str, fake: FakeRegistry
) -> None:
    fake.schemas[1] = {"schema": USER}
    produce(cluster.address, f"{topic}-avro", [framed(7, b"\x02\x00"), framed(1, b"\x04\x00")])
    converting(cluster, topic, convert.to_json(fake.registry(), unknown_waits=False), "-avro", "-json").run(Stop())
    assert [json.loads(value(one))["id"] for one in settled(cluster, f"{topic}-json")] == [2]
    (letter,) = dead_letters(cluster.address, f"{topic}-dead")
    assert (letter.kind, letter.value) == ("unknown-schema", framed(7, b"\x02\x00"))


def test_a_wiped_registry_ends_it_with_words_and_nothing_is_lost(
    cluster: Cluster, topic: str, fake: FakeRegistry
) -> None:
    fake.schemas[1] = {"schema": USER}
    produce(cluster.address, f"{topic}-avro", [framed(1, b"\x02\x00")])
    transform = converting(
        cluster, topic, convert.to_json(fake.registry(), unknown_waits=True), "-avro", "-json", to_end=False
    )
    threads = Threads()
    threads.start(transform.run, Stop())
    wait_until(lambda: transform.results == 1, PATIENCE_S)
    fake.schemas.clear()
    produce(cluster.address, f"{topic}-avro", [framed(2, b"\x04\x00")])
    with pytest.raises(ClickstreamError, match="no longer has schema 1: it was wiped"):
        threads.join()
    fake.schemas.update({1: {"schema": USER}, 2: {"schema": USER}})
    converting(cluster, topic, convert.to_json(fake.registry(), unknown_waits=True), "-avro", "-json").run(Stop())
    assert [json.loads(value(one))["id"] for one in settled(cluster, f"{topic}-json")] == [1, 2]


def test_a_table_waits_for_an_unknown_schema(cluster: Cluster, topic: str, fake: FakeRegistry, tmp_path: Path) -> None:
    stop = threading.Event()
    reader = AvroMessages(fake.registry(), ())
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(reader.to_json([framed(1, b"\x02\x00")], stop)))
    thread.start()
    wait_until(lambda: fake.requests, PATIENCE_S)
    fake.schemas[1] = {"schema": USER}
    thread.join(PATIENCE_S)
    assert found == [([b'{"id":1,"name":null}'], {})]
    stop.set()
    with pytest.raises(Stopped):
        reader.to_json([framed(9, b"")], stop)


def test_a_table_sets_unknown_schemas_aside_when_asked_for_and_a_wiped_registry_ends_it(
    kafka: str, topic: str, fake: FakeRegistry, tmp_path: Path
) -> None:
    fake.schemas[1] = {"schema": USER}
    path = tmp_path / f"{topic}.sql"
    path.write_text(
        f"""
        CREATE TABLE users (id BIGINT) WITH (
          'connector' = 'kafka', 'topic' = '{topic}-avro', 'properties.bootstrap.servers' = 'x',
          'scan.startup.mode' = 'earliest-offset', 'format' = 'avro-confluent', 'avro-confluent.url' = '{fake.url}');
        CREATE TABLE ids (id BIGINT) WITH (
          'connector' = 'kafka', 'topic' = '{topic}-json', 'properties.bootstrap.servers' = 'x', 'format' = 'json');
        INSERT INTO ids SELECT id FROM users;
        """
    )
    produce(kafka, f"{topic}-avro", [framed(7, b"\x02\x00"), framed(1, b"\x04\x00")])
    with running(*command(kafka, path, "--unknown-schema", "dead-letter")) as part:
        wait_until(lambda: written(kafka, f"{topic}-json") or not part.running, PATIENCE_S, part.said)
        assert part.running, part.said()
        fake.schemas.clear()
        produce(kafka, f"{topic}-avro", [framed(8, b"\x06\x00")])
        assert part.wait(PATIENCE_S) == 1
        assert "no longer has schema 1: it was wiped" in part.said()
    fake.schemas.update({1: {"schema": USER}, 8: {"schema": USER}})
    done = tables(kafka, path, timeout=PATIENCE_S)
    assert done.code == 0, done.said
    assert [json.loads(value(one))["id"] for one in records(kafka, f"{topic}-json")] == [2, 3]
    (letter,) = dead_letters(kafka, f"{topic}-dead")
    assert (letter.value, "does not know schema 7" in letter.reason) == (framed(7, b"\x02\x00"), True)
