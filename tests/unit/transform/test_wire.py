import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.transform.api import Record
from clickstream.transform.wire import (
    Begin,
    Loaded,
    Pieces,
    Raised,
    Returned,
    Said,
    Unloadable,
    WasAway,
    frame,
    read_begin,
    read_records,
)

RECORDS = st.lists(
    st.builds(
        Record,
        st.none() | st.binary(),
        st.none() | st.binary(),
        st.lists(st.tuples(st.text(), st.none() | st.binary())).map(tuple),
        st.none() | st.integers(0, 2**62),
        st.text(),
        st.integers(0, 2**31 - 1),
        st.integers(0, 2**62),
    ),
    max_size=4,
)
SAID: st.SearchStrategy[Said] = (
    RECORDS.map(Returned)
    | st.builds(Raised, st.text(), st.text())
    | st.builds(WasAway, st.text())
    | st.builds(Unloadable, st.text())
    | st.just(Loaded())
)


@given(RECORDS)
def test_records_arrive_as_they_were_sent(records: list[Record]) -> None:
    pipe = io.BytesIO(frame(Begin("a:b")) + frame(records))
    assert read_begin(pipe) == Begin("a:b")
    assert read_records(pipe) == records
    with pytest.raises(EOFError):
        read_records(pipe)


@given(st.lists(SAID, max_size=5), st.integers(1, 50))
def test_answers_are_whole_however_the_pipe_divides_them(said: list[Said], size: int) -> None:
    octets = b"".join(map(frame, said))
    pieces = Pieces()
    found = []
    for start in range(0, len(octets), size):
        pieces.add(octets[start : start + size])
        while (one := pieces.next()) is not None:
            found.append(one)
    assert found == said


@pytest.mark.parametrize("left", [0, 1, 3, 4, 6])
def test_a_piece_that_is_cut_off_is_the_end(left: int) -> None:
    with pytest.raises(EOFError):
        read_records(io.BytesIO(frame([Record(b"value")])[:left]))
