"""The sink into PostgreSQL, on a real server: what is in the tables is what is in the topics."""

import math
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from clickstream.sinks.inputs import plain
from clickstream.sinks.postgres.rows import NUL, SURROGATE, YEAR
from clickstream.sinks.reading import NO_TEXT
from clickstream.tables.engine.decoding.coerce import HALF
from tests.integration.postgressupport import Place, check_of
from tests.integration.sinksupport import hits
from tests.postgres import execute


@pytest.fixture
def place(kafka: str, postgres: str) -> Place:
    return Place.at(kafka, postgres)


def test_rows_replace_and_delete_each_other_and_the_next_start_goes_on(place: Place) -> None:
    place.send(hits(("a", 1), ("b", 2), ("c", 3), ("b", None), ("a", 4)))
    sink = place.fill(place.source())
    assert place.rows("id, n") == [("a", 4), ("c", 3)]
    assert (sink.totals()["upserted"], sink.totals()["deleted"]) == (4, 1)

    place.send(hits(("b", 5), ("c", None)))
    sink = place.fill(place.source())

    assert place.rows("id, n") == [("a", 4), ("b", 5)]
    assert sink.totals()["written"] == 2
    kinds = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = '{}' ORDER BY 1"
    assert dict(execute(place.dsn, kinds.format(place.table))) == {
        "_offset": "bigint",
        "_partition": "integer",
        "id": "text",
        "n": "integer",
    }


def test_ten_thousand_records_over_a_hundred_keys_in_few_batches(place: Place) -> None:
    chance = random.Random(5)
    sent = [(f"k{chance.randrange(100)}", None if chance.random() < 0.2 else number) for number in range(10_000)]
    place.send(hits(*sent))

    sink = place.fill(place.source())

    live = dict(sent)
    assert dict(place.rows("id, n")) == {key: n for key, n in live.items() if n is not None}
    assert sink.totals()["written"] == 10_000


def test_a_key_that_comes_goes_and_comes_again(place: Place) -> None:
    place.send(hits(("one batch", 1), ("one batch", None), ("one batch", 2)))
    for records_ in (("three", 1), ("three", None), ("three", 3)):
        place.send(hits(records_))
        place.fill(place.source())
    place.send([(None, None), (None, {"id": "x", "n": 1}), (b"no json", None)])

    sink = place.fill(place.source())

    assert place.rows("id, n") == [("one batch", 2), ("three", 3)]
    assert sink.totals()["dead_lettered"] == 3
    assert len(place.letters()) == 3


def test_streams_are_appended_with_where_they_come_from(place: Place) -> None:
    place.send([(b"k", {"id": "a", "n": 1}), (b"k", {"id": "a", "n": 1})], partition=2)
    place.fill(place.source(key=None))
    place.fill(place.source(key=None))

    assert place.rows('id, n, "_partition", "_offset"', "4") == [("a", 1, 2, 0), ("a", 1, 2, 1)]


def test_a_topic_of_which_nothing_is_known(place: Place) -> None:
    place.send(
        [(b"k", b"text"), (b"k", None), (b"\xff", b"x"), (None, b"x\0y"), (b"k", b"\xff")], partition=0, timestamp=-1001
    )

    sink = place.fill(plain(place.topic))

    assert place.rows('key, value, "timestamp"::text', '"_offset"') == [
        ("k", "text", "1969-12-31 23:59:58.999+00"),
        ("k", None, "1969-12-31 23:59:58.999+00"),
        ("/w==", "x", "1969-12-31 23:59:58.999+00"),
        (None, "x\ufffdy", "1969-12-31 23:59:58.999+00"),
    ]
    assert sink.changed_values() == {("value", NUL): 1, (f"{place.topic}.key", NO_TEXT): 1}
    assert sink.totals()["dead_lettered"] == 1


def test_values_as_jsonb(place: Place) -> None:
    odd = b'{"a": "x\\u0000y \\ud800 \\ud83d\\ude00 \\\\u0000", "b": {"n\\u0000": 1}}'
    values = [odd, b"no json", b"1e400000", b'{"n": NaN}', b"[1.10]"]
    place.send([(b"k", value) for value in values], partition=0)

    sink = place.fill(plain(place.topic), place.target(jsonb=True))

    assert place.rows("value", '"_offset"') == [
        ({"a": "x\ufffdy \ufffd \U0001f600 \\u0000", "b": {"n\ufffd": 1}},),
        ([1.1],),
    ]
    assert dict(sink.written.cleaned) == {("value", NUL): 1, ("value", SURROGATE): 1}
    assert sorted((one.kind, one.value) for one in place.letters()) == [
        ("22003", b"1e400000"),
        ("22P02", b"no json"),
        ("22P02", b'{"n": NaN}'),
    ]
    assert "column value" in place.letters()[0].reason


@pytest.fixture(params=["UTC", "America/New_York"])
def zone(request: pytest.FixtureRequest) -> Iterator[None]:
    """The machine and its PostgreSQL sessions are elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        patch.setenv("PGTZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("zone")
def test_every_value_is_what_it_was(place: Place) -> None:
    columns = "id STRING NOT NULL, i INT, b BIGINT, d DOUBLE, o BOOLEAN, t TIMESTAMP(3), z TIMESTAMP_LTZ(3), y DATE"
    odd = {
        "low": (-(2**31), -(2**63), -1.7976931348623157e308, False, "1969-12-31 23:59:59.999", "1969-12-31"),
        "high": (2**31 - 1, 2**63 - 1, 5e-324, True, "9999-12-31 23:59:59.999", "9999-12-31"),
        "gap": (0, 0, 0.1 + 0.2, True, "2024-03-10 02:30:00.000", "2024-03-10"),  # an hour that New York lacks
        "first": (1, 1, -0.0, True, "0001-01-01 00:00:00.000", "0001-01-01"),
        "nulls": (None,) * 6,
    }
    sent: list[tuple[Any, Any]] = [
        ({"id": key}, {"id": key, "i": i, "b": b, "d": d, "o": o, "t": t, "z": t and f"{t}Z", "y": y})
        for key, (i, b, d, o, t, y) in odd.items()
    ]
    sent += [
        ({"id": "nan"}, b'{"id":"nan","d":"NaN","i":2147483648}'),
        ({"id": "inf"}, b'{"id":"inf","d":"-Infinity","b":9223372036854775808}'),
        ({"id": "big"}, b'{"id":"big","d":1e999,"t":"+10000-01-01 00:00:00.000","y":"+10000-01-01"}'),
        ({"id": "bc"}, b'{"id":"bc","z":"-0001-01-01 00:00:00.000Z","y":"-0001-01-01"}'),
    ]
    place.send(sent)

    sink = place.fill(place.source(columns))

    shown = {row[0]: row[1:] for row in place.rows("id, i, b, d, o, t::text, z::text, y::text")}
    for key, (i, b, d, o, t, y) in odd.items():
        text = t and t.rstrip("0").rstrip(".") + "+00"
        assert shown[key] == (i, b, d, o, text, text, y), key
    assert math.copysign(1.0, shown["first"][2]) == -1.0
    assert math.isnan(shown["nan"][2])
    assert (shown["inf"][2], shown["big"][2]) == (-math.inf, math.inf)
    assert shown["big"][4] is None
    assert dict(sink.written.cleaned) == {("t", YEAR): 1, ("z", YEAR): 1, ("y", YEAR): 2}
    assert dict(sink.nulled) == {(place.topic, "i"): 1, (place.topic, "b"): 1}


def test_texts_that_no_table_takes_as_they_are(place: Place) -> None:
    texts = {
        "nul": b'"a\\u0000b"',
        "half": b'"\\ud800"',
        "quotes": b'"\\"\\"\\r\\n\\\\.\\n,\\t\\\\N"',
        "empty": b'""',
        "end": b'"\\\\."',
        "emoji": b'"\\ud83d\\ude00"',
        "long": b'"' + b"x" * 900_000 + b'"',
    }
    place.send([({"id": key}, b'{"id":"%s","s":%s}' % (key.encode(), text)) for key, text in texts.items()])
    place.send([({"id": "n\0ul"}, {"id": "n\0ul", "s": "key"})])

    sink = place.fill(place.source("id STRING NOT NULL, s STRING"), keep_originals=True)

    assert dict(place.rows("id, s")) == {
        "nul": "a\ufffdb",
        "half": "?",
        "quotes": '""\r\n\\.\n,\t\\N',
        "empty": "",
        "end": "\\.",
        "emoji": "\U0001f600",
        "long": "x" * 900_000,
        "n\ufffdul": "key",
    }
    assert dict(sink.written.cleaned) == {("s", NUL): 1, ("id", NUL): 1}
    assert dict(sink.changed) == {(f"{place.topic}.s", HALF): 1}
    assert sorted((one.key, one.kind, one.reason.rpartition("changes: ")[2]) for one in place.letters()) == [
        (b'{"id":"half"}', "changed", f"column s: {HALF}"),
        (b'{"id":"n\\u0000ul"}', "changed", f"column id: {NUL}"),
        (b'{"id":"nul"}', "changed", f"column s: {NUL}"),
    ]
    assert sink.totals()["dead_lettered"] == 0


def test_a_key_that_no_index_takes_is_a_dead_letter(place: Place) -> None:
    text = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=4_000))
    place.send(hits(("a", 1), (text, 2), ("b", 3), ("x" * 2_000, 4)))

    place.fill(place.source())

    assert [n for (n,) in place.rows("n", "n")] == [1, 3, 4]
    [letter] = place.letters()
    assert (letter.kind, "column id: the key has 4,000 bytes" in letter.reason) == ("54000", True)


def test_odd_names(place: Place) -> None:
    columns = '`id` STRING NOT NULL, `user` INT, `Order` INT, `order` INT, `a"b` INT, `ü` INT, `%s` INT, `{x}` INT'
    place.send([({"id": "a"}, {"id": "a", "user": 1, "Order": 2, "order": 3, 'a"b': 4, "ü": 5, "%s": 6, "{x}": 7})])

    place.fill(place.source(columns))

    assert place.rows()[0][:8] == ("a", 1, 2, 3, 4, 5, 6, 7)
    assert check_of(place, place.source(columns)).differs == 0


def test_early_rows_say_that_they_are(place: Place) -> None:
    place.send(hits(("a", 1), ("b", 1)), headers=[("final", b"0")])
    place.fill(place.source(), early=True)
    assert place.rows("id, n, is_final") == [("a", 1, False), ("b", 1, False)]

    place.send(hits(("a", 2)))
    place.fill(place.source(), early=True)
    assert place.rows("id, n, is_final") == [("a", 2, True), ("b", 1, False)]
