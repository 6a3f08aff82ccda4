"""Who writes, and how far: the sink's two tables in the target.

`clickstream_sinks` has a row for each sink and topic with the epoch of its owner. An owner's every transaction locks
those rows first and finds its own epoch there, or writes nothing: however long a process stood still, once another one
has taken over, it is fenced. `clickstream_offsets` has the places.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from clickstream.errors import ClickstreamError
from clickstream.kafka.offsets import Partition
from clickstream.sinks.model import Claim, Place, Stored
from clickstream.sinks.postgres.connection import APPLICATION, Connection, quoted
from clickstream.sinks.postgres.shape import OFFSETS, SINKS
from clickstream.sinks.target import Away, Fenced

RESET_OWNER = "a --reset"


@dataclass(frozen=True)
class _Held:
    topic: str
    epoch: int
    owner: str
    since: str
    backend: int | None


class Claims:
    """The two tables, in one schema."""

    def __init__(self, schema: str, where: str) -> None:
        self._where = where
        self._schema = schema

    def claim(self, connection: Connection, claim: Claim) -> Stored:
        """What Target.claim is to do. Raises Fenced, Away while whoever has the rows does not let go."""
        topics = sorted(one.topic for one in claim.topics)
        try:
            with connection.transaction():
                epoch = self._take(connection, claim, topics)
                return Stored(epoch, self.places(connection, claim.sink, topics))
        except psycopg.errors.LockNotAvailable:
            self._end_holders(connection, claim.sink, topics)
            raise Away(f"{self._where}: another process holds sink {claim.sink}; its transaction was ended") from None

    def _take(self, connection: Connection, claim: Claim, topics: Sequence[str]) -> int:
        connection.execute(
            self._sql(
                "INSERT INTO {sinks} (sink, topic, epoch, owner, since) SELECT %s, t, 0, '', now() "
                "FROM unnest(%s::text[]) AS t ORDER BY t ON CONFLICT DO NOTHING"
            ),
            (claim.sink, topics),
        )
        held = self._held(connection, claim.sink, topics, "FOR UPDATE")
        if claim.epoch is None:
            epoch = max(one.epoch for one in held) + 1
        else:
            epoch = claim.epoch
            self._refuse_newer(claim.sink, held, epoch)
        # Also with an epoch of before: a standby that became the primary may have lost the claim.
        connection.execute(
            self._sql(
                "UPDATE {sinks} SET epoch = %s, owner = %s, backend = pg_backend_pid(), "
                "since = CASE WHEN epoch = %s THEN since ELSE now() END WHERE sink = %s AND topic = ANY(%s)"
            ),
            (epoch, claim.owner, epoch, claim.sink, topics),
        )
        return epoch

    def hold(self, connection: Connection, claim: Claim, epoch: int) -> None:
        """Make sure, up to this transaction's end, that the epoch holds. Raises Fenced, Away if the claim is lost."""
        topics = sorted(one.topic for one in claim.topics)
        held = self._held(connection, claim.sink, topics, "FOR SHARE")
        self._refuse_newer(claim.sink, held, epoch)
        if len(held) < len(topics) or any(one.epoch != epoch for one in held):
            raise Away(f"{self._where} lost what the sink wrote about itself")

    def _refuse_newer(self, sink: str, held: Sequence[_Held], epoch: int) -> None:
        newer = next((one for one in held if one.epoch > epoch), None)
        if newer is not None:
            raise Fenced(
                f"{newer.owner} has taken over sink {sink} of topic {newer.topic} at {self._where}, at {newer.since}: "
                "this one ends. Give one of them another --name if both shall run."
            )

    def _held(self, connection: Connection, sink: str, topics: Sequence[str], lock: str) -> list[_Held]:
        found = connection.execute(
            self._sql(
                "SELECT topic, epoch, owner, to_char(since, 'YYYY-MM-DD HH24:MI:SS') || ' UTC', backend "
                "FROM {sinks} WHERE sink = %s AND topic = ANY(%s) ORDER BY topic " + lock
            ),
            (sink, topics),
        )
        return [_Held(*row) for row in found.fetchall()]

    def _end_holders(self, connection: Connection, sink: str, topics: Sequence[str]) -> None:
        """End the sessions that hold the rows, for example of a process that was stopped amid a transaction."""
        backends = [one.backend for one in self._held(connection, sink, topics, "") if one.backend is not None]
        try:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY(%s) AND pid <> pg_backend_pid()"
                " AND datname = current_database() AND starts_with(application_name, %s)",
                (backends, APPLICATION),
            )
        except psycopg.errors.InsufficientPrivilege:
            raise ClickstreamError(
                f"{self._where}: another process, of another user, holds sink {sink}. End it, and start again."
            ) from None

    def places(self, connection: Connection, sink: str, topics: Sequence[str]) -> dict[Partition, Place]:
        """How far a sink is."""
        found = connection.execute(
            self._sql(
                "SELECT topic, partition, topic_id, next_offset FROM {offsets} WHERE sink = %s AND topic = ANY(%s)"
            ),
            (sink, topics),
        )
        return {(topic, number): Place(topic_id, offset) for topic, number, topic_id, offset in found.fetchall()}

    def save(self, connection: Connection, claim: Claim, places: Mapping[Partition, int]) -> None:
        """Write places, in the transaction of their rows."""
        ids = {one.topic: one.topic_id for one in claim.topics}
        rows = [(topic, number, ids[topic], offset) for (topic, number), offset in sorted(places.items())]
        if not rows:
            return
        topics, numbers, topic_ids, offsets = (list(column) for column in zip(*rows, strict=True))
        connection.execute(
            self._sql(
                "INSERT INTO {offsets} (sink, topic, partition, topic_id, next_offset) "
                "SELECT %s, * FROM unnest(%s::text[], %s::integer[], %s::text[], %s::bigint[]) "
                "ON CONFLICT (sink, topic, partition) DO UPDATE "
                "SET topic_id = EXCLUDED.topic_id, next_offset = EXCLUDED.next_offset"
            ),
            (claim.sink, topics, numbers, topic_ids, offsets),
        )

    def forget(self, connection: Connection, sink: str, topics: Sequence[str]) -> None:
        """Delete the places, in the transaction of the rows, and fence whoever still writes.

        Raises ClickstreamError when another sink has places of these topics: it would lack the rows.
        """
        self._refuse_shared(connection, sink, topics)
        self._held(connection, sink, topics, "FOR UPDATE")
        connection.execute(
            self._sql(
                "UPDATE {sinks} SET epoch = epoch + 1, owner = %s, since = now() WHERE sink = %s AND topic = ANY(%s)"
            ),
            (RESET_OWNER, sink, topics),
        )
        connection.execute(self._sql("DELETE FROM {offsets} WHERE sink = %s AND topic = ANY(%s)"), (sink, topics))

    def _refuse_shared(self, connection: Connection, sink: str, topics: Sequence[str]) -> None:
        found = connection.execute(
            self._sql("SELECT sink, topic FROM {offsets} WHERE sink <> %s AND topic = ANY(%s) ORDER BY 1, 2 LIMIT 1"),
            (sink, topics),
        ).fetchone()
        if found is not None:
            other, topic = found
            places = quoted(self._schema, OFFSETS).as_string(connection)
            whose = (
                sql.SQL("sink = {} AND topic = {}").format(sql.Literal(other), sql.Literal(topic)).as_string(connection)
            )
            raise ClickstreamError(
                f"{self._where}: sink {other} has written topic {topic}, too. The rows that are deleted would be "
                f"missing for it. If it may write them again, end it and DELETE FROM {places} WHERE {whose};"
            )

    def _sql(self, text: str) -> sql.Composed:
        # All of these statements have parameters: in them a `%` of a name would begin one.
        schema = self._schema.replace("%", "%%")
        return sql.SQL(text).format(sinks=quoted(schema, SINKS), offsets=quoted(schema, OFFSETS))
