"""Texts as small numbers: a row takes 4 bytes for each, and comparing and grouping is that of integers."""

from collections.abc import Collection, Iterable
from typing import Protocol

OVERHEAD_BYTES = 200  # of an entry, beside its text: two dictionaries, a string, a number


class Coding(Protocol):
    """How the values of one column are kept."""

    def find(self, value: str) -> int | None:
        """Its code; None when no row has that value."""
        ...

    def value(self, code: int) -> str: ...


class Codes:
    """Codes are given out in turn, and never again for another value."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._values: dict[int, str] = {}
        self._next = 1
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._codes)

    def code(self, value: str) -> int:
        """The code of `value`, which gets one if it has none."""
        code = self._codes.get(value)
        if code is None:
            code = self._next
            self._next += 1
            self._codes[value] = code
            self._values[code] = value
            self.bytes += OVERHEAD_BYTES + len(value)
        return code

    def find(self, value: str) -> int | None:
        return self._codes.get(value)

    def value(self, code: int) -> str:
        return self._values[code]

    def values(self, codes: Iterable[int]) -> list[str]:
        return [self._values[code] for code in codes]

    def keep(self, living: Collection[int]) -> None:
        """Forget all other codes."""
        self._values = {code: self._values[code] for code in sorted(living) if code in self._values}
        self._codes = {value: code for code, value in self._values.items()}
        self.bytes = sum(OVERHEAD_BYTES + len(value) for value in self._codes)


class Numbers:
    """Numbers are their own codes."""

    def find(self, value: str) -> int | None:
        try:
            number = int(value)
        except ValueError:
            return None
        return number if str(number) == value and -(2**31) <= number < 2**31 else None

    def value(self, code: int) -> str:
        return str(code)
