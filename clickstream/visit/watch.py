"""What happens in a visitor's tab, counted."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clickstream.visit.address import origin

if TYPE_CHECKING:
    from playwright.async_api import ConsoleMessage, Error, Frame, Page, Request

log = logging.getLogger(__name__)

Stream = tuple[str | None, str]
"""What the page tag counts in: a site, and a visitor or, cookieless, a page."""

MOST_PROBLEMS = 100  # that are kept


@dataclass
class Seen:
    """What happened so far. `events`: what the page tag of the site counted, at least; `problems`: errors of its pages,
    as the browser's console tells them."""

    visitors: int = 0
    pages: int = 0
    events: int = 0
    left_early: int = 0
    problems: list[str] = field(default_factory=list)


class Watch:
    """Adds what happens in a tab to what was seen; `site`: the origin whose pages count."""

    def __init__(self, page: "Page", site: str, seen: Seen) -> None:
        self._page = page
        self._site = site
        self._seen = seen
        self._at = ""
        self._sequences: dict[Stream, int] = {}
        self.underway: set[Request] = set()
        """Requests with events that are not answered yet."""
        # Methods of ours: playwright takes no built-in ones.
        page.on("framenavigated", self._navigated)
        page.on("request", self._asked)
        page.on("requestfinished", self._answered)
        page.on("requestfailed", self._answered)
        page.on("console", self._said)
        page.on("pageerror", self._failed)

    def _navigated(self, frame: "Frame") -> None:
        at = frame.url.partition("#")[0]
        if frame == self._page.main_frame and origin(at) == self._site:
            # Scripts change the address, too; what follows # is the same page.
            self._seen.pages += at != self._at or "#" not in frame.url
            self._at = at

    def _asked(self, request: "Request") -> None:
        found = dict(sequences(request.post_data)) if request.method == "POST" else {}
        if not found:
            return
        self.underway.add(request)
        for stream, number in found.items():
            before = self._sequences.get(stream, -1)
            if number > before:
                self._sequences[stream] = number
                self._seen.events += number - before

    def _answered(self, request: "Request") -> None:
        self.underway.discard(request)

    def _said(self, message: "ConsoleMessage") -> None:
        if message.type in ("error", "warning"):
            self._note(message.text)

    def _failed(self, error: "Error") -> None:
        self._note(str(error))

    def _note(self, problem: str) -> None:
        log.debug("The page's console: %s", problem)
        if len(self._seen.problems) < MOST_PROBLEMS:
            self._seen.problems.append(problem)


def sequences(body: str | None) -> Iterator[tuple[Stream, int]]:
    """Stream, of its site, and sequence of each event in the body of a request, if the page tag made it.

    A browser tells nothing of what pages send as they are left; the numbers of what comes later tell that it was sent.
    """
    if not body or not body.startswith("["):
        return
    try:
        events = json.loads(body)
    except ValueError:
        return
    for event in events:
        if isinstance(event, dict) and event.get("source") == "tag":
            stream, number = event.get("stream"), event.get("sequence")
            if isinstance(stream, str) and isinstance(number, int):
                yield (event.get("site"), stream), number
