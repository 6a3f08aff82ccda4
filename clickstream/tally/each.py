"""One tally per event, as the original application published them: tallies and state in one transaction."""

import logging
import threading
import time
from collections import Counter as Counts
from collections.abc import Iterator

from confluent_kafka import Message

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import End, OutOfRange, Run, TopicGone, split
from clickstream.kafka.deadletter import DeadLetters
from clickstream.kafka.patience import Stopped
from clickstream.kafka.produce import Sender
from clickstream.records import StateKey, Tally, encode, utc_text
from clickstream.tally.batch import Tallier
from clickstream.tally.members import LEAVES_IN_AN_OUTAGE_WITHIN_S, LEAVES_WITHIN_S, Member, PartitionCounts
from clickstream.tally.options import CounterOptions
from clickstream.tally.publish import EPOCH_HEADER, Fenced, Record, Transactions
from clickstream.tally.source import Source
from clickstream.tally.state import GRACE_S, PATIENT, StateLog, not_saved
from clickstream.tally.trial import FieldTrial
from clickstream.topics import ensure

BATCH = 1_000
MAX_WAIT_S = 0.05
LOOK_EVERY_S = 0.2

log = logging.getLogger(__name__)


class EachCounter:
    """The only member of its group: a tally after every event, exactly once."""

    kind = "counter"

    def __init__(self, cluster: Cluster, options: CounterOptions) -> None:
        self._cluster = cluster
        self._options = options
        self.topics = [options.from_topic, options.to_topic]
        self._sender = Sender(cluster.producer(PATIENT))
        self._dead_letters = DeadLetters(self._sender, options.dead_letter_topic, options.group)
        self._tallier = Tallier(options.field, self._dead_letters)
        self._states = StateLog(cluster, self._sender, options.group)
        self._trial = FieldTrial(options, self._has_counted)
        self._transactions: Transactions | None = None
        self._partitions = 0  # known once we are assigned some
        self._tallies = 0
        self._lag = 0

    def run(self, stop: threading.Event) -> None:
        """Count until `stop` is set, or with `exit_at_end` until the end; while Kafka is away, wait for it.

        Raises ClickstreamError when the group has another member, the log contradicts the saved state, the broker
        refuses, or the latest counts could not be committed before the stop.
        """
        try:
            self._open(stop)
        except Stopped:
            return  # nothing is counted yet
        leaves_within = LEAVES_WITHIN_S
        try:
            while not stop.is_set() and not self._finished():
                try:
                    self._step(self._member.next_batch(BATCH, MAX_WAIT_S), stop)
                except Fenced as fence:
                    self._go_on_after(fence, stop)
        except Stopped as stopped:
            leaves_within = LEAVES_IN_AN_OUTAGE_WITHIN_S
            if any(own.unsaved for own in self._member.owned.values()):
                raise not_saved(self._cluster.address) from stopped
        finally:
            self._member.leave(leaves_within)
            if self._transactions is not None:
                self._transactions.close()
            self._states.close()
            self._sender.close(1.0)

    def _open(self, stop: threading.Event) -> None:
        options = self._options
        self._source = Source(self._cluster, options.from_topic, stop)
        if self._source.members(options.group):
            raise _not_alone(options.group)
        ensure(self._cluster, [options.to_topic, options.dead_letter_topic])
        # First the transactions: what a killed predecessor left open is aborted before the state is read.
        self._transactions = Transactions(self._cluster, options.group, stop)
        self._states.open(stop)
        self._member = Member(
            self._cluster,
            options,
            self._source,
            self._states,
            before_revoke=lambda: None,
            after_assign=self._begin,
            # Not the other counters' strategy: so the broker itself keeps them and us out of each other's groups.
            strategy="roundrobin",
        )
        self._member.join()

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
                if self._source.members(self._options.group) > 1:
                    raise _taken_over(self._options.group)
                try:
                    self._transactions = Transactions(self._cluster, self._options.group, stop)
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
        return {"counted": self._tallier.counted, "dead_letters": self._dead_letters.count, "tallies": self._tallies}

    def gauges(self) -> dict[str, float]:
        return {"lag": self._lag}

    def _begin(self) -> None:
        """Find out, if partitions were given to another member, which of us is the rightful one.

        The other is a predecessor that was frozen until the group had forgotten it, or one that started in the
        same moment as we. Writing tells: the transactions of one of us are fenced. It ends; the other goes on.
        """
        self._partitions = self._source.partitions()
        self._trial.begin()
        if len(self._member.owned) < self._partitions:
            for own in self._member.owned.values():
                own.unsaved = True

    def _has_counted(self) -> bool:
        self._states.catch_up()
        return bool(self._states.fold.counts())

    def _step(self, messages: list[Message], stop: threading.Event) -> None:
        records: list[Record] = []
        try:
            for part in split(messages, self._cluster.address, joined=self._options.group):
                own = self._member.owned.get(part.partition)
                if own is not None:
                    for ready, its_own in self._trial.ready(part, own, self._member.owned.values()):
                        records += self._count(ready, its_own)
        except (TopicGone, OutOfRange):
            # Clients say so for a moment while a broker restarts, too; if it is true, this says what happened. What
            # followed in this batch was not counted, and is read again.
            self._trial.forget()
            self._member.look_at_log()
        self._commit(records, stop)

    def _count(self, part: Run | End, own: PartitionCounts) -> Iterator[Record]:
        if isinstance(part, End):
            own.passed(max(part.offset, own.next_offset))
            own.at_end = True
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
        return self._options.to_topic, self._options.group.encode(), value, list(headers)

    def _commit(self, records: list[Record], stop: threading.Event) -> None:
        changed = [own for own in self._member.owned.values() if own.unsaved]
        if not changed or self._trial.undecided:
            return
        while not self._source.same():
            if stop.wait(LOOK_EVERY_S):
                raise Stopped("Stopped while Kafka was away.")
        if self._dead_letters.count:
            self._sender.deliver_all(f"Dead letters to {self._options.dead_letter_topic}", stop, GRACE_S)
        for own in changed:
            state = self._member.state_of(own)
            records.append((self._states.topic, encode(StateKey(own.epoch, own.partition)), encode(state), None))
        assert self._transactions is not None
        self._transactions.commit(records)
        for own in changed:
            own.unsaved = False
        self._tallies += len(records) - len(changed)
        self._member.commit()
        self._lag = self._member.lag()

    def _finished(self) -> bool:
        ended = sum(own.at_end for own in self._member.owned.values())
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
