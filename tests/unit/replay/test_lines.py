import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.replay.lines import MAX_LINE, Lines, Splitter, Unreadable, behind_hole

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
    assert [part.length for part in parts if isinstance(part, Unreadable)] == [200_000, 65_537]


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
    assert parts == [Lines(1, [b"one"]), Unreadable(2, b"two", "the line is cut off: the gzip data ends early", 3)]


def test_a_long_line_that_damage_cut_off_has_its_length() -> None:
    [part] = [part for part in split([b"x" * 70_000] * 2, cut_off="damage") if isinstance(part, Unreadable)]
    assert (part.data, part.length) == (b"x" * MAX_LINE, 140_000)


@pytest.mark.parametrize("size", [1000, 65_536, 131_072, 10**9])
@pytest.mark.parametrize("hole", [1, 5_000, 65_536, 1_000_000])
@pytest.mark.parametrize("before", [b"", b"half a li"])
def test_a_hole_hides_no_line_however_long_it_is(size: int, hole: int, before: bytes) -> None:
    text = b"one\n" + before + b"\0" * hole + b"two\nthree\n"
    parts = split([text[at : at + size] for at in range(0, len(text), size)])
    (_, first), (number, second), (_, third) = numbered(parts)
    assert (first, number, third) == (b"one", 2, b"three")
    assert not [part for part in parts if isinstance(part, Unreadable)]
    assert behind_hole(second) == (before, b"two")


def test_a_long_hole_is_not_held() -> None:
    splitter = Splitter()
    for _ in range(100):
        assert not [part for part in splitter.feed(b"\0" * 50_000) if part != Lines(1, [])]
        assert len(splitter._rest) <= MAX_LINE


def test_a_line_without_nul_bytes_has_no_hole() -> None:
    assert behind_hole(b"line") is None
