import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.inspect import shown
from clickstream.inspect.shown import Part, Preview
from tests.unit.inspect.records import record

# No JSON parser of a browser gives these back as they are.
NUMBERS = ["9223372036854775807", "23958446825181076828", "1.0", "1e400", "0.1000", "-0", "1E+2"]


def pieces(octets: bytes, limit: int) -> list[Part]:
    found = []
    start: int | None = 0
    while start is not None:
        part = shown.part(octets, start, limit)
        assert part is not None
        found.append(part)
        start = part.next
    return found


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_stay_as_they_are_written(number: str) -> None:
    value = f'{{"n": {number}, "n": 2}}'.encode()
    found = shown.whole(record(0, value))
    assert found.value == Part(len(value), 0, None, text=value.decode())
    assert shown.row(record(0, value)).value == Preview(len(value), text=value.decode())
    assert shown.cell(f'{{"a":{{"b":[{number}]}}}}'.encode(), "a.b.0") == number


def test_null_is_no_empty_text_and_no_text_null() -> None:
    values = [None, b"", b"null", b'"null"']
    found = [msgspec.json.encode(shown.preview(value)) for value in values]
    assert found == [
        b"null",
        b'{"length":0,"text":""}',
        b'{"length":4,"text":"null"}',
        b'{"length":6,"text":"\\"null\\""}',
    ]
    assert [shown.part(value) is None for value in values] == [True, False, False, False]


@pytest.mark.parametrize("octets", [b"\x00\xff", b"a\x00b", b"\xff", b"\x1b[31m", "x\u0085".encode(), b"\xed\xa0\x80"])
def test_what_is_no_text_comes_as_hex_and_base64(octets: bytes) -> None:
    found = shown.part(octets)
    assert found is not None
    assert found.text is None
    assert bytes.fromhex(found.hex or "") == octets
    assert json.loads(msgspec.json.encode(found))["length"] == len(octets)
    preview = shown.preview(octets)
    assert preview is not None
    assert (preview.text, preview.hex) == (None, octets.hex())


@pytest.mark.parametrize(
    ("octets", "schema"),
    [
        (b"\0\0\0\0\7\2\0", 7),
        (b"\0\0\0\0\0\2\0", None),
        ((2**25).to_bytes(8, "big"), None),
        (b"{}", None),
        (None, None),
    ],
)
def test_what_looks_like_avro_is_told_by_its_schema(octets: bytes | None, schema: int | None) -> None:
    found = shown.row(record(0, octets)).value
    assert (found.avro if found is not None else None) == schema


def test_what_is_read_is_shown_beside_what_it_is() -> None:
    def look(octets: bytes | None) -> tuple[bytes | None, shown.Avro | None]:
        return (b"{}", shown.Avro(7, "User")) if octets == b"avro" else (octets, None)

    found = shown.whole(record(0, b"avro", key=b"k"), look=look)
    assert found.value == Part(2, 0, None, text="{}")
    assert (found.key_avro, found.value_avro, found.size) == (None, shown.Avro(7, "User"), 4)


def test_a_key_of_eight_bytes_is_offered_as_a_number() -> None:
    found = shown.whole(record(0, key=(2**63 - 1).to_bytes(8, "big")))
    assert found.key is not None
    assert found.key.number == "9223372036854775807"
    small = shown.part(b"\xff\xff\xff\xfe")
    assert small is not None
    assert small.number == "-2"


def test_marks_that_turn_the_direction_are_text() -> None:
    found = shown.part("a\u202eb".encode())
    assert found is not None
    assert found.text == "a\u202eb"


def test_a_preview_is_short_and_tells_the_length() -> None:
    value = ("é" * 1_000_000).encode()
    found = shown.preview(value)
    assert found is not None
    assert found.text == "é" * 500
    assert (found.length, found.cut) == (2_000_000, True)
    assert len(msgspec.json.encode(shown.row(record(0, value, key=value)))) < 4_000


@given(st.text(max_size=60), st.integers(4, 20))
def test_the_pieces_of_a_text_are_the_text(content: str, limit: int) -> None:
    octets = content.encode("utf-8", "replace")
    found = pieces(octets, limit)
    if found[0].text is None:
        assert b"".join(bytes.fromhex(part.hex or "") for part in found) == octets
    else:
        assert "".join(part.text or "" for part in found).encode() == octets


@given(st.binary(max_size=60), st.integers(1, 20))
def test_the_pieces_of_any_bytes_are_the_bytes(octets: bytes, limit: int) -> None:
    found = pieces(octets, max(limit, 4))
    joined = b"".join(part.text.encode() if part.text is not None else bytes.fromhex(part.hex or "") for part in found)
    assert joined == octets


def test_a_megabyte_is_sixteen_pieces() -> None:
    value = b"x" * 1_000_000
    assert len(pieces(value, shown.SLICE_BYTES)) == math.ceil(1_000_000 / shown.SLICE_BYTES)


@pytest.mark.parametrize(
    ("value", "path", "cell"),
    [
        (b'{"a": {"b": 1.10}}', "a.b", "1.10"),
        (b'{"a.b": 1, "a": {"b": 2}}', "a.b", "1"),
        (b'{"a": {"b": 2}}', "a.b", "2"),
        (b'{"a": null}', "a", "null"),
        (b'{"a": ""}', "a", '""'),
        (b'{"a": [ 1 , 2 ]}', "a", "[ 1 , 2 ]"),
        (b'{"a": 1}', "b", None),
        (b"no json", "a", None),
        (b"\xff", "a", None),
        (None, "a", None),
        (b'{"a": "' + b"x" * 300 + b'"}', "a", '"' + "x" * 199 + "…"),
    ],
)
def test_a_cell_is_what_stands_there(value: bytes | None, path: str, cell: str | None) -> None:
    assert shown.cell(value, path) == cell


def test_headers_are_told_in_their_order_and_repeated() -> None:
    headers: list[tuple[str, bytes | None]] = [("a", b"1"), ("b", None), ("a", b"\xff")]
    found = shown.whole(record(0, headers=headers))
    assert [name for name, _part in found.headers] == ["a", "b", "a"]
    assert found.headers[1][1] is None
