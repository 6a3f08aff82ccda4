"""Visitors on their ways: who comes next, and what they do."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from clickstream.generate.moves import Moves

BLOCK_SIZE = 1_000


@dataclass(slots=True)
class Visitor:
    """The parts of a click that do not change, and the moves open now."""

    key: str
    head: bytes
    end: bytes
    moves: Moves


# Key, the value up to its time, the value after its time.
Click = tuple[str, bytes, bytes]


class Crowd:
    """An endless stream of clicks in blocks of BLOCK_SIZE, each drawn by the seed and its own number.

    Visitor 0 comes as often as each other with a skew of 0; else visitor n comes in proportion to 1/(n + 1)**skew
    (Zipf's law).
    """

    def __init__(self, size: int, meet: Callable[[int], Visitor], *, seed: int, skew: float = 0.0) -> None:
        self._meet = meet
        self._seed = seed
        self._numbers = range(size)
        self._cumulative = list(accumulate((n + 1) ** -skew for n in self._numbers)) if skew else None
        # Met when they first come: a million of them would take seconds, and 0.3 GB, before the first click.
        self._visitors: list[Visitor | None] = [None] * size
        self._next_block = 0

    def block(self) -> tuple[int, list[Click]]:
        """The next block: its number from 0, and its clicks."""
        number = self._next_block
        self._next_block += 1
        draw = Random(f"{self._seed}/{number}")
        chosen = draw.choices(self._numbers, cum_weights=self._cumulative, k=BLOCK_SIZE)
        dice = draw.randbytes(BLOCK_SIZE)
        visitors = self._visitors
        clicks = []
        for who, die in zip(chosen, dice, strict=True):
            visitor = visitors[who]
            if visitor is None:
                visitor = visitors[who] = self._meet(who)
            text, visitor.moves = visitor.moves[die]
            clicks.append((visitor.key, visitor.head, text + visitor.end))
        return number, clicks
