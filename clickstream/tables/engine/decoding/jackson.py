"""JSON text as Jackson reads and writes it, the library below Flink's JSON format.

Reading is slow and exact here: this is for the records that the fast reader (see `reader`) does not take.
"""

import json
import math
import re
from decimal import Decimal
from typing import Any


class Whole(str):
    """The text of a JSON number without a fraction and an exponent."""


class Real(str):
    """The text of any other JSON number."""


class Unreadable(ValueError):
    """Not an object, nor an array of objects; the message says why."""


# More digits than any number can use; Jackson refuses them too.
MAX_NUMBER = 1000


def objects(message: bytes) -> list[dict[str, Any]]:
    """The objects of a message: one, or those of an array.

    Values are str, Whole, Real, bool, None, dict and list. Of a name that comes twice the last value holds. Text
    behind the object is not looked at, control characters may stand in strings, and a byte order mark or UTF-16 is
    understood, as in Flink. Raises Unreadable.
    """
    try:
        # The usual beginning tells enough; it saves a tenth of the time.
        usual = message.startswith(b'{"')
        text = message.decode("utf-8" if usual else json.detect_encoding(message))
        start = 0 if usual else _SPACE.match(text).end()  # type: ignore[union-attr]
        if start == len(text):
            raise Unreadable("empty")
        value, _end = _DECODER.raw_decode(text, start)
    except UnicodeDecodeError as error:
        raise Unreadable(f"invalid {error.encoding.upper()} at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    found = value if isinstance(value, list) else [value]
    if not found:
        raise Unreadable("an empty array")
    for one in found:
        if not isinstance(one, dict):
            raise Unreadable(f"{_kind(one)} instead of an object")
    return found


_SPACE = re.compile(r"[ \t\n\r]*")


def _number(kind: type[str]) -> Any:
    def made(text: str) -> str:
        if len(text) > MAX_NUMBER:
            raise Unreadable(f"a number of {len(text)} characters")
        return kind("0" if text == "-0" else text)

    return made


def _no_constant(name: str) -> None:
    raise Unreadable(f"not JSON: {name} is no value")


_DECODER = json.JSONDecoder(
    strict=False, parse_int=_number(Whole), parse_float=_number(Real), parse_constant=_no_constant
)


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case Whole() | Real():
            return "a number"
        case str():
            return "a string"
        case _:
            return "an array"


def clean(text: str) -> str:
    """Halves of surrogate pairs, which UTF-8 does not have, become question marks, as Java writes them."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def has_half(value: Any) -> bool:
    """Whether there is half of a surrogate pair anywhere in a value that `objects` gave. Raises RecursionError."""
    match value:
        case str():
            return not value.isascii() and _HALF.search(value) is not None
        case dict():
            return any(has_half(name) or has_half(one) for name, one in value.items())
        case list():
            return any(map(has_half, value))
    return False


_HALF = re.compile("[\ud800-\udfff]")


def write(value: Any) -> str:
    """The text of a value that `objects` gave, without spaces. Raises RecursionError for very deep ones."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Whole():
            return str(value)
        case Real():
            return double_text(float(value))
        case str():
            return quote(value)
        case dict():
            return "{" + ",".join([f"{quote(name)}:{write(one)}" for name, one in value.items()]) + "}"
        case _:
            return "[" + ",".join([write(one) for one in value]) + "]"


def quote(text: str) -> str:
    """A JSON string."""
    escaped = json.dumps(clean(text), ensure_ascii=False)
    return _ESCAPE.sub(lambda match: "\\u" + match[1].upper() if match[1] else match[0], escaped)


_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|.)")


def double_text(value: float) -> str:
    """A double as Java's Double.toString writes it; what is no number in quotes.

    Java has an exponent from 10^7 on and below 10^-3, otherwise both write the shortest digits alike:
    https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/lang/Double.html#toString(double)
    """
    if not math.isfinite(value):
        return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits))
    assert isinstance(exponent, int)
    return f"{'-' * sign}{text[0]}.{text[1:].rstrip('0') or '0'}E{len(text) - 1 + exponent}"
