"""Send a collector what made-up visitors of a shop do, about two events a second, until SIGTERM or SIGINT.

python deploy/compose/visitors.py http://collector:8322      with any Python, and nothing else

For trying: they say that they are browsers, and count as people. Real browsers are sent by `clickstream visit`.
"""

import json
import random
import signal
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass
from typing import Any

SHOP = "http://shop.example"
AT_A_TIME = 20
EVENTS_PER_S = 2.0
LEAVES = 0.15
BUYS = 0.1
BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 "
    "Mobile/15E148 Safari/604.1",
)
CAME_FROM = (None, "https://www.google.com/", "https://www.bing.com/", "https://news.example/shops")


@dataclass
class Visitor:
    """One of them, with the number of events so far."""

    name: str
    browser: str
    referrer: str | None
    told: int = 0

    def next_event(self, chance: random.Random, now_ms: int) -> dict[str, Any]:
        """A page view, or sometimes a purchase, as `POST /e` takes it."""
        page = chance.choice(["/", "/search", *(f"/products/{number}" for number in range(1, 13))])
        buys = self.told > 0 and chance.random() < BUYS
        event = {
            "id": f"{self.name}-{self.told}",
            "event": "purchase" if buys else "pageview",
            "url": f"{SHOP}/checkout" if buys else f"{SHOP}{page}",
            "visitor": self.name,
            "session": self.name,
            "new_session": self.told == 0,
            "stream": self.name,
            "sequence": self.told,
            "time": now_ms,
            "sent": now_ms,
            "referrer": self.referrer,
        }
        self.told += 1
        self.referrer = f"{SHOP}{page}"
        return event


def newcomer(chance: random.Random) -> Visitor:
    """Somebody who was never here."""
    return Visitor(f"{chance.getrandbits(64):016x}", chance.choice(BROWSERS), chance.choice(CAME_FROM))


def post(collector: str, browser: str, event: dict[str, Any]) -> None:
    """Raises OSError when the collector does not take it."""
    body = json.dumps(event).encode()
    headers = {"Content-Type": "application/json", "User-Agent": browser}
    with urllib.request.urlopen(urllib.request.Request(f"{collector}/e", body, headers), timeout=10):
        pass


def main(collector: str) -> None:
    """Until a signal comes. What the collector does not take is said, and lost."""
    stop = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stop.set())
    chance = random.Random()
    visitors = [newcomer(chance) for _ in range(AT_A_TIME)]
    while not stop.wait(chance.expovariate(EVENTS_PER_S)):
        place = chance.randrange(AT_A_TIME)
        visitor = visitors[place]
        try:
            post(collector, visitor.browser, visitor.next_event(chance, int(time.time() * 1000)))
        except OSError as problem:
            print(f"The collector at {collector} did not take an event: {problem}", file=sys.stderr)
        if chance.random() < LEAVES:
            visitors[place] = newcomer(chance)


if __name__ == "__main__":
    main(sys.argv[1])
