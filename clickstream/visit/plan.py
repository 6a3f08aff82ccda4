"""Who comes, from where, and what they have in mind: all of it follows from a seed."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from clickstream.visit.agents import AGENTS, Agent, Size

Choice = TypeVar("Choice")


class Manner(StrEnum):
    """How somebody is on a site."""

    BOUNCE = "bounce"  # one page, and away
    READ = "read"  # few pages, to their end
    WANDER = "wander"  # many pages, each at a glance
    BUY = "buy"  # fills the basket of the demo shop; wanders where there is none


@dataclass(frozen=True)
class Home:
    """`languages`: the first is that of the browser; `time_zone` by its IANA name."""

    languages: str
    time_zone: str


@dataclass(frozen=True)
class Arrival:
    """`query` is added to the address; `referrer`: the page that the link was on, "" if it was typed."""

    query: str = ""
    referrer: str = ""


@dataclass(frozen=True)
class Shopping:
    """`products`: how many are put into the basket; one is taken out again; at the end it is paid, or left."""

    products: int
    takes_one_out: bool
    pays: bool


@dataclass(frozen=True)
class Plan:
    """One visitor. `pages`: how many are seen at most, besides shopping; `seed`: of what is chosen on the way."""

    number: int
    agent: Agent
    size: Size
    home: Home
    dark: bool
    arrival: Arrival
    manner: Manner
    pages: int
    shopping: Shopping | None
    after_s: float  # since the visitor before
    seed: str


HOMES = (
    Home("en-US,en", "America/New_York"),
    Home("en-US,en", "America/Los_Angeles"),
    Home("en-GB,en-US,en", "Europe/London"),
    Home("de-DE,de,en-US,en", "Europe/Berlin"),
    Home("fr-FR,fr,en-US,en", "Europe/Paris"),
    Home("es-MX,es", "America/Mexico_City"),
    Home("pt-BR,pt,en-US,en", "America/Sao_Paulo"),
    Home("ja-JP,ja", "Asia/Tokyo"),
    Home("hi-IN,hi,en-US,en", "Asia/Kolkata"),
)
ARRIVALS = (
    (45, Arrival()),
    (25, Arrival(referrer="https://www.google.com/")),
    (8, Arrival(referrer="https://duckduckgo.com/")),
    (7, Arrival(referrer="https://news.ycombinator.com/")),
    (15, Arrival(query="utm_source=newsletter&utm_medium=email&utm_campaign=autumn")),
)
MANNERS = ((20, Manner.BOUNCE), (25, Manner.READ), (25, Manner.WANDER), (30, Manner.BUY))
_PAGES = {Manner.BOUNCE: (1, 1), Manner.READ: (2, 4), Manner.WANDER: (3, 8), Manner.BUY: (1, 3)}
AFTER_S = 2.0  # on average


def plans(seed: int) -> Iterator[Plan]:
    """Visitors without end, the same ones for the same seed."""
    for number in itertools.count(1):
        yield _plan(f"{seed}/{number}", number)


def _plan(seed: str, number: int) -> Plan:
    draw = random.Random(seed)
    agent = _weighted(draw, AGENTS)
    manner = _weighted(draw, MANNERS)
    shopping = Shopping(draw.randint(1, 3), draw.random() < 0.3, draw.random() < 0.6)
    return Plan(
        number,
        agent,
        draw.choice(agent.sizes),
        draw.choice(HOMES),
        dark=draw.random() < 0.3,
        arrival=_weighted(draw, ARRIVALS),
        manner=manner,
        pages=draw.randint(*_PAGES[manner]),
        shopping=shopping if manner is Manner.BUY else None,
        after_s=draw.expovariate(1 / AFTER_S),
        seed=f"{seed}/on the way",
    )


def _weighted(draw: random.Random, among: tuple[tuple[int, Choice], ...]) -> Choice:
    return draw.choices([choice for _, choice in among], [weight for weight, _ in among])[0]
