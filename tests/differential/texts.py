"""Values as texts and back, as Flink's JSON format and CAST have them.

https://nightlies.apache.org/flink/flink-docs-stable/docs/connectors/table/formats/json/
"""

import json
import re
from datetime import UTC, date, datetime, timedelta

from clickstream.tables.sql.types import Type
from tests.differential.rows import Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = r"(\d{4}-\d\d-\d\d)%s(\d\d:\d\d:\d\d)(?:\.(\d{1,3}))?%s"
_TIMES = {(separator, zone): re.compile(_TIME % (separator, zone)) for separator in " T" for zone in ("", "Z")}
_DOUBLE = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(NaN|Infinity)")
_RANGES = {Type.INT: 2**31, Type.BIGINT: 2**63}
_PATTERN = re.compile(r"yyyy|MM|dd|HH|mm|ss|SSS|'(?:[^']|'')*'|.")
_DIRECTIVES = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


def milliseconds(time: datetime) -> int:
    return (time.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


def time_text(value: int, zone: str = "", separator: str = " ", digits: int | None = None) -> str:
    """`2023-11-14 22:12:25`; a fraction of `digits`, or without trailing zeros and only when it is not zero."""
    whole = moment(value).strftime(f"%Y-%m-%d{separator}%H:%M:%S")
    fraction = f"{value % 1000:03}"
    fraction = fraction.rstrip("0") if digits is None else fraction[:digits]
    return f"{whole}{'.' if fraction else ''}{fraction}{zone}"


def read_time(text: str, zone: str = "", separator: str = " ") -> int | None:
    """ms of what `time_text` writes; None if it is something else."""
    match = _TIMES[separator, zone].fullmatch(text)
    try:
        whole = datetime.fromisoformat(f"{match[1]}T{match[2]}") if match else None
    except ValueError:
        return None
    return milliseconds(whole) + int((match[3] or "").ljust(3, "0")) if whole and match else None


def read_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        return None


def read_whole(text: str, kind: Type) -> int | None:
    """An INT or BIGINT; None for anything else and for what does not fit."""
    text = text.strip()
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        return None
    return in_range(int(text), kind)


def in_range(value: int, kind: Type) -> int | None:
    return value if -_RANGES[kind] <= value < _RANGES[kind] else None


def wrapped(value: int, kind: Type) -> int:
    """The value as Java's arithmetic leaves it."""
    size = _RANGES[kind]
    return (value + size) % (2 * size) - size


def read_double(text: str) -> float | None:
    return float(text) if _DOUBLE.fullmatch(text.strip()) else None


def double_text(value: float) -> str:
    """As Java's Double.toString: plain from 0.001 to 10,000,000, otherwise with an exponent."""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    mantissa, exponent = f"{value!r}".split("e") if "e" in repr(value) else _scientific(value)
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent)}"


def _scientific(value: float) -> tuple[str, str]:
    digits = len(repr(value).replace(".", "").replace("-", "").strip("0"))
    mantissa, exponent = f"{value:.{max(digits - 1, 1)}e}".split("e")
    return mantissa, exponent


# --- patterns of times, as Java's DateTimeFormatter


def _pieces(pattern: str) -> list[str]:
    return [match[0] for match in _PATTERN.finditer(pattern)]


def format_time(value: int, pattern: str) -> str:
    """The time by a pattern of yyyy MM dd HH mm ss SSS and quoted text."""
    shown = moment(value)
    parts = []
    for piece in _pieces(pattern):
        if piece == "SSS":
            parts.append(f"{value % 1000:03}")
        elif piece in _DIRECTIVES:
            parts.append(shown.strftime(_DIRECTIVES[piece]))
        else:
            parts.append(_quoted(piece))
    return "".join(parts)


def parse_time(text: str, pattern: str) -> int | None:
    """ms of a text of that pattern; None if it is none."""
    groups = {"yyyy": r"(?P<y>\d{4})", "MM": r"(?P<mo>\d\d)", "dd": r"(?P<d>\d\d)", "HH": r"(?P<h>\d\d)"}
    groups |= {"mm": r"(?P<mi>\d\d)", "ss": r"(?P<s>\d\d)", "SSS": r"(?P<f>\d{3})"}
    form = "".join(groups.get(piece) or re.escape(_quoted(piece)) for piece in _pieces(pattern))
    match = re.fullmatch(form, text)
    if match is None:
        return None
    found = {name: int(part) for name, part in match.groupdict().items()}
    try:
        whole = datetime(*(found.get(name, least) for name, least in _PARTS))  # type: ignore[arg-type]
    except ValueError:
        return None
    return milliseconds(whole) + found.get("f", 0)


_PARTS = (("y", 1970), ("mo", 1), ("d", 1), ("h", 0), ("mi", 0), ("s", 0))


def _quoted(piece: str) -> str:
    if not piece.startswith("'"):
        return piece
    return piece[1:-1].replace("''", "'") or "'"


# --- JSON


def load(text: bytes) -> object:
    """Parsed JSON with numbers as Numbers. Raises ValueError for what is not JSON, NaN among it."""
    return json.loads(text.decode(), parse_int=Number, parse_float=Number, parse_constant=_no_constant)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def dump(value: object) -> str:
    """`load`ed JSON in its compact form; a number with a fraction as Java writes it."""
    match value:
        case Number():
            return str(value) if read_whole(value, Type.BIGINT) is not None else double_text(float(value))
        case dict():
            return "{" + ",".join(f"{json.dumps(name)}:{dump(one)}" for name, one in value.items()) + "}"
        case list():
            return "[" + ",".join(map(dump, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def from_json(value: object, kind: Type, iso: bool = False) -> Value:
    """A field of a record as a column's value; None where it cannot become one."""
    if value is None:
        return None
    text = str(value) if isinstance(value, str) else dump(value)
    if kind == Type.STRING:
        return text
    separator = "T" if iso else " "
    match kind:
        case Type.BOOLEAN:
            return text.strip().lower() == "true"
        case Type.INT | Type.BIGINT:
            if isinstance(value, Number) and not value.lstrip("-").isdigit():
                return in_range(int(float(value)), kind)  # 1.9 is 1
            return read_whole(text, kind)
        case Type.DOUBLE:
            return read_double(text)
        case Type.TIMESTAMP:
            return read_time(text, "", separator)
        case Type.TIMESTAMP_LTZ:
            return read_time(text, "Z", separator)
        case Type.DATE:
            return read_date(text)
    raise AssertionError(f"no column is of type {kind}")


def to_json(value: Value, kind: Type, iso: bool = False) -> object:
    """A column's value as a field of a written record."""
    match kind:
        case _ if value is None:
            return None
        case Type.TIMESTAMP:
            return time_text(value, "", "T" if iso else " ")
        case Type.TIMESTAMP_LTZ:
            return time_text(value, "Z", "T" if iso else " ")
        case Type.DATE:
            return str(value)
    return value
