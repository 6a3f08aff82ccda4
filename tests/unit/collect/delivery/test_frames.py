"""A segment gives back every frame that is whole, whatever happened to the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.collect.delivery.spool.frames import FORMAT, HEADER, Damaged, Whole, format_of, framed, frames

PAYLOADS = [b"one", b"two" * 10, b"\xc5\x9b\x1e\xd7 looks like a mark", b"four"]
SEGMENT = HEADER + b"".join(map(framed, PAYLOADS))


def found_in(data: bytes) -> list[bytes]:
    return [found.payload for found in frames(data, len(HEADER)) if isinstance(found, Whole)]


def damaged_in(data: bytes) -> list[Damaged]:
    return [found for found in frames(data, len(HEADER)) if isinstance(found, Damaged)]


def test_gives_back_what_was_written() -> None:
    assert found_in(SEGMENT) == PAYLOADS
    assert damaged_in(SEGMENT) == []
    assert format_of(SEGMENT) == FORMAT


@pytest.mark.parametrize("length", range(len(HEADER), len(SEGMENT) + 1))
def test_a_segment_that_is_cut_anywhere_gives_all_whole_frames(length: int) -> None:
    ends = [len(HEADER) + len(b"".join(map(framed, PAYLOADS[:number]))) for number in range(len(PAYLOADS) + 1)]
    whole = max(number for number, end in enumerate(ends) if end <= length)
    cut = SEGMENT[:length]
    assert found_in(cut) == PAYLOADS[:whole]
    assert sum(one.end - one.start for one in damaged_in(cut)) == length - ends[whole]


@given(place=st.integers(len(HEADER), len(SEGMENT) - 1), by=st.integers(1, 255))
def test_a_flipped_byte_costs_one_frame(place: int, by: int) -> None:
    flipped = bytearray(SEGMENT)
    flipped[place] ^= by
    found = found_in(bytes(flipped))
    assert len(found) == len(PAYLOADS) - 1
    assert all(payload in PAYLOADS for payload in found)
    assert len(damaged_in(bytes(flipped))) == 1


def test_a_tail_of_zeros_is_no_frame() -> None:
    assert found_in(SEGMENT + bytes(4096)) == PAYLOADS
    assert damaged_in(SEGMENT + bytes(4096)) == [Damaged(len(SEGMENT), len(SEGMENT) + 4096)]


@given(st.binary(max_size=2_000))
def test_bytes_of_any_kind_end_it(data: bytes) -> None:
    places = list(frames(HEADER + data, len(HEADER)))
    assert sum(found.end - found.start for found in places if isinstance(found, Damaged)) <= len(data)


@pytest.mark.parametrize("header", [b"", b"CSSPOO", b"garbage!", bytes(8)])
def test_what_has_no_header_of_ours_has_no_format(header: bytes) -> None:
    assert format_of(header) is None
