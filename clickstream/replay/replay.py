"""Replaying logs: each line becomes a click on its topic, or a dead letter that says why not."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from clickstream.kafka.deadletter import DeadLetter, DeadLetters, Origin
from clickstream.kafka.produce import Sender
from clickstream.logtime import log_time, now_ms
from clickstream.parts.part import Part
from clickstream.records import WebClick, encode
from clickstream.replay.files import Reader, Source
from clickstream.replay.formats import Malformed, parse
from clickstream.replay.hints import hint
from clickstream.replay.lines import Lines, Unreadable, behind_hole

log = logging.getLogger(__name__)

POLL_S = 0.2  # longest time without serving delivery reports
LONG_WAIT_S = 60.0  # a gap in the log that is worth a word: nothing moves while it passes
AT_ONCE = float("inf")


@dataclass
class Outcome:
    """What came of one source: its `lines`, the `clicks` among them, and why the first one was none."""

    name: str
    lines: int = 0
    clicks: int = 0
    first_line: bytes = b""
    first_reason: str = ""

    @property
    def all_malformed(self) -> bool:
        """Whether it has lines, and every one is malformed."""
        return self.lines > 0 and self.clicks == 0


@dataclass(frozen=True)
class Plan:
    """Where lines go and when: `speed` times the log's own pace; AT_ONCE does not wait."""

    topic: str
    dead_letter_topic: str
    speed: float = AT_ONCE
    shift_to_now: bool = False


class Replay(Part):
    """Reads `sources` one after the other, one thread, in the order of their lines.

    `clicks` and `letters` may share one producer; they are two so that what failed is known by kind.
    """

    kind = "replay"

    def __init__(
        self,
        sources: Sequence[Source],
        clicks: Sender,
        letters: Sender,
        plan: Plan,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._sources = sources
        self._clicks = clicks
        self._letters = letters
        self._dead = DeadLetters(letters, plan.dead_letter_topic, "replay")
        self._plan = plan
        self._monotonic = monotonic
        self._now_ms = now_ms
        self._started: tuple[int, float] | None = None  # time of the first click: in the log, on our clock
        self._shift_ms: int | None = None
        self._readers: list[Reader] = []
        self._ended: list[Outcome] = []
        self.topics = [plan.topic]
        self.lines = 0
        self._outcome = Outcome("")

    @property
    def malformed_sources(self) -> str | None:
        """The sources of which every line was malformed, with a hint at their format; None when there is none.

        A source that was not read to its end is not judged.
        """
        found = [
            f"Every line of {one.name} is malformed ({one.lines:,}): {hint(one.first_line)} "
            f"What is wrong with the first: {one.first_reason}."
            for one in self._ended
            if one.all_malformed
        ]
        return " ".join(found) or None

    @property
    def acknowledged(self) -> int:
        """Clicks that the broker confirmed; exact after run, too low before."""
        return self._clicks.acknowledged

    @property
    def dead_lettered(self) -> int:
        """Dead letters that the broker confirmed; exact after run, too low before."""
        return self._letters.acknowledged

    @property
    def failed(self) -> int:
        """Clicks and dead letters that will never arrive."""
        return self._clicks.failed + self._letters.failed

    @property
    def senders(self) -> tuple[Sender, Sender]:
        """That of the clicks and that of the dead letters."""
        return self._clicks, self._letters

    def totals(self) -> dict[str, int]:
        """Counts since the start, for rates and metrics; `bytes` are those of the input, as it is on disk."""
        return {
            "bytes": sum(reader.consumed for reader in self._readers),
            "lines": self.lines,
            "acknowledged": self.acknowledged,
            "dead_letters": self._dead.count,
            "failed": self.failed,
        }

    def gauges(self) -> dict[str, float]:
        return {"queued": self._clicks.queued}

    def last_success(self) -> float | None:
        return max((one for one in (self._clicks.last_success, self._letters.last_success) if one), default=None)

    def run(self, stop: threading.Event) -> None:
        """Replay until the end of the last source or until `stop` is set, then drain.

        Raises ClickstreamError, after draining what was read, for a damaged file.
        """
        try:
            for source in self._sources:
                self._readers.append(Reader(source))
                self._outcome = Outcome(source.name)
                self._replay_source(self._readers[-1], stop)
                if stop.is_set():
                    break
                self._ended.append(self._outcome)
        finally:
            self._clicks.close()
            self._letters.close()

    def _replay_source(self, reader: Reader, stop: threading.Event) -> None:
        name = reader.source.name
        for part in reader:
            if isinstance(part, Unreadable):
                self._bury(name, part.number, part.data, part.reason, part.length)
            else:
                self._replay_lines(name, part, stop)
            self._clicks.poll()
            if stop.is_set():
                return

    def _replay_lines(self, name: str, part: Lines, stop: threading.Event) -> None:
        # Lines that are due go to the producer together: one by one costs a fifth of the rate.
        due: list[dict[str, Any]] = []
        for number, line in enumerate(part.lines, part.first):
            if stop.is_set():
                break
            found = parse(line)
            if isinstance(found, Malformed) and b"\0" in line:
                found = self._behind_hole(name, number, line) or found
            if isinstance(found, WebClick):
                wait = self._wait_s(found.time_ms)
                if wait > 0:
                    self._send(due)
                    due = []
                    if not self._wait(wait, found, stop):
                        break
                if self._plan.shift_to_now:
                    found = self._shifted(found)
            if isinstance(found, Malformed):
                self._bury(name, number, line, found.reason)
                continue
            due.append({"value": encode(found), "key": found.ip.encode()})
        self._send(due)

    def _behind_hole(self, name: str, number: int, line: bytes) -> WebClick | None:
        """The click behind NUL bytes; what stands before them is the beginning of another line, cut off."""
        parts = behind_hole(line)
        click = parts and parse(parts[1])
        if not parts or not isinstance(click, WebClick):
            return None
        if parts[0]:
            self._bury(name, number, parts[0], "the line is cut off: NUL bytes follow")
        return click

    def _send(self, messages: list[dict[str, Any]]) -> None:
        if messages:
            self._clicks.send_batch(self._plan.topic, messages)
            self.lines += len(messages)
            self._outcome.lines += len(messages)
            self._outcome.clicks += len(messages)

    def _bury(self, name: str, number: int, line: bytes, reason: str, length: int | None = None) -> None:
        self._dead.send(DeadLetter(line, reason, Origin(file=name, line=number), length))
        if not self._outcome.lines:
            self._outcome.first_line, self._outcome.first_reason = line, reason
        self.lines += 1
        self._outcome.lines += 1

    def _wait_s(self, time_ms: int) -> float:
        """Seconds until a click of the log's time `time_ms` is due; at most 0 for one that is late."""
        if self._plan.speed == AT_ONCE:
            return 0.0
        if self._started is None:
            self._started = time_ms, self._monotonic()
        first_ms, began = self._started
        return (time_ms - first_ms) / 1000 / self._plan.speed - (self._monotonic() - began)

    def _wait(self, seconds: float, click: WebClick, stop: threading.Event) -> bool:
        """Wait, serving the producer meanwhile; False when `stop` was set first."""
        if seconds > LONG_WAIT_S:
            log.info("The next line, of %s, is due in %.0f s.", click.time, seconds)
        end = self._monotonic() + seconds
        while (left := end - self._monotonic()) > 0:
            if stop.wait(min(left, POLL_S)):
                return False
            self._clicks.poll()
        return True

    def _shifted(self, click: WebClick) -> WebClick | Malformed:
        """`click` as far from now as it is from the first one."""
        if self._shift_ms is None:
            # Whole seconds: the log's text has no smaller unit, and must say the same as the number.
            self._shift_ms = (self._now_ms() - click.time_ms) // 1000 * 1000
        time_ms = click.time_ms + self._shift_ms
        try:
            text = log_time(time_ms, click.time[-5:])
        except OverflowError:
            return Malformed(f"time: {click.time}, shifted to now, is not in the years 1 to 9999")
        return msgspec.structs.replace(click, time=text, time_ms=time_ms)
