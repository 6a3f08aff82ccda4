"""Flink's rules for JSON records in plain Python, to hold the decoder against.

Written from JsonParserToRowDataConverters of Flink 2.3. Left out are arrays of records, -0, days from 29 on, 24:00,
years outside of 1 to 9999, and numbers with a fraction within arrays and objects.
"""

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from clickstream.tables.sql.types import Type

BLANK = "".join(map(chr, range(33)))
LIMITS = {Type.INT: 2**31, Type.BIGINT: 2**63}


class Number(str):
    """A number as it was written."""


def record(message: bytes, columns: list[tuple[str, Type]], standard: str) -> list[Any] | None:
    """The values of the columns; None for what is no object."""

    def refuse(_constant: str) -> None:
        raise ValueError

    try:
        text = message.decode().lstrip(" \t\r\n")
        decoder = json.JSONDecoder(strict=False, parse_int=Number, parse_float=Number, parse_constant=refuse)
        found, _end = decoder.raw_decode(text)
    except ValueError:
        return None
    return [value(found.get(name), kind, standard) for name, kind in columns] if isinstance(found, dict) else None


def value(given: Any, kind: Type, standard: str) -> Any:
    """What a JSON value becomes in a column; None: NULL."""
    if given is None:
        return None
    if kind == Type.STRING:
        return text(given)
    if isinstance(given, dict | list):
        return None
    if kind == Type.BOOLEAN:
        return given is True or (isinstance(given, str) and given.strip(BLANK).lower() == "true")
    if isinstance(given, bool):
        return None
    if kind in LIMITS:
        return whole(given, LIMITS[kind])
    if kind == Type.DOUBLE:
        usable = isinstance(given, Number) or re.fullmatch(
            r"[-+]?((\d+\.?\d*|\.\d+)([eE][-+]?\d+)?[fFdD]?|NaN|Infinity)", given.strip(BLANK), re.ASCII
        )
        return float(given.strip(BLANK).rstrip("fFdD")) if usable else None
    return moment(given, kind, standard) if not isinstance(given, Number) else None


def text(given: Any) -> str:
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, str):
        return given.encode(errors="replace").decode()
    return json.dumps(plain(given), separators=(",", ":"), ensure_ascii=False)


def plain(given: Any) -> Any:
    """With numbers, all of them whole, as numbers again."""
    match given:
        case Number():
            return int(given)
        case dict():
            return {name: plain(one) for name, one in given.items()}
        case list():
            return [plain(one) for one in given]
        case _:
            return given


def whole(given: str, limit: int) -> int | None:
    if isinstance(given, Number):
        written_whole = re.fullmatch(r"-?\d+", given)
        number = Decimal(given) if written_whole else Decimal(float(given))
        if not written_whole and number == 2**63:
            number -= 1  # Java turns a double that is too large by one into the largest long
    elif re.fullmatch(r"[-+]?\d+", given.strip(BLANK)):
        number = Decimal(given.strip(BLANK))
    else:
        return None
    return int(number) if -limit <= number <= limit - 1 else None


def moment(given: str, kind: Type, standard: str) -> int | None:
    """Days of a date, milliseconds of a time; of times that every month and every day has."""
    if kind == Type.DATE:
        pattern = r"\d{4}-\d\d-\d\d"
    else:
        clock = r" \d\d:\d\d:\d\d(\.\d{0,9})?" if standard == "SQL" else r"[Tt]\d\d:\d\d(:\d\d(\.\d{0,9})?)?"
        clock = clock.replace("[Tt]", "T") if kind == Type.TIMESTAMP_LTZ else clock
        pattern = rf"\d{{4}}-\d\d-\d\d{clock}{'Z' if kind == Type.TIMESTAMP_LTZ else ''}"
    if not re.fullmatch(pattern, given, re.ASCII):
        return None
    whole_seconds, _, fraction = given.removesuffix("Z").upper().replace(" ", "T").partition(".")
    try:
        if kind == Type.DATE:
            return date.fromisoformat(given).toordinal() - date(1970, 1, 1).toordinal()
        seconds = int(datetime.fromisoformat(whole_seconds).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None
    return seconds * 1000 + int(fraction.ljust(3, "0")[:3])
