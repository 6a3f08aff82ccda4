"""The counter: tallies the values of one field and republishes the counts.

Read `Counter.run` first. The hard parts have rooms of their own in `clickstream.tally`.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence

from confluent_kafka import Message

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.consume import End, Run
from clickstream.kafka.group import LEAVES_IN_AN_OUTAGE_WITHIN_S, LEAVES_WITHIN_S
from clickstream.kafka.patience import Stopped
from clickstream.kafka.statistics import LostBrokers
from clickstream.kafka.transactions import Fenced
from clickstream.parts.part import Part
from clickstream.records import Position
from clickstream.tally.counting import Counting, pass_end
from clickstream.tally.members import PartitionCounts
from clickstream.tally.options import CounterOptions, ReadingStopped
from clickstream.tally.publish import TallyPublisher
from clickstream.tally.state import not_saved

log = logging.getLogger(__name__)

BATCH = 10_000
MAX_WAIT_S = 0.1
OTHERS_LEAVE_WITHIN_S = 10.0
SAVED_WITHIN_S = 4.0  # after a stop, while Kafka is away
PUBLISHING_PARTITION = 0


class Counter(Part):
    """One member of the group that counts `from_topic`; the owner of partition 0 publishes the group's tally."""

    kind = "counter"

    def __init__(self, cluster: Cluster, options: CounterOptions) -> None:
        self._cluster = cluster
        self._options = options
        self.topics = [options.from_topic, options.to_topic]
        self._counting = Counting(cluster, options)
        self._tallier = self._counting.tallier
        self._trial = self._counting.trial
        self._states = self._counting.states
        self._publisher: TallyPublisher | None = None
        self._tallies = 0
        self._fenced = False
        self._stop = threading.Event()  # the one given to run()
        self._leaves_within = LEAVES_WITHIN_S
        self._next_emission = 0.0
        self._alone_by: float | None = None
        self._lag = 0
        self._last_success: float | None = None
        self.group = options.group
        self.tally: Mapping[str, int] = {}  # as last published by this member
        self.settled = False  # everything up to the end, now or at the start, is counted, saved and published

    def run(self, stop: threading.Event) -> None:
        """Count until `stop` is set, or with `exit_at_end` until the end; what was counted is saved and published.

        While Kafka is away, it is waited for. Raises ClickstreamError when the log contradicts the saved state, the
        broker refuses, or the latest counts could not be saved before the stop.
        """
        self._stop = stop
        try:
            if not self._opened():
                return
            while not stop.is_set() and not self._finished():
                try:
                    self._tally(self._member.next_batch(BATCH, self._patience()))
                except ReadingStopped as stopped:
                    log.info("%s", stopped)
                    break  # what was counted before is saved
                if self._due():
                    self._emit()
            self._emit_for_good()
        except Stopped as stopped:
            self._give_up(stopped)
        except LostBrokers:
            self._let_go()
            raise
        finally:
            self._close()

    def totals(self) -> dict[str, int]:
        """Counts since the start, for rates and metrics."""
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

    def _opened(self) -> bool:
        """False when it was stopped while Kafka was away: nothing is counted yet."""
        try:
            self._counting.create_topics(self._stop)
            self._topic = self._counting.find_topic(self._stop)
            self._partitions = self._topic.partitions()
            self._member = self._counting.join(self._stop, before_revoke=self._hand_over, after_assign=self._begin)
            return True
        except Stopped:
            return False

    def _patience(self) -> float:
        return min(MAX_WAIT_S, max(0.0, self._next_emission - time.monotonic()))

    def _tally(self, messages: Sequence[Message]) -> None:
        for part, own in self._counting.ready(messages):
            self._count(part, own)

    def _count(self, part: Run | End, own: PartitionCounts) -> None:
        if isinstance(part, End):
            pass_end(part, own)
        else:
            self._tallier.add(part, own)

    def _due(self) -> bool:
        owned = self._member.owned.values()
        if self._options.exit_at_end and any(own.unsaved for own in owned) and all(map(self._counting.at_end, owned)):
            return True  # nothing more to wait for
        return time.monotonic() >= self._next_emission

    def _emit(self) -> None:
        """Save what was counted; publish the tally of what all members have saved."""
        self._next_emission = time.monotonic() + self._options.interval
        self._save()
        self._states.follow()
        self._counting.poll()
        if not self._trial.over:
            for ready, own in self._trial.release_if(bool(self._states.fold.counts())):
                self._count(ready, own)
        self._check_epoch()
        self._publish()
        self._lag = self._member.lag()
        self._look_whether_settled()

    def _look_whether_settled(self) -> None:
        if self._publisher is not None:
            self.tally = self._publisher.last
            owned = self._member.owned.values()
            counted = all(self._counting.at_end(own) and not own.unsaved for own in owned)
            self.settled = counted and self.tally == self._states.fold.counts()

    def _save(self) -> None:
        changed = self._counting.unsaved()
        if not changed or not self._topic.same():
            return
        self._counting.deliver_dead_letters(self._stop)
        self._states.save(self._counting.state_of(own) for own in changed)
        for own in changed:
            own.saved()
        self._last_success = time.time()
        self._member.commit()

    def _emit_for_good(self) -> None:
        """Raises Stopped when the broker does not come back in time to save what was counted."""
        deadline = time.monotonic() + SAVED_WITHIN_S
        self._emit()
        while self._counting.unsaved():
            if time.monotonic() > deadline:
                raise Stopped("Stopped while Kafka was away.")
            self._emit()

    def _give_up(self, stopped: Stopped) -> None:
        """Kafka did not come back before the stop. Raises ClickstreamError if there was something left to do."""
        unsaved = self._counting.unsaved()
        self._let_go()
        if unsaved:
            raise not_saved(self._cluster.address) from stopped
        if self._publisher is not None and self._publisher.last != self._states.fold.counts():
            raise ClickstreamError(
                f"Kafka at {self._cluster.address} is away: the latest counts are saved, but their tally is not "
                "published. The next start publishes it."
            ) from stopped

    def _let_go(self) -> None:
        """Of what is not saved: it is counted again."""
        self._counting.give_up()
        self._leaves_within = LEAVES_IN_AN_OUTAGE_WITHIN_S

    def _check_epoch(self) -> None:
        if any(own.epoch < self._states.fold.epoch for own in self._member.owned.values()):
            raise ClickstreamError(
                f"Group {self._options.group} was started over (--reset) while this member counted. Start it again."
            )

    def _publish(self) -> None:
        if self._fenced and self._member.is_current():
            # A frozen former publisher came back for a moment and took the right to publish; we take it again.
            self._take_over()
        if self._publisher is None:
            return
        self._publisher.poll()
        counts = self._states.fold.counts()
        self._tallier.check_names(counts)
        try:
            self._tallies += self._publisher.publish(counts)
        except Fenced as fence:
            self._step_back(fence)

    def _step_back(self, fence: Fenced) -> None:
        log.warning("Another member of %s publishes (%s).", self._options.group, fence)
        self._drop_publisher()
        self._fenced = True

    def _begin(self) -> None:
        self._trial.begin()
        self._take_over()

    def _take_over(self) -> None:
        self._fenced = False
        self._drop_publisher()
        if PUBLISHING_PARTITION in self._member.owned:
            options = self._options
            try:
                epoch = self._states.fold.epoch
                self._publisher = TallyPublisher(self._cluster, options.to_topic, options.group, epoch, self._stop)
            except Fenced as fence:
                self._step_back(fence)
                return
            # Read on once no earlier publisher can write: every tally comes from states saved before. Reading the
            # last tally is not enough: an open transaction of another group on the same topic can hide it.
            self._states.catch_up()

    def _hand_over(self) -> None:
        self._save()
        self._drop_publisher()

    def _drop_publisher(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None

    def _finished(self) -> bool:
        """With exit_at_end: every partition has reached its end, and the publisher has said so, and leaves last."""
        if not self._options.exit_at_end or not self._member.assigned or self._fenced:
            return False
        if len(self._counting.ended()) < self._partitions:
            return False
        if self._publisher is None:
            return PUBLISHING_PARTITION not in self._member.owned
        if self._publisher.last != self._states.fold.counts():
            return self._behind_the_last_tally()
        if self._alone_by is None:
            self._alone_by = time.monotonic() + OTHERS_LEAVE_WITHIN_S
        return time.monotonic() > self._alone_by or self._topic.members(self._options.group) <= 1

    def _behind_the_last_tally(self) -> bool:
        # Everything up to the end is counted and saved: what is still lower now will not be reached any more.
        if any(own.unsaved for own in self._member.owned.values()) or not self._publisher:
            return False
        counts = self._states.fold.counts()
        if all(counts[name] >= count for name, count in self._publisher.last.items()):
            return False
        raise ClickstreamError(
            f"The last tally of {self._options.group} on {self._options.to_topic} is higher than all that "
            f"{self._options.from_topic} holds: its state was deleted? --reset starts over with what is there now."
        )

    def _close(self) -> None:
        try:
            self._counting.close(self._leaves_within)
        finally:
            self._drop_publisher()
