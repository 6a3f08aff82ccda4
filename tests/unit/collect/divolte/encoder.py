"""What Divolte's page tag does before it sends an event, written from Divolte's documentation."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
MASK = 0xFFFF_FFFF


def base36(number: int) -> str:
    if number < 0:
        return "-" + base36(-number)
    return (base36(number // 36) if number >= 36 else "") + DIGITS[number % 36]


def mincode(value: Any) -> str:
    """A value of JSON; numbers as the tag writes them: whole ones in base 36, others as JSON has them."""
    return _record(value, "")


def _record(value: Any, name: str) -> str:
    match value:
        case None:
            return "n" + name
        case bool():
            return ("t" if value else "f") + name
        case int():
            return f"d{name}{base36(value)}!"
        case float():
            return f"j{name}{value!r}!"
        case str():
            return f"s{name}{_text(value)}"
        case dict():
            return f"({name}" + "".join(_record(own, _text(key)) for key, own in value.items()) + ")"
        case list():
            return f"a{name}" + "".join(_record(own, "") for own in value) + "."
    raise TypeError(type(value))


def _text(text: str) -> str:
    return text.replace("~", "~~").replace("!", "~!") + "!"


def murmur3(data: bytes) -> int:
    """MurmurHash3 of 32 bits, seed 0, with its sign."""
    mixed = 0
    for at in range(0, len(data), 4):
        block = data[at : at + 4]
        word = int.from_bytes(block, "little") * 0xCC9E2D51 & MASK
        mixed ^= _rotated(word, 15) * 0x1B873593 & MASK
        if len(block) == 4:
            mixed = (_rotated(mixed, 13) * 5 + 0xE6546B64) & MASK
    mixed ^= len(data)
    mixed = (mixed ^ mixed >> 16) * 0x85EBCA6B & MASK
    mixed = (mixed ^ mixed >> 13) * 0xC2B2AE35 & MASK
    mixed ^= mixed >> 16
    return mixed - 2**32 if mixed >= 2**31 else mixed


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> (32 - bits)) & MASK


def checksum(told: Sequence[tuple[str, str]]) -> str:
    names = sorted({name for name, _ in told})
    canonical = "".join(f"{name}=" + "".join(f"{value}," for own, value in told if own == name) + ";" for name in names)
    return base36(murmur3(canonical.encode()))


def query(told: Sequence[tuple[str, str]]) -> str:
    """The query of an event, with its checksum."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in [*told, ("x", checksum(told))])


PARTY = "0:is8tiwk4:GKv5gCc5TtrvBTs9bXfVD8KIQ3oO~sEg"
SESSION = "0:is8tiwk4:XLEUVj9hA6AXRUOp2zuIdUpaeFOC~7AU"
PAGE = "0:Em0WNlAnbyzVmwM~GR0cMb6Xl9rEm0Wa"


def event(**changed: str | None) -> list[tuple[str, str]]:
    """The parameters of a page view; None leaves one out."""
    usual: dict[str, str | None] = {
        "p": PARTY,
        "s": SESSION,
        "v": PAGE,
        "e": PAGE + "0",
        "c": base36(1_795_867_195_000),
        "n": "t",
        "f": "t",
        "l": "https://shop.example/products/42?a=ü",
        "r": "https://www.google.com/",
        "i": base36(1920),
        "j": base36(1040),
        "k": "1",
        "w": base36(1280),
        "h": base36(720),
        "t": "pageView",
    }
    return [(name, value) for name, value in {**usual, **changed}.items() if value is not None]
