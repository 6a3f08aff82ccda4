"""JSON_VALUE and JSON_EXISTS as DuckDB's SQL."""

import re
from collections.abc import Callable, Sequence

from clickstream.tables.engine.expressions.text import Argument, groups, once
from clickstream.tables.names import string
from clickstream.tables.sql.types import Type

_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+)\]|\['([^']+)'\]")
# Everything up to a number (strings as a whole), and the number: replaced, all numbers are strings.
_NUMBERS = r'((?:[^"\d-]|"(?:[^"\\]|\\.)*")*)(-?\d[\d.eE+-]*|\z)'
# What DuckDB takes for JSON, but Flink does not: NaN, infinity, a comma before the end. First where it could be, then
# the rule, with strings as a whole.
_ODD = r"(?i)nan|inf|,[ \t\r\n]*[}\]]"
_STRICT = r'^(?:,?[ \t\r\n]*(?:[{\[]|"(?:[^"\\]|\\.)*"|true|false|null|-?\d[\d.eE+-]*)|[ \t\r\n:}\]])*$'
# Jackson reads the first value and does not look at what follows it. An object or array ends at one of these:
_UP_TO_END = r"[^}\]]*[}\]]"
_CONTAINER = r"^[ \t\r\n]*[{\[]"
_SCALAR = r'^[ \t\r\n]*("(?:[^"\\]|\\.)*"|(?:true|false|null)\b|-?\d[\d.eE+-]*[ \t\r\n])'
_NUMBER = r"^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$"


def path(text: str) -> str:
    """A path as DuckDB writes it: $.a['b c'][0] is $."a"."b c"[0]."""
    steps = (f"[{index}]" if index else f'."{name or key}"' for name, index, key in _STEP.findall(text))
    return "$" + "".join(steps)


def _valid(s: str) -> str:
    strict = f"CASE WHEN regexp_matches({s}, {string(_ODD)}) THEN regexp_matches({s}, {string(_STRICT)}) ELSE TRUE END"
    return f"json_valid({s}) AND {strict}"


def _of_first_value(document: Argument, read: Callable[[str], str], otherwise: str) -> str:
    """`read` of the JSON text, or of its first value if more follows; `otherwise` for what begins with no JSON."""

    def found(s: str) -> str:
        first = once(_first(s), lambda f: f"CASE WHEN {_valid(f)} THEN {read(f)} ELSE {otherwise} END")
        return f"(CASE WHEN {_valid(s)} THEN {read(s)} WHEN {s} IS NOT NULL THEN {first} END)"

    return once(document, found)


def _first(s: str) -> str:
    """The first value of a text that is not JSON as a whole; no JSON, where it begins with none."""

    def shortest(parts: str) -> str:
        # Only the whole of it is JSON: no shorter beginning of an object or array is.
        begin = f"array_to_string({parts}[:n], '')"
        ends = f"list_filter(range(1, len({parts}) + 1), lambda n: json_valid({begin}))"
        return f"list_transform({ends}, lambda n: {begin})[1]"

    container = once(f"regexp_extract_all({s}, {string(_UP_TO_END)})", shortest)
    scalar = f"regexp_extract({s}, {string(_SCALAR)}, 1)"
    return f"coalesce(CASE WHEN regexp_matches({s}, {string(_CONTAINER)}) THEN {container} ELSE {scalar} END, '')"


def value(document: Argument, where: Argument) -> str:
    """A string, number or boolean at a path as a text; NULL where there is none, and for what is no JSON."""
    place = string(path(where.literal or "$"))

    def read(s: str) -> str:
        # DuckDB would write 1.50 as 1.5.
        texts = rf"""regexp_replace({s}, {string(_NUMBERS)}, '\1"\2"', 'g')"""
        exact = f"""json_extract_string(regexp_replace({texts}, '""$', ''), {place})"""
        return (
            f"CASE json_type({s}, {place}) "
            f"WHEN 'OBJECT' THEN NULL WHEN 'ARRAY' THEN NULL WHEN 'NULL' THEN NULL "
            f"WHEN 'DOUBLE' THEN {_decimal(exact)} ELSE json_extract_string({s}, {place}) END"
        )

    return _of_first_value(document, read, "NULL")


def exists(document: Argument, where: Argument) -> str:
    """Whether there is anything but null at a path; not in what is no JSON."""
    place = string(path(where.literal or "$"))
    return _of_first_value(document, lambda s: f"coalesce(json_type({s}, {place}) <> 'NULL', FALSE)", "FALSE")


def _decimal(number: str) -> str:
    """A number's text as Java's BigDecimal writes it: the decimal places stay, an exponent only if it must."""

    def with_digits(f: str) -> str:
        digits = f"(CASE ltrim({f}.whole || {f}.part, '0') WHEN '' THEN '0' ELSE ltrim({f}.whole || {f}.part, '0') END)"
        scale = f"(length({f}.part) - coalesce(TRY_CAST({f}.power AS INTEGER), 0))"
        return once(f"{{'sign': {f}.sign, 'digits': {digits}, 'scale': {scale}}}", _written)

    return groups(number, _NUMBER, "sign whole part power", with_digits)


def _written(n: str) -> str:
    digits, scale = f"{n}.digits", f"{n}.scale"
    power = f"(length({digits}) - 1 - {scale})"
    sign = f"(CASE WHEN {digits} = '0' THEN '' ELSE {n}.sign END)"
    filled = f"lpad({digits}, greatest(length({digits}), {scale} + 1)::INTEGER, '0')"
    places = f"left({filled}, -{scale}) || '.' || right({filled}, {scale})"
    plain = f"CASE WHEN {scale} = 0 THEN {digits} ELSE {places} END"
    point = f"CASE WHEN length({digits}) > 1 THEN '.' || substring({digits}, 2) ELSE '' END"
    exponent = f"left({digits}, 1) || {point} || 'E' || CASE WHEN {power} > 0 THEN '+' ELSE '' END || {power}"
    return f"({sign} || CASE WHEN {scale} >= 0 AND {power} >= -6 THEN {plain} ELSE {exponent} END)"


FUNCTIONS: dict[str, Callable[[Sequence[Argument], Type], str]] = {
    "JSON_VALUE": lambda arguments, _: value(*arguments),
    "JSON_EXISTS": lambda arguments, _: exists(*arguments),
}
