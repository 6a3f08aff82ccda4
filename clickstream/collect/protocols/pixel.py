"""The pixel: `GET /e.gif?url=...`, for mails and pages without scripts."""

import os
from collections.abc import Callable
from typing import Final

from clickstream.collect.model import Reason, Refused, Request
from clickstream.collect.protocols.checks import check
from clickstream.collect.protocols.model import Limits, Reading, SentEvent, Unacceptable
from clickstream.collect.protocols.query import parameters

# A transparent GIF of one pixel: 43 bytes.
GIF: Final = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
NAMES: Final = frozenset(("id", "event", "url", "site", "visitor", "referrer"))


class Pixel:
    """Reads requests for the pixel. Parameters that it does not know are ignored: many senders add some of their own.

    Without `url` it is the page that embeds the pixel, without `visitor` its events are cookieless.
    """

    def __init__(self, limits: Limits, random: Callable[[int], bytes] = os.urandom) -> None:
        self._limits = limits
        self._random = random

    def read(self, request: Request) -> Reading:
        """One event, or one Refused."""
        try:
            event = self._event(request)
            check(event, self._limits)
        except Unacceptable as refusal:
            value = request.query.encode("utf-8", "replace")
            return Reading(refused=[Refused(refusal.reason, refusal.detail, value)], by="pixel")
        return Reading([event], by="pixel")

    def _event(self, request: Request) -> SentEvent:
        told = {name: value for name, value in reversed(parameters(request.query)) if value and name in NAMES}
        url = told.get("url") or request.headers.get("referer")
        if not url:
            raise Unacceptable(Reason.MISSING, "url: missing, and there is no Referer header")
        visitor = told.get("visitor")
        return SentEvent(
            id=told.get("id") or self._random(16).hex(),
            event=told.get("event") or "pageview",
            url=url,
            site=told.get("site"),
            visitor=visitor,
            referrer=told.get("referrer"),
            cookieless=visitor is None,
        )
