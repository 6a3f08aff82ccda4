"""Dead letters are listed, shown and sent again, once, on a real Kafka."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner, Result

from clickstream.cli import clickstream
from clickstream.errors import ClickstreamError
from clickstream.inspect import letters
from clickstream.inspect.letters import NotSent
from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import MAX_VALUE_BYTES, DeadLetter, DeadLetters, Origin
from clickstream.kafka.produce import Sender
from clickstream.topics import Declared, ensure
from tests.integration.support import header, make_topic, records

HEADERS = [("trace", b"abc"), ("trace", b"\xff"), ("none", None)]
BROKEN = b'{"id": 9223372036854775807, "x": NaN}'


class Dead:
    """An origin topic and a dead-letter topic with letters of it."""

    def __init__(self, kafka: str, name: str) -> None:
        self.kafka = kafka
        self.origin = f"{name}-origin"
        self.topic = f"{name}-dead"
        make_topic(kafka, self.origin, 3)
        make_topic(kafka, self.topic, 1)
        self._sender = Sender(Cluster(kafka).producer())
        self._letters = DeadLetters(self._sender, self.topic, "counter")

    def add(self, value: bytes | None, key: bytes | None = b"key", origin: Origin | None = None) -> None:
        origin = origin or Origin(self.origin, 0, 7)
        self._letters.send(DeadLetter(value, "no JSON", origin, headers=HEADERS), key)
        self._sender.must_have_delivered("a letter")

    def run(self, *arguments: str, stdin: bytes | None = None) -> Result:
        command, *rest = arguments
        line = ["dead-letters", command, "-b", self.kafka, "--dead-letter-topic", self.topic, *rest]
        return CliRunner().invoke(clickstream, line, input=stdin)

    def retry(self, offset: int, value: bytes | None = None) -> str:
        return letters.retry(Cluster(self.kafka), self.topic, 0, offset, threading.Event(), value=value)


@pytest.fixture
def dead(kafka: str, topic_name: str) -> Dead:
    return Dead(kafka, topic_name)


def test_a_repaired_letter_goes_to_where_it_came_from_with_key_and_headers(dead: Dead) -> None:
    dead.add(BROKEN)
    assert dead.retry(0, BROKEN.replace(b"NaN", b"null")) == dead.origin
    [sent] = records(dead.kafka, dead.origin)
    assert (sent.key(), sent.value()) == (b"key", b'{"id": 9223372036854775807, "x": null}')
    assert list(sent.headers() or []) == HEADERS
    [letter] = letters.newest(Cluster(dead.kafka), dead.topic, 10, threading.Event()).letters
    assert letter.retried


def test_it_is_sent_once_however_often_and_by_however_many(dead: Dead) -> None:
    dead.add(BROKEN)

    def again(_number: int) -> str:
        try:
            return dead.retry(0)
        except NotSent as refusal:
            return str(refusal)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(again, range(4)))
    assert sorted(answer == dead.origin for answer in answers) == [False, False, False, True]
    assert len(records(dead.kafka, dead.origin)) == 1
    assert "sent again already" in again(0)


def test_a_cut_letter_is_refused_also_with_another_value(dead: Dead) -> None:
    dead.add(b"x" * (MAX_VALUE_BYTES + 1))
    dead.add(b"x", key=b"k" * 100_000)
    for offset in (0, 1):
        with pytest.raises(NotSent, match="It is cut"):
            dead.retry(offset, b"{}")
    assert records(dead.kafka, dead.origin) == []


def test_a_letter_whose_topic_is_gone_is_not_sent_and_not_marked(dead: Dead) -> None:
    dead.add(b"x", origin=Origin(f"{dead.origin}-gone", 0, 1))
    with pytest.raises(ClickstreamError, match="does not exist"):
        dead.retry(0)
    [letter] = letters.newest(Cluster(dead.kafka), dead.topic, 10, threading.Event()).letters
    assert not letter.retried


def test_what_kafka_does_not_acknowledge_is_not_marked(dead: Dead) -> None:
    dead.add(b"x")
    with pytest.raises(ClickstreamError, match="could not be written"):
        dead.retry(0, b"x" * 1_500_000)
    [letter] = letters.newest(Cluster(dead.kafka), dead.topic, 10, threading.Event()).letters
    assert not letter.retried


def test_what_a_later_record_of_its_key_has_replaced_is_not_sent(dead: Dead) -> None:
    compacted = f"{dead.origin}-compacted"
    ensure(Cluster(dead.kafka), [Declared(compacted, partitions=1, config={"cleanup.policy": "compact"})])
    sender = Sender(Cluster(dead.kafka).producer())
    for key, value in ((b"key", BROKEN), (b"other", BROKEN), (b"key", b"newer")):
        sender.send(compacted, value, key)
    sender.must_have_delivered("The records")
    dead.add(BROKEN, origin=Origin(compacted, 0, 0))
    dead.add(BROKEN, b"other", origin=Origin(compacted, 0, 1))

    with pytest.raises(NotSent, match="a later record of its key, at offset 2, has taken its place"):
        dead.retry(0, b"repaired")
    assert dead.retry(1, b"repaired") == compacted

    assert [record.value() for record in records(dead.kafka, compacted)][-2:] == [b"newer", b"repaired"]


def test_a_tombstone_is_sent_again_as_one(dead: Dead) -> None:
    dead.add(None)
    dead.retry(0)
    [sent] = records(dead.kafka, dead.origin)
    assert sent.value() is None


def test_the_command_line_lists_shows_and_sends(dead: Dead) -> None:
    dead.add(b"\xff\x00binary")
    dead.add(BROKEN)
    dead.add(b"a line", origin=Origin(file="access.log", line=3))
    listed = [json.loads(line) for line in dead.run("list", "--json").stdout.splitlines()]
    assert [one["offset"] for one in listed] == [2, 1, 0]
    assert listed[0]["origin"] == "access.log line 3"
    assert [
        one["offset"]
        for one in map(json.loads, dead.run("list", "--from-topic", dead.origin, "--json").stdout.splitlines())
    ] == [1, 0]
    assert dead.run("show", "0:0", "--value").stdout_bytes == b"\xff\x00binary"
    shown = dead.run("show", "0:1").stdout
    assert "no JSON" in shown
    assert BROKEN.decode() in shown
    sent = dead.run("retry", "0:1", "--value", "-", "--yes", stdin=BROKEN.replace(b"NaN", b"0") + b"\n")
    assert (sent.exit_code, sent.stderr) == (0, f"Sent to {dead.origin}.\n")
    assert [one.value() for one in records(dead.kafka, dead.origin)] == [BROKEN.replace(b"NaN", b"0")]
    again = dead.run("retry", "0:1", "--yes")
    assert "It was sent again already" in str(again.exception)
    assert "It came from a file" in str(dead.run("retry", "0:2", "--yes").exception)
    assert [json.loads(line)["sent_again"] for line in dead.run("list", "--json").stdout.splitlines()] == [
        False,
        True,
        False,
    ]


def test_a_mark_stands_beside_its_letter(dead: Dead) -> None:
    dead.add(b"x")
    dead.retry(0)
    mark = records(dead.kafka, dead.topic)[-1]
    assert (mark.value(), header(mark, letters.RETRIED_OFFSET), header(mark, letters.RETRIED_TO)) == (
        None,
        "0",
        dead.origin,
    )


def test_without_a_terminal_it_does_not_guess(dead: Dead) -> None:
    dead.add(b"x")
    assert "say --yes" in str(dead.run("retry", "0:0").exception)
    assert dead.run("retry", "0:x", "--yes").exit_code == 2
    assert records(dead.kafka, dead.origin) == []
