"""Fields of JSON objects that no column takes, counted by name: what is left out is told as well."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from clickstream.tables.engine.decoding.jackson import Unreadable, clean, objects
from clickstream.terminal import escaped

NO_COLUMN = "a field that no column takes, left out"
MOST_NAMES = 50  # each is a label of a metric
LONGEST_NAME = 60  # characters
OTHERS = "(other fields)"

_AWKWARD = re.compile(r'["\\\x00-\x1f]')  # msgspec knows no names that JSON has to escape


class UnknownFields:
    """Of one topic. Used on one thread."""

    def __init__(self, known: Iterable[str]) -> None:
        """`known` are the fields that have a column."""
        self._known = frozenset(known)
        self._names: set[str] = set()  # that are told
        self._strict: Callable[[bytes], object] | None = None
        if not any(_AWKWARD.search(name) for name in self._known):
            fields = [
                (f"c{number}", msgspec.Raw, msgspec.field(name=name, default=None))
                for number, name in enumerate(self._known)
            ]
            row = msgspec.defstruct("Row", fields, forbid_unknown_fields=True, gc=False)
            self._strict = msgspec.json.Decoder(row).decode
        self._decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

    def count(self, messages: Sequence[bytes | None]) -> Counter[tuple[str, str]]:
        """How many fields of each name there are, with NO_COLUMN. What is no JSON has none.

        Names after the first MOST_NAMES are counted together.
        """
        found: Counter[str] = Counter()
        for message in self._suspects([one for one in messages if one]):
            found.update(name for name in _names(message, self._decode) if name not in self._known)
        counted: Counter[tuple[str, str]] = Counter()
        for name, count in found.items():
            counted[self._told(name), NO_COLUMN] += count
        return counted

    def _suspects(self, messages: Sequence[bytes]) -> Sequence[bytes]:
        """The first message that has such a field, or is not understood, and all after it."""
        # As long as there are none, 0.6 us a record; to look at all names takes 1.3 us.
        if self._strict is None:
            return messages
        good = 0
        try:
            for _ in map(self._strict, messages):
                good += 1
        except _REFUSED:
            return messages[good:]
        return ()

    def _told(self, name: str) -> str:
        shown = escaped(clean(name))[:LONGEST_NAME]
        if shown not in self._names:
            if len(self._names) >= MOST_NAMES:
                return OTHERS
            self._names.add(shown)
        return shown


_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _names(message: bytes, decode: Callable[[bytes], Iterable[str]]) -> Iterable[str]:
    """The names of a message's fields."""
    try:
        return decode(message)
    except _REFUSED:
        pass
    try:
        return [name for one in objects(message) for name in one]  # an array, or lax
    except Unreadable:
        return ()
