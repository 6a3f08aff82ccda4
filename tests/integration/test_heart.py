"""run-producer and run-counter as a person runs them, and what the counter does with names and with its state."""

import re
import threading
from collections import Counter as Counts
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import Origin
from clickstream.tally.batch import MAX_NAMES
from clickstream.topics import ensure
from tests.integration.support import (
    SHORT_SESSION,
    Part,
    command_of,
    count,
    counted_by_hand,
    dead_letters,
    decreases,
    delete_records,
    how_many_counted,
    is_an_error_for_people,
    make_topic,
    named,
    options_for,
    produce,
    records,
    run,
    run_well,
    running,
    tallies,
    value,
    written,
)
from tests.support import PATIENCE, wait_until

EVENT = re.compile(
    rb'{"date":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dUTC","productId":"[a-z0-9]{15}",'
    rb'"eventName":"(productview|purchase|addtobasket|removefrombasket)","userId":"[a-z0-9]{8}"}'
)


@contextmanager
def counter_at_work(kafka: str, topic: str, *arguments: str, **changes: str) -> Iterator[Part]:
    """A run-counter process that has published what the topic holds."""
    out = f"{topic}-tally"
    ensure(Cluster(kafka), [out])
    before = written(kafka, out)
    with running(*command_of(topic, **changes), "-b", kafka, *arguments) as part:
        wait_until(lambda: not part.running or written(kafka, out) > before, 30, "a tally")
        assert part.running, part.said()
        yield part


@contextmanager
def always_written(kafka: str, topic: str) -> Iterator[None]:
    """A record in every partition each millisecond: faster than Kafka would tell of an end."""
    stop = threading.Event()

    def write() -> None:
        producer = Cluster(kafka).producer({"linger.ms": 0})
        while not stop.wait(0.001):
            for partition in range(3):
                producer.produce(topic, named("purchase")[0], partition=partition)
            producer.poll(0)
        producer.flush(60 * PATIENCE)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        yield
    finally:
        stop.set()
        writing.join()


# --- the two commands


def test_every_event_that_was_produced_is_counted(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    done = run_well("run-producer", "-b", kafka, "--topic", topic_name, "--count", "30500", "--rate", "max")
    assert "Produced 30,500, acknowledged 30,500, failed 0." in done.said
    done = run_well(*command_of(topic_name), "-b", kafka, "--exit-at-end")
    assert "Counted 30,500 records, 0 dead letters." in done.said

    found = records(kafka, topic_name)
    assert all(EVENT.fullmatch(value(record)) for record in found)
    assert {record.partition() for record in found} == {0, 1, 2}
    by_hand = counted_by_hand(kafka, topic_name)
    assert sum(by_hand.values()) == 30_500
    assert tallies(kafka, f"{topic_name}-tally")[-1] == by_hand
    assert {record.key() for record in records(kafka, f"{topic_name}-tally")} == {f"{topic_name}-group".encode()}


@pytest.mark.parametrize("emit", ["interval", "each"])
def test_the_end_of_a_topic_that_is_always_written_is_where_it_was_at_the_start(
    kafka: str, topic_name: str, emit: str
) -> None:
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, named(*["purchase"] * 1000))
    with always_written(kafka, topic_name):
        wait_until(lambda: written(kafka, topic_name) > 1000, 60, "the writer is at work")
        done = run_well(*command_of(topic_name), "-b", kafka, "--exit-at-end", "--emit", emit, timeout=120)
    counted = how_many_counted(done.said)
    assert counted >= 1000
    assert tallies(kafka, f"{topic_name}-tally")[-1] == {"purchase": counted}


def test_the_same_seed_makes_the_same_keys_and_events(kafka: str, topic_name: str) -> None:
    def events(name: str, *arguments: str) -> list[tuple[int | None, bytes | None, bytes]]:
        topic = f"{topic_name}-{name}"
        make_topic(kafka, topic)
        run_well("run-producer", "-b", kafka, "--topic", topic, "--count", "2500", *arguments)
        without_date = re.compile(rb'"date":"[^"]*"')
        return sorted(
            (record.partition(), record.key(), without_date.sub(b"", value(record))) for record in records(kafka, topic)
        )

    first = events("one", "--seed", "7", "--threads", "1", "--rate", "max")
    assert len(first) == 2500
    assert events("two", "--seed", "7", "--threads", "4", "--rate", "5000") == first
    assert events("other", "--seed", "8", "--rate", "max") != first


def test_only_the_events_asked_for_are_produced(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    weights = ("--event", "purchase=3", "--event", "productview=1")
    run_well("run-producer", "-b", kafka, "--topic", topic_name, "--count", "8000", "--rate", "max", *weights)
    by_hand = counted_by_hand(kafka, topic_name)
    assert by_hand.keys() == {"purchase", "productview"}
    assert by_hand["purchase"] / by_hand["productview"] == pytest.approx(3, rel=0.15)


def test_two_members_that_exit_at_the_end_share_the_work(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, named(*["productview", "purchase", "purchase"] * 20_000))
    command = [*command_of(topic_name), "-b", kafka, "--exit-at-end", *SHORT_SESSION]
    with running(*command) as one, running(*command) as two:
        assert (one.wait(), two.wait()) == (0, 0), one.said() + two.said()
        counted = how_many_counted(one.said()) + how_many_counted(two.said())
    assert counted >= 60_000  # more when one began alone, and its unsaved part was counted again
    found = tallies(kafka, f"{topic_name}-tally")
    assert found[-1] == {"productview": 20_000, "purchase": 40_000}
    assert decreases(found) == []


def test_a_member_leaves_at_the_end_though_another_stays(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, named(*["purchase"] * 3000))
    # Members are assigned partitions in the order of their ids: the one that stays publishes.
    with counter_at_work(kafka, topic_name, "-X", "client.id=first") as staying:
        done = run_well(*command_of(topic_name), "-b", kafka, "--exit-at-end", "-X", "client.id=second")
        assert "Counted" in done.said
        assert staying.stop() == 0, staying.said()
    assert tallies(kafka, f"{topic_name}-tally")[-1] == {"purchase": 3000}


def test_a_counter_goes_on_where_the_last_one_stopped(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, named(*["purchase"] * 300))
    with counter_at_work(kafka, topic_name) as part:
        wait_until(lambda: tallies(kafka, f"{topic_name}-tally")[-1:] == [{"purchase": 300}], 20, "the first 300")
        assert part.stop() == 0
        assert "Counted 300 records" in part.said()
    produce(kafka, topic_name, named(*["purchase"] * 50))
    assert "Counted 50 records" in run_well(*command_of(topic_name), "-b", kafka, "--exit-at-end").said
    assert tallies(kafka, f"{topic_name}-tally")[-1] == {"purchase": 350}


# --- the end of topics that hold little


def test_an_empty_topic_ends_at_once_without_a_tally(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    assert count(kafka, topic_name).totals()["counted"] == 0
    assert tallies(kafka, f"{topic_name}-tally") == []


@pytest.mark.parametrize("each", [False, True])
def test_partitions_without_records_do_not_hold_up_the_end(kafka: str, topic_name: str, each: bool) -> None:
    make_topic(kafka, topic_name, partitions=4)
    produce(kafka, topic_name, named("purchase", "purchase"), partition=2)
    count(kafka, topic_name, each=each)
    assert tallies(kafka, f"{topic_name}-tally")[-1] == {"purchase": 2}


def test_a_tally_that_did_not_change_is_not_repeated(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, named("purchase"))
    for _ in range(2):
        count(kafka, topic_name)
    assert tallies(kafka, f"{topic_name}-tally") == [{"purchase": 1}]


# --- starting over


def test_reset_counts_again_from_the_start_of_the_log(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, named(*["purchase"] * 100))
    with counter_at_work(kafka, topic_name) as part:
        refused = run(*command_of(topic_name), "-b", kafka, "--exit-at-end", "--reset", "--yes")
        assert refused.code == 1
        assert is_an_error_for_people(refused, "1 running member", f"{topic_name}-group")
        assert part.stop() == 0

    unsure = run(*command_of(topic_name), "-b", kafka, "--exit-at-end", "--reset")
    assert unsure.code == 2
    assert is_an_error_for_people(unsure, "--yes")

    produce(kafka, topic_name, named(*["productview"] * 5))
    done = run_well(*command_of(topic_name), "-b", kafka, "--exit-at-end", "--reset", "--yes", "--interval", "0.01")
    assert "starts over (epoch 1)" in done.said
    assert "Counted 105 records" in done.said
    found = tallies(kafka, f"{topic_name}-tally")
    assert found[-1] == {"purchase": 100, "productview": 5}
    assert len(decreases(found)) <= 1

    again = run_well(*command_of(topic_name), "-b", kafka, "--exit-at-end")
    assert "Counted 0 records" in again.said
    assert tallies(kafka, f"{topic_name}-tally") == found


def test_the_one_permitted_decrease_is_a_reset(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, partitions=1)
    produce(kafka, topic_name, named(*["purchase"] * 9))
    count(kafka, topic_name)
    delete_records(kafka, topic_name, {0: 6})
    run_well(*command_of(topic_name), "-b", kafka, "--exit-at-end", "--reset", "--yes")
    assert tallies(kafka, f"{topic_name}-tally") == [{"purchase": 9}, {"purchase": 3}]


@pytest.mark.parametrize(
    "changes", [{"field": "userId"}, {"to_topic": "another-output"}, {"from_topic": "another-input"}]
)
def test_a_group_counts_one_thing_only(kafka: str, topic_name: str, changes: dict[str, str]) -> None:
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, named("purchase"))
    count(kafka, topic_name)
    for name in changes.keys() & {"from_topic"}:
        ensure(Cluster(kafka), [changes[name]])
    counts = f"field eventName of {topic_name} into {topic_name}-tally"
    with pytest.raises(ClickstreamError, match=f"has counted {counts}. .*--group, or --reset"):
        count(kafka, topic_name, options=options_for(topic_name, **changes))
    assert tallies(kafka, f"{topic_name}-tally") == [{"purchase": 1}]


# --- names


def test_names_are_counted_as_their_text(kafka: str, topic_name: str, caplog: pytest.LogCaptureFixture) -> None:
    make_topic(kafka, topic_name)
    names = ["purchase", "wishlist", "wishlist", "Überraschung", "", 404, 404, -1, True, "true", False, "4.5", "null"]
    produce(kafka, topic_name, named(*names))
    count(kafka, topic_name)
    as_text = [str(name).lower() if isinstance(name, bool) else str(name) for name in names]
    assert tallies(kafka, f"{topic_name}-tally")[-1] == dict(Counts(as_text))
    warned = re.findall(r"never seen before in field eventName: '(.*?)'", caplog.text)
    assert sorted(warned) == sorted(set(as_text) - {"purchase"})


def test_a_field_of_numbers_is_tallied(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, named(*[200] * 1500, *[404] * 20, 500, field="status"))
    count(kafka, topic_name, options=options_for(topic_name, field="status"))
    assert tallies(kafka, f"{topic_name}-tally")[-1] == {"200": 1500, "404": 20, "500": 1}


def test_more_names_than_a_tally_may_have_stop_the_counter(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, named(*range(MAX_NAMES)))
    count(kafka, topic_name)
    assert len(tallies(kafka, f"{topic_name}-tally")[-1]) == MAX_NAMES
    produce(kafka, topic_name, named("one more"))
    for _ in range(2):  # it stays so
        with pytest.raises(ClickstreamError, match="more than 10,000 different values"):
            count(kafka, topic_name)
    assert len(tallies(kafka, f"{topic_name}-tally")[-1]) == MAX_NAMES


# --- dead letters

UNREADABLE = {
    b'{"eventName":"\xff"}': "invalid UTF-8",
    b'{"eventName":"purchase","userId":"\xc3("}': "invalid UTF-8",
    b'{"userId":"u"}': "eventName",
    b'{"eventName":null}': "null",
    b'{"eventName":4.5}': "a number with a fraction",
    b'{"eventName":["purchase"]}': "an array",
    b'{"eventName":"receiveAt"}': "receiveAt",
    b'{"eventName":"purchase"': "not JSON",
    b"": "not JSON",
    None: "no value",
}


def test_a_record_without_a_name_becomes_a_dead_letter_with_its_origin(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name, partitions=1)
    produce(kafka, topic_name, [*UNREADABLE, *named("purchase", "purchase")], partition=0)
    count(kafka, topic_name)
    assert tallies(kafka, f"{topic_name}-tally")[-1] == {"purchase": 2}
    letters = dead_letters(kafka, f"{topic_name}-dead")
    assert [letter.value for letter in letters] == list(UNREADABLE)
    for offset, (letter, reason) in enumerate(zip(letters, UNREADABLE.values(), strict=True)):
        assert reason in letter.reason
        assert letter.origin == Origin(topic_name, 0, offset)
        assert letter.key == str(offset).encode()
        assert letter.whole
        assert letter.time is not None


# --- one tally per event


def test_each_event_has_a_tally_of_its_own(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, [*named(*["purchase", "productview"] * 1500), b"no JSON"])
    for _ in range(2):
        run_well(*command_of(topic_name), "-b", kafka, "--emit", "each", "--exit-at-end")
    found = tallies(kafka, f"{topic_name}-tally")
    assert [sum(tally.values()) for tally in found] == list(range(1, 3001))
    assert decreases(found) == []
    assert found[-1] == {"purchase": 1500, "productview": 1500}
    assert len(records(kafka, f"{topic_name}-dead")) == 1


@pytest.mark.parametrize("newcomer", ["each", "interval"])
def test_emit_each_is_alone_in_its_group(kafka: str, topic_name: str, newcomer: str) -> None:
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, named("purchase"))
    with counter_at_work(kafka, topic_name, "--emit", "each", *SHORT_SESSION) as first:
        refused = run(*command_of(topic_name), "-b", kafka, "--emit", newcomer, *SHORT_SESSION)
        assert refused.code == 1
        assert is_an_error_for_people(refused, "--emit each", "--group")
        produce(kafka, topic_name, named("purchase"))
        wait_until(lambda: len(tallies(kafka, f"{topic_name}-tally")) == 2, 20, "the first one goes on")
        assert first.stop() == 0, first.said()
    assert tallies(kafka, f"{topic_name}-tally") == [{"purchase": 1}, {"purchase": 2}]
