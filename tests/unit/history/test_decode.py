from collections import Counter
from typing import Any

import pytest

from clickstream.generate.flaws import spoilers
from clickstream.history.decode import TIMELESS, UNREADABLE, Click, ProductEvent, Reader, VipAction
from clickstream.records import Event, VipClick, WebClick, encode

CLICK = WebClick("10.0.0.1", 7, None, "-", 1_000, "GET / HTTP/1.1", 200, 5, None, "x")


def test_what_others_write_is_read() -> None:
    (click,) = Reader(Click).read([encode(CLICK)])
    assert (click.time, click.ip, click.userid, click.status, click.bytes) == (1_000, "10.0.0.1", 7, 200, 5)
    (event,) = Reader(ProductEvent).read([encode(Event("1970-01-01T00:00:02UTC", "p", "purchase", "u"))])
    assert (event.time, event.name, event.product, event.user) == (2_000, "purchase", "p", "u")
    (action,) = Reader(VipAction).read([encode(VipClick("u1", 3_000, 2, "add", "mobile", "x"))])
    assert (action.time, action.user, action.page, action.action) == (3_000, "u1", 2, "add")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", UNREADABLE),
        (b"null", UNREADABLE),
        (b"[1]", UNREADABLE),
        (b'{"_time":1', UNREADABLE),
        (b'{"_time":1,"ip":"\xff"}', UNREADABLE),
        (b"[" * 100_000, UNREADABLE),
        (b"{}", TIMELESS),
        (b'{"_time":null}', TIMELESS),
        (b'{"_time":"unknown"}', TIMELESS),
        (b'{"_time":true}', TIMELESS),
        (b'{"_time":-1}', TIMELESS),
        (b'{"_time":1e400}', UNREADABLE),
        (b'{"_time":99999999999999999999999}', TIMELESS),
        (b'{"_time":"--1"}', TIMELESS),
    ],
)
def test_what_is_no_click_is_counted_and_left_out(value: bytes, reason: str) -> None:
    reader = Reader(Click)
    assert reader.read([value, encode(CLICK)])[0].time == 1_000
    assert reader.skipped == Counter({reason: 1})


@pytest.mark.parametrize(
    ("member", "field", "found"),
    [
        (b'"status":"404"', "status", 404),
        (b'"status":"unknown"', "status", None),
        (b'"status":[1]', "status", None),
        (b'"status":"--5"', "status", None),
        (b'"status":"+-5"', "status", None),
        (b'"bytes":"' + b"9" * 5_000 + b'"', "bytes", None),
        (b'"userid":"-' + b"0" * 5_000 + b'"', "userid", None),
        (b'"bytes":{"a":1}', "bytes", None),
        (b'"userid":"7"', "userid", 7),
        (b'"ip":10', "ip", None),
        (b'"agent":false', "agent", None),
    ],
)
def test_a_field_of_a_wrong_type_is_none_and_the_click_counts(member: bytes, field: str, found: Any) -> None:
    reader = Reader(Click)
    (click,) = reader.read([b'{"_time":"1000",' + member + b"}"])
    assert click.time == 1_000
    assert getattr(click, field) == found
    assert not reader.skipped


def test_no_malformed_record_of_the_generator_stops_anything() -> None:
    spoil = spoilers(["status", "_time", "bytes", "userid"])
    reader = Reader(Click)
    values = [next(spoil)(encode(CLICK)) for _ in range(40)]
    found = reader.read(values)
    assert len(found) + sum(reader.skipped.values()) == 40
    assert found
    assert reader.skipped[TIMELESS] == 2, "every fifth has a text for a number, and every fourth of these for the time"


@pytest.mark.parametrize("date", ["", "2020", "2020-13-01T00:00:00UTC", "2020-01-01T00:00:00Z"])
def test_a_date_that_is_none(date: str) -> None:
    reader = Reader(ProductEvent)
    assert reader.read([encode({"date": date})]) == []
    assert reader.skipped == Counter({TIMELESS: 1})


def test_tombstones_are_no_records() -> None:
    reader = Reader(Click)
    assert reader.read([None]) == []
    assert not reader.skipped
