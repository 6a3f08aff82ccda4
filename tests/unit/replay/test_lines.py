import gzip
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.replay.lines import MAX_LINE, MAX_UNZIPPED, Lines, Splitter, Unreadable, unzipped

CHUNKS = st.lists(st.text("ab\n").map(str.encode))


def split(chunks: list[bytes], cut_off: str = "") -> list[Lines | Unreadable]:
    splitter = Splitter()
    parts = [part for chunk in chunks for part in splitter.feed(chunk)]
    return [*parts, *splitter.end(cut_off)]


def numbered(parts: list[Lines | Unreadable]) -> list[tuple[int, bytes]]:
    found = []
    for part in parts:
        if isinstance(part, Lines):
            found += list(enumerate(part.lines, part.first))
        else:
            found.append((part.number, part.data))
    return found


@given(CHUNKS)
def test_lines_do_not_depend_on_chunks(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    expected = whole.removesuffix(b"\n").split(b"\n") if whole else []
    assert numbered(split(chunks)) == list(enumerate(expected, 1))


@pytest.mark.parametrize("size", [1000, MAX_LINE, MAX_LINE + 1, 10 * MAX_LINE])
def test_a_line_that_is_too_long_is_cut_and_those_around_it_are_whole(size: int) -> None:
    longest = b"y" * MAX_LINE
    text = b"before\n" + b"x" * 200_000 + b"\nafter\n" + longest + b"\n" + longest + b"y\nlast"
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    parts = split(chunks)
    assert numbered(parts) == [
        (1, b"before"),
        (2, b"x" * MAX_LINE),
        (3, b"after"),
        (4, longest),
        (5, longest),
        (6, b"last"),
    ]
    assert [part.reason for part in parts if isinstance(part, Unreadable)] == [
        "the line has 200,000 bytes, more than 65,536",
        "the line has 65,537 bytes, more than 65,536",
    ]


def test_a_last_line_that_is_too_long_and_never_ends() -> None:
    parts = split([b"x" * 70_000] * 3)
    assert numbered(parts) == [(1, b"x" * MAX_LINE)]
    assert "210,000 bytes" in parts[-1].reason if isinstance(parts[-1], Unreadable) else False


def test_a_line_without_end_is_held_only_so_far() -> None:
    splitter = Splitter()
    for _ in range(100):
        assert not [part for part in splitter.feed(b"x" * 50_000) if part != Lines(1, [])]
        assert len(splitter._rest) <= MAX_LINE


def test_nothing_yet_is_an_empty_batch() -> None:
    assert list(Splitter().feed(b"")) == [Lines(1, [])]


def test_what_damage_cut_off_is_no_line() -> None:
    parts = split([b"one\ntwo"], cut_off="the gzip data ends early")
    assert parts == [Lines(1, [b"one"]), Unreadable(2, b"two", "the line is cut off: the gzip data ends early")]


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x1f",
        b"\x1fplain",
        b"plain\n",
        gzip.compress(b""),
        gzip.compress(b"one\n"),
        gzip.compress(b"one\n") + gzip.compress(b"two\n"),
        gzip.compress(b"one\n") + b"\0" * 600,
        gzip.compress(b"one\n") + b"\0" * 600 + gzip.compress(b"two\n"),
    ],
)
def test_gzip_is_told_by_its_first_bytes(data: bytes, size: int) -> None:
    expected = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    assert b"".join(unzipped(pieces(data, size))) == expected


def test_empty_chunks_pass_through_so_that_nobody_waits() -> None:
    data = gzip.compress(b"one\n")
    chunks = [b"", data[:1], b"", data[1:20], b"", data[20:], b""]
    assert len(list(unzipped(iter(chunks)))) >= len(chunks)
    assert b"".join(unzipped(iter(chunks))) == b"one\n"


def test_much_is_unzipped_in_small_steps() -> None:
    bomb = gzip.compress(b"\n" * 50_000_000)
    assert len(bomb) < 100_000
    sizes = [len(chunk) for chunk in unzipped(iter([bomb]))]
    assert max(sizes) <= MAX_UNZIPPED
    assert sum(sizes) == 50_000_000


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_truncated_file_gives_what_it_has_and_then_an_error(size: int) -> None:
    text = b"".join(b"%d\n" % number for number in range(10_000))
    data = gzip.compress(text)[:-4000]
    got = []

    def read() -> None:
        for chunk in unzipped(pieces(data, size)):
            got.append(chunk)  # noqa: PERF402 - what came before the error is the point

    with pytest.raises(EOFError):
        read()
    assert text.startswith(b"".join(got))
    assert len(b"".join(got)) > 10_000


@pytest.mark.parametrize("data", [gzip.compress(b"one\n") + b"garbage", b"\x1f\x8bno gzip"])
def test_damage_is_an_error(data: bytes) -> None:
    with pytest.raises(zlib.error):
        list(unzipped(iter([data])))
