"""Topics into a real OpenSearch: what documents and indices are, and what is refused."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from clickstream.errors import ClickstreamError
from clickstream.kafka.admin import delete
from clickstream.sinks.inputs import plain
from clickstream.sinks.opensearch.check import _Comparison
from clickstream.sinks.opensearch.operations import NOT_SEARCHED
from clickstream.topics import Declared, ensure
from tests.integration.opensearchsupport import Place, check_of
from tests.integration.sinksupport import HITS, hits, running
from tests.integration.support import delete_records, run
from tests.opensearch import OpenSearchServer, ask, server
from tests.support import wait_until

pytestmark = pytest.mark.slow  # the server takes 51 MB, half a gigabyte of memory and 15 s

WITHIN_S = 120.0


@pytest.fixture(scope="module")
def opensearch() -> Iterator[OpenSearchServer]:
    with server() as one:
        yield one


@pytest.fixture
def place(kafka: str, opensearch: OpenSearchServer) -> Place:
    return Place.at(kafka, opensearch.url)


def test_a_table_is_upserted_and_tombstones_delete(place: Place) -> None:
    place.send(hits(("a", 1), ("b", 2), ("a", 3), ("c", 4), ("c", None), ("d", None)))
    sink = place.fill(place.source())
    topic_id = place.identity().topic_id
    found = place.documents()
    assert {id: one["n"] for id, one in found.items()} == {"a": 3, "b": 2}
    origin = found["a"]["_origin"]
    assert (origin["topic_id"], origin["partition"]) == (topic_id, sum(b'{"id":"a"}') % 3)
    assert sink.totals() == {
        "written": 6,
        "upserted": 4,
        "deleted": 2,
        "appended": 0,
        "cleaned": 0,
        "dead_lettered": 0,
        "early_ignored": 0,
        "kept": 0,
    }

    # Another start goes on, over the same keys.
    place.send(hits(("a", None), ("c", 5), ("b", 6)))
    sink = place.fill(place.source())
    assert place.values() == {"b": {"id": "b", "n": 6}, "c": {"id": "c", "n": 5}}
    assert sink.totals()["written"] == 3


def test_a_stream_is_appended_by_origin(place: Place) -> None:
    place.send([(None, {"id": "x", "n": number}) for number in range(4)], partition=1)
    place.fill(place.source(key=None))
    assert {id: one["n"] for id, one in place.documents().items()} == {
        f"{place.topic}/1/{number}": number for number in range(4)
    }


def test_a_topic_of_which_nothing_is_known_can_be_searched_by_words(place: Place) -> None:
    place.send([(b"k", b"Mozilla Firefox on Linux"), (None, b"")], partition=0)
    place.fill(plain(place.topic))
    place.ask("POST", f"/{place.index}/_refresh")
    found = place.ask("POST", f"/{place.index}/_search", {"query": {"match": {"value": "firefox"}}})
    assert [hit["_id"] for hit in found["hits"]["hits"]] == [f"{place.topic}/0/0"]
    mapping = place.ask("GET", f"/{place.index}")[place.index]["mappings"]
    assert mapping["dynamic"] == "strict"
    assert mapping["properties"]["key"] == {"type": "keyword", "ignore_above": 8191}
    assert mapping["properties"]["timestamp"] == {"type": "date"}


def test_every_value_is_what_it_was_or_changed_by_a_rule_and_counted(place: Place) -> None:
    columns = "id STRING NOT NULL, i INT, l BIGINT, d DOUBLE, b BOOLEAN, s STRING, t TIMESTAMP(3), `day` DATE"
    rows: list[dict[str, Any]] = [
        {"id": "low", "i": -(2**31), "l": -(2**63), "d": -1.5e308, "b": False, "s": "", "t": "1969-12-31 23:59:59.999",
         "day": "0001-01-01"},
        {"id": "high", "i": 2**31 - 1, "l": 2**63 - 1, "d": 5e-324, "b": True, "s": "\0 ü 😀 \" \\ \n",
         "t": "9999-12-31 23:59:59.999", "day": "9999-12-31"},
        {"id": "none"},
        {"id": "beyond", "i": 2**31, "l": 2**63, "s": "2020-01-01"},
        {"id": "long", "s": "x" * 40_000},
    ]  # fmt: skip
    # json.dumps writes NaN and halves of surrogate pairs, which are no JSON: they are dead letters, or replaced.
    odd = [({"id": "half"}, b'{"id":"half","s":"a\\ud800b"}'), ({"id": "nan"}, b'{"id":"nan","d":NaN}')]
    place.send([*(({"id": one["id"]}, one) for one in rows), *odd])
    sink = place.fill(place.source(columns))
    found = place.values()
    assert found["low"] == {**rows[0], "t": "1969-12-31T23:59:59.999Z"}
    assert found["high"] == {**rows[1], "t": "9999-12-31T23:59:59.999Z"}
    assert found["none"] == dict.fromkeys(["i", "l", "d", "b", "s", "t", "day"]) | {"id": "none"}
    assert (found["beyond"]["i"], found["beyond"]["l"], found["beyond"]["s"]) == (None, None, "2020-01-01")
    assert {column: count for (_, column), count in sink.nulled.items()} == {"i": 1, "l": 1}
    assert found["long"]["s"] == "x" * 40_000
    assert sink.written.cleaned["s", NOT_SEARCHED] == 1
    assert found["half"]["s"] in ("a?b", "a\ufffdb")
    [letter] = place.letters()
    assert letter.value is not None
    assert b"nan" in letter.value
    place.ask("POST", f"/{place.index}/_refresh")
    query = {"query": {"range": {"l": {"gte": 2**63 - 1}}}}
    hits_ = place.ask("POST", f"/{place.index}/_search", query)["hits"]["hits"]
    assert [hit["_id"] for hit in hits_] == ["high"]


@pytest.mark.parametrize("id", ["k" * 512, "k" * 513, "ü" * 300, "", "sha256:x", " a/b?c#d%20 \0\n", "_all", "😀"])
def test_keys_of_every_length_and_kind(place: Place, id: str) -> None:
    place.send([*hits((id, 1)), *hits(*((f"other{n}", n) for n in range(1_000)))], partition=0)
    place.fill(place.source())
    found = place.values()
    assert len(found) == 1_001
    [[key, _]] = [(key, one) for key, one in found.items() if one["id"] == id]
    plain_id = bool(id) and len(id.encode()) <= 512 and not id.startswith("sha256:")
    assert key == id if plain_id else len(key) == 71
    place.send(hits((id, None)), partition=0)
    place.fill(place.source())
    assert len(place.documents()) == 1_000


def test_keys_of_several_columns(place: Place) -> None:
    columns, key = "a STRING NOT NULL, b INT NOT NULL, n INT", "a, b"
    place.send([({"a": a, "b": b}, {"a": a, "b": b, "n": 1}) for a, b in [("x", 1), ("x", 2), ("y", 1)]])
    place.send([({"a": "x", "b": 2}, None)])
    place.fill(place.source(columns, key))
    assert sorted(place.documents()) == ['["x",1]', '["y",1]']


def test_early_rows_are_ignored_or_marked(place: Place) -> None:
    place.send(hits(("a", 1)), headers=[("final", b"0")])
    place.send(hits(("b", 2)))
    assert place.fill(place.source()).totals()["early_ignored"] == 1
    assert list(place.documents()) == ["b"]
    place.finish("--early", "--name", "other", "--prefix", "early-")
    _, found = ask(place.url, "GET", f"/early-{place.index}/_mget", {"ids": ["a", "b"]})
    assert [one["_source"]["is_final"] for one in found["docs"]] == [False, True]


def test_of_ten_thousand_rows_the_one_that_is_refused_is_set_aside(place: Place) -> None:
    # Of an index that somebody else made, so that it takes less than the rows have.
    place.ask("PUT", f"/{place.index}", {"mappings": {"dynamic": False, "properties": {"id": {"type": "keyword"}}}})
    place.send(hits(*((f"k{number}", number) for number in range(9_999))))
    place.send([({"id": "poison"}, {"id": "poison" * 6_000, "n": 7})], partition=2)
    sink = place.fill(place.source())
    assert len(place.documents()) == 9_999
    [letter] = place.letters()
    assert (letter.kind, letter.part) == ("illegal_argument_exception", "sink-opensearch")
    assert "column id" in letter.reason
    assert "immense term" in letter.reason
    assert (letter.origin.topic, letter.origin.partition) == (place.topic, 2)
    totals = sink.totals()
    assert (totals["upserted"], totals["dead_lettered"]) == (9_999, 1)


def test_an_index_of_another_shape_stops_it_before_anything_is_written(place: Place) -> None:
    place.ask("PUT", f"/{place.index}", {"mappings": {"properties": {"n": {"type": "keyword"}}}})
    place.send(hits(("a", 1)))
    with pytest.raises(ClickstreamError, match=r"field n is keyword, and INT needs integer\. Reindex it, or give"):
        place.fill(place.source())
    assert place.documents() == {}
    assert set(place.ask("GET", f"/{place.index}")[place.index]["mappings"]["properties"]) == {"n"}


def test_fields_that_are_missing_are_added(place: Place) -> None:
    place.send(hits(("a", 1)))
    place.fill(place.source())
    place.send([({"id": "b"}, {"id": "b", "n": 2, "more": "m"})])
    place.fill(place.source(HITS + ", more STRING"))
    assert place.values() == {"a": {"id": "a", "n": 1}, "b": {"id": "b", "n": 2, "more": "m"}}


def test_an_alias_is_no_index_of_its_own(place: Place) -> None:
    place.ask("PUT", f"/{place.index}-1", {"aliases": {place.index: {}}})
    with pytest.raises(ClickstreamError, match=r"is an alias of .*--prefix"):
        place.fill(place.source())


def test_odd_names(place: Place) -> None:
    columns = '`Id` STRING NOT NULL, `a.b` INT, `_id` INT, `a"b` INT, `ü*` INT'
    place.send([({"Id": "k"}, {"Id": "k", "a.b": 1, "_id": 2, 'a"b': 3, "ü*": 4})])
    shape = ("--columns", columns, "--key", "Id", "--prefix", "Shop ", "--exit-at-end")
    done = run(*place.command(*shape)[:5], *shape, "--quiet", CLICKSTREAM_SINK_OPENSEARCH=place.url)
    assert done.code == 0, done.said
    assert "column a.b is field a_b" in done.said
    assert "column _id is field f_id" in done.said
    _, found = ask(place.url, "GET", f"/shop-{place.index}/_doc/k")
    assert {name: value for name, value in found["_source"].items() if name != "_origin"} == {
        "Id": "k",
        "a_b": 1,
        "f_id": 2,
        'a"b': 3,
        "ü*": 4,
    }


def test_a_recreated_topic_is_refused_until_a_reset(place: Place) -> None:
    place.send(hits(("a", 1), ("b", 2), ("a", 3), ("a", 4)))
    place.fill(place.source())
    place.ask("PUT", f"/{place.index}/_doc/by%20hand?refresh=true", {"id": "by hand"})
    delete(place.cluster, {place.topic})
    wait_until(lambda: ensure(place.cluster, [Declared(place.topic, partitions=3)]), 60, "the topic again")
    place.send(hits(("a", 5), ("c", 6)))
    with pytest.raises(ClickstreamError, match=f"Topic {place.topic} was recreated"):
        place.fill(place.source())
    place.finish("--reset", "--yes")
    # Its offsets are lower than those that the deleted documents had.
    assert place.values() == {"by hand": {"id": "by hand"}, "a": {"id": "a", "n": 5}, "c": {"id": "c", "n": 6}}


def test_documents_that_another_sink_has_written_too_are_not_reset(place: Place) -> None:
    place.send(hits(("a", 1)))
    for name in ("one", "o/ther"):
        place.fill(place.source(), name=name)
    target = place.target()
    target.connect()
    target.prepare([place.source()])

    words = f"sink o/ther is one of topic {place.topic} to index {place.index}, too"
    with pytest.raises(ClickstreamError, match=words) as refused:
        target.forget([place.source()], "one")
    assert place.values() == {"a": {"id": "a", "n": 1}}

    [path] = re.findall(r"DELETE (/\S+);", str(refused.value))
    place.ask("DELETE", path)
    target.forget([place.source()], "one")
    target.close()
    assert place.documents() == {}
    place.fill(place.source(), name="one")
    assert place.values() == {"a": {"id": "a", "n": 1}}


def test_an_index_that_was_deleted_is_not_taken_for_a_full_one(place: Place) -> None:
    place.send(hits(("a", 1), ("b", 2)))
    place.fill(place.source())
    place.ask("DELETE", f"/{place.index}")
    place.send(hits(("c", 3)))
    with pytest.raises(ClickstreamError, match=r"was deleted and made again, .*--reset"):
        place.fill(place.source())
    place.finish("--reset", "--yes")
    assert set(place.documents()) == {"a", "b", "c"}


def test_places_that_were_deleted_are_made_again_and_all_is_read_again(place: Place) -> None:
    place.send(hits(("a", 1), ("b", 2), ("b", None)))
    place.fill(place.source())
    place.ask("DELETE", "/clickstream-places")
    place.send(hits(("c", 3), ("a", 4)))
    assert place.fill(place.source()).totals()["written"] == 5
    assert place.values() == {"a": {"id": "a", "n": 4}, "c": {"id": "c", "n": 3}}


def test_a_key_that_has_moved_to_a_new_partition_is_not_taken_for_an_older_one(place: Place) -> None:
    # By one process, whose versions are lower in the other partition.
    with running(place.sink(place.source())) as threads:
        place.send(hits(*(("a", number) for number in range(50)), ("b", 1), ("b", None), ("c", 1)), partition=0)
        wait_until(lambda: place.read() == 53, WITHIN_S, "the first partition")
        place.send(hits(("a", 100), ("b", 2), ("c", None)), partition=1)
        wait_until(lambda: place.read() == 56, WITHIN_S, "the other one")
        place.send(hits(("a", 101), ("c", 3)), partition=1)
        wait_until(lambda: place.read() == 58, WITHIN_S, "the other one, once more")
    assert threads.problem is None
    assert {id: one["n"] for id, one in place.documents().items()} == {"a": 101, "b": 2, "c": 3}


def test_a_plan_tells_all_and_changes_nothing(place: Place) -> None:
    place.send(hits(("a", 1), ("b", 2)))
    shape = ("--columns", HITS, "--key", "id", "-b", place.cluster.address)
    command = ("sink", "plan", "opensearch", place.topic, *shape)
    done = run(*command, CLICKSTREAM_SINK_OPENSEARCH=place.url)
    assert done.code == 0, done.said
    assert "OpenSearch 2.19.1" in done.printed
    assert f"index {place.index}, which is made: a document for each id; at most 2 records to read" in done.printed
    assert f'PUT /{place.index}\n{{\n  "settings"' in done.printed
    assert ask(place.url, "GET", f"/{place.index}")[0] == 404

    place.fill(place.source())
    place.send(hits(("c", 3)))
    done = run(*command, CLICKSTREAM_SINK_OPENSEARCH=place.url)
    assert "which exists: a document for each id; at most 1 more records to read" in done.printed
    assert "nothing to make or to change" in done.printed

    place.ask("PUT", f"/early-{place.index}", {"mappings": {"properties": {"n": {"type": "keyword"}}}})
    done = run(*command, "--early", "--prefix", "early-", CLICKSTREAM_SINK_OPENSEARCH=place.url)
    assert done.code == 1
    assert f"Problem: Index early-{place.index}: field n is keyword, and INT needs integer" in done.said
    assert f"PUT /early-{place.index}/_mapping" in done.printed


def test_a_check_finds_what_was_changed_by_hand_and_repairs_only_that(place: Place) -> None:
    place.send(hits(*((f"k{number:04}", number) for number in range(2_000)), ("gone", 1), ("gone", None)))
    place.fill(place.source())
    assert (check_of(place, place.source()).differs, check_of(place, place.source()).rows) == (0, 2_000)
    before = place.documents()
    for id in ("k0001", "k0002"):
        place.ask("DELETE", f"/{place.index}/_doc/{id}")
    for id in ("k1000", "k1001"):
        place.ask("PUT", f"/{place.index}/_doc/{id}", before[id] | {"n": -1})
    place.ask("PUT", f"/{place.index}/_doc/gone", before["k0000"] | {"id": "gone"})
    place.ask("PUT", f"/{place.index}/_doc/by%20hand", {"id": "by hand"})
    place.send(hits(("k0004", -4), ("k1999", None), ("new", 1)))  # not written yet
    versions = _versions(place)

    found = check_of(place, place.source())
    assert (found.missing, found.changed, found.foreign, found.later, found.unowned) == (2, 2, 1, 3, 1)
    assert found.examples == [
        ("gone", "foreign"),
        *[(f"k000{number}", "missing") for number in (1, 2)],
        *[(f"k100{number}", "changed") for number in (0, 1)],
    ]
    assert _versions(place) == versions

    assert check_of(place, place.source(), repair=True).repaired == 5
    assert check_of(place, place.source()).differs == 0
    assert place.documents() == before | {"by hand": {"id": "by hand"}}
    touched = {id for id, version in _versions(place).items() if versions.get(id) != version}
    assert touched == {"k0001", "k0002", "k1000", "k1001"}
    # What was repaired takes what comes.
    place.send(hits(("k0001", 5), ("k1000", None), ("gone", 7)))
    place.fill(place.source())
    last = place.values()
    assert (last["k0001"]["n"], last["gone"]["n"], "k1000" in last, len(last)) == (5, 7, False, 2_001)
    assert check_of(place, place.source()).differs == 0


def _versions(place: Place) -> dict[str, int]:
    place.ask("POST", f"/{place.index}/_refresh")
    query = {"size": 10_000, "version": True, "_source": False}
    found = place.ask("POST", f"/{place.index}/_search", query)["hits"]["hits"]
    return {one["_id"]: one["_version"] for one in found}


def test_a_check_of_a_stream_and_of_what_the_topic_holds_no_more(place: Place) -> None:
    source = place.source(HITS + ", d DOUBLE, t TIMESTAMP(3)", key=None)
    value = {"id": "x", "d": 0.1, "t": "2026-03-25 19:05:49.123"}
    place.send([(None, value | {"n": number}) for number in range(10)], partition=1)
    place.fill(source)
    delete_records(place.cluster.address, place.topic, {1: 4})
    place.ask("DELETE", f"/{place.index}/_doc/{place.topic}%2F1%2F2")  # nobody knows any more
    place.ask("DELETE", f"/{place.index}/_doc/{place.topic}%2F1%2F7")
    found = check_of(place, source, repair=True)
    assert (found.rows, found.expected, found.older, found.missing, found.repaired) == (5, 6, 3, 1, 1)
    assert found.examples == [(f"{place.topic}/1/7", "missing")]
    assert check_of(place, source).differs == 0
    # A field that came later is no difference in documents of before.
    more = place.source(HITS + ", d DOUBLE, t TIMESTAMP(3), more STRING", key=None)
    with pytest.raises(ClickstreamError, match=r"has no field more in index .* Fill it first"):
        check_of(place, more)
    place.fill(more)
    assert (check_of(place, more).differs, check_of(place, more).rows) == (0, 6)


def test_a_repair_does_not_bring_back_what_the_sink_deletes_meanwhile(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.send(hits(("a", 1), ("b", 1), ("c", 1), ("d", 1)), partition=0)
    place.fill(place.source())
    for id in ("a", "b", "c"):
        place.ask("DELETE", f"/{place.index}/_doc/{id}")
    place.ask("POST", f"/{place.index}/_update/d", {"doc": {"n": 5}})
    rewrite = _Comparison._rewrite

    def meanwhile(comparison: _Comparison, messages: list[Any]) -> None:
        place.send(hits(("a", None), ("b", 2), ("d", 2)), partition=0)
        place.fill(place.source())
        rewrite(comparison, messages)

    monkeypatch.setattr(_Comparison, "_rewrite", meanwhile)
    found = check_of(place, place.source(), repair=True)
    assert (found.missing, found.changed, found.repaired) == (3, 1, 1)
    assert place.values() == {id: {"id": id, "n": n} for id, n in (("b", 2), ("c", 1), ("d", 2))}
    monkeypatch.undo()
    assert check_of(place, place.source()).differs == 0


def test_what_cannot_be_compared_is_said(place: Place) -> None:
    place.send(hits(("a", 1)))
    with pytest.raises(ClickstreamError, match=rf"has no index {place.index}: there is nothing to compare\. Fill it"):
        check_of(place, place.source())
    place.fill(place.source())
    with pytest.raises(ClickstreamError, match="has nothing that sink other wrote of topic"):
        check_of(place, place.source(), name="other")
    given = [place.topic, "-b", place.cluster.address, "--columns", HITS, "--key", "id"]
    place.ask("POST", f"/{place.index}/_update/a", {"doc": {"n": 3}})
    checked = run("sink", "check", "opensearch", *given, CLICKSTREAM_SINK_OPENSEARCH=place.url)
    assert (checked.code, checked.printed.splitlines()) == (
        1,
        [
            f"{place.topic}: 1 rows differ from topic {place.topic}: 0 missing, 1 changed, 0 that the topic does not "
            "have. 1 rows, 1 expected.",
            "  changed: a",
        ],
    )
    repaired = run("sink", "check", "opensearch", *given, "--repair", CLICKSTREAM_SINK_OPENSEARCH=place.url)
    assert (repaired.code, repaired.printed.splitlines()[-1]) == (0, "  1 rows repaired.")
    delete(place.cluster, {place.topic})
    wait_until(lambda: ensure(place.cluster, [Declared(place.topic, partitions=3)]), 60, "the topic again")
    with pytest.raises(ClickstreamError, match=f"Topic {place.topic} was recreated"):
        check_of(place, place.source())


def test_a_password_that_is_on_the_command_line_is_warned_of_and_never_shown(place: Place) -> None:
    url = place.url.replace("http://", "http://user:hunter2@")
    done = run(*place.command("--exit-at-end", "--url", url))
    assert done.code == 0, done.said
    assert "others here can see the password in --url" in done.said
    assert "hunter2" not in done.said + done.printed


def test_a_server_that_is_none_is_named(place: Place) -> None:
    done = run(*place.command("--exit-at-end", "--url", place.url + "/_cluster/health"))
    assert done.code == 1
    assert "is no OpenSearch" in done.said, done.said
