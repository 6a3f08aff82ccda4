"""What a later version has written about a sink, or what is damaged: it is said, and there is a way out."""

import uuid

import pytest

from clickstream.errors import ConfigError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.log import LogIdentity
from clickstream.kafka.produce import Sender
from clickstream.records import SinkKey, encode
from clickstream.sinks.inputs import plain
from clickstream.sinks.ledger import Ledger, NotUnderstood
from clickstream.sinks.model import Claim, Place
from clickstream.sinks.target import Fenced
from tests.unit.mockkafka import MockKafka

TOPIC = "clickstream-sinks"
DEEP = b"[" * 100_000
WORDS = r"Topic clickstream-sinks has something of sink \S+ \(test\) that is not understood \(.*--reset"

STRANGE_OWNERS = {
    "no JSON": b"\xff\x00",
    "nested too deeply": b'{"epoch":7,"owner":' + DEEP,
    "a field of another type": b'{"epoch":7,"owner":["host",1],"where":"here","topics":["t"]}',
    "a field that is missing": b'{"epoch":7,"where":"here"}',
    "an epoch that nobody can follow": b'{"epoch":99999999999999999999,"owner":"o","where":"here","topics":["t"]}',
    "an epoch before all others": b'{"epoch":-1,"owner":"o","where":"here","topics":["t"]}',
    "nothing": b"",
}


@pytest.fixture(scope="module")
def kafka() -> MockKafka:
    kafka = MockKafka()
    kafka.create(TOPIC, 1)
    return kafka


@pytest.fixture
def cluster(kafka: MockKafka) -> Cluster:
    return kafka.cluster


@pytest.fixture
def name() -> str:
    return f"sink-{uuid.uuid4().hex[:8]}"


def ledger(cluster: Cluster) -> Ledger:
    return Ledger(cluster, TOPIC, "test", "here")


def claim(name: str, epoch: int | None = None) -> Claim:
    return Claim(name, "host pid 1", [LogIdentity("t", "id")], epoch)


def put(cluster: Cluster, key: bytes, value: bytes) -> None:
    sender = Sender(cluster.producer())
    sender.send(TOPIC, value, key)
    sender.must_have_delivered("The record")


@pytest.mark.parametrize("value", STRANGE_OWNERS.values(), ids=STRANGE_OWNERS.keys())
def test_an_owner_that_is_not_understood_is_said_and_a_reset_is_a_way_out(
    cluster: Cluster, name: str, value: bytes
) -> None:
    one = ledger(cluster)
    epoch = one.claim(claim(name)).epoch
    one.commit({("t", 0): 5})
    put(cluster, encode(SinkKey("test", name)), value)

    with pytest.raises(NotUnderstood, match=WORDS):
        ledger(cluster).claim(claim(name))
    with pytest.raises(NotUnderstood, match=WORDS):
        ledger(cluster).look(name, [LogIdentity("t", "id")])
    with pytest.raises(NotUnderstood, match=WORDS):
        one.verify()
    assert one.places() == {("t", 0): Place("id", 5)}, "nothing is lost by that"

    ledger(cluster).forget([plain("t")], name)
    with pytest.raises(Fenced, match="--reset"):
        one.verify()
    stored = ledger(cluster).claim(claim(name))
    assert stored.places == {}
    assert stored.epoch > epoch


def test_a_reset_goes_on_after_the_epoch_of_an_owner_of_which_only_that_is_understood(
    cluster: Cluster, name: str
) -> None:
    put(cluster, encode(SinkKey("test", name)), b'{"epoch":41,"owner":["host",1]}')
    ledger(cluster).forget([plain("t")], name)
    assert ledger(cluster).claim(claim(name)).epoch == 43


def test_a_reset_does_not_forget_the_places_of_another_sink_whose_owner_is_not_understood(
    cluster: Cluster, name: str
) -> None:
    one = ledger(cluster)
    one.claim(claim(name))
    one.commit({("t", 0): 5})
    put(cluster, encode(SinkKey("test", name)), b"{}")
    with pytest.raises(ConfigError, match=f"Sink {name} .test. is that of t: give this one another --name"):
        ledger(cluster).forget([plain("other")], name)
    assert one.places() == {("t", 0): Place("id", 5)}


def test_a_place_that_is_not_understood_is_said(cluster: Cluster, name: str) -> None:
    put(cluster, encode(SinkKey("test", name, "t", 0)), b'{"epoch":1,"owner":"o","topic_id":"id","offset":-7}')
    with pytest.raises(NotUnderstood, match=WORDS):
        ledger(cluster).claim(claim(name))
    ledger(cluster).forget([plain("t")], name)
    assert ledger(cluster).claim(claim(name)).places == {}


@pytest.mark.parametrize("key", [b'["test","%b",{"topic":"t"}]', b'["test","%b","t",0,false,"more"]'])
def test_a_key_of_this_sink_that_is_not_understood_is_said(cluster: Cluster, name: str, key: bytes) -> None:
    """Without it, the sink would begin from the start, as if there had never been any."""
    put(cluster, key % name.encode(), b"{}")
    put(cluster, b'["test","another",{"topic":"t"}]', b"{}")
    put(cluster, DEEP, b"{}")
    with pytest.raises(NotUnderstood, match=WORDS):
        ledger(cluster).claim(claim(name))
    ledger(cluster).forget([plain("t")], name)
    assert ledger(cluster).claim(claim(name)).places == {}
