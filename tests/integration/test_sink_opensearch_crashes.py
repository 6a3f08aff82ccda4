"""The sink into OpenSearch on bad days: it is killed, frozen and doubled, and so is the server."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from clickstream.sinks.model import Batch, Claim
from clickstream.sinks.reading import RecordReader
from clickstream.sinks.target import Fenced
from tests.integration.opensearchsupport import Place
from tests.integration.sinksupport import (
    WITHIN_S,
    Load,
    a_frozen_first_wakes_up,
    a_reset_fences_who_writes,
    a_second_one_takes_over,
    all_of,
    anywhere,
    hits,
    its_server_is_away,
    its_server_is_killed,
    killed_under_load,
    progress,
    running,
)
from tests.integration.smalldisk import filled_up, small_disk
from tests.integration.support import records
from tests.opensearch import OpenSearchServer, ask, server
from tests.support import wait_until

pytestmark = pytest.mark.slow  # the server takes 51 MB, half a gigabyte of memory and 15 s


@pytest.fixture(scope="module")
def mortal() -> Iterator[OpenSearchServer]:
    """A server that tests may kill."""
    with server() as one:
        yield one


@pytest.fixture
def place(kafka: str, mortal: OpenSearchServer) -> Place:
    return Place.at(kafka, mortal.url)


def test_killed_under_load_it_loses_and_doubles_nothing(place: Place) -> None:
    killed_under_load(place, 5)


def test_a_stream_has_each_record_once_whoever_is_killed(place: Place, mortal: OpenSearchServer) -> None:
    source = place.source(key=None)
    chance = random.Random(8)
    with Load(place) as load:
        for number in range(4):
            with running(place.sink(source)) as threads:
                progress(place, "rows")
                anywhere(chance)
                if number % 2:
                    mortal.kill()
                    mortal.start()
            assert threads.problem is None
    place.fill(source)
    # Tombstones have no row of their own in a stream.
    origins = {
        f"{place.topic}/{message.partition()}/{message.offset()}"
        for message in records(place.cluster.address, place.topic)
        if message.value() is not None
    }
    assert len(origins) < load.sent
    assert set(place.documents()) == origins
    assert len({letter.origin for letter in place.letters()}) == load.sent - len(origins)


def test_a_server_that_is_killed_and_starts_again(place: Place, mortal: OpenSearchServer) -> None:
    its_server_is_killed(place, mortal, 3)


def test_a_server_that_is_stopped_and_away_for_a_while(place: Place, mortal: OpenSearchServer) -> None:
    its_server_is_away(place, mortal, 5.0)


def test_a_server_that_stands_still_and_does_late_what_it_was_asked(place: Place, mortal: OpenSearchServer) -> None:
    sink = place.sink(place.source(), place.target(timeout_s=1.0))
    with running(sink) as threads:
        with Load(place) as load:
            for _ in range(3):
                progress(place, "rows")
                mortal.freeze()
                wait_until(lambda: sink.gauges()["target_away"], WITHIN_S, "it gives up waiting")
                mortal.thaw()
        all_of(place, load, "all records", threads)
    place.must_equal(load.live)


def test_an_index_that_takes_no_writes_as_on_a_full_disk_is_waited_for(place: Place) -> None:
    place.send(hits(("a", 1)))
    sink = place.sink(place.source())
    with running(sink) as threads:
        wait_until(lambda: place.read() == 1, WITHIN_S, "a row")
        block = "index.blocks.read_only_allow_delete"
        place.ask("PUT", f"/{place.index}/_settings", {block: True})
        place.send(hits(("b", 2)))
        wait_until(lambda: sink.gauges()["target_away"], WITHIN_S, "it finds the index read-only")
        place.ask("PUT", f"/{place.index}/_settings", {block: None})
        wait_until(lambda: place.read() == 2, WITHIN_S, "the other row")
        place.ask("POST", f"/{place.index}/_close")
        place.send(hits(("c", 3)))
        wait_until(lambda: sink.gauges()["target_away"], WITHIN_S, "it finds the index closed")
        place.ask("POST", f"/{place.index}/_open")
        wait_until(lambda: place.read() == 3, WITHIN_S, "the third row")
    assert threads.problem is None
    assert (set(place.documents()), place.letters()) == ({"a", "b", "c"}, [])


@pytest.mark.parametrize("watched", [True, False], ids=["read-only before it is full", "full to the last byte"])
def test_a_disk_that_is_full_for_a_while(kafka: str, watched: bool) -> None:
    # What is watched is looked at every ten seconds, no more often.
    limits = {"low": "80mb", "high": "70mb", "flood_stage": "60mb"}
    watching = (
        "cluster.routing.allocation.disk.threshold_enabled=true",
        "cluster.info.update.interval=10s",
        *(f"cluster.routing.allocation.disk.watermark.{name}={left}" for name, left in limits.items()),
    )
    with server(*(watching if watched else ()), data_on=lambda folder: small_disk(folder, "160m")) as node:
        place = Place.at(kafka, node.url)
        place.send(hits(("a", 1)))
        sink = place.sink(place.source("id STRING NOT NULL, n INT, s STRING"), place.target(timeout_s=20.0))
        with running(sink) as threads:
            wait_until(lambda: place.read() == 1, WITHIN_S, "a row")
            with filled_up(node.data, free=40 * 2**20 if watched else 0):
                sent = 1
                while not sink.gauges()["target_away"]:
                    place.send(_bulky(sent, 200))
                    sent += 200
                    wait_until(lambda: place.read() == sent or sink.gauges()["target_away"], WITHIN_S, "full")  # noqa: B023
                    assert sent < 200_000, "the disk is never full"
                place.send(hits(("a", None), ("b", 2)))
            if not watched:
                # A shard that failed five times is tried again when it is asked for, as the administrator does.
                wait_until(lambda: _retried(node), WITHIN_S, "shards are tried again", poll=1.0)
            wait_until(lambda: place.read() == sent + 2 or threads.problem, WITHIN_S, "all rows")
        assert threads.problem is None
        assert place.numbers() == {f"k{number}": number for number in range(1, sent)} | {"b": 2}
        assert place.letters() == []


def _bulky(start: int, count: int) -> list[tuple[Any, Any]]:
    chance = random.Random(start)
    return [
        ({"id": f"k{number}"}, {"id": f"k{number}", "n": number, "s": chance.randbytes(2_000).hex()})
        for number in range(start, start + count)
    ]


def _retried(node: OpenSearchServer) -> bool:
    try:
        status, _ = ask(node.url, "POST", "/_cluster/reroute?retry_failed=true&metric=none")
        _, health = ask(node.url, "GET", "/_cluster/health")
    except OSError:
        return False
    return status == 200 and health["status"] != "red"


def test_a_second_instance_takes_over_and_the_first_names_it(place: Place) -> None:
    a_second_one_takes_over(place)


def test_a_frozen_first_wakes_up_and_is_fenced(place: Place) -> None:
    a_frozen_first_wakes_up(place)


@pytest.mark.parametrize("restarted", [False, True])
def test_what_a_former_writer_sends_late_does_not_bring_back_what_was_deleted(
    place: Place, mortal: OpenSearchServer, restarted: bool
) -> None:
    source = place.source()
    place.send(hits(("a", 1), ("b", 1)), partition=0)
    first = place.claimed(source, "one that was frozen")
    messages = records(place.cluster.address, place.topic)
    late = Batch((RecordReader(source, early=False).read(messages).rows,), {(place.topic, 0): 2})

    place.send(hits(("a", None), ("b", 2)), partition=0)
    place.ask("PUT", f"/{place.index}/_settings", {"index.gc_deletes": "1ms"})
    place.fill(source)
    if restarted:
        # What the server knew of deletions was in its memory only.
        mortal.kill()
        mortal.start()
        first.close()
    place.ask("POST", f"/{place.index}/_refresh")  # forgets deletions

    with pytest.raises(Fenced, match="has taken over"):
        first.write(late)
    with pytest.raises(Fenced):
        first.claim(Claim("clickstream", "one that was frozen", [place.identity()], 1))
    first.close()
    assert {id: one["n"] for id, one in place.documents().items()} == {"b": 2}
    # Nor did the server make an index of the alias that is gone.
    indices = ask(place.url, "GET", "/_cat/indices?format=json")[1]
    assert not [one for one in indices if "-W-" in one["index"]]


def test_who_was_slow_to_take_over_does_not_keep_out_a_newer_one(place: Place) -> None:
    source = place.source()
    place.send(hits(("a", 1)), partition=0)
    slow = place.claimed(source, "slow")
    newer = place.claimed(source, "newer")
    # As if it had stood still between getting its epoch and switching the alias.
    slow._claims._switch_aliases()
    with pytest.raises(Fenced):
        slow._claims.verify()
    messages = records(place.cluster.address, place.topic)
    batch = Batch((RecordReader(source, early=False).read(messages).rows,), {(place.topic, 0): 1})
    sink = place.sink(source, newer)
    sink._identities = {place.topic: place.identity()}
    sink._epoch = newer._claims.epoch
    sink._owner = "newer"
    assert sink._patiently(newer.write, batch).upserted == 1
    with pytest.raises(Fenced):
        slow.write(batch)
    for target in (slow, newer):
        target.close()
    assert set(place.documents()) == {"a"}


def test_a_reset_fences_whoever_still_writes(place: Place) -> None:
    a_reset_fences_who_writes(place)


def test_two_sinks_of_one_topic_into_one_index_end_with_its_rows(place: Place) -> None:
    source = place.source()
    place.claimed(source, "later", "later").close()  # so that the other one has lower versions
    with running(place.sink(source)) as one, running(place.sink(source, name="later")) as two, Load(place) as load:
        progress(place, "rows")
        load.end()
        path = f"/clickstream-places/_doc/later%2F{place.topic}"

        def both() -> bool:
            later: dict[str, int] = ask(place.url, "GET", path)[1]["_source"]["places"]
            return place.read() == load.sent == sum(later.values())

        wait_until(lambda: both() or one.problem or two.problem, WITHIN_S, "both have all")
    assert one.problem is None
    assert two.problem is None
    assert {id: document["n"] for id, document in place.documents().items()} == load.live


def test_a_server_with_hardly_any_room_in_its_queue_takes_all_in_the_end(kafka: str) -> None:
    with server("thread_pool.write.size=1", "thread_pool.write.queue_size=1") as full:
        places = [Place.at(kafka, full.url) for _ in range(4)]
        for place in places:
            place.send(hits(*((f"k{number}", number) for number in range(5_000))))
        sinks = [place.sink(place.source(), batch_rows=500) for place in places]
        stops = [running(sink) for sink in sinks]
        threads = [one.__enter__() for one in stops]
        try:
            wait_until(
                lambda: all(place.read() == 5_000 for place in places) or any(one.problem for one in threads),
                WITHIN_S,
                "all rows",
            )
        finally:
            for one in stops:
                one.__exit__(None, None, None)
        assert [one.problem for one in threads] == [None] * 4
        assert [len(place.documents()) for place in places] == [5_000] * 4
        assert [place.letters() for place in places] == [[]] * 4
        pool = ask(full.url, "GET", "/_cat/thread_pool/write?format=json&h=rejected")[1]
        assert int(pool[0]["rejected"]) > 0
