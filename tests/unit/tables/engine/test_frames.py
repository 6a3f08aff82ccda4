"""Objects over a pipe: what goes in comes out, with the data of tables beside it."""

import io

import pyarrow as pa
import pytest

from clickstream.tables.engine.fetching.frames import receive, send


def test_objects_come_out_in_their_order() -> None:
    pipe = io.BytesIO()
    table = pa.table({"a": ["x", None, "é"], "n": [1, 2, None]})
    for item in ({"one": 1}, table, [table.slice(1, 1), b"bytes"], None):
        send(pipe, item)
    pipe.seek(0)
    assert receive(pipe) == {"one": 1}
    assert receive(pipe).equals(table)
    part, data = receive(pipe)
    assert (part.to_pylist(), data) == ([{"a": None, "n": 2}], b"bytes")
    assert receive(pipe) is None
    with pytest.raises(EOFError):
        receive(pipe)


def test_the_data_of_a_table_is_beside_the_pickle_and_not_in_it() -> None:
    pipe = io.BytesIO()
    text = "a text of a column"
    send(pipe, pa.table({"a": [text] * 1000}))
    pipe.seek(0)
    count = int.from_bytes(pipe.read(8), "little")
    sizes = [int.from_bytes(pipe.read(8), "little") for _ in range(count)]
    assert count > 1
    assert text.encode() not in pipe.read(sizes[0])
    assert sum(sizes[1:]) >= 1000 * len(text)


@pytest.mark.parametrize("cut", [1, 9, 30, -1])
def test_a_frame_that_was_cut_is_an_end(cut: int) -> None:
    pipe = io.BytesIO()
    send(pipe, pa.table({"a": list(range(100))}))
    with pytest.raises(EOFError):
        receive(io.BytesIO(pipe.getvalue()[:cut]))
