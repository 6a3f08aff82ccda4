"""Why something is taken for no person."""

from collections.abc import Mapping
from typing import Final

from clickstream.enrich.agents import Agent

WEBDRIVER, PREFETCH = "webdriver", "prefetch"

_HEADERS: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_WORDS: Final = ("prefetch", "prerender", "preview")


def bot(agent: Agent, headers: Mapping[str, str], *, loads_itself: bool) -> str | None:
    """The reason of a request, or None for a person's.

    `loads_itself`: the request is made by loading a page or an image, so that a browser that loads pages before
    anybody asked for them makes it too.
    """
    if agent.bot:
        return agent.reason
    return PREFETCH if loads_itself and _fetched_ahead(headers) else None


def driven(agent: Agent) -> str:
    """The reason of an event whose browser says that a program drives it."""
    return agent.reason or WEBDRIVER


def _fetched_ahead(headers: Mapping[str, str]) -> bool:
    for name in _HEADERS:
        purpose = headers.get(name)
        if purpose and any(word in purpose.lower() for word in _WORDS):
            return True
    return False
