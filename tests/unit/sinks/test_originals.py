"""Of a batch, the records of which a value is changed, and how."""

from collections import Counter

import pytest

from clickstream.sinks.inputs import described
from clickstream.sinks.model import Rows
from clickstream.sinks.originals import OTHER_TYPE, Changes, changed_records
from clickstream.sinks.reading import RecordReader
from clickstream.sinks.target import Refused
from clickstream.tables.engine.decoding.coerce import HALF
from tests.unit.sinks.archives import record

NUL = "character NUL became U+FFFD"


def cleaned(rows: Rows) -> Changes:
    texts = rows.column("s").to_pylist()
    if "refused" in texts:
        raise Refused("22000", "it is so")
    count = sum("\0" in (text or "") for text in texts)
    return Counter({("s", NUL): count} if count else {})


@pytest.mark.parametrize("refused", [(), (3,), (50, 51)])
def test_each_is_found_with_what_is_changed_also_beside_refused_ones(refused: tuple[int, ...]) -> None:
    odd = {
        7: (rb'{"s":"a\ud800","n":1}', {("s", HALF)}),
        49: (rb'{"s":"\u0000","n":"x"}', {("s", NUL), ("n", OTHER_TYPE)}),
        99: (rb'{"s":"\u0000"}', {("s", NUL)}),
    }
    plain = b'{"s":"x","n":1,"more":"no column takes it"}'
    values = [odd[at][0] if at in odd else b'{"s":"refused"}' if at in refused else plain for at in range(100)]
    reader = RecordReader(described("events", "s STRING, n INT", None), early=False)
    rows = reader.read([record(at, value) for at, value in enumerate(values)]).rows
    found = {message.offset(): set(changes) for message, changes in changed_records(rows, reader, cleaned)}
    assert found == {at: changes for at, (_, changes) in odd.items()}


def test_where_nothing_is_changed_a_batch_is_looked_at_once() -> None:
    reader = RecordReader(described("events", "s STRING, n INT", None), early=False)
    rows = reader.read([record(at, b'{"s":"x"}') for at in range(100)]).rows
    looks: list[int] = []

    def counted(some: Rows) -> Changes:
        looks.append(len(some))
        return Counter()

    assert list(changed_records(rows, reader, counted)) == []
    assert looks == [100]
