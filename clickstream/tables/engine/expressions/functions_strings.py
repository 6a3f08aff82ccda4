"""Functions of strings. Positions and lengths are of Unicode characters, as Flink's are but for LPAD and RPAD."""

from collections.abc import Callable, Sequence
from functools import partial

from clickstream.tables.engine.expressions.functions_cases import lower, upper
from clickstream.tables.engine.expressions.text import Argument, once
from clickstream.tables.sql.types import Type

# Java's Character.isWhitespace, in a class of a regular expression.
_WHITESPACE = r"[\t-\r\x1c-\x20\x{1680}\x{2000}-\x{2006}\x{2008}-\x{200a}\x{2028}\x{2029}\x{205f}\x{3000}]"
# Characters that are two to Java, and one that is none and never occurs.
_PAIR, _SECOND = r"[\x{10000}-\x{10ffff}]", "\uffff"


def substring(text: Argument, start: Argument, count: Argument | None) -> str:
    """From a position, from the end if it is negative; 0 is the first too. Nothing before the start of the text."""
    length = f", {count}" if count else ""
    if start.number is not None and (count is None or (count.number is not None and count.number >= 0)):
        return _substring(text, start.number, length)

    def cut(s: str, p: str) -> str:
        plain = f"substring({s}, CASE WHEN {p} = 0 THEN 1 ELSE {p} END{length})"
        found = f"CASE WHEN -({p}::BIGINT) > length({s}) THEN '' ELSE {plain} END"
        return f"(CASE WHEN {count} >= 0 THEN {found} END)" if count else f"({found})"

    return once(text, lambda s: once(start, lambda p: cut(s, p)))


def _substring(text: Argument, start: int, length: str) -> str:
    if start >= 0:
        return f"substring({text}, {max(start, 1)}{length})"
    return once(text, lambda s: f"(CASE WHEN length({s}) < {-start} THEN '' ELSE substring({s}, {start}{length}) END)")


def side(function: str, text: Argument, count: Argument) -> str:
    """left or right; nothing for negative counts."""
    if count.number is not None:
        return f"{function}({text}, {max(count.number, 0)})"
    return once(count, lambda n: f"{function}({text}, CASE WHEN {n} < 0 THEN 0 ELSE {n} END)")


def replace(text: Argument, search: Argument, by: Argument) -> str:
    """Every occurrence; of nothing there is one between all of Java's characters and at the ends."""
    plain = f"replace({text}, {search}, {by})"
    if search.literal:
        return plain
    each = f"string_split(regexp_replace({text}, '{_PAIR}', '??', 'g'), '')"
    between = f"array_to_string(list_transform({each}, lambda c: c || {by}), '')"
    nothing = f"CASE WHEN {text} = '' THEN {by} ELSE {by} || {between} END"
    return f"(CASE WHEN {search} <> '' THEN {plain} WHEN {search} = '' THEN {nothing} END)"


def reverse(text: Argument) -> str:
    """By characters; DuckDB's own keeps together what belongs together."""

    def turned(s: str) -> str:
        slowly = f"array_to_string(list_reverse(regexp_extract_all({s}, '(?s).')), '')"
        return f"(CASE WHEN strlen({s}) = length({s}) THEN reverse({s}) ELSE {slowly} END)"

    return once(text, turned)


def pad(function: str, text: Argument, count: Argument, by: Argument) -> str:
    """lpad or rpad; NULL for negative lengths, and where there is nothing to pad with.

    Java counts characters beyond the Basic Multilingual Plane twice, and may cut them in two halves, a ? each.
    """

    def padded(s: str, p: str) -> str:
        wide_s, wide_p = (rf"regexp_replace({one}, '({_PAIR})', '\1{_SECOND}', 'g')" for one in (s, p))
        halves = rf"regexp_replace({function}({wide_s}, {count}, {wide_p}), '{_PAIR}([^{_SECOND}]|$)', '?\1', 'g')"
        pairs = f"strlen({s} || {p}) > length({s} || {p}) AND regexp_matches({s} || {p}, '{_PAIR}')"
        found = f"CASE WHEN {pairs} THEN replace({halves}, '{_SECOND}', '') ELSE {function}({s}, {count}, {p}) END"
        return f"(CASE WHEN {count} >= 0 AND {p} <> '' THEN {found} END)"

    return once(text, lambda s: once(by, lambda p: padded(s, p)))


def position(part: Argument, text: Argument) -> str:
    """From 1; 0 where it is not."""
    return f"instr({text}, {part})::INTEGER"


def split_index(text: Argument, separator: Argument, index: Argument) -> str:
    """The part of that number, from 0, or NULL; an empty text has none, an empty separator is any whitespace."""

    def part(s: str) -> str:
        parts, spaces = f"string_split({s}, {separator})", f"string_split_regex({s}, '{_WHITESPACE}')"
        if separator.literal is None:
            parts = f"(CASE WHEN {separator} <> '' THEN {parts} WHEN {separator} = '' THEN {spaces} END)"
        elif not separator.literal:
            parts = spaces
        place = once(index, lambda i: f"(CASE WHEN {i} >= 0 THEN {i}::BIGINT + 1 END)")
        if index.number is not None and index.number >= 0:
            place = str(index.number + 1)
        return f"(CASE WHEN {s} <> '' THEN {parts}[{place}] END)"

    return once(text, part)


Rendered = Callable[[Sequence[Argument], Type], str]


def _of(build: Callable[..., str]) -> Rendered:
    return lambda arguments, _type: build(*arguments)


_substr = _of(lambda text, start, count=None: substring(text, start, count))
_length = _of(lambda text: f"length({text})::INTEGER")

FUNCTIONS: dict[str, Rendered] = {
    "CHAR_LENGTH": _length,
    "CHARACTER_LENGTH": _length,
    "UPPER": _of(upper),
    "LOWER": _of(lower),
    "LTRIM": _of(lambda text: f"ltrim({text}, ' ')"),
    "RTRIM": _of(lambda text: f"rtrim({text}, ' ')"),
    "SUBSTRING": _substr,
    "SUBSTR": _substr,
    "LEFT": _of(partial(side, "left")),
    "RIGHT": _of(partial(side, "right")),
    "CONCAT": lambda arguments, _: f"({' || '.join(map(str, arguments))})",
    "CONCAT_WS": lambda arguments, _: f"concat_ws({', '.join(map(str, arguments))})",
    "REPLACE": _of(replace),
    "REVERSE": _of(reverse),
    "LPAD": _of(partial(pad, "lpad")),
    "RPAD": _of(partial(pad, "rpad")),
    "REPEAT": _of(lambda text, count: f"repeat({text}, {count})"),
    "POSITION": _of(position),
    "LOCATE": _of(position),
    "SPLIT_INDEX": _of(split_index),
    "MD5": _of(lambda text: f"md5({text})"),
    "SHA256": _of(lambda text: f"sha256({text})"),
}
