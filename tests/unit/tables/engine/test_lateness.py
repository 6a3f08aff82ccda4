"""Late rows as records."""

import json

import duckdb

from clickstream.tables.engine.operators.operator import note_late
from clickstream.tables.engine.writing.lateness import LateRows
from tests.unit.fakes import Kept


def test_a_late_row_has_the_columns_of_the_file_and_none_of_the_engine() -> None:
    sender = Kept()
    late = LateRows(sender, "late", {"op": "INSERT INTO t (line 3)"}, {"op": ["a"]}, {"a": "clicks"})
    with duckdb.connect() as db:
        late.create(db)
        ours = '3 AS "$p", 7 AS "$o", 1 AS "$t", 2 AS "$wm", 4 AS "$key0", 5 AS "$agg12", 6 AS "$order1"'
        db.execute(f"""CREATE TABLE r AS SELECT 'a' AS ip, 8 AS "$price", {ours}""")
        db.execute(note_late("op", "r", "TRUE"))
        late.take(db)
        late.take(db)
    (record,) = sender.records
    assert json.loads(record.value or b"") == {"ip": "a", "$price": 8}
    assert record.headers == [
        ("statement", b"INSERT INTO t (line 3)"),
        ("origin-topic", b"clicks"),
        ("origin-partition", b"3"),
        ("origin-offset", b"7"),
    ]
    assert late.count == 1
