"""Rows as documents: names, types, ids, versions, and values that are changed by a rule."""

import json
from typing import Any

import pyarrow as pa
import pytest

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.sinks.documents import NO_YEAR, NOT_A_NUMBER
from clickstream.sinks.inputs import described, plain
from clickstream.sinks.model import DELETED, FINAL, OFFSET, PARTITION, Batch, Input, Rows
from clickstream.sinks.opensearch.mapping import (
    TEXT,
    TYPES,
    field_name,
    index_name,
    index_of,
    indices_of,
    missing,
    problems,
)
from clickstream.sinks.opensearch.operations import (
    HIGHEST_EPOCH,
    NOT_SEARCHED,
    OFFSET_BITS,
    Operations,
    id_of,
    operations,
    version_of,
)
from clickstream.tables.names import engine_name
from clickstream.tables.sql.types import Type
from tests.unit.fakes import message


def rows_of(source: Input, values: dict[str, pa.Array], deleted: list[bool] | None = None) -> Rows:
    count = len(next(iter(values.values())))
    about = {
        PARTITION: pa.array([0] * count, pa.int32()),
        OFFSET: pa.array(range(count), pa.int64()),
        DELETED: pa.array(deleted or [False] * count),
        FINAL: pa.array([number % 2 == 0 for number in range(count)]),
    }
    table = pa.table({**{engine_name(name): one for name, one in values.items()}, **about})
    return Rows(source, table, [message(number) for number in range(count)])


def of(source: Input, values: dict[str, Any], deleted: list[bool] | None = None, *, early: bool = False) -> Operations:
    arrays = {name: pa.array(one) if isinstance(one, list) else one for name, one in values.items()}
    return operations(index_of(source, "", early=early), rows_of(source, arrays, deleted), 3, "id1")


def source(found: Operations, at: int = 0) -> Any:
    body = found.todo[at].source
    assert body is not None
    return json.loads(body)


def test_of_each_document_there_is_one_operation_the_last() -> None:
    one = described("t", "k STRING NOT NULL, n INT", "k")
    found = of(one, {"k": ["a", "b", "a", "b"], "n": [1, 2, 3, None]}, [False, False, False, True])
    assert [(op.id, op.offset, op.source is None) for op in found.todo] == [("a", 2, False), ("b", 3, True)]
    assert source(found) == {"k": "a", "n": 3, "_origin": {"topic_id": "id1", "partition": 0, "offset": 2}}
    assert (found.upserted, found.deleted) == (3, 1)


def test_versions_order_writers_first_and_then_records() -> None:
    assert version_of(2, 0) > version_of(1, (1 << OFFSET_BITS) - 2)
    assert version_of(1, 8) == version_of(1, 7) + 1
    assert version_of(HIGHEST_EPOCH, (1 << OFFSET_BITS) - 2) == 2**63 - 1
    for epoch, offset in [(HIGHEST_EPOCH + 1, 0), (1, (1 << OFFSET_BITS) - 1)]:
        with pytest.raises(ClickstreamError, match="another --prefix"):
            version_of(epoch, offset)


def test_early_rows_are_marked_where_that_is_wanted() -> None:
    one = described("t", "n INT", None)
    assert [json.loads(op.source or b"")["is_final"] for op in of(one, {"n": [1, 2]}, early=True).todo] == [True, False]
    assert "is_final" not in source(of(one, {"n": [1]}))


@pytest.mark.parametrize("text", ["k" * 513, "ü" * 257, "", "sha256:abc"])
def test_an_id_that_is_none_is_a_hash(text: str) -> None:
    assert id_of(text).startswith("sha256:")
    assert id_of(text) != text
    assert len(id_of(text)) == 71


@pytest.mark.parametrize("text", ["k" * 512, "ü" * 256, " ", "_x", "\0"])
def test_other_ids_are_the_key_itself(text: str) -> None:
    assert id_of(text) == text


def test_ids_of_every_type_of_key() -> None:
    one = described("t", "i BIGINT NOT NULL, b BOOLEAN NOT NULL, d DATE NOT NULL", "i, b, d")
    values = {"i": pa.array([2**62]), "b": pa.array([True]), "d": pa.array([0], pa.date32())}
    assert of(one, values).todo[0].id == '[4611686018427387904,true,"1970-01-01"]'
    assert of(described("t", "i INT NOT NULL", "i"), {"i": [-7]}).todo[0].id == "-7"


def test_a_key_that_no_document_can_have_is_refused_alone() -> None:
    one = described("t", "x DOUBLE NOT NULL, n INT", "x")
    found = of(one, {"x": [1.5, float("nan")], "n": [1, 2]})
    assert [op.id for op in found.todo] == ["1.5"]
    [(_, refused)] = found.refused
    assert refused.column == "x"
    assert found.upserted == 1


def test_numbers_and_times_that_json_and_dates_do_not_have_are_null_and_counted() -> None:
    one = described("t", "x DOUBLE, t TIMESTAMP(3)", None)
    far = pa.array([10**18, None, 0], pa.int64()).view(pa.timestamp("us"))
    found = of(one, {"x": [float("nan"), float("-inf"), 1.0], "t": far})
    assert [json.loads(op.source or b"")["x"] for op in found.todo] == [None, None, 1.0]
    assert source(found)["t"] is None
    assert found.cleaned == {("x", NOT_A_NUMBER): 2, ("t", NO_YEAR): 1}


def test_texts_that_are_too_long_to_be_searched_are_kept_and_counted() -> None:
    one = described("t", "s STRING", None)
    texts = ["x" * 8_191, "x" * 8_192, "😀" * 4_095, "😀" * 4_096, "ü" * 8_191, None]
    found = of(one, {"s": texts})
    assert [json.loads(op.source or b"")["s"] for op in found.todo] == texts
    assert found.cleaned == {("s", NOT_SEARCHED): 2}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("clicks", "clicks"),
        ("Clicks per Minute", "clicks-per-minute"),
        ("_hidden", "x_hidden"),
        (".kibana", "x.kibana"),
        ('a,b*?<>|\\/"#:', "a-b----------"),
        ("über", "x-ber"),
        ("..", "x.."),
        ("İ", "i-"),
    ],
)
def test_names_of_indices(name: str, found: str) -> None:
    assert index_name(name) == found


def test_long_names_of_indices_stay_different() -> None:
    one, other = index_name("a" * 300), index_name("a" * 299 + "b")
    assert one != other
    assert len(one) == len(other) == 180


@pytest.mark.parametrize(
    ("name", "found"), [("a.b", "a_b"), ("_id", "f_id"), (" ", "f "), ("", "f"), (".", "f_"), ("Order", "Order")]
)
def test_names_of_fields(name: str, found: str) -> None:
    assert field_name(name) == found


def test_names_that_would_be_one_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"columns a.b and a_b would both be the field a_b"):
        index_of(described("t", "`a.b` INT, a_b INT", None), "", early=False)
    with pytest.raises(ConfigError, match="would both be the index t-x"):
        indices_of([Input("a", "T x", ()), Input("b", "t-x", ())], "", early=False)
    with pytest.raises(ConfigError, match="a field is_final of its own"):
        index_of(described("t", "is_final INT", None), "", early=True)
    index_of(described("t", "is_final INT", None), "", early=False)


def test_a_mapping_of_the_types_that_detects_nothing() -> None:
    definition = index_of(described("t", "a INT, b STRING, c TIMESTAMP(3)", None), "p-", early=True).definition()
    assert definition["mappings"]["dynamic"] == "strict"
    properties = definition["mappings"]["properties"]
    assert [properties[name]["type"] for name in "abc"] == ["integer", "keyword", "date"]
    assert set(properties) == {"a", "b", "c", "_origin", "is_final"}
    assert index_of(plain("t"), "", early=False).properties()["value"] == TEXT


def test_an_index_that_exists_may_have_wider_types_and_other_fields() -> None:
    one = index_of(described("t", "a INT, b STRING, c TIMESTAMP(3)", None), "", early=False)
    there = {"a": {"type": "long"}, "b": {"type": "text"}, "other": {"type": "ip"}}
    found = {"mappings": {"properties": there}}
    assert problems(one, found) == []
    assert set(missing(one, found)) == {"c", "_origin"}
    assert problems(one, {"mappings": {"properties": one.properties()}}) == []


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ({"a": {"type": "keyword"}}, "field a is keyword, and INT needs integer"),
        ({"a": {"properties": {"x": {"type": "long"}}}}, "field a is object, and INT"),
        ({"c": {"type": "date", "format": "epoch_second"}}, "field c is date with a format"),
        ({"_origin": {"type": "keyword"}}, "field _origin is not the sink's"),
    ],
)
def test_an_index_of_another_shape_is_told(there: dict[str, Any], words: str) -> None:
    one = index_of(described("t", "a INT, c TIMESTAMP(3)", None), "", early=False)
    [said] = problems(one, {"mappings": {"properties": there}})
    assert words in said
    assert "--prefix" in said


def test_an_index_of_another_topic_is_told() -> None:
    one = index_of(described("t", "a INT", None), "", early=False)
    [said] = problems(one, {"mappings": {"_meta": {"clickstream": {"topic": "other"}}, "properties": {}}})
    assert "is that of topic other" in said


def test_every_type_of_a_column_has_one() -> None:
    assert set(TYPES) == set(Type) - {Type.DECIMAL, Type.INTERVAL, Type.NULL, Type.UNIT}


def test_a_batch_without_some_of_its_rows() -> None:
    rows = rows_of(described("t", "n INT", None), {"n": pa.array([0, 1, 2], pa.int32())})
    batch = Batch((rows,), {("t", 0): 3})
    left = batch.without([message(1)])
    assert [one.offset() for one in left.messages()] == [0, 2]
    assert left.rows[0].column("n").to_pylist() == [0, 2]
    assert left.places == batch.places
    assert batch.without([message(0), message(1), message(2)]).rows == ()
