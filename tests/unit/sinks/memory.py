"""A target in memory that does what a test says: it is away, refuses rows, and has a newer owner."""

from collections.abc import Sequence

from clickstream.sinks.model import DELETED, OFFSET, PARTITION, Batch, Claim, Input, Place, Stored, Written
from clickstream.sinks.target import Away, Fenced, Refused, RefusedRows


class MemoryTarget:
    """What several sinks write to: `rows` by topic and origin, `places` by sink. `connections` counts."""

    kind = "memory"
    where = "memory"

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int, int], bytes | None] = {}
        self.places: dict[tuple[str, int], Place] = {}
        self.epoch = 0
        self.owner = ""
        self.connections = 0
        self.batches: list[int] = []  # rows of each that was committed
        self.away: list[str] = []  # for writes to come: "before" or "after" the commit
        self.poison: set[bytes] = set()
        self.names_poison = False  # tells at once which rows it refuses
        self._claim: Claim | None = None
        self._own = 0

    def connect(self) -> None:
        self.connections += 1

    def prepare(self, inputs: Sequence[Input]) -> None:
        pass

    def claim(self, claim: Claim) -> Stored:
        if claim.epoch is None:
            self.epoch += 1
            self._own = self.epoch
            self.owner = claim.owner
        elif claim.epoch != self.epoch:
            raise Fenced(f"memory is written by {self.owner} now.")
        self._claim = claim
        return Stored(self.epoch, dict(self.places))

    def write(self, batch: Batch) -> Written:
        if self._own != self.epoch:
            raise Fenced(f"memory is written by {self.owner} now.")
        how = self.away.pop(0) if self.away else ""
        if how == "before":
            raise Away("memory does not answer")
        poison = [message for message in batch.messages() if message.value() in self.poison]
        if poison and self.names_poison:
            raise RefusedRows([(message, Refused("22P02", "poison", "value")) for message in poison])
        if poison:
            raise Refused("22P02", "poison", "value")
        assert self._claim is not None
        ids = {one.topic: one.topic_id for one in self._claim.topics}
        written = Written()
        for rows in batch.rows:
            assert {message.topic() for message in rows.messages} == {rows.input.topic}
            for message, gone in zip(rows.messages, rows.table[DELETED].to_pylist(), strict=True):
                place = (message.topic() or "", message.partition() or 0, message.offset() or 0)
                assert place not in self.rows, "written twice"
                self.rows[place] = message.value()
                written.deleted += gone
                written.appended += not gone
            assert rows.table[OFFSET].to_pylist() == [message.offset() for message in rows.messages]
            assert rows.table[PARTITION].to_pylist() == [message.partition() for message in rows.messages]
        self.places |= {one: Place(ids[one[0]], offset) for one, offset in batch.places.items()}
        self.batches.append(len(batch))
        if how == "after":
            raise Away("memory does not answer")
        return written

    def forget(self, inputs: Sequence[Input], sink: str) -> None:
        self.rows.clear()
        self.places.clear()

    def close(self) -> None:
        pass
