import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.records import (
    EVENT_NAMES,
    CounterState,
    Event,
    Position,
    Requests,
    RunningSql,
    SinkExtra,
    SinkKey,
    SinkOwner,
    SinkPlace,
    StateKey,
    Status,
    Tally,
    TransformKey,
    TransformOwner,
    TransformPlace,
    WebClick,
    decode,
    encode,
    utc_text,
)

END_OF_2019 = 1577836799.9
COUNTS = st.dictionaries(st.text().filter(lambda name: name != "receiveAt"), st.integers(0, 2**63), max_size=5)


def test_a_date_is_in_utc_and_whole_seconds() -> None:
    assert utc_text(0) == "1970-01-01T00:00:00UTC"
    assert utc_text(END_OF_2019) == "2019-12-31T23:59:59UTC"


# --- events


def test_an_event_reads_as_the_original_wrote_it() -> None:
    text = (
        b'{"date":"2020-03-25T19:05:49UTC","productId":"4pqurkxx3oku8yj","eventName":"productview","userId":"ur0kzmbj"}'
    )
    event = Event("2020-03-25T19:05:49UTC", "4pqurkxx3oku8yj", "productview", "ur0kzmbj")
    assert decode(text, Event) == event
    assert encode(event) == text


def test_the_event_names() -> None:
    assert EVENT_NAMES == ("productview", "purchase", "addtobasket", "removefrombasket")


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        b'{"date":"d","productId":"p","eventName":"e","userId":"u","more":1}',
        b'{"date":"d","productId":"p","eventName":1,"userId":"u"}',
        b'{"date":"d","product_id":"p","event_name":"e","user_id":"u"}',
    ],
)
def test_what_is_no_event_is_refused(value: bytes | None) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode(value, Event)


def test_a_web_click_has_its_time_in_ms_as_an_underscored_member() -> None:
    click = WebClick("1.2.3.4", None, None, "25/Mar/2020:19:05:49 +0000", 1585163149000, "GET /", 200, 5, None, None)
    assert json.loads(encode(click)) == {
        "ip": "1.2.3.4",
        "userid": None,
        "remote_user": None,
        "time": "25/Mar/2020:19:05:49 +0000",
        "_time": 1585163149000,
        "request": "GET /",
        "status": 200,
        "bytes": 5,
        "referrer": None,
        "agent": None,
    }
    assert decode(encode(click), WebClick) == click


# --- tallies


def test_a_tally_is_one_flat_object_with_the_time_last() -> None:
    tally = Tally({"productview": 9278, "purchase": 9301}, "2020-02-27T00:06:38UTC")
    assert tally.encode() == b'{"productview":9278,"purchase":9301,"receiveAt":"2020-02-27T00:06:38UTC"}'
    assert tally.total == 18579


@given(COUNTS, st.text())
def test_a_tally_reads_as_it_was_written(counts: dict[str, int], receive_at: str) -> None:
    tally = Tally(counts, receive_at)
    assert Tally.decode(tally.encode()) == tally
    assert json.loads(tally.encode()) == {**counts, "receiveAt": receive_at}


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[]",
        b"null",
        b'{"purchase":1}',
        b'{"purchase":1,"receiveAt":2}',
        b'{"purchase":"1","receiveAt":"now"}',
        b'{"purchase":1.5,"receiveAt":"now"}',
        b'{"purchase":true,"receiveAt":"now"}',
        b'{"purchase":null,"receiveAt":"now"}',
        b'{"purchase":1,"receiveAt":"now"',
    ],
)
def test_what_is_no_tally_is_refused(value: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        Tally.decode(value)


def test_a_tally_that_is_no_utf_8_is_refused() -> None:
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        Tally.decode(b'{"a\xff":1,"receiveAt":"now"}')


# --- the counter's state


def state(**changes: Any) -> CounterState:
    given: dict[str, Any] = {
        "epoch": 1,
        "topic": "event-topic",
        "topic_id": "id",
        "field": "eventName",
        "output": "unique-event-topic",
        "partition": 2,
        "next_offset": 17,
        "counts": {"purchase": 3},
    }
    return CounterState(**{**given, **changes})


def test_a_state_holds_all_that_a_restart_checks() -> None:
    assert json.loads(encode(state(at_end=True))) == {
        "version": 1,
        "epoch": 1,
        "topic": "event-topic",
        "topic_id": "id",
        "field": "eventName",
        "output": "unique-event-topic",
        "partition": 2,
        "next_offset": 17,
        "counts": {"purchase": 3},
        "at_end": True,
    }


@given(COUNTS, st.integers(0, 2**63 - 1), st.integers(0, 2**31), st.text(), st.booleans())
def test_a_state_reads_as_it_was_written(
    counts: dict[str, int], offset: int, epoch: int, field: str, at_end: bool
) -> None:
    written = state(counts=counts, next_offset=offset, epoch=epoch, field=field, at_end=at_end)
    assert decode(encode(written), CounterState) == written


def test_states_of_two_epochs_have_two_keys() -> None:
    assert encode(StateKey(1, 2)) == b'{"epoch":1,"partition":2}'
    assert encode(StateKey(2, 2)) != encode(StateKey(1, 2))


# --- statuses


def test_a_status_reads_as_it_was_written() -> None:
    status = Status("counter-h-1", "counter", "h", "2020-01-01T00:00:00UTC", "running", {"counted": 1.5}, ["a", "b"])
    assert decode(encode(status), Status) == status


def test_a_full_status_and_running_sql() -> None:
    status = Status(
        *("tables-h-1-clicks", "tables", "h", "2020-01-01T00:00:00UTC", "running", {"rows": 1.5}, ["a", "b"]),
        name="clicks",
        group="g",
        totals={"rows": 3},
        gauges={"watermark_delay_seconds": 0.5},
        positions=[Position("a", 0, 7), Position("a", 1, 8, "clicks", 1_000, idle=True)],
        last_success="2020-01-01T00:00:01UTC",
        error="x",
        error_at="2020-01-01T00:00:02UTC",
    )
    assert decode(encode(status), Status) == status
    sql = RunningSql(status.id, "clicks", "SELECT 1", {"edges": [{"from": "a"}]})
    assert decode(encode(sql), RunningSql) == sql
    assert sql.key == "tables-h-1-clicks/plan"


def test_the_last_requests_of_a_collector() -> None:
    told = Requests("collect-h-1", [{"received_at": 1, "endpoint": "POST /e", "steps": []}])
    assert decode(encode(told), Requests) == told
    assert told.key == "collect-h-1/requests"


def test_what_a_sink_keeps_has_one_key_each() -> None:
    keys = [
        SinkKey("k", "n"),
        SinkKey("k", "n", "t", 0),
        SinkKey("k", "n", "t", 0, extra=True),
        SinkKey("k", "n", "t", 1),
    ]
    assert encode(keys[1]) == b'["k","n","t",0,false]'
    assert len({encode(key) for key in keys}) == 4
    assert [decode(encode(key), SinkKey) for key in keys] == keys


@pytest.mark.parametrize(
    "record",
    [SinkOwner(3, "host pid 7", "there", ["t"]), SinkPlace(3, "host pid 7", "id", 2**62), SinkExtra(3, "{}")],
)
def test_what_a_sink_keeps_comes_back_as_it_was(record: object) -> None:
    assert decode(encode(record), type(record)) == record


# --- transforms


def test_a_place_and_the_owner_of_a_transform_stand_on_one_topic() -> None:
    place = TransformPlace(topic="clicks", topic_id="id", output="texts", partition=2, next_offset=7)
    owner = TransformOwner(id="1", process="host pid 3", since=utc_text(0))
    for one in (place, owner):
        assert decode(encode(one), TransformPlace | TransformOwner) == one  # type: ignore[arg-type]
    for key in (TransformKey(2), TransformKey(None)):
        assert decode(encode(key), TransformKey) == key
