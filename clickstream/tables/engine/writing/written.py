"""Rows of streams that are in an append-only topic already, and will be computed once more after a crash.

They are told by the source's partition and offset where the rows carry them, otherwise by their bytes. One record may
give several rows, those of a JSON array: among them bytes decide, and where these differ (a reference that has
changed since), their order.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from clickstream.tables.engine.state.store import Identity

Origin = tuple[int, int]
Texts = tuple[bytes | None, bytes | None]


class WrittenRows:
    """`origin` names the columns with a row's partition and offset, None: it has not both."""

    def __init__(self, origin: tuple[str, str] | None) -> None:
        self._origin = origin
        self._by_origin: dict[Origin, list[Texts]] = defaultdict(list)
        self._by_bytes: Counter[Texts] = Counter()

    def __bool__(self) -> bool:
        return bool(self._by_origin or self._by_bytes)

    def identity(self, key: bytes | None, value: bytes | None) -> Identity:
        """Of a record of the topic."""
        if self._origin is None:
            return None, None, key, value
        try:
            row = json.loads(value or b"null")
            partition, offset = row.get(self._origin[0]), row.get(self._origin[1])
        except (ValueError, AttributeError):
            return None, None, key, value
        known = isinstance(partition, int) and isinstance(offset, int)
        return (partition, offset, key, value) if known else (None, None, key, value)

    def add(self, rows: Mapping[Identity, int]) -> None:
        """Rows that are not to be written again. Of a table with origin columns, those without are somebody else's."""
        for (partition, offset, key, value), times in rows.items():
            if partition is not None and offset is not None:
                self._by_origin[partition, offset] += [(key, value)] * times
            elif self._origin is None:
                self._by_bytes[key, value] += times

    def left(self) -> Counter[Identity]:
        """Rows that were not computed again yet."""
        found: Counter[Identity] = Counter()
        for (partition, offset), rows in self._by_origin.items():
            found.update((partition, offset, key, value) for key, value in rows)
        found.update({(None, None, key, value): times for (key, value), times in self._by_bytes.items()})
        return found

    def without(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The rows that are not there yet: (key, value, partition, offset, ...), the last two if there is an origin."""
        return self._unknown_origins(rows) if self._origin is not None else self._unknown_bytes(rows)

    def _unknown_bytes(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        left = []
        for row in rows:
            texts = _bytes(row[0]), _bytes(row[1])
            if self._by_bytes[texts] > 0:
                self._by_bytes[texts] -= 1
            else:
                left.append(row)
        self._by_bytes = +self._by_bytes
        return left

    def _unknown_origins(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        there: set[int] = set()
        places = [(row[2], row[3]) for row in rows]
        # All rows of a record are in one batch. First those of the same bytes, then the others in their order.
        for same in (True, False):
            for number, (row, place) in enumerate(zip(rows, places, strict=True)):
                if number in there or place not in self._by_origin:
                    continue
                written = self._by_origin[place]
                texts = (_bytes(row[0]), _bytes(row[1])) if same else written[0]
                if texts in written:
                    written.remove(texts)
                    there.add(number)
                if not written:
                    del self._by_origin[place]
        return [row for number, row in enumerate(rows) if number not in there]


def _bytes(text: str | bytes | None) -> bytes | None:
    return text.encode() if isinstance(text, str) else text
