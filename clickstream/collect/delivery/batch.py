"""The events of one request on their way to Kafka, together as long as none of them fails."""

from collections.abc import Sequence

from confluent_kafka import KafkaError, Message

from clickstream.collect.delivery.tickets import Place, Ticket, Waiting
from clickstream.collect.model import Outgoing, Record


class Batch:
    """A ticket for many Outgoings: one for each would be 40 % of what it costs this process to bring them to Kafka.

    It is finished when all of its records are acknowledged. With the first failure each Outgoing gets a ticket of its
    own, which knows what was acknowledged before, and hears what is reported from then on.
    """

    __slots__ = ("_acknowledged", "_at", "_finished", "_in_flight", "_left", "_parts", "_places", "_split", "waiting")

    def __init__(self, at: int, finished: "list[Ticket | Batch]", in_flight: "dict[str, Ticket | Batch]") -> None:
        """It, or its tickets, are put into `finished`; `in_flight` tells by an id which of them has it. `at`: epoch
        ms."""
        self.waiting: list[Waiting] = []
        self._at = at
        self._finished = finished
        self._in_flight = in_flight
        self._parts: list[tuple[str | None, Sequence[Record]]] = []
        self._places: list[Place] = []
        self._left = 0
        self._acknowledged: list[Message | None] = []
        self._split: _Split | None = None

    def add(self, outgoing: Outgoing, place: Place | None) -> None:
        """Before it is sent. `place` is where --explain reads what came of it."""
        self._parts.append((outgoing.id, outgoing.records))
        self._left += len(outgoing.records)
        if place is not None:
            self._places.append(place)
        if outgoing.id is not None:
            self._in_flight[outgoing.id] = self

    @property
    def records(self) -> list[Record]:
        """Of all, in their order."""
        return [record for _id, records in self._parts for record in records]

    @property
    def ids(self) -> list[str | None]:
        """Of all, in their order."""
        return [id_ for id_, _records in self._parts]

    def reported(self, error: KafkaError | None, message: Message | None) -> None:
        """Of a record: delivered, or not."""
        if error is None and self._split is None:
            self._acknowledged.append(message)
            self._left -= 1
            if self._left == 0:
                self._finished.append(self)
            return
        self._each().reported(error, message)

    def cut(self, queued: int, error: KafkaError) -> None:
        """Only that many of its records were handed over."""
        for ticket in self._each().tickets:
            count = len(ticket.records)
            if queued < count:
                ticket.cut(queued, error)
            queued = max(0, queued - count)

    @property
    def over(self) -> bool:
        """Whether all of its records were reported."""
        return self._left == 0 if self._split is None else all(ticket.over for ticket in self._split.tickets)

    def give_up(self, error: KafkaError) -> None:
        """Wait for no report any more; those that come later change nothing. What is not acknowledged counts as
        failed."""
        if not self.over:
            for ticket in self._each().tickets:
                ticket.give_up(error)

    def tell(self, how: str) -> None:
        """Those who wait for it: KAFKA has all of it."""
        for verdicts, index in self._places:
            verdicts[index] = how
        for one in self.waiting:
            one.told(True)

    def _each(self) -> "_Split":
        """From the first call on each Outgoing is by itself."""
        if self._split is None:
            self._split = _Split([self._ticket(number) for number in range(len(self._parts))])
            for one in self.waiting:
                one.told(True)  # of the batch: now it is its tickets that are waited for
            for message in self._acknowledged:
                self._split.reported(None, message)
        return self._split

    def _ticket(self, number: int) -> Ticket:
        id_, records = self._parts[number]
        ticket = Ticket(records, id_, self._at, self._finished)
        for one in self.waiting:
            one.expect()
            ticket.waiting.append(one)
        ticket.places += self._places[number : number + 1]
        if id_ is not None:
            self._in_flight[id_] = ticket
        return ticket


class _Split:
    """The tickets of a batch, found by what is reported: the client gives a record back, and not whose it was."""

    def __init__(self, tickets: list[Ticket]) -> None:
        self.tickets = tickets
        self._of: dict[tuple[str | None, bytes | None], list[Ticket]] = {}
        for ticket in tickets:
            for record in ticket.records:
                self._of.setdefault((record.topic, record.value), []).append(ticket)

    def reported(self, error: KafkaError | None, message: Message | None) -> None:
        """Of a record of one of them. Of two that are the same, the one that was sent first."""
        found = None if message is None else self._of.get((message.topic(), message.value()))
        if found:
            found.pop(0).reported(error, message)
        elif error is not None:  # it does not say of what, so it may be of any
            for ticket in self.tickets:
                ticket.give_up(error)
