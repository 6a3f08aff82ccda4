"""What a User-Agent header says about the program that sent it."""

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

PHONE, TABLET, DESKTOP, ROBOT = "phone", "tablet", "desktop", "robot"
OTHER = "other"
EMPTY, HEADLESS, LIST = "empty", "headless", "list"

# Telling an agent costs 90 us, looking it up 0.1: what visitors of a site use fits in here many times.
KNOWN_AGENTS = 10_000
# Longer ones are no browsers': only so much is looked at, since regular expressions go over it.
MAX_LENGTH = 1_000

# The list of robots is 1,500 patterns, one of them quadratic within a word: 1,000 letters took 70 ms, which anybody
# could ask for with every request. So it sees less, and long words without their middle: that takes 6 ms at most.
MAX_LISTED = 400
_LONG_WORD = re.compile(r"([\w-]{24})[\w-]*([\w-]{24})")

# Browsers without a window, which programs drive: the lists of robots know some of them.
_HEADLESS = re.compile("headless|phantomjs|slimerjs|jsdom|puppeteer|playwright", re.IGNORECASE)


@dataclass(frozen=True)
class Agent:
    """`browser` and `os` are families ("Chrome", "Windows"), OTHER when they are not told.

    `reason`: why it is a robot's: it says nothing (EMPTY), is HEADLESS, or is on a LIST of robots.
    """

    browser: str
    os: str
    device: str
    reason: str | None = None

    @property
    def bot(self) -> bool:
        """Whether it is a robot's."""
        return self.reason is not None


def agent(text: str | None) -> Agent:
    """What `text` tells; without one it is a robot: every browser says its name."""
    return _known((text or "").strip()[:MAX_LENGTH])


@lru_cache(maxsize=KNOWN_AGENTS)
def _known(text: str) -> Agent:
    if not text or text == "-":
        return Agent(OTHER, OTHER, ROBOT, EMPTY)
    parse, is_crawler = _parsers()
    sound = text.encode("utf-8", "replace").decode()  # a lone surrogate is no text to the parsers
    found = parse(sound)
    browser = found.user_agent.family if found.user_agent is not None else OTHER
    os = found.os.family if found.os is not None else OTHER
    spider = found.device is not None and found.device.family == "Spider"
    listed = spider or is_crawler(_LONG_WORD.sub(r"\1\2", sound[:MAX_LISTED]))
    reason = HEADLESS if _HEADLESS.search(sound) else LIST if listed else None
    return Agent(browser, os, ROBOT if reason else _device(sound, os), reason)


def _device(text: str, os: str) -> str:
    if "iPad" in text or "Tablet" in text:
        return TABLET
    if "Mobi" in text or "iPhone" in text:
        return PHONE
    # On a tablet, Android's browsers leave out the word Mobile.
    return TABLET if os == "Android" else DESKTOP


@lru_cache(maxsize=1)
def _parsers() -> tuple[Callable[[str], Any], Callable[[str], Any]]:
    """Loaded on first use: that takes 0.3 s."""
    parse: Callable[[str], Any] = importlib.import_module("ua_parser").parse
    is_crawler: Callable[[str], Any] = importlib.import_module("crawlerdetect").CrawlerDetect().is_crawler
    return parse, is_crawler
