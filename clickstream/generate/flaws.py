"""Clicks that come late, and records that are no clicks: a known share of each, drawn by the seed."""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from clickstream.generate.crowd import BLOCK_SIZE


@dataclass(frozen=True)
class Flaws:
    """Shares from 0 to 1. A late click's time is up to `late_by_ms` before that of its neighbours."""

    late: float = 0.0
    late_by_ms: int = 0
    malformed: float = 0.0


NO_FLAWS = Flaws()


class FlawDraws:
    """The flaws of each block of clicks, by their place in the block; blocks are asked for in their order.

    Drawn apart from the clicks: with and without flaws, the same seed gives the same clicks beneath.
    """

    def __init__(self, flaws: Flaws, seed: int, numbers: Sequence[str]) -> None:
        self._flaws = flaws
        self._seed = seed
        self._spoilers = spoilers(numbers)

    def late_by_ms(self, block: int) -> dict[int, int]:
        """How late some clicks are, by place: from 1 ms."""
        draw = Random(f"{self._seed}/{block}/late")
        return {place: draw.randint(1, self._flaws.late_by_ms) for place in _chosen(draw, self._flaws.late)}

    def spoilers(self, block: int) -> "dict[int, Spoiler]":
        """What makes some records malformed, by place."""
        draw = Random(f"{self._seed}/{block}/malformed")
        return {place: next(self._spoilers) for place in _chosen(draw, self._flaws.malformed)}


def _chosen(draw: Random, share: float) -> list[int]:
    return [place for place in range(BLOCK_SIZE) if draw.random() < share] if share else []


# Turns the value of a click into one that is malformed.
Spoiler = Callable[[bytes], bytes]


def spoilers(numbers: Sequence[str]) -> Iterator[Spoiler]:
    """In turn, for ever: cut off, not UTF-8, not an object, a text for a number, empty.

    Those that are not an object are an array, a text, a number and a null in turn, and the member that is spoiled
    is each of `numbers` in turn; without any, no text is put for a number.
    """
    others = itertools.cycle([b'["click"]', b'"click"', b"42", b"null"])
    members = itertools.cycle(numbers)
    while True:
        yield cut_off
        yield not_utf8
        yield _instead(next(others))
        if numbers:
            yield text_for_number(next(members))
        yield _instead(b"")


def cut_off(value: bytes) -> bytes:
    """The first half."""
    return value[: len(value) // 2]


def not_utf8(value: bytes) -> bytes:
    """A byte that UTF-8 does not have, at the end of the last text."""
    return value[:-2] + b"\xff" + value[-2:]


def text_for_number(member: str) -> Spoiler:
    """Puts a text where a JSON record has a number in `member`."""
    pattern = re.compile(rb'("%s":)[^,]+' % member.encode())
    return lambda value: pattern.sub(rb'\1"unknown"', value)


def _instead(other: bytes) -> Spoiler:
    return lambda _value: other
