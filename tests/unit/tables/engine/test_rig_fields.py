"""Fields of another type are counted by their columns, in every batch."""

from pathlib import Path

from clickstream.tables.engine.report import Mistyped
from clickstream.tables.engine.rig import Rig
from tests.unit.tables.engine.rigs import SETTINGS, appended, row, source


def test_each_column_has_a_count_of_its_own(tmp_path: Path) -> None:
    sql = source("a") + appended("copy", "n INT, price DOUBLE") + "INSERT INTO copy SELECT n, price FROM a;"
    with Rig(SETTINGS + sql, tmp_path) as rig:
        rig.put("a", 0, row(1, n="x", price="dear"), row(2, n=2, price=1.5))
        rig.step()
        rig.put("a", 0, row(3, n=[], price=None))
        rig.step()
        (found,) = rig.engine.sources()
        assert found.mistyped == (Mistyped("n", "INT", 2), Mistyped("price", "DOUBLE", 1))
        assert found.nulled == rig.engine.totals()["nulled"] == 3
