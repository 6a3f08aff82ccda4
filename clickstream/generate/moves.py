"""State machines that take one random byte per step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

SLOTS = 256

# By random byte: the text of the step, and the moves that are open after it. A step is one look-up, which is what
# a rate of hundreds of thousands per second leaves time for.
Moves: TypeAlias = "list[tuple[bytes, Moves]]"


@dataclass(frozen=True)
class Move:
    """A step that may follow at a position: its text, and the position it leads to."""

    weight: float
    text: bytes
    to: str


def tables(positions: Mapping[str, Sequence[Move]]) -> dict[str, Moves]:
    """The moves of every position, each as often among SLOTS as its weight says."""
    built: dict[str, Moves] = {name: [] for name in positions}
    for name, moves in positions.items():
        for move, slots in zip(moves, shares([move.weight for move in moves]), strict=True):
            built[name] += [(move.text, built[move.to])] * slots
    return built


def shares(weights: Sequence[float]) -> list[int]:
    """SLOTS in proportion to the weights, rounded so that they add up (largest remainders first)."""
    total = sum(weights)
    exact = [weight * SLOTS / total for weight in weights]
    slots = [int(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda index: slots[index] - exact[index])
    for index in by_remainder[: SLOTS - sum(slots)]:
        slots[index] += 1
    return slots
