"""From where a run reads, and what it leaves for the next one."""

from pathlib import Path

from clickstream.tables.engine.rig import Rig
from tests.unit.tables.engine.rigs import SETTINGS, appended, row, source

COPIES = appended("copies", "ip STRING, n INT") + "INSERT INTO copies SELECT ip, n FROM clicks;\n"
LATEST = SETTINGS + source("clicks").replace("earliest-offset", "latest-offset") + COPIES


def test_records_that_come_between_two_runs_are_read_although_the_first_one_saw_none(tmp_path: Path) -> None:
    with Rig(LATEST, tmp_path, partitions={"clicks": 2}) as rig:
        rig.stop()
        rig.put("clicks", 0, row(1, n=1), row(2, n=2))
        rig.put("clicks", 1, row(1, n=3))
        rig.restart()
        rig.step()
        assert sorted(found["n"] for found in rig.rows("copies") if found) == [1, 2, 3]
