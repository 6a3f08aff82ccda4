"""Which ids were acknowledged lately."""


class SeenIds:
    """Remembers at least the last `number` ids, and at most twice as many: two sets, of which the older one goes."""

    def __init__(self, number: int = 50_000) -> None:
        self._number = number
        self._latest: set[str] = set()
        self._before: set[str] = set()

    def __contains__(self, id_: str) -> bool:
        return id_ in self._latest or id_ in self._before

    def __len__(self) -> int:
        return len(self._latest) + len(self._before)

    def add(self, id_: str) -> None:
        """It is stored."""
        self._latest.add(id_)
        if len(self._latest) >= self._number:
            self._before, self._latest = self._latest, set()

    def discard(self, id_: str) -> None:
        """It is not, after all."""
        self._latest.discard(id_)
        self._before.discard(id_)
