"""What visitors did until one instant, and what a panel says of it."""

import random
from typing import Any

import msgspec

from clickstream.history.decode import Click, ProductEvent
from clickstream.records import utc_text
from clickstream.ui.services import Services

BASE = 1_600_000_000_000 // 3_600_000 * 3_600_000
MINUTE = 60_000
NOW = BASE + 20 * MINUTE
PAGES = ("/index.html", "/a", "/b.html")


def state(services: Services, module: Any, now: int = NOW, **params: Any) -> Any:
    """What the panel says once."""
    asked = msgspec.convert({"range": 10 * MINUTE, **params}, module.KIND.params)
    panel = module.KIND.make(services, asked)
    found = panel.state(now)
    panel.close()
    return found


def clicks(number: int = 600) -> list[Click]:
    """Of the last 15 minutes, in sessions."""
    dice = random.Random(4)
    return [
        Click(
            time=NOW - dice.randrange(15 * MINUTE) // 20_000 * 20_000 - dice.randrange(5_000),
            ip=f"10.0.0.{dice.randrange(9)}",
            userid=dice.choice([1, 2, 3, 4, 5, 6, 7, 8, None]),
            request=f"GET {dice.choice(PAGES)} HTTP/1.1",
            status=dice.choice([200, 200, 200, 302, 404, 407, 500, 503]),
            bytes=dice.randrange(300_000),
        )
        for _ in range(number)
    ]


def event(at: int, name: str, user: str) -> ProductEvent:
    return ProductEvent(utc_text(at / 1000), name, "p", user)


def events(number: int = 500) -> list[ProductEvent]:
    dice = random.Random(8)
    names = ("productview", "productview", "addtobasket", "removefrombasket", "purchase")
    return [
        event(NOW - dice.randrange(9 * MINUTE), dice.choice(names), f"u{dice.randrange(40)}") for _ in range(number)
    ]
