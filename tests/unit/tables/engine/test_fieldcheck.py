"""Columns that no record has, and fields of another type, are said once."""

import json
import logging
from typing import Any

import pyarrow as pa
import pytest

from clickstream.tables.engine.fetching.fieldcheck import ENOUGH_RECORDS, SOON_S, FieldCheck
from clickstream.tables.names import engine_name
from clickstream.tables.sql.types import Type


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def warnings(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)


def look(check: FieldCheck, records: list[Any], nulled: dict[str, int] | None = None, **columns: list[Any]) -> None:
    """Records, and the columns that were made of them."""
    columns = {engine_name(name): cells for name, cells in columns.items()}
    rows = pa.table({**columns, "$i": pa.array(range(len(records)), pa.int32())})
    check.look([json.dumps(one).encode() if one is not None else None for one in records], rows, nulled or {})
    check.speak()


def checked(*names: str) -> tuple[FieldCheck, Seconds]:
    seconds = Seconds()
    return FieldCheck("orders", "shop", dict.fromkeys(names, Type.INT), seconds), seconds


def test_a_column_that_no_record_has_is_said_with_the_field_that_looks_like_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    check, _ = checked("Amount", "id")
    for _ in range(3):
        look(check, [{"amount": 1, "id": 2}] * 999, Amount=[None] * 999, id=[2] * 999)
    assert caplog.messages == ["Table orders: column Amount is in none of 1,998 records of shop; there is amount."]


def test_a_typing_error_is_found(caplog: pytest.LogCaptureFixture) -> None:
    check, _ = checked("produktid")
    look(check, [{"productid": 1, "id": 2}] * ENOUGH_RECORDS, produktid=[None] * ENOUGH_RECORDS)
    assert "there is productid" in caplog.text


def test_without_one_the_fields_of_the_records_are_named(caplog: pytest.LogCaptureFixture) -> None:
    check, _ = checked("price")
    look(check, [{"a": 1, "b": 2}] * ENOUGH_RECORDS, price=[None] * ENOUGH_RECORDS)
    assert "column price is in none of 1,000 records of shop; they have a, b." in caplog.text


def test_a_name_that_looks_wrong_is_said_soon_and_any_other_only_after_many(caplog: pytest.LogCaptureFixture) -> None:
    check, seconds = checked("Amount", "price")
    look(check, [{"amount": 1}], Amount=[None], price=[None])
    assert not caplog.messages
    seconds.now = SOON_S
    check.speak()
    assert len(caplog.messages) == 1
    assert "Amount" in caplog.text


def test_at_the_end_all_is_said(caplog: pytest.LogCaptureFixture) -> None:
    check, _ = checked("price")
    look(check, [{"a": 1}], price=[None])
    check.speak(last=True)
    check.speak(last=True)
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("record", [{"price": None}, {"price": [1]}], ids=["null", "of no use"])
def test_a_field_that_is_there_is_not_absent(caplog: pytest.LogCaptureFixture, record: Any) -> None:
    check, _ = checked("price")
    look(check, [{"a": 1}] * (ENOUGH_RECORDS - 1) + [record], price=[None] * ENOUGH_RECORDS)
    assert not caplog.messages


def test_a_field_whose_name_is_written_with_escapes_is_there(caplog: pytest.LogCaptureFixture) -> None:
    check, _ = checked("größe")
    look(check, [{"größe": None}] * ENOUGH_RECORDS, größe=[None] * ENOUGH_RECORDS)
    assert not caplog.messages


def test_a_field_of_objects_in_an_array_is_there(caplog: pytest.LogCaptureFixture) -> None:
    check, _ = checked("price")
    look(check, [[{"a": 1}, {"price": None}]] * ENOUGH_RECORDS, price=[None] * ENOUGH_RECORDS)
    assert not caplog.messages


def test_a_field_in_another_one_is_not_the_column_s_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    check, _ = checked("name")
    record = {"id": 1, "names": 2, "user": {"address": {"name": 3}, "name": 4}}
    look(check, [record] * ENOUGH_RECORDS, name=[None] * ENOUGH_RECORDS)
    assert caplog.messages == ["Table orders: column name is in none of 1,000 records of shop; there is user.name."]


@pytest.mark.parametrize("record", [{"kind": "price"}, {"kind": {"a": ["price"]}}, ["price"]])
def test_a_text_that_is_the_column_s_name_is_no_field(caplog: pytest.LogCaptureFixture, record: Any) -> None:
    check, _ = checked("price")
    look(check, [record] * ENOUGH_RECORDS, price=[None] * ENOUGH_RECORDS)
    assert "column price is in none of 1,000 records of shop;" in caplog.text


def test_records_without_a_value_are_none(caplog: pytest.LogCaptureFixture) -> None:
    check, _ = checked("price")
    look(check, [None] * ENOUGH_RECORDS, price=[None] * ENOUGH_RECORDS)
    check.speak(last=True)
    assert not caplog.messages


def test_a_field_of_another_type_is_said_once_with_an_example(caplog: pytest.LogCaptureFixture) -> None:
    check, _ = checked("status", "id")
    for _ in range(2):
        records = [{"status": 200, "id": 1}, {"status": {"code": 404}, "id": 2}]
        look(check, records, {"status": 1}, status=[200, None], id=[1, 2])
    assert caplog.messages == [
        'Table orders: column status is NULL where a record of shop has a value that is no INT, such as {"code":404}.'
    ]


def test_each_column_is_said_however_late_its_first_value_of_another_type_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    check, _ = checked("status", "id")
    for _ in range(100):
        look(check, [{"status": "x", "id": 1}], {"status": 1}, status=[None], id=[1])
    look(check, [{"status": "x", "id": "y"}], {"status": 1, "id": 1}, status=[None], id=[None])
    assert [message.split(": ")[1].split()[1] for message in caplog.messages] == ["status", "id"]


def test_the_example_of_an_array_is_the_row_s_own(caplog: pytest.LogCaptureFixture) -> None:
    check, _ = checked("n")
    rows = pa.table({engine_name("n"): [1, None, None], "$i": pa.array([0, 1, 1], pa.int32())})
    check.look([b'{"n":1}', b'[{"n":null},{"n":"far"}]'], rows, {"n": 1})
    assert caplog.messages[0].endswith('such as "far".')


def test_what_a_terminal_obeys_is_escaped(caplog: pytest.LogCaptureFixture) -> None:
    check, _ = checked("n")
    look(check, [{"n": "\x1b\x07\x9b\u202e"}], {"n": 1}, n=[None])
    assert caplog.messages[0].endswith('such as "\\u001B\\u0007\\u009b\\u202e".')
