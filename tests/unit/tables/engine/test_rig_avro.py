"""Results in Avro: the rows of a run that writes JSON, each exactly once however often the process dies."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream.avro import guard, waiting
from clickstream.avro.codec import encoder
from clickstream.avro.wire import framed
from clickstream.errors import ClickstreamError
from clickstream.kafka.patience import Stopped
from clickstream.tables.engine.decoding import avro
from clickstream.tables.engine.rig import Crash, Instant, Rig
from clickstream.tables.engine.rig.rig import DEAD_LETTERS
from clickstream.tables.engine.writing.early import EARLY
from clickstream.tables.looking.rows import RecordReader
from tests.support import PATIENCE
from tests.unit.avro.fakeregistry import FakeRegistry, fake_registry
from tests.unit.tables.engine.rigs import COLUMNS, SERVERS, SETTINGS, appended, row, source, upsert
from tests.unit.tables.engine.test_rig_crashes import (
    TABLES,
    appending,
    calm,
    dying,
    keyed,
    topic,
)

# One of each way of rows to a topic.
STREAMS = ("tumble", "session", "stream with origin", "stream", "joined stream without origin")
TABLED = ("hop", "session", "having", "groups", "union")


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with fake_registry() as found:
        yield found


def in_avro(sql: str, url: str, key: str = "json") -> str:
    """The file with its results in Avro; what it reads stays as it is."""
    keys = f"'key.format' = '{key}'" + (f", 'key.{key}.url' = '{url}'" if key != "json" else "")
    values = f"'value.format' = 'avro-confluent', 'value.avro-confluent.url' = '{url}'"
    results = re.sub(r"'key.format' = 'json', 'value.format' = 'json'", f"{keys}, {values}", sql[len(TABLES) :])
    plain = f"'format' = 'avro-confluent', 'avro-confluent.url' = '{url}'"
    return sql[: len(TABLES)] + results.replace("'format' = 'json');", f"{plain});")


def shown(rig: Rig, kind: str) -> list[str]:
    """A result's rows, as people see them, whatever they are written in; tombstones and early rows marked."""
    reader = RecordReader(rig._table(kind))
    rows = reader.rows([record.message() for record in rig.sent(topic(kind))])
    assert not reader.unreadable
    return sorted(repr((row.key, row.values, row.early, row.deleted)) for row in rows)


def latest(rig: Rig, name: str, *, early: bool = False) -> dict[bytes | None, bytes]:
    """Values by key, as they are in the topic."""
    found: dict[bytes | None, bytes] = {}
    for record in rig.sent(name):
        if record.value is None:
            found.pop(record.key, None)
        elif early or record.headers != EARLY:
            found[record.key] = record.value
    return found


def test_rows_are_those_of_json(tmp_path: Path, fake: FakeRegistry) -> None:
    for sql, kinds in ((appending(STREAMS), STREAMS), (keyed(TABLED), TABLED)):
        with (
            calm(sql, tmp_path / f"json-{len(sql)}") as plain,
            calm(in_avro(sql, fake.url), tmp_path / f"avro-{len(sql)}", auto_register=True) as rig,
        ):
            for kind in kinds:
                assert (rig.sent(topic(kind))[0].value or b"")[0] == 0, kind
                assert shown(rig, kind) == shown(plain, kind), kind


def test_every_row_is_in_an_append_only_topic_exactly_once(tmp_path: Path, fake: FakeRegistry) -> None:
    sql = in_avro(appending(STREAMS), fake.url)
    with calm(sql, tmp_path / "calm", auto_register=True) as undisturbed:
        pass
    with dying(sql, tmp_path / "dying", 1) as rig:
        for kind in STREAMS:
            assert rig.stream(topic(kind)) == undisturbed.stream(topic(kind)), kind
            assert rig.stream(topic(kind)), kind


@pytest.mark.parametrize(("changes", "seed", "key"), [(False, 3, "json"), (True, 5, "avro-confluent")])
def test_tables_have_the_latest_values_of_a_run_that_was_not_disturbed(
    tmp_path: Path, fake: FakeRegistry, changes: bool, seed: int, key: str
) -> None:
    sql = in_avro(keyed(TABLED), fake.url, key)
    with calm(sql, tmp_path / "calm", changes=changes, auto_register=True) as undisturbed:
        pass
    with dying(sql, tmp_path / "dying", seed, changes=changes) as rig:
        for kind in TABLED:
            assert latest(rig, topic(kind)) == latest(undisturbed, topic(kind)), kind
            assert latest(rig, topic(kind), early=True) == latest(rig, topic(kind)), kind
            assert latest(rig, topic(kind)), kind
        assert {(record.key or b"")[:1] for record in rig.sent("groups")} == {b"{" if key == "json" else b"\0"}


EVERY = "s STRING, yes BOOLEAN, small INT, big BIGINT, size DOUBLE, at_ TIMESTAMP(3), `day` DATE"
GIVEN = [
    ("", True, -(2**31), -(2**63), 0.1, -1, "1969-12-31"),
    ('a"\\/\n\x01\x7fü\u2028\U0001f600', False, 2**31 - 1, 2**63 - 1, 1e22, 253402300799999, "9999-12-31"),
    (None, None, None, None, None, None, None),
    ("NaN", True, 0, 0, "NaN", 0, "1970-01-01"),
    ("n", True, 0, 0, "-Infinity", 62_000_000_000_000_000 // 1000, "+10000-01-01"),
    ("z", True, 0, 0, 1e-5, 0, "-0001-02-03"),
    ("z", True, 0, 0, 12345678.9, 0, "0000-02-03"),
]


def test_a_row_is_known_again_whatever_is_in_it(tmp_path: Path, fake: FakeRegistry) -> None:
    """After a crash by which nothing is stored of rows that are in the topic already."""
    sql = (
        "CREATE TABLE a (s STRING, yes BOOLEAN, small INT, big BIGINT, size DOUBLE, ms BIGINT, `day` DATE) WITH "
        f"('connector' = 'kafka', 'topic' = 'a', {SERVERS}, 'format' = 'json', "
        "'scan.startup.mode' = 'earliest-offset');\n"
        + appended("b", EVERY)
        + "INSERT INTO b SELECT s, yes, small, big, size, CAST(TO_TIMESTAMP_LTZ(ms, 3) AS TIMESTAMP(3)), `day` FROM a;"
    ).replace("'format' = 'json');", f"'format' = 'avro-confluent', 'avro-confluent.url' = '{fake.url}');")
    names = ("s", "yes", "small", "big", "size", "ms", "day")
    with Rig(sql, tmp_path, auto_register=True) as rig:
        rig.put("a", 0, *(dict(zip(names, values, strict=True)) for values in GIVEN))
        rig.crash(Instant.ACKNOWLEDGED)
        with pytest.raises(Crash):
            rig.step()
        before = rig.stream("b")
        assert before.total() == len(GIVEN)
        rig.restart()
        rig.step()
        assert rig.stream("b") == before


GROUPS = (
    SETTINGS
    + source("a", COLUMNS)
    + upsert("b", "ip STRING, n BIGINT", "ip")
    + "INSERT INTO b SELECT ip, COUNT(*) FROM a GROUP BY ip HAVING COUNT(*) < 3;"
)


def groups(fake: FakeRegistry) -> str:
    values = f"'value.format' = 'avro-confluent', 'value.avro-confluent.url' = '{fake.url}'"
    keys = f"'key.format' = 'avro-confluent', 'key.avro-confluent.url' = '{fake.url}'"
    return GROUPS.replace("'key.format' = 'json', 'value.format' = 'json'", f"{keys}, {values}")


def test_what_is_no_row_is_left_alone_when_written_rows_are_put_right(tmp_path: Path, fake: FakeRegistry) -> None:
    """Keys and values in the topic that another program has put there."""
    with Rig(groups(fake), tmp_path, auto_register=True) as rig:
        rig.put("a", 0, row(1), row(2, ip="b"))
        rig.step()
        rig.put("a", 0, row(3), row(4), row(5, ip="b"))
        rig.crash(Instant.ACKNOWLEDGED)
        with pytest.raises(Crash):
            rig.step()
        mine = {record.key for record in rig.sent("b")}
        rig.topics.append("b", 0, b"text", b"\xff")
        for key in mine:
            rig.topics.append("b", 0, b"text", key)
        rig.restart()
        rig.step()
        found = latest(rig, "b")
        assert found.pop(b"\xff") == b"text"
    assert set(found) < mine
    with calm_groups(fake, tmp_path / "calm") as undisturbed:
        assert found == latest(undisturbed, "b")


def calm_groups(fake: FakeRegistry, directory: Path) -> Rig:
    rig = Rig(groups(fake), directory)
    rig.put("a", 0, row(1), row(2, ip="b"), row(3), row(4), row(5, ip="b"))
    rig.step()
    return rig


# --- schemas


def test_without_its_schema_nothing_begins(tmp_path: Path, fake: FakeRegistry) -> None:
    with pytest.raises(ClickstreamError) as raised, Rig(groups(fake), tmp_path, how_to_register="THIS COMMAND"):
        pass
    assert str(raised.value) == (
        f"Subject b-key of the schema registry at {fake.url} does not have the schema. Register it: THIS COMMAND, "
        "or say --auto-register."
    )
    assert not list(tmp_path.iterdir())


def test_a_registry_that_refuses_says_where_its_password_is_given(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.fail = 401, b'{"error_code": 40101, "message": "Unauthorized"}'
    with pytest.raises(ClickstreamError, match=r"Set the option avro-confluent\.basic-auth\.user-info to user"):
        Rig(groups(fake), tmp_path)


def test_a_registry_that_is_away_is_waited_for(
    tmp_path: Path, fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "ASK_EVERY_S", 0.01)
    rig_of = Rig(groups(fake), tmp_path / "known", auto_register=True)
    form = rig_of.engine._forms["b"]
    rig_of.stop()
    fake.fail = 503, b""
    stop = threading.Event()
    asked = len(fake.requests)
    found: list[BaseException | None] = []

    def find() -> None:
        try:
            form.find_schemas(stop, register=False, how="")
            found.append(None)
        except Stopped as stopped:
            found.append(stopped)

    for end in (stop.set, lambda: setattr(fake, "fail", None)):
        thread = threading.Thread(target=find)
        thread.start()
        while len(fake.requests) < asked + 2:
            thread.join(0.01)
        assert thread.is_alive()
        end()
        thread.join(10 * PATIENCE)
        stop.clear()
        asked = len(fake.requests)
    assert [type(one) for one in found] == [Stopped, type(None)]


def answered(asked: guard.Guard) -> None:
    asked._asking.acquire()
    asked._ask()
    if asked._problem is not None:
        raise asked._problem


def test_a_wiped_registry_ends_the_run_and_nothing_is_lost(
    tmp_path: Path, fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if it were always time to ask, and each answer there before the next row.
    monkeypatch.setattr(guard.Guard, "check", answered)
    with Rig(groups(fake), tmp_path / "wiped", auto_register=True) as rig:
        rig.put("a", 0, row(1), row(2, ip="b"))
        rig.step()
        kept = dict(fake.schemas)
        fake.schemas.clear()
        rig.put("a", 0, row(3), row(4), row(5, ip="b"))
        with pytest.raises(ClickstreamError, match="no longer has schema 1: it was wiped"):
            rig.step()
        fake.schemas.update(kept)
        rig.restart()
        rig.step()
        with calm_groups(fake, tmp_path / "calm") as undisturbed:
            assert latest(rig, "b") == latest(undisturbed, "b")


def test_rows_of_schemas_that_are_gone_cannot_be_told_from_new_ones(tmp_path: Path, fake: FakeRegistry) -> None:
    with Rig(groups(fake), tmp_path, auto_register=True) as rig:
        rig.put("a", 0, row(1))
        rig.crash(Instant.ACKNOWLEDGED)
        with pytest.raises(Crash):
            rig.step()
        fake.schemas.clear()
        fake.schemas[99] = {"schema": '"int"'}  # what is registered next gets another id
        fake.subjects.clear()
        with pytest.raises(ClickstreamError, match=r"Topic b has rows .* does not know schema 1. Restore"):
            rig.restart()


def test_a_result_in_avro_takes_no_null_where_the_state_says_one(tmp_path: Path, fake: FakeRegistry) -> None:
    """A sum that became NULL is not written, neither at work nor after a crash."""
    sql = (
        "SET 'table.exec.sink.not-null-enforcer' = 'DROP';\n"
        + source("a", COLUMNS)
        + upsert("b", "ip STRING, n BIGINT NOT NULL", "ip")
        + "INSERT INTO b SELECT ip, CASE WHEN COUNT(*) = 2 THEN NULL ELSE COUNT(*) END FROM a GROUP BY ip;"
    ).replace(
        "'value.format' = 'json'", f"'value.format' = 'avro-confluent', 'value.avro-confluent.url' = '{fake.url}'"
    )
    with Rig(sql, tmp_path, auto_register=True) as rig:
        rig.put("a", 0, row(1))
        rig.crash(Instant.COMMITTED)
        with pytest.raises(Crash):
            rig.step()
        rig.restart()
        rig.put("a", 0, row(2))
        rig.step()
        before = latest(rig, "b")
        rig.topics.append("b", 0, b"text", b'{"ip":"a"}')
        rig.restart()
        assert len(before) == 1


USER = '{"type":"record","name":"User","fields":[{"name":"ip","type":"string"},{"name":"n","type":"int"}]}'


def reading(fake: FakeRegistry) -> str:
    url = f"'value.format' = 'avro-confluent', 'value.avro-confluent.url' = '{fake.url}'"
    return source("a", COLUMNS).replace("'format' = 'json'", url) + "".join(
        (appended("b", "ip STRING, n INT"), "INSERT INTO b SELECT ip, n FROM a;")
    ).replace("'json.ignore-parse-errors' = 'true'", "")


def test_a_record_of_an_unknown_schema_is_a_dead_letter_when_asked_for(tmp_path: Path, fake: FakeRegistry) -> None:
    good = encoder(fake.registry(), "a-value", USER, register=True).encode(b'{"ip": "x", "n": 1}')
    with Rig(reading(fake), tmp_path, unknown_waits=False) as rig:
        rig.put("a", 0, framed(7, b"x"), good, framed(7, b"y"))
        rig.step()
        assert [row["n"] for row in rig.rows("b") if row] == [1]
        assert [letter.value for letter in rig.sent(DEAD_LETTERS)] == [framed(7, b"x"), framed(7, b"y")]
        assert [path for _, path, _ in fake.requests].count("/schemas/ids/7") == 1
        fake.schemas.clear()
        rig.put("a", 0, framed(8, b"x"))
        with pytest.raises(ClickstreamError, match="no longer has schema 1: it was wiped"):
            rig.step()


def test_it_waits_otherwise(tmp_path: Path, fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avro, "PATIENCE_S", 0.05)
    monkeypatch.setattr(waiting, "ASK_EVERY_S", 0.02)
    with Rig(reading(fake), tmp_path) as rig:
        rig.put("a", 0, framed(7, b"x"))
        with pytest.raises(ClickstreamError, match=r"does not know schema 7, for 0\.05 s"):
            rig.step()
        assert not rig.sent(DEAD_LETTERS)
