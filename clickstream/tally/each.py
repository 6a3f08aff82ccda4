"""One tally per event, as the original application published them: tallies and state in one transaction."""

import logging
import threading
import time
from collections import Counter as Counts
from collections.abc import Iterator

from confluent_kafka import Message

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import End, Run
from clickstream.kafka.group import LEAVES_IN_AN_OUTAGE_WITHIN_S, LEAVES_WITHIN_S, forgotten_within
from clickstream.kafka.patience import Stopped
from clickstream.kafka.statistics import LostBrokers
from clickstream.kafka.transactions import Fenced, Record, Transactions
from clickstream.parts.part import Part
from clickstream.records import Position, StateKey, Tally, encode, utc_text
from clickstream.tally.counting import Counting, pass_end
from clickstream.tally.members import PartitionCounts
from clickstream.tally.options import CounterOptions, ReadingStopped
from clickstream.tally.publish import DOING, EPOCH_HEADER
from clickstream.tally.state import not_saved

BATCH = 1_000
MAX_WAIT_S = 0.05
LOOK_EVERY_S = 0.2

log = logging.getLogger(__name__)


class EachCounter(Part):
    """The only member of its group: a tally after every event, exactly once."""

    kind = "counter"

    def __init__(self, cluster: Cluster, options: CounterOptions, *, again: bool = False) -> None:
        """`again`: one went before it that perhaps could not leave the group."""
        self._again = again
        self._cluster = cluster
        self._options = options
        self.topics = [options.from_topic, options.to_topic]
        self._counting = Counting(cluster, options)
        self._tallier = self._counting.tallier
        self._trial = self._counting.trial
        self._states = self._counting.states
        self._transactions: Transactions | None = None
        self._partitions = 0  # known once we are assigned some
        self._tallies = 0
        self._lag = 0
        self._last_success: float | None = None
        self.group = options.group

    def run(self, stop: threading.Event) -> None:
        """Count until `stop` is set, or with `exit_at_end` until the end; while Kafka is away, wait for it.

        Raises ClickstreamError when the group has another member, the log contradicts the saved state, the broker
        refuses, or the latest counts could not be committed before the stop.
        """
        leaves_within = LEAVES_WITHIN_S
        try:
            if not self._opened(stop):
                return
            while not stop.is_set() and not self._finished():
                try:
                    self._step(self._member.next_batch(BATCH, MAX_WAIT_S), stop)
                except Fenced as fence:
                    self._go_on_after(fence, stop)
        except Stopped as stopped:
            leaves_within = LEAVES_IN_AN_OUTAGE_WITHIN_S
            if any(own.unsaved for own in self._member.owned.values()):
                raise not_saved(self._cluster.address) from stopped
        except LostBrokers:
            self._counting.give_up()
            leaves_within = LEAVES_IN_AN_OUTAGE_WITHIN_S
            raise
        finally:
            try:
                self._counting.close(leaves_within)
            finally:
                if self._transactions is not None:
                    self._transactions.close()

    def _opened(self, stop: threading.Event) -> bool:
        """False when it was stopped while Kafka was away: nothing is counted yet."""
        try:
            self._open(stop)
            return True
        except Stopped:
            return False

    def _open(self, stop: threading.Event) -> None:
        options = self._options
        self._topic = self._counting.find_topic(stop)
        self._be_alone(stop)
        self._counting.create_topics(stop)
        # First the transactions: what a killed predecessor left open is aborted before the state is read.
        self._transactions = Transactions(self._cluster, options.group, stop, doing=DOING)
        # Not the other counters' strategy: so the broker itself keeps them and us out of each other's groups.
        self._member = self._counting.join(stop, after_assign=self._begin, strategy="roundrobin")

    def _be_alone(self, stop: threading.Event) -> None:
        """Raises ClickstreamError when the group has another member: at once, or when one would be forgotten."""
        patience = forgotten_within(self._cluster) if self._again else 0.0
        deadline = time.monotonic() + patience
        if patience and self._topic.members(self._options.group):
            log.info("Waiting for up to %.0f s until group %s has forgotten its member.", patience, self._options.group)
        while self._topic.members(self._options.group):
            if time.monotonic() >= deadline:
                raise _not_alone(self._options.group)
            if stop.wait(LOOK_EVERY_S):
                raise Stopped("Stopped while the group had another member.")

    def _go_on_after(self, fence: Fenced, stop: threading.Event) -> None:
        """Our transactions are over. If no other counter runs, the broker ended them: a new producer goes on.

        That is so after an outage longer than TRANSACTION_TIMEOUT_S, and when the transaction's coordinator dies in
        a bad moment. Raises ClickstreamError when another counter has taken over, Stopped.
        """
        assert self._transactions is not None
        self._transactions.close()
        while True:
            current = self._member.is_current()
            if current:
                if self._topic.members(self._options.group) > 1:
                    raise _taken_over(self._options.group)
                try:
                    self._transactions = Transactions(self._cluster, self._options.group, stop, doing=DOING)
                    break
                except Fenced as again:
                    log.debug("Fenced again: %s", again)
            elif current is False:
                # The group has forgotten us: so we join it again, together with who has come since.
                self._member.next_batch(1, MAX_WAIT_S)
            if stop.wait(LOOK_EVERY_S):
                raise Stopped("Stopped while the broker did not say who counts.")
        log.warning("The broker ended the transactions of group %s (%s); going on.", self._options.group, fence)
        # What the last one wrote, if it was committed after all, is in the state topic.
        self._member.restore_again()

    def totals(self) -> dict[str, int]:
        return {
            "counted": self._tallier.counted,
            "dead_letters": self._counting.dead_letters.count,
            "tallies": self._tallies,
        }

    def gauges(self) -> dict[str, float]:
        return {"lag": self._lag}

    def last_success(self) -> float | None:
        return self._last_success

    def positions(self) -> list[Position]:
        return self._counting.positions()

    def _begin(self) -> None:
        """Find out, if partitions were given to another member, which of us is the rightful one.

        The other is a predecessor that was frozen until the group had forgotten it, or one that started in the
        same moment as we. Writing tells: the transactions of one of us are fenced. It ends; the other goes on.
        """
        self._partitions = self._topic.partitions()
        self._trial.begin()
        if len(self._member.owned) < self._partitions:
            for own in self._member.owned.values():
                own.unsaved = True

    def _step(self, messages: list[Message], stop: threading.Event) -> None:
        records: list[Record] = []
        try:
            for part, own in self._counting.ready(messages):
                records += self._count(part, own)
        except ReadingStopped as stopped:
            log.info("%s", stopped)  # what was counted before, also of that part, is committed
        self._commit(records, stop)

    def _count(self, part: Run | End, own: PartitionCounts) -> Iterator[Record]:
        if isinstance(part, End):
            pass_end(part, own)
            return
        for message in part.messages:
            before = self._tallier.counted
            self._tallier.add(Run(part.topic, part.partition, [message]), own)
            if self._tallier.counted > before:
                yield self._tally()

    def _tally(self) -> Record:
        counts: Counts[str] = Counts()
        for own in self._member.owned.values():
            counts.update(own.counts)
        for state in self._states.fold.states.values():
            if state.partition not in self._member.owned:  # see _begin: nobody else can have moved it on
                counts.update(state.counts)
        self._tallier.check_names(counts)
        headers = [(EPOCH_HEADER, str(self._states.fold.epoch).encode())]
        value = Tally(dict(counts), utc_text(time.time())).encode()
        return Record(self._options.to_topic, self._options.group.encode(), value, list(headers))

    def _commit(self, records: list[Record], stop: threading.Event) -> None:
        changed = self._counting.unsaved()
        assert self._transactions is not None
        if not changed:
            self._transactions.poll()
            self._counting.poll()
            self._states.rest()
            return
        while not self._topic.same():
            if stop.wait(LOOK_EVERY_S):
                raise Stopped("Stopped while Kafka was away.")
        self._counting.deliver_dead_letters(stop)
        for own in changed:
            state = self._counting.state_of(own)
            records.append(Record(self._states.topic, encode(StateKey(own.epoch, own.partition)), encode(state)))
        self._transactions.commit(records)
        for own in changed:
            own.saved()
        self._last_success = time.time()
        self._tallies += len(records) - len(changed)
        self._member.commit()
        self._lag = self._member.lag()

    def _finished(self) -> bool:
        ended = sum(self._counting.at_end(own) and not own.unsaved for own in self._member.owned.values())
        return self._options.exit_at_end and self._member.assigned and ended >= self._partitions


def _taken_over(group: str) -> ClickstreamError:
    return ClickstreamError(
        f"Another counter has taken over group {group} while this one was frozen. If no other runs, start it again: "
        "it goes on where it was."
    )


def _not_alone(group: str) -> ClickstreamError:
    return ClickstreamError(
        f"--emit each needs to be the only member of group {group}, and there is another one. "
        "Stop it (one that was killed counts until its session times out), or choose another --group."
    )
