"""What waits to be sent to one tab: one slot for each subject, so it is bounded however slow the tab is."""

import asyncio
from enum import Enum


class Kind(Enum):
    """What a frame is about; wire.py makes them."""

    HELLO = "hello"
    BEAT = "beat"
    STATE = "state"
    FEED = "feed"
    ERROR = "error"
    BYE = "bye"


Slot = tuple[Kind, str]  # and the panel's id, where it is about one


class Outbox:
    """The latest frame of each slot wins; a slot keeps its turn, so that one that changes often does not wait longer.

    A FEED's slot holds no frame: what came is taken when it is sent, and nothing is lost by overwriting.
    """

    def __init__(self) -> None:
        self._slots: dict[Slot, str] = {}
        self._filled = asyncio.Event()
        self.overwritten = 0

    def __len__(self) -> int:
        return len(self._slots)

    def put(self, kind: Kind, id_: str = "", frame: str = "") -> None:
        self.overwritten += (kind, id_) in self._slots and kind is Kind.STATE
        self._slots[kind, id_] = frame
        self._filled.set()

    def forget(self, id_: str) -> None:
        """What was meant for a panel that is closed."""
        self._slots = {slot: frame for slot, frame in self._slots.items() if slot[1] != id_ or not id_}

    def keep_only(self, *kinds: Kind) -> None:
        self._slots = {slot: frame for slot, frame in self._slots.items() if slot[0] in kinds}

    async def take(self) -> tuple[Kind, str, str]:
        """The slot whose turn it is, and its frame; waits for one."""
        while not self._slots:
            self._filled.clear()
            await self._filled.wait()
        slot = next(iter(self._slots))
        return *slot, self._slots.pop(slot)
