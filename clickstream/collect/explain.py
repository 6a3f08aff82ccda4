"""The last requests of a worker, and what came of each step: why an event is not there takes a minute to find out."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clickstream.collect.model import Request, Taken
from clickstream.records import WebEvent

KEPT = 100
EVENTS_SHOWN = 20  # of one request
SKEW_MS = 1_000  # less is what the way takes


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that was answered. `limit` says which limit it met.

    `verdicts` are what became of its events, then of its dead letters: they may still change. Of events and refusals
    only the first are kept, with the numbers of all as `counts`: a request may have hundreds.
    """

    received_at: int  # epoch ms
    endpoint: str
    status: int
    address: str | None = None  # truncated
    limit: str | None = None
    opted_out: bool = False
    counts: tuple[int, int] | None = None  # None: it was not read
    events: Sequence[WebEvent | None] = ()
    refused: Sequence[tuple[int, str]] = ()
    verdicts: Sequence[str] = ()

    @staticmethod
    def of(request: Request, status: int, taken: Taken, verdicts: Sequence[str]) -> "Seen":
        """One that was read."""
        return Seen(
            request.received_at,
            request_of(request),
            status,
            taken.address,
            opted_out=taken.opted_out,
            counts=(len(taken.events), len(taken.refused)),
            events=[outgoing.event for outgoing in taken.events[:EVENTS_SHOWN]],
            refused=[(one.index, f"{one.reason.value}: {one.detail}") for one in taken.refused[:EVENTS_SHOWN]],
            verdicts=verdicts,
        )


class Recent:
    """Keeps the last requests; they are put into words only when somebody looks."""

    def __init__(self, kept: int = KEPT) -> None:
        self._seen: deque[Seen] = deque(maxlen=kept)
        self._noted = 0

    def note(self, seen: Seen) -> None:
        """A request was answered."""
        self._seen.append(seen)
        self._noted += 1

    @property
    def noted(self) -> int:
        """How many there were so far: whether there are new ones."""
        return self._noted

    def recent(self) -> list[dict[str, Any]]:
        """As plain JSON, the oldest first."""
        return [rendered(seen) for seen in self._seen]


def request_of(request: Request) -> str:
    """The endpoint, without what a sender can choose."""
    return f"{request.method} {request.path}"


def rendered(seen: Seen) -> dict[str, Any]:
    """One request and its steps, in their order: each has `step`, `verdict`, and what there is to say as `detail`."""
    steps = [_step("limits", "passed" if seen.limit is None else "refused", seen.limit)]
    events: list[dict[str, Any]] = []
    if seen.counts is not None:
        taken, refused = seen.counts
        steps.append(_step("consent", "opted out" if seen.opted_out else "passed"))
        if not seen.opted_out:
            verdict = "refused" if refused and not taken else "read"
            steps.append(_step("protocol", verdict, f"{taken} taken, {refused} refused"))
        for place, event in enumerate(seen.events):
            events.append(_event(event, _verdict(seen, place)))
        for place, (index, why) in enumerate(seen.refused, start=taken):
            letter = [_step("protocol", "refused", why), _step("dead letter", _verdict(seen, place))]
            events.append({"index": index, "steps": letter})
    return {
        "received_at": seen.received_at,
        "endpoint": seen.endpoint,
        "status": seen.status,
        "address": seen.address,
        "steps": steps,
        "events": events,
        "more_events": sum(seen.counts or ()) - len(events),
    }


def _verdict(seen: Seen, place: int) -> str:
    return seen.verdicts[place] if place < len(seen.verdicts) else "none"


def _step(step: str, verdict: str, detail: str | None = None) -> dict[str, Any]:
    return {"step": step, "verdict": verdict, "detail": detail}


def _event(event: WebEvent | None, how: str) -> dict[str, Any]:
    if event is None:
        return {"steps": [_step("delivery", how)]}
    place = ", ".join(filter(None, (event.city, event.country)))
    skew = 0 if event.created_at is None else event.time - event.created_at
    corrected = abs(skew) >= SKEW_MS
    steps = [
        _step("bot", "no" if event.bot is None else "yes", event.bot),
        _step("location", "found" if place else "unknown", place or None),
        _step("clock", "corrected" if corrected else "as told", f"{skew} ms" if corrected else None),
        _step("session", "new" if event.new_session else "none" if event.session is None else "continued"),
        _step("duplicate", "yes" if how == "duplicate" or event.duplicate else "no"),
        _step("delivery", how),
    ]
    if event.corrupt:
        steps.insert(0, _step("checksum", "does not match"))
    return {"event": event.event, "site": event.site, "source": event.source, "steps": steps}
