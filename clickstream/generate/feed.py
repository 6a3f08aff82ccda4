"""Sending what a generator makes: its references, and then clicks until told to stop."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from clickstream.errors import ClickstreamError
from clickstream.generate.crowd import BLOCK_SIZE, Click
from clickstream.generate.cue import Cue
from clickstream.generate.dial import LATE_BY_MS, Dial
from clickstream.generate.flaws import FlawDraws, Spoiler, spoilers
from clickstream.generate.plan import Plan
from clickstream.generate.traffic import LATEST_MS, Traffic
from clickstream.kafka.produce import Sender
from clickstream.logtime import now_ms
from clickstream.parts.part import Part
from clickstream.records import utc_text

Flaw = TypeVar("Flaw")


class Feed(Part):
    """Sends `traffic` as `plan` says, from the thread that calls run; with `allow_control` also as commands say.

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
        allow_control: bool = False,
    ) -> None:
        self.kind = traffic.kind
        self.topics = [traffic.topic, *traffic.references]
        self.clicks = clicks
        self.references = references
        self._traffic = traffic
        self._asked = self._plan = plan
        self._follows_clock = plan.follows_clock or plan.timeline is None
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._flaws = FlawDraws(plan.flaws, plan.seed, traffic.numbers)
        self._spoilers = spoilers(traffic.numbers)
        late_by_ms = plan.flaws.late_by_ms or LATE_BY_MS
        self._dial = Dial(plan.rate, on_rate=plan.at_rate, late_by_ms=late_by_ms, clock=monotonic)
        self.controls = self._dial if allow_control else None
        self._rate = plan.rate
        self._cue = self._cue_for(plan)
        self._start_ms = 0  # when the first click of the plan happens, and which one that is
        self._first = 0
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
        since = min(now, self._plan.earliest_ms(now)) - (self._dial.late_by_ms if self.controls is not None else 0)
        for topic, records in self._traffic.references.items():
            for number, (key, value) in enumerate(records):
                if stop.is_set():
                    return
                self.references.send(topic, value, key, timestamp=since)
                if number % BLOCK_SIZE == 0:
                    self.references.poll()
        self.references.must_have_delivered("The reference records")

    def _send_clicks(self, stop: threading.Event) -> None:
        self._start_ms = self._plan.start_ms if self._plan.start_ms is not None else self._now_ms()
        left = self._plan.count
        while not stop.is_set() and left != 0:
            number, clicks = self._traffic.crowd.block()
            clicks = clicks[:left]
            if left is not None:
                left -= len(clicks)
            self._send_block(number, clicks, stop)

    def _send_block(self, number: int, clicks: list[Click], stop: threading.Event) -> None:
        late_by_ms = self._flaws.late_by_ms(number)
        spoilers = self._flaws.spoilers(number)
        sent = 0
        while sent < len(clicks) and not stop.is_set():
            due_ms = self._due_ms(number * BLOCK_SIZE + sent, len(clicks) - sent)
            begin = sent
            for piece in self._cue.slices(due_ms, stop):
                if not self._may_send(stop):
                    break
                place = slice(begin + piece.start, begin + piece.stop)
                self._send_piece(clicks[place], due_ms[piece], _within(place, late_by_ms), _within(place, spoilers))
                sent = place.stop

    def _send_piece(
        self,
        clicks: Sequence[Click],
        due_ms: Sequence[int],
        late: Sequence[tuple[int, int]],
        spoiled: Sequence[tuple[int, Spoiler]],
    ) -> None:
        if self._plan.timeline is None:
            self._start_ms = self._now_ms()
        begin = self._start_ms + (self._cue.slipped_ms if self._follows_clock else 0)
        times_ms = [begin + ms for ms in due_ms]
        late, spoiled = self._with_wanted(len(clicks), late, spoiled)
        for place, by_ms in late:
            times_ms[place] -= by_ms
        messages = self._messages(clicks, times_ms)
        for place, spoil in spoiled:
            messages[place]["value"] = spoil(messages[place]["value"])
        self.clicks.send_batch(self._traffic.topic, messages)
        self._late += len(late)
        self._malformed += len(spoiled)

    # --- what commands change

    def _may_send(self, stop: threading.Event) -> bool:
        """Whether what is due may be sent, once nobody wants it to wait; not if it is due at another time now."""
        self._cue.delay(self._dial.wait(stop, self.clicks.poll))
        return not stop.is_set() and not self._rate_changed()

    def _rate_changed(self) -> bool:
        return self._dial.rate != self._rate

    def _due_ms(self, first: int, count: int) -> Sequence[int]:
        """When these clicks are due, after the start of the plan; at another rate, a plan begins with them."""
        rate = self._dial.rate
        turned = rate != self._rate
        if turned and rate is not None:
            self._plan, self._rate = self._asked.at_rate(rate), rate
            self._cue = self._cue_for(self._plan)
            if self._follows_clock:
                self._start_ms, self._first = self._now_ms(), first
        timeline = self._plan.timeline
        due_ms = [0] * count if timeline is None else timeline.offsets(first - self._first, count)
        if turned:
            self._cue.begin(due_ms[0])
        return due_ms

    def _cue_for(self, plan: Plan) -> Cue:
        return Cue(plan.stretch, self.clicks.poll, self._monotonic, self._rate_changed)

    def _with_wanted(
        self, clicks: int, late: Sequence[tuple[int, int]], spoiled: Sequence[tuple[int, Spoiler]]
    ) -> tuple[Sequence[tuple[int, int]], Sequence[tuple[int, Spoiler]]]:
        """The flaws of a piece, and those that somebody has asked for: at its beginning late, at its end malformed."""
        if self.controls is None:
            return late, spoiled
        more_late = self._dial.take("late", clicks)
        more_spoiled = self._dial.take("malformed", clicks - more_late)
        late_by_ms = dict(late) | dict.fromkeys(range(more_late), self._dial.late_by_ms)
        by_place = dict(spoiled) | {place: next(self._spoilers) for place in range(clicks - more_spoiled, clicks)}
        return list(late_by_ms.items()), list(by_place.items())

    def _messages(self, clicks: Sequence[Click], times_ms: Sequence[int]) -> list[dict[str, Any]]:
        if times_ms[-1] >= LATEST_MS:
            raise ClickstreamError(f"The time of the clicks has reached {utc_text(LATEST_MS / 1000)}: no later ones.")
        return self._traffic.messages(clicks, times_ms)


def _within(piece: slice, flaws: Mapping[int, Flaw]) -> list[tuple[int, Flaw]]:
    """The flaws in a piece of a block, by their place in the piece."""
    return [(place - piece.start, flaw) for place, flaw in flaws.items() if piece.start <= place < piece.stop]
