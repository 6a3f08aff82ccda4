"""The peer of `bench postgres`: what sinks over JDBC do, with psycopg. A statement for each row, in batches of 3,000
(the default of Kafka Connect's JDBC sink), sent without waiting for each answer, and committed; then the offsets."""

import sys

import psycopg

from bench.sink_rows import batches

BATCH = 3_000

_TABLE = """CREATE TABLE {} (
    id bigint PRIMARY KEY, name text, hits bigint, share double precision, seen timestamptz
)"""
_UPSERT = """INSERT INTO {} (id, name, hits, share, seen)
VALUES (%(id)s, %(name)s, %(hits)s, %(share)s, %(seen)s)
ON CONFLICT (id) DO UPDATE
SET name = EXCLUDED.name, hits = EXCLUDED.hits, share = EXCLUDED.share, seen = EXCLUDED.seen"""


def main(kafka: str, topic: str, schema: str, dsn: str) -> None:
    """Fill a new table with what the topic has."""
    connection = psycopg.connect(dsn)
    table = f'"{schema}"."{topic}"'
    connection.execute(f'CREATE SCHEMA "{schema}"')
    connection.execute(_TABLE.format(table))
    connection.commit()
    upsert = _UPSERT.format(table)
    for rows in batches(kafka, topic, schema, BATCH):
        with connection.cursor() as cursor:
            cursor.executemany(upsert, rows)
        connection.commit()
    connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
