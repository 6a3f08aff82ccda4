"""The topics that results go to."""

from clickstream.tables.sql.model import Table
from clickstream.topics import Declared, declared


def output(table: Table) -> Declared:
    """The target's topic as it is created: as declared, otherwise compacted if its rows have keys."""
    known = declared().get(table.topic)
    return known or Declared(table.topic, config={"cleanup.policy": "compact"} if table.upsert else {})
