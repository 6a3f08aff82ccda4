"""Records that nobody can count: each becomes a dead letter, none is lost, and the others are counted."""

import random
from collections import Counter as Counts

import pytest

from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import delete, existing
from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import MAX_VALUE_BYTES
from clickstream.topics import ensure
from tests.integration.support import (
    SHORT_SESSION,
    command_of,
    count,
    dead_letters,
    is_an_error_for_people,
    make_topic,
    members,
    named,
    produce,
    records,
    run,
    run_well,
    running,
    tallies,
    value,
    written,
)
from tests.support import wait_until

# What a record of Kafka's default size, 1,048,588 bytes with everything around it, can hold.
LARGEST = 1_048_000

GOOD = {
    b'{"eventName":"purchase"}': "purchase",
    b' {\n\t"userId" : "u", "eventName" : "purchase" } ': "purchase",
    b'{"eventName":"caf\xc3\xa9"}': "café",
    rb'{"eventName":"caf\u00e9"}': "café",
    rb'{"eventName":"\ud83d\ude00"}': "😀",
    b'{"eventName":"a \\"quoted\\" name"}': 'a "quoted" name',
    b'{"eventName":"purchase","more":{"eventName":5}}': "purchase",
    b'{"eventName":200}': "200",
    b'{"eventName":"200"}': "200",
    b'{"eventName":-9223372036854775808}': "-9223372036854775808",
    b'{"eventName":true}': "true",
    b'{"padding":"%s","eventName":"purchase"}' % (b"x" * (LARGEST - 100)): "purchase",
}
BAD = [
    None,
    b"",
    b" ",
    b"null",
    b"[]",
    b'"purchase"',
    b"42",
    b"{}",
    b'{"eventname":"purchase"}',
    b'{"eventName":null}',
    b'{"eventName":1.5}',
    b'{"eventName":{}}',
    b'{"eventName":"receiveAt"}',
    b'{"eventName":"%s"}' % (b"n" * 257),
    b'{"eventName":"purchase"',
    b'{"eventName":"purchase"}}',
    b'{"eventName":purchase}',
    b"{'eventName':'purchase'}",
    b'{"eventName":"\xff\xfe"}',
    b'{"eventName":"purchase","userId":"\xed\xa0\x80"}',
    b'\xef\xbb\xbf{"eventName":"purchase"}',
    b"[" * 100_000,
    b'{"more":' * 5_000,
    b'{"eventName":"purchase","padding":"\x80%s"}' % (b"x" * (LARGEST - 100)),
    b"\x00" * LARGEST,
    bytes(range(256)),
]


def test_every_record_is_counted_or_becomes_a_dead_letter(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    # Ordinary records around them, so that a batch with a bad one in it is not all bad.
    mixed: list[bytes | None] = [*GOOD, *BAD, *GOOD, *BAD, *named(*["productview"] * 3000)]
    random.Random(5).shuffle(mixed)
    produce(kafka, topic_name, mixed)
    totals = count(kafka, topic_name).totals()
    assert (totals["counted"], totals["dead_letters"]) == (2 * len(GOOD) + 3000, 2 * len(BAD))
    by_hand = Counts([*GOOD.values(), *GOOD.values()])
    assert tallies(kafka, f"{topic_name}-tally")[-1] == {**by_hand, "productview": 3000}

    letters = dead_letters(kafka, f"{topic_name}-dead")
    by_origin = {(record.partition(), record.offset()): record.value() for record in records(kafka, topic_name)}
    origins = [(letter.origin.partition, letter.origin.offset) for letter in letters]
    assert len(set(origins)) == len(origins) == 2 * len(BAD)
    for letter, origin in zip(letters, origins, strict=True):
        original = by_origin[origin]
        assert original in BAD
        assert letter.value == (original if original is None else original[:MAX_VALUE_BYTES])
        assert letter.length == len(original or b"")
        assert letter.reason


@pytest.mark.parametrize("each", [False, True])
def test_records_larger_than_kafkas_default_are_no_obstacle(kafka: str, topic_name: str, each: bool) -> None:
    make_topic(kafka, topic_name, partitions=1, max_message_bytes="4000000")
    large = b"x" * 1_900_000
    produce(kafka, topic_name, [b'{"eventName":"purchase","padding":"%s"}' % large, large, *named("purchase")])
    count(kafka, topic_name, each=each)
    assert tallies(kafka, f"{topic_name}-tally")[-1] == {"purchase": 2}
    (letter,) = dead_letters(kafka, f"{topic_name}-dead")
    assert (len(letter.value or b""), letter.length, letter.whole) == (MAX_VALUE_BYTES, 1_900_000, False)


@pytest.mark.parametrize("each", [False, True])
def test_a_dead_letter_that_cannot_be_delivered_stops_the_counter(kafka: str, topic_name: str, each: bool) -> None:
    make_topic(kafka, topic_name, partitions=1)
    make_topic(kafka, f"{topic_name}-dead", partitions=1, max_message_bytes="500")
    incompressible = random.Random(1).randbytes(1000)
    produce(kafka, topic_name, [*named("purchase"), incompressible])
    with pytest.raises(ClickstreamError, match=r"Dead letters to .*-dead could not be written: .* larger than topic"):
        count(kafka, topic_name, each=each)
    assert tallies(kafka, f"{topic_name}-tally") == []
    delete(Cluster(kafka), [f"{topic_name}-dead"])
    wait_until(lambda: f"{topic_name}-dead" not in existing(Cluster(kafka)), 30, "it is gone")
    count(kafka, topic_name, each=each)
    assert [letter.value() for letter in records(kafka, f"{topic_name}-dead")] == [incompressible]
    assert tallies(kafka, f"{topic_name}-tally") == [{"purchase": 1}]


@pytest.mark.parametrize("emit", ["interval", "each"])
def test_a_killed_counter_leaves_no_dead_letter_unwritten(kafka: str, topic_name: str, emit: str) -> None:
    make_topic(kafka, topic_name)
    dead = f"{topic_name}-dead"
    ensure(Cluster(kafka), [dead])
    produce(kafka, topic_name, [*named("purchase"), b"no JSON"] * 4000)
    with running(*command_of(topic_name), "-b", kafka, "--emit", emit, *SHORT_SESSION) as counter:
        wait_until(lambda: not counter.running or written(kafka, dead) > 0, 30, "the first dead letters", 0.001)
        counter.kill()
    wait_until(lambda: members(kafka, f"{topic_name}-group") == 0, 30, "the killed member is forgotten", 0.1)
    count(kafka, topic_name, each=emit == "each")
    assert tallies(kafka, f"{topic_name}-tally")[-1] == {"purchase": 4000}
    assert len({letter.origin for letter in dead_letters(kafka, dead)}) == 4000


@pytest.mark.parametrize(
    ("emit", "options", "each_value"), [("interval", [], 5), ("interval", ["--exit-at-end"], 1500), ("each", [], 1500)]
)
def test_a_wrong_field_stops_the_counter_and_sets_nothing_aside(
    kafka: str, topic_name: str, emit: str, options: list[str], each_value: int
) -> None:
    make_topic(kafka, topic_name)
    produce(kafka, topic_name, [b'{"user":{"name":"x"},"page.id":7}', b'{"user":{"name":"y"}}'] * each_value)
    wrong = [*command_of(topic_name, field="name"), "-b", kafka, "--emit", emit, *options]
    done = run(*wrong)
    assert done.code == 1
    assert is_an_error_for_people(done, "has a name in field name; they have user.name, page.id", "another --field")
    assert f"None of the {'first ' if each_value > 1_000 else '10 records'}" in done.said
    assert records(kafka, f"{topic_name}-dead") == []
    right = [*command_of(topic_name, field="user.name"), "-b", kafka, "--emit", emit, "--exit-at-end"]
    run_well(*right, timeout=120)
    assert tallies(kafka, f"{topic_name}-tally")[-1] == {"x": each_value, "y": each_value}
    assert records(kafka, f"{topic_name}-dead") == []


def test_a_topic_that_was_empty_may_begin_with_a_bad_record(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    ensure(Cluster(kafka), [f"{topic_name}-tally", f"{topic_name}-dead"])
    with running(*command_of(topic_name), "-b", kafka) as counter:
        state = f"{topic_name}-group-state"
        wait_until(lambda: state in existing(Cluster(kafka)) and written(kafka, state) >= 3, 60, "it is at the end")
        produce(kafka, topic_name, [b"no JSON"])
        wait_until(lambda: "They wait until a record has it" in counter.said(), 60, "it says that it waits")
        assert records(kafka, f"{topic_name}-dead") == []
        produce(kafka, topic_name, named("purchase"))
        wait_until(lambda: tallies(kafka, f"{topic_name}-tally") == [{"purchase": 1}], 60, "it counts", 0.5)
        assert counter.stop() == 0
    assert [value(letter) for letter in records(kafka, f"{topic_name}-dead")] == [b"no JSON"]


def test_a_nested_field_is_counted_as_the_filter_finds_it(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    both, nested, neither = b'{"a.b":"x","a":{"b":"y"}}', b'{"a":{"b":"y"}}', b'{"a":{"c":"x"}}'
    produce(kafka, topic_name, [both] * 3 + [nested] * 5 + [neither])
    run_well(*command_of(topic_name, field="a.b"), "-b", kafka, "--exit-at-end")
    assert tallies(kafka, f"{topic_name}-tally")[-1] == {"x": 3, "y": 5}
    assert [value(letter) for letter in records(kafka, f"{topic_name}-dead")] == [neither]
    found = run("topics", "tail", topic_name, "-b", kafka, "--from", "beginning", "--filter", "a.b=x")
    assert len(found.printed.splitlines()) == 3, found.said
