"""Where sinks keep their places whose targets hold none: on a real Kafka."""

import threading
import uuid

import pytest

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.log import LogIdentity
from clickstream.kafka.transactions import Transactions
from clickstream.sinks.inputs import plain
from clickstream.sinks.ledger import MAX_EXTRA_BYTES, Ledger
from clickstream.sinks.model import Claim, Place
from clickstream.sinks.target import Away, Fenced
from clickstream.topics import ensure
from tests.support import PATIENCE, wait_until

TOPIC = "clickstream-sinks"


@pytest.fixture
def cluster(kafka: str) -> Cluster:
    found = Cluster(kafka)
    ensure(found, [TOPIC])
    return found


@pytest.fixture
def name() -> str:
    return f"sink-{uuid.uuid4().hex[:8]}"


def ledger(cluster: Cluster, where: str = "here", *, moved: bool = False) -> Ledger:
    return Ledger(cluster, TOPIC, "test", where, moved=moved)


def claim(name: str, owner: str = "one", topic: str = "t", epoch: int | None = None) -> Claim:
    return Claim(name, owner, [LogIdentity(topic, "id")], epoch)


def test_the_next_one_goes_on_where_the_last_one_was(cluster: Cluster, name: str) -> None:
    first, second = ledger(cluster), ledger(cluster)
    assert first.claim(claim(name)).places == {}
    first.commit({("t", 0): 5, ("t", 1): 7}, {("t", 0): "kept"})
    first.commit({("t", 0): 3})  # a place never goes back
    first.close()
    stored = second.claim(claim(name, "two"))
    assert (stored.epoch, stored.places) == (2, {("t", 0): Place("id", 5), ("t", 1): Place("id", 7)})
    assert second.extras() == {("t", 0): "kept"}


def test_the_newest_fences_the_older_which_names_it(cluster: Cluster, name: str) -> None:
    older, newer = ledger(cluster), ledger(cluster)
    older.claim(claim(name, "host pid 1"))
    older.commit({("t", 0): 5})
    newer.claim(claim(name, "host pid 2"))
    with pytest.raises(Fenced, match=f"Sink {name} of here is written by host pid 2 now"):
        older.commit({("t", 0): 6})
    with pytest.raises(Fenced, match="host pid 2"):
        older.verify()
    newer.commit({("t", 0): 7})
    assert newer.places() == {("t", 0): Place("id", 7)}


def test_one_that_was_frozen_does_not_push_out_its_successor(cluster: Cluster, name: str) -> None:
    older, newer = ledger(cluster), ledger(cluster)
    own = older.claim(claim(name)).epoch
    older.close()  # as after an outage of its target
    newer.claim(claim(name, "host pid 2"))
    with pytest.raises(Fenced, match="host pid 2"):
        older.claim(claim(name, epoch=own))
    newer.commit({("t", 0): 1})


def test_one_whose_transactions_the_broker_has_ended_goes_on(cluster: Cluster, name: str) -> None:
    one = ledger(cluster)
    epoch = one.claim(claim(name)).epoch
    Transactions(cluster, f"clickstream-sink-test-{name}")  # as the broker does when their time is over
    with pytest.raises(Away, match="Kafka has ended the transactions"):
        one.commit({("t", 0): 1})
    assert one.claim(claim(name, epoch=epoch)).places == {}
    one.commit({("t", 0): 1})
    assert one.places() == {("t", 0): Place("id", 1)}


def test_what_was_committed_behind_an_open_transaction_is_waited_for(cluster: Cluster, name: str) -> None:
    one, next_ = ledger(cluster), ledger(cluster)
    one.claim(claim(name))
    other = cluster.producer({"transactional.id": f"{name}-other", "transaction.timeout.ms": 60_000})
    other.init_transactions(30)
    other.begin_transaction()
    other.produce(TOPIC, b"x", b"x")
    other.flush(30 * PATIENCE)
    one.commit({("t", 0): 9})
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(next_.claim(claim(name)).places))
    waiting.start()
    wait_until(lambda: bool(next_._read), 60, "it has read up to the open transaction")
    assert not found
    other.abort_transaction(30)
    waiting.join(60 * PATIENCE)
    assert found == [{("t", 0): Place("id", 9)}]


def test_sinks_of_other_topics_or_targets_are_not_mixed_up(cluster: Cluster, name: str) -> None:
    ledger(cluster).claim(claim(name))
    with pytest.raises(ConfigError, match=f"Sink {name} .test. is that of t, to here: give this one another --name"):
        ledger(cluster).claim(claim(name, topic="other"))
    with pytest.raises(ConfigError, match=r"has written to here, and this is there: .* --moved"):
        ledger(cluster, "there").claim(claim(name))
    assert ledger(cluster, "there", moved=True).claim(claim(name)).epoch == 2


def test_what_is_forgotten_is_gone_and_who_still_writes_is_fenced(cluster: Cluster, name: str) -> None:
    one = ledger(cluster)
    one.claim(claim(name))
    one.commit({("t", 0): 5}, {("t", 0): "kept"})
    ledger(cluster).forget([plain("t")], name)
    with pytest.raises(Fenced, match="--reset"):
        one.commit({("t", 0): 6})
    again = ledger(cluster, "anywhere")
    assert again.claim(claim(name, topic="t")).places == {}
    assert again.extras() == {}


def test_what_another_sink_has_is_not_forgotten_and_it_goes_on(cluster: Cluster, name: str) -> None:
    one = ledger(cluster)
    one.claim(claim(name))
    one.commit({("t", 0): 5})
    with pytest.raises(ConfigError, match=f"Sink {name} .test. is that of t, to here: give this one another --name"):
        ledger(cluster).forget([plain("other")], name)
    with pytest.raises(ConfigError, match="has written to here, and this is there"):
        ledger(cluster, "there").forget([plain("t")], name)
    one.commit({("t", 0): 6})
    one.verify()
    assert ledger(cluster).claim(claim(name, "two")).places == {("t", 0): Place("id", 6)}


def test_what_is_kept_is_bounded(cluster: Cluster, name: str) -> None:
    one = ledger(cluster)
    one.claim(claim(name))
    with pytest.raises(ClickstreamError, match="is larger than"):
        one.commit({("t", 0): 1}, {("t", 0): "x" * (MAX_EXTRA_BYTES + 1)})
    assert one.places() == {}
