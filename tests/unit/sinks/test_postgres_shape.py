"""What has to be done to a database before rows can be written."""

import pytest

from clickstream.sinks.inputs import plain
from clickstream.sinks.postgres.catalog import NEEDED, Database, Found
from clickstream.sinks.postgres.shape import OFFSETS, SINKS, Todo, needed

TEXTS = {"key": "text", "value": "text", "timestamp": "timestamp with time zone"}
PLACE = {"_partition": "integer", "_offset": "bigint"}


def found(comment: str | None) -> Database:
    """A database in which the table of `clicks-eu` is, with that comment."""
    book = Found({}, [], [], list(NEEDED), plain=True, owned=True)
    table = Found({**TEXTS, **PLACE}, [frozenset(PLACE)], [], list(NEEDED), plain=True, owned=True, comment=comment)
    tables = {SINKS: book, OFFSETS: book, "clicks_eu": table}
    return Database("shop", "shop", "public", True, ["CREATE", "USAGE", "CREATE SCHEMA", "TEMPORARY"], tables)


def todo(topic: str, database: Database) -> Todo:
    return needed([plain(topic)], database, early=False, evolve="off", jsonb=False)


def test_a_table_that_is_made_says_whose_rows_it_has() -> None:
    database = found(None)
    del database.tables["clicks_eu"]

    statements = [change.statement.as_string(None) for change in todo("clicks-eu", database).changes]

    assert statements[1:] == ['COMMENT ON TABLE "public"."clicks_eu" IS \'clickstream topic clicks-eu\'']


@pytest.mark.parametrize("comment", [None, "clickstream topic clicks-eu", "what our shop sells"])
def test_a_table_of_the_same_topic_or_of_nobody_is_used(comment: str | None) -> None:
    assert todo("clicks-eu", found(comment)) == Todo()


def test_a_table_of_another_topic_is_refused() -> None:
    assert todo("clicks.eu", found("clickstream topic clicks-eu")).problems == [
        "Table clicks_eu has the rows of topic clicks-eu, and this is clicks.eu: they would replace each other. Give "
        "the sink another --schema, or drop the table."
    ]
