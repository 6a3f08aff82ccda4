"""Sending what a generator makes: its references, and then clicks until told to stop."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from clickstream.errors import ClickstreamError
from clickstream.generate.crowd import BLOCK_SIZE, Click
from clickstream.generate.cue import Cue
from clickstream.generate.flaws import FlawDraws
from clickstream.generate.plan import Plan
from clickstream.generate.traffic import LATEST_MS, Traffic
from clickstream.kafka.produce import Sender
from clickstream.logtime import now_ms
from clickstream.parts.part import Part
from clickstream.records import utc_text

Flaw = TypeVar("Flaw")


class Feed(Part):
    """Sends `traffic` as `plan` says, from the thread that calls run.

    `clicks` and `references` may share one producer; they are two so that clicks are counted by themselves.
    """

    def __init__(
        self,
        traffic: Traffic,
        plan: Plan,
        clicks: Sender,
        references: Sender,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = now_ms,
    ) -> None:
        self.kind = traffic.kind
        self.topics = [traffic.topic, *traffic.references]
        self.clicks = clicks
        self.references = references
        self._traffic = traffic
        self._plan = plan
        self._now_ms = now_ms
        self._flaws = FlawDraws(plan.flaws, plan.seed, traffic.numbers)
        self._cue = Cue(plan.stretch, clicks.poll, monotonic)
        self._late = 0
        self._malformed = 0

    def totals(self) -> dict[str, int]:
        """Clicks so far, and how many of them are late or malformed; reference records by themselves."""
        return {
            "sent": self.clicks.sent,
            "acknowledged": self.clicks.acknowledged,
            "failed": self.clicks.failed,
            "late": self._late,
            "malformed": self._malformed,
            "references": self.references.sent,
        }

    def gauges(self) -> dict[str, float]:
        return {"queued": self.clicks.queued}

    def last_success(self) -> float | None:
        return max((one for one in (self.clicks.last_success, self.references.last_success) if one), default=None)

    def run(self, stop: threading.Event) -> None:
        """Send, then wait for the broker's confirmations.

        Raises ClickstreamError when the references cannot be delivered: clicks without them would join nothing.
        """
        try:
            self._send_references(stop)
            self._send_clicks(stop)
        finally:
            self.clicks.close()
            self.references.close()

    def _send_references(self, stop: threading.Event) -> None:
        # Joins take a record's timestamp for the time from which it holds: every click must come later. But it is
        # never in the future: brokers refuse that.
        now = self._now_ms()
        since = min(now, self._plan.earliest_ms(now))
        for topic, records in self._traffic.references.items():
            for number, (key, value) in enumerate(records):
                if stop.is_set():
                    return
                self.references.send(topic, value, key, timestamp=since)
                if number % BLOCK_SIZE == 0:
                    self.references.poll()
        self.references.must_have_delivered("The reference records")

    def _send_clicks(self, stop: threading.Event) -> None:
        start_ms = self._plan.start_ms if self._plan.start_ms is not None else self._now_ms()
        left = self._plan.count
        while not stop.is_set() and left != 0:
            number, clicks = self._traffic.crowd.block()
            clicks = clicks[:left]
            if left is not None:
                left -= len(clicks)
            self._send_block(number, clicks, start_ms, stop)

    def _send_block(self, number: int, clicks: list[Click], start_ms: int, stop: threading.Event) -> None:
        timeline = self._plan.timeline
        due_ms = [0] * len(clicks) if timeline is None else timeline.offsets(number * BLOCK_SIZE, len(clicks))
        late_by_ms = self._flaws.late_by_ms(number)
        spoilers = self._flaws.spoilers(number)
        for piece in self._cue.slices(due_ms, stop):
            if timeline is None:
                start_ms = self._now_ms()
            begin = start_ms + (self._cue.slipped_ms if self._plan.follows_clock else 0)
            times_ms = [begin + ms for ms in due_ms[piece]]
            late = _within(piece, late_by_ms)
            for place, by_ms in late:
                times_ms[place] -= by_ms
            messages = self._messages(clicks[piece], times_ms)
            spoiled = _within(piece, spoilers)
            for place, spoil in spoiled:
                messages[place]["value"] = spoil(messages[place]["value"])
            self.clicks.send_batch(self._traffic.topic, messages)
            self._late += len(late)
            self._malformed += len(spoiled)

    def _messages(self, clicks: Sequence[Click], times_ms: Sequence[int]) -> list[dict[str, Any]]:
        if times_ms[-1] >= LATEST_MS:
            raise ClickstreamError(f"The time of the clicks has reached {utc_text(LATEST_MS / 1000)}: no later ones.")
        return self._traffic.messages(clicks, times_ms)


def _within(piece: slice, flaws: Mapping[int, Flaw]) -> list[tuple[int, Flaw]]:
    """The flaws in a piece of a block, by their place in the piece."""
    return [(place - piece.start, flaw) for place, flaw in flaws.items() if piece.start <= place < piece.stop]
