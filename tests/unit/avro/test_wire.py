import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.avro.wire import NotAvro, framed, is_framed, looks_like, schema_id_of


def test_the_id_is_in_four_bytes_after_a_zero() -> None:
    assert framed(258, b"x") == b"\x00\x00\x00\x01\x02x"


@given(st.integers(0, 2**32 - 1), st.binary())
def test_the_id_comes_back(schema_id: int, body: bytes) -> None:
    assert schema_id_of(framed(schema_id, body)) == schema_id


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"", "it is empty"),
        (b'{"a": 1}', r"first byte 0x7b \(looks like JSON\)"),
        (b' \n["a"]', r"first byte 0x20 \(looks like JSON\)"),
        (b"GET / HTTP", r"first byte 0x47 \(looks like plain text\)"),
        (b"\0\0\0", "it has only 3 of the 5 bytes"),
        (b"Obj\x01more", "a container file of Avro"),
        (b"\x01\x00\x00\x00\x05abc", "first byte 0x01, where 0x00 is expected"),
    ],
)
def test_what_is_no_avro_is_said(value: bytes, words: str) -> None:
    with pytest.raises(NotAvro, match=words):
        schema_id_of(value)


@given(st.binary(max_size=300))
def test_whatever_it_is_something_can_be_said(value: bytes) -> None:
    assert looks_like(value)


def test_text_is_taken_for_text_where_a_character_is_cut_in_two() -> None:
    with pytest.raises(NotAvro, match="plain text"):
        schema_id_of(b"x" + "ü".encode() * 200)


def test_json_is_never_taken_for_avro() -> None:
    assert not any(map(is_framed, [None, b"", b"{}", b"12345678", b"\0\0\0\0\1"]))
    assert is_framed(b"\0\0\0\0\1x")
