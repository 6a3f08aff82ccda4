"""An archive in a folder: what is written, when it counts, and whose it is."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream.errors import ConfigError
from clickstream.kafka.log import LogIdentity
from clickstream.sinks.inputs import described, whole
from clickstream.sinks.model import Batch, Claim
from clickstream.sinks.parquet.folder import FolderStore
from clickstream.sinks.parquet.layout import Layout
from clickstream.sinks.parquet.manifest import Manifest
from clickstream.sinks.target import Away, Fenced
from tests.unit.sinks.archives import (
    HOUR,
    START,
    TOPIC,
    ask,
    batch,
    claim,
    data_files,
    fill,
    in_log,
    interleaved,
    origins,
    record,
    rows_of,
    target,
    versions,
)


@pytest.fixture(params=["UTC", "America/New_York"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The machine's zone: nothing depends on it."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


def test_records_are_there_once_and_the_next_start_goes_on(tmp_path: Path) -> None:
    log = interleaved(100)
    written = fill(target(tmp_path), log[:60], 20)
    more = fill(target(tmp_path), log, 20)
    assert (written.appended, more.appended) == (60, 40)
    assert origins(tmp_path) == in_log(log)


def test_an_hour_has_a_folder_and_a_batch_a_file_in_each(tmp_path: Path) -> None:
    # On both sides of an hour's edge, again and again: a file for each side, no more.
    log = [record(number, timestamp=START - 1 + number % 2) for number in range(1_000)]
    fill(target(tmp_path), log, 1_000)
    assert [re.sub(r"/[^/]*$", "", name) for name in data_files(tmp_path)] == [
        "events/data/date=2026-01-01/hour=06",
        "events/data/date=2026-01-01/hour=07",
    ]


@pytest.mark.parametrize(
    ("timestamp", "date", "hour"),
    [
        (-1, None, None),
        (-2, "1969-12-31", 23),
        (0, "1970-01-01", 0),
        (-62_135_596_800_000, "0001-01-01", 0),
        (253_402_300_799_999, "9999-12-31", 23),
        (253_402_300_800_000, None, None),
        (2**62, None, None),
        (-(2**62), None, None),
        (1_773_557_999_999, "2026-03-15", 6),  # when New York's clocks had changed
    ],
)
def test_the_folder_is_that_of_the_time_in_utc(
    tmp_path: Path, zone: str, timestamp: int, date: str | None, hour: int | None
) -> None:
    fill(target(tmp_path), [record(0, timestamp=timestamp)], 1)
    assert ask(tmp_path, 'SELECT CAST("date" AS VARCHAR), "hour", _timestamp FROM events') == [(date, hour, timestamp)]


def test_any_bytes_come_back(tmp_path: Path) -> None:
    headers = [("a", b"\0\xff"), ("a", None), ("ü", b"")]
    log = [
        record(0, b"\0\xff\xfe", key=b"\0", headers=headers),
        record(1, None, key=None),
        record(2, b"", key=b""),
        record(3, b"x" * 1_000_000),
        record(4, '{"text": "ü"}'.encode()),
    ]
    written = fill(target(tmp_path), log, 10)
    assert (written.appended, written.deleted) == (4, 1)
    assert ask(tmp_path, "SELECT _key, _value, _deleted, key, value FROM events ORDER BY _offset LIMIT 3") == [
        (b"\0", b"\0\xff\xfe", False, "\0", None),
        (None, None, True, None, None),
        (b"", b"", False, "", ""),
    ]
    assert ask(tmp_path, "SELECT _headers FROM events WHERE _offset < 2 ORDER BY _offset") == [
        ([{"name": name, "value": value} for name, value in headers],),
        (None,),
    ]
    assert (
        ask(tmp_path, "SELECT length(value), value FROM events WHERE _offset > 2 ORDER BY _offset")[0][0] == 1_000_000
    )
    assert ask(tmp_path, "SELECT value FROM events WHERE _offset = 4") == [('{"text": "ü"}',)]


COLUMNS = (
    '`a"b` STRING, `ü` INT, `select` BIGINT, userId DOUBLE, `userid` BOOLEAN, `at` TIMESTAMP(3), on_day DATE, '
    "seen TIMESTAMP_LTZ(3)"
)


def test_columns_have_their_types_and_names_beside_the_record(tmp_path: Path, zone: str) -> None:
    source = described("web.events", COLUMNS, None)
    value = (
        b'{"a\\"b": "x\\u0000y", "\xc3\xbc": -2147483648, "select": 9223372036854775807, "userId": 1e308, '
        b'"userid": true, "at": "1969-12-31 23:59:59.999", "on_day": "0001-01-01", "seen": "9999-12-31 23:59:59.999Z"}'
    )
    fill(target(tmp_path), [record(0, value, topic="web.events"), record(1, b"{}", topic="web.events")], 2, source)
    [found, empty] = ask(
        tmp_path,
        'SELECT "a""b", "ü", "select", userId, userid_1, epoch_ms("at"), CAST(on_day AS VARCHAR), epoch_ms(seen), '
        "_value FROM web_events ORDER BY _offset",
    )
    assert found == (
        "x\0y", -(2**31), 2**63 - 1, 1e308, True, -1, "0001-01-01", 253_402_300_799_999, value,
    )  # fmt: skip
    assert set(empty[:-1]) == {None}


def test_a_column_that_is_called_date_is_the_tables_own(tmp_path: Path) -> None:
    source = described(TOPIC, "`date` STRING, `Hour` STRING", None)
    fill(target(tmp_path), [record(0, b'{"date": "today", "Hour": "late"}')], 1, source)
    assert ask(tmp_path, 'SELECT "date", "hour" FROM events') == [("today", "late")]


def test_a_column_of_the_archives_own_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Column _Offset of events: the archive has its own column"):
        claim(target(tmp_path), described(TOPIC, "`_Offset` INT", None))


def test_tombstones_of_upserts_are_kept(tmp_path: Path) -> None:
    source = described(TOPIC, "id STRING NOT NULL, n INT", "id")
    log = [record(0, b'{"id":"a","n":1}', key=b'{"id":"a"}'), record(1, None, key=b'{"id":"a"}')]
    written = fill(target(tmp_path), log, 2, source)
    assert (written.appended, written.deleted) == (1, 1)
    assert ask(tmp_path, "SELECT id, n, _deleted FROM events ORDER BY _offset") == [("a", 1, False), ("a", None, True)]


def test_a_new_column_is_null_in_what_was_there_before(tmp_path: Path) -> None:
    fill(target(tmp_path), [record(0, b'{"a": 1}')], 1, described(TOPIC, "a INT", None))
    fill(target(tmp_path), [record(0), record(1, b'{"a": 2, "b": "x"}')], 1, described(TOPIC, "a INT, b STRING", None))
    assert ask(tmp_path, "SELECT a, b FROM events ORDER BY _offset") == [(1, None), (2, "x")]


def test_a_column_of_another_type_is_refused(tmp_path: Path) -> None:
    fill(target(tmp_path), [record(0, b'{"a": 1}')], 1, described(TOPIC, "a INT", None))
    with pytest.raises(ConfigError, match=r"Column a of events is STRING, and INT in "):
        claim(target(tmp_path), described(TOPIC, "a STRING", None))


def test_files_of_before_and_after_a_new_column_become_one(tmp_path: Path) -> None:
    few = Layout(small_files=1)
    log = [record(number, b'{"a": %d, "b": "x"}' % number, headers=[("h", b"1")]) for number in range(4)]
    columns = "a INT, hs MAP<STRING, BYTES> METADATA FROM 'headers'"
    fill(target(tmp_path, few), log[:1], 1, described(TOPIC, columns, None))
    fill(target(tmp_path, few), log, 1, described(TOPIC, f"{columns}, b STRING", None))
    assert len(Manifest(FolderStore(tmp_path), TOPIC).load().files) == 1
    assert ask(tmp_path, "SELECT a, b, hs['h'], _headers[1].name FROM events ORDER BY _offset") == [
        (number, "x" if number else None, b"1", "h") for number in range(4)
    ]


def test_a_batch_of_two_tables_is_two_commits_and_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = target(tmp_path)
    sources = [whole("a"), whole("b")]
    claimed = Claim("clickstream", "here", [LogIdentity("a", "id"), LogIdentity("b", "id")])
    one.connect()
    one.prepare(sources)
    epoch = one.claim(claimed).epoch
    both = Batch(
        tuple(rows_of([record(0, topic=source.topic)], source) for source in sources), {("a", 0): 1, ("b", 0): 1}
    )
    create = FolderStore.create

    def fails_at_the_second(store: FolderStore, name: str, content: bytes) -> bool:
        if name.startswith("b/"):
            raise Away("no room")
        return create(store, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "create", fails_at_the_second)
        with pytest.raises(Away):
            one.write(both)
    assert one.claim(Claim(claimed.sink, claimed.owner, claimed.topics, epoch)).places[("a", 0)].offset == 1
    written = one.write(Batch(both.rows[1:], {("b", 0): 1}))
    assert written.appended == 2
    assert (origins(tmp_path, "a"), origins(tmp_path, "b")) == ([(0, 0)], [(0, 0)])


def test_what_else_lies_in_the_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir(mode=0)
    (tmp_path / "notes.txt").write_text("mine")
    fill(target(tmp_path), [record(0)], 1)
    assert origins(tmp_path) == [(0, 0)]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_what_a_killed_process_left_beside_the_tables_is_deleted(tmp_path: Path) -> None:
    old, new = tmp_path / ".1.partial", tmp_path / ".2.partial"
    for one in (old, new):
        one.write_text("half")
    os.utime(old, (1, 1))
    claim(target(tmp_path))
    assert (old.exists(), new.exists()) == (False, True)


def test_a_table_without_records_can_be_asked(tmp_path: Path) -> None:
    claim(target(tmp_path), described(TOPIC, COLUMNS, None))
    assert ask(tmp_path, 'SELECT count(*), count("a""b"), count("date") FROM events') == [(0, 0, 0)]


@pytest.mark.parametrize("folder", ["x=1", "a'b", "a[1]*?", "ü", 'q"q', "a;b -- "])
def test_the_folder_may_have_any_name(tmp_path: Path, folder: str) -> None:
    log = interleaved(10)
    fill(target(tmp_path / folder), log, 10)
    assert origins(tmp_path / folder) == in_log(log)


@pytest.mark.parametrize("name", ["user", "Order", 'a"b', "ü" * 30, "../up", ".hidden", "a/b", "sel'ect", "%41"])
def test_a_table_may_have_any_name(tmp_path: Path, name: str) -> None:
    source = type(whole(TOPIC))(TOPIC, name, ())
    root = tmp_path / "archive"
    fill(target(root), [record(0)], 1, source)
    quoted = name.replace('"', '""')
    assert ask(root, f'SELECT count(*) FROM "{quoted}"') == [(1,)]
    assert [one.name for one in tmp_path.iterdir()] == ["archive"]


def test_a_table_whose_name_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a folder"):
        claim(target(tmp_path), type(whole(TOPIC))(TOPIC, "ü" * 40, ()))


def test_places_without_records_are_kept(tmp_path: Path) -> None:
    one = target(tmp_path)
    claim(one)
    one.write(Batch((), {(TOPIC, 0): 7}))
    stored = claim(target(tmp_path))
    assert stored.places[TOPIC, 0].offset == 7
    assert data_files(tmp_path) == []


# --- whose it is


def test_the_newest_takes_over_and_the_older_one_names_it(tmp_path: Path) -> None:
    older, newer = target(tmp_path), target(tmp_path)
    claim(older, owner="here pid 1")
    older.write(batch([record(0)]))
    stored = claim(newer, owner="there pid 2")
    newer.write(batch([record(1)]))

    with pytest.raises(Fenced, match=r"events is written by there pid 2 now"):
        older.write(batch([record(1)]))

    assert stored.epoch == 2
    newer.write(batch([record(2)]))
    assert origins(tmp_path) == [(0, 0), (0, 1), (0, 2)]


def test_an_older_one_that_slept_while_its_version_was_folded_is_fenced(tmp_path: Path) -> None:
    older, newer = target(tmp_path, fold_every=4), target(tmp_path, fold_every=4)
    claim(older)
    older.write(batch([record(0)]))
    claim(newer, owner="there pid 2")
    for number in range(1, 20):
        newer.write(batch([record(number)]))
    assert "000000000003.json" not in versions(tmp_path)

    with pytest.raises(Fenced, match="there pid 2"):
        older.write(batch([record(1)]))

    newer.write(batch([record(20)]))
    assert origins(tmp_path) == [(0, number) for number in range(21)]
    fill(target(tmp_path, fold_every=4), [record(number) for number in range(22)], 1)
    assert origins(tmp_path) == [(0, number) for number in range(22)]


def test_an_older_one_that_looks_again_is_fenced(tmp_path: Path) -> None:
    older = target(tmp_path)
    epoch = claim(older).epoch
    claim(target(tmp_path), owner="there pid 2")
    with pytest.raises(Fenced, match="there pid 2"):
        claim(older, epoch=epoch)


def test_two_that_claim_several_tables_at_once_do_not_fence_each_other(tmp_path: Path) -> None:
    sources = [whole("a"), whole("b")]
    identities = [LogIdentity("a", "id"), LogIdentity("b", "id")]
    first, second = target(tmp_path), target(tmp_path)
    for one in (first, second):
        one.connect()
        one.prepare(sources)
    # The first has claimed one table when the second comes.
    take = first._take_over_table
    calls: list[object] = []

    def interrupted(table: object, state: object) -> bool:
        calls.append(table)
        if len(calls) == 2:
            second.claim(Claim("clickstream", "second", identities))
        return take(table, state)  # type: ignore[arg-type]

    first._take_over_table = interrupted  # type: ignore[method-assign]
    first.claim(Claim("clickstream", "first", identities))

    first.write(batch([record(0, topic="a")], whole("a")))
    with pytest.raises(Fenced, match="by first now"):
        second.write(batch([record(0, topic="b")], whole("b")))


def test_another_sink_or_topic_is_refused(tmp_path: Path) -> None:
    claim(target(tmp_path))
    with pytest.raises(ConfigError, match=r"has a table events of topic events, by sink clickstream"):
        claim(target(tmp_path), sink="other")
    with pytest.raises(ConfigError, match=r"than for topic other by sink clickstream"):
        claim(target(tmp_path), type(whole(TOPIC))("other", TOPIC, ()))


def test_a_recreated_topic_is_seen_by_its_id(tmp_path: Path) -> None:
    fill(target(tmp_path), [record(0)], 1)
    stored = claim(target(tmp_path), topic_id="another")
    assert stored.places[TOPIC, 0].topic_id == "id"


def test_forgetting_empties_the_table_and_fences_whoever_writes(tmp_path: Path) -> None:
    older = target(tmp_path)
    claim(older)
    older.write(batch([record(0)]))
    one = target(tmp_path)
    one.connect()
    one.prepare([described(TOPIC, "other STRING", None)])
    one.forget([], "clickstream")

    assert ask(tmp_path, "SELECT count(*) FROM events") == [(0,)]
    assert data_files(tmp_path) == []
    with pytest.raises(Fenced, match="a --reset of clickstream"):
        older.write(batch([record(1)]))
    stored = claim(target(tmp_path), described(TOPIC, "other STRING", None), topic_id="another")
    assert stored.places == {}


# --- few files


def test_small_files_of_an_hour_become_one_and_readers_have_time(tmp_path: Path) -> None:
    now = [1_000.0]
    one = target(tmp_path, Layout(small_files=3, keep_s=60.0), clock=lambda: now[0])
    log = interleaved(60)
    fill(one, log[:40], 10)  # the fourth batch is one too many
    before = (tmp_path / "archive.sql").read_text()
    state = Manifest(FolderStore(tmp_path), TOPIC).load()
    assert len(state.files) == 3
    assert len(data_files(tmp_path)) == 3 + 12
    assert origins(tmp_path) == in_log(log[:40])

    now[0] += 61.0
    one.write(batch(log[40:50]))
    one.write(batch(log[50:]))

    assert len(data_files(tmp_path)) == 3 + 2 * 3
    assert Manifest(FolderStore(tmp_path), TOPIC).load().retired == {}
    assert origins(tmp_path) == in_log(log)
    assert before != (tmp_path / "archive.sql").read_text()


def test_an_hour_that_is_over_becomes_one_file(tmp_path: Path) -> None:
    now = [1_000.0]
    one = target(tmp_path, Layout(settled_s=900.0), clock=lambda: now[0])
    claim(one)
    one.write(batch([record(0)]))
    one.write(batch([record(1)]))
    now[0] += 901.0
    one.write(batch([record(2, timestamp=START + HOUR)]))
    assert len(Manifest(FolderStore(tmp_path), TOPIC).load().files) == 2
    assert origins(tmp_path) == [(0, 0), (0, 1), (0, 2)]


def test_late_records_of_a_day_leave_a_bounded_number_of_files(tmp_path: Path) -> None:
    one = target(tmp_path, Layout(small_files=4))
    log = interleaved(24 * 10, hours=24)
    fill(one, log, 24)
    assert len(Manifest(FolderStore(tmp_path), TOPIC).load().files) <= 24 * 5
    assert origins(tmp_path) == in_log(log)


def test_large_files_are_left_alone(tmp_path: Path) -> None:
    one = target(tmp_path, Layout(small_bytes=1, small_files=1))
    fill(one, [record(number) for number in range(3)], 1)
    assert len(data_files(tmp_path)) == 3


def test_a_rewriting_reads_no_more_than_fits(tmp_path: Path) -> None:
    one = target(tmp_path, Layout(small_files=3, rewrite_bytes=250_000))
    fill(one, [record(number, b"x" * 100_000) for number in range(6)], 1)
    state = Manifest(FolderStore(tmp_path), TOPIC).load()
    assert max(len(found.offsets) and found.rows for found in state.files.values()) == 2
    assert origins(tmp_path) == [(0, number) for number in range(6)]


def test_old_versions_are_folded(tmp_path: Path) -> None:
    one = target(tmp_path, fold_every=10)
    log = [record(number) for number in range(95)]
    fill(one, log, 1)
    assert len(list(versions(tmp_path))) <= 2 * 10 + 2
    assert origins(tmp_path) == in_log(log)
    assert claim(target(tmp_path)).places[TOPIC, 0].offset == 95
