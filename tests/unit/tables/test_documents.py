"""The SQL that docs/sql.md shows."""

import re
from pathlib import Path

from clickstream.tables.engine.rig import Rig
from clickstream.tables.sql.check import check
from docs.generate import ROOT

TEXT = (ROOT / "docs" / "sql.md").read_text("utf-8")
EXAMPLE = (ROOT / "docs" / "examples" / "visits.sql").read_text("utf-8")
RECORD = re.search(r"```json\n(.*?)\n```", TEXT)


def test_whole_statements_have_no_problems() -> None:
    blocks = re.findall(r"```sql\n((?:-- Hits|CREATE TABLE).*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        found = check(block)
        assert not found.problems, found.render()


def test_the_example_counts_the_pages_of_the_record_that_it_shows(tmp_path: Path) -> None:
    assert RECORD
    shown = RECORD[1].encode()
    later = shown.replace(b"1767225600000", b"1767225665001")
    with Rig(EXAMPLE, tmp_path) as rig:
        rig.put("visits", 0, shown, shown.replace(b"anna", b"ben"), shown, later)
        rig.step()
        assert rig.table("page-hits") == {
            '{"path":"/cart","window_start":"2026-01-01 00:00:00"}': {
                "path": "/cart",
                "window_start": "2026-01-01 00:00:00",
                "hits": 3,
                "visitors": 2,
            }
        }
