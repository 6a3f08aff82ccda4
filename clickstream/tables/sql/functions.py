"""The closed list of functions: what they take and give, by Flink's rules. docs/sql-reference.md lists them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

from clickstream.shipped import SQL_GUIDE
from clickstream.tables.sql.regex import RegexProblem, translate
from clickstream.tables.sql.types import Type, common


@dataclass(frozen=True)
class Parameter:
    """What an argument may be. `literal`: a constant, which `check` may look at (it returns what is wrong)."""

    label: str
    types: frozenset[Type]
    literal: bool = False
    check: Callable[[str], str] = lambda _text: ""


@dataclass(frozen=True)
class Function:
    """`parameters`, of which the last `optional` may be left out; `many`: the last one may be repeated."""

    name: str
    parameters: tuple[Parameter, ...]
    returns: Type | Callable[[Sequence[Type]], Type | None]
    about: str
    optional: int = 0
    many: bool = False
    form: str = ""

    @property
    def signature(self) -> str:
        """As it is written in a query."""
        if self.form:
            return self.form
        labels = [parameter.label for parameter in self.parameters]
        needed, rest = labels[: len(labels) - self.optional], labels[len(labels) - self.optional :]
        text = ", ".join(needed) + "".join(f"[, {label}]" for label in rest)
        return f"{self.name}({text}{', ...' if self.many else ''})"

    @property
    def result(self) -> str:
        """The type of its result, in words."""
        return self.returns.value if isinstance(self.returns, Type) else (self.returns.__doc__ or "")

    def problem(self, count: int) -> str:
        """What is wrong with that many arguments, or nothing."""
        least, most = len(self.parameters) - self.optional, len(self.parameters)
        if count < least or (count > most and not self.many):
            return f"{self.name} does not take {count} argument{'s' if count != 1 else ''}."
        return ""

    def parameter(self, index: int) -> Parameter:
        """Of the argument with that index; the last one may stand for many."""
        return self.parameters[min(index, len(self.parameters) - 1)]


def _first(types: Sequence[Type]) -> Type | None:
    """the first argument's"""
    return types[0]


def _second(types: Sequence[Type]) -> Type | None:
    """the second argument's"""
    return types[1]


def _last(types: Sequence[Type]) -> Type | None:
    """the last argument's"""
    return types[-1]


def _common(types: Sequence[Type]) -> Type | None:
    """their common type"""
    return reduce(lambda one, two: common(one, two) if one else None, types[1:], types[0])  # type: ignore[return-value, arg-type]


def _branches(types: Sequence[Type]) -> Type | None:
    """the common type of its values"""
    return common(types[1], types[2])


_FIELDS = ("yyyy", "MM", "dd", "HH", "mm", "ss", "SSS")
_PATTERN = re.compile(r"([A-Za-z])\1*|'(?:[^']|'')*'|[^A-Za-z'\[\]{}#]|.", re.ASCII | re.DOTALL)


def _time_pattern(text: str) -> str:
    parts = [match[0] for match in _PATTERN.finditer(text)]
    odd = [part for part in parts if (part[0].isascii() and part[0].isalpha()) or part in "'[]{}#"]
    for part in odd:
        if part not in _FIELDS:
            return f"'{part}' in this pattern is not supported: {', '.join(_FIELDS)} and 'quoted text' are."
    return ""


def _read_pattern(text: str) -> str:
    again = [one for one in _FIELDS if text.count(one) > 1]
    return f"A second {again[0]} in this pattern is not supported." if again else _time_pattern(text)


def _regex(text: str) -> str:
    try:
        translate(text)
    except RegexProblem as problem:
        return f"{problem} is not supported: {SQL_GUIDE} says which regular expressions are."
    return ""


def _replaced_regex(text: str) -> str:
    problem = _regex(text)
    return problem or ("A pattern that can match an empty text is not supported here." if translate(text).empty else "")


def _json_path(text: str) -> str:
    good = re.fullmatch(r"""\$(\.[A-Za-z_]\w*|\[\d+\]|\['[^'"\\*]+'\])*""", text, re.ASCII)
    return "" if good else "This path is not supported: $, .name, ['name'] and [number] are."


def like_pattern(text: str, escape: str) -> str:
    """What is wrong with a LIKE's pattern that has an escape character, or nothing."""
    rest = re.sub(re.escape(escape) + f"[%_{re.escape(escape)}]", "", text)
    if escape in rest:
        return f"{escape} stands before %, _ or itself only."
    return "\\ is not supported in this pattern." if "\\" in rest else ""


def _places(text: str) -> str:
    return "" if int(text) <= 22 else "ROUND takes 0 to 22 places."


def _seconds_or_ms(text: str) -> str:
    return "" if text in ("0", "3") else "The precision is 0 (seconds) or 3 (milliseconds)."


UNITS = ("SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")


def _unit(text: str) -> str:
    return "" if text in UNITS else f"{text} is no supported unit: {', '.join(UNITS)} are."


_WHOLE = frozenset({Type.INT, Type.BIGINT})
_NUMERIC = frozenset({Type.INT, Type.BIGINT, Type.DOUBLE})
_DAY = frozenset({Type.DATE, Type.TIMESTAMP, Type.TIMESTAMP_LTZ})
_TIME = frozenset({Type.TIMESTAMP, Type.TIMESTAMP_LTZ})
_COMPARABLE = _NUMERIC | _DAY | {Type.STRING}
_STRING = frozenset({Type.STRING})

S = Parameter("string", _STRING)
N = Parameter("number", _NUMERIC)
X = Parameter("double", _NUMERIC | {Type.DECIMAL})
W = Parameter("whole", _WHOLE)
I = Parameter("int", frozenset({Type.INT}))  # noqa: E741
ANY = Parameter("value", _COMPARABLE | {Type.BOOLEAN, Type.DECIMAL})
VALUE = Parameter("value", _COMPARABLE)
TIME = Parameter("time", _TIME)
DAY = Parameter("date or time", _DAY)
PATTERN = Parameter("'pattern'", _STRING, literal=True, check=_time_pattern)
REGEX = Parameter("'regex'", _STRING, literal=True, check=_regex)
PATH = Parameter("'path'", _STRING, literal=True, check=_json_path)
UNIT = Parameter("unit", frozenset({Type.UNIT}), literal=True, check=_unit)
REPLACED_REGEX = Parameter("'regex'", _STRING, literal=True, check=_replaced_regex)
READ_PATTERN = Parameter("'pattern'", _STRING, literal=True, check=_read_pattern)
PLACES = Parameter("places", frozenset({Type.INT}), literal=True, check=_places)
GROUP = Parameter("group", frozenset({Type.INT}), literal=True)


def _rounding(name: str, about: str) -> Function:
    return Function(
        name,
        (Parameter("number or time", _NUMERIC | _TIME), UNIT),
        _first,
        about,
        1,
        form=f"{name}(number), {name}(time TO unit)",
    )


FUNCTIONS = {
    function.name: function
    for function in (
        # conditions
        Function("COALESCE", (ANY,), _common, "The first value that is not NULL.", many=True),
        Function("IFNULL", (ANY, ANY), _common, "The second value where the first is NULL."),
        Function("NULLIF", (ANY, ANY), _first, "NULL where both are equal, otherwise the first."),
        Function(
            "IF",
            (Parameter("condition", frozenset({Type.BOOLEAN})), ANY, ANY),
            _branches,
            "The second argument where the condition is true, otherwise the third.",
        ),
        Function("GREATEST", (VALUE,), _common, "The largest value; NULL if one is NULL.", many=True),
        Function("LEAST", (VALUE,), _common, "The smallest value; NULL if one is NULL.", many=True),
        # numbers
        Function("ABS", (N,), _first, "Without its sign."),
        _rounding("CEIL", "Rounded up; a time to the next start of a unit."),
        _rounding("FLOOR", "Rounded down; a time to the start of its unit."),
        Function("ROUND", (N, PLACES), _first, "Rounded half away from zero, to so many decimal places (0).", 1),
        Function("MOD", (W, W), _second, "The remainder, with the sign of the first; as %."),
        Function("SIGN", (N,), _first, "-1, 0 or 1."),
        Function("POWER", (X, X), Type.DOUBLE, "The first to the power of the second."),
        Function("SQRT", (X,), Type.DOUBLE, "The square root."),
        Function("EXP", (X,), Type.DOUBLE, "e to the power of it."),
        Function("LN", (X,), Type.DOUBLE, "The natural logarithm."),
        Function("LOG10", (X,), Type.DOUBLE, "The logarithm to base 10."),
        # strings
        Function("CHAR_LENGTH", (S,), Type.INT, "Characters."),
        Function("CHARACTER_LENGTH", (S,), Type.INT, "Characters."),
        Function("UPPER", (S,), Type.STRING, "In capitals."),
        Function("LOWER", (S,), Type.STRING, "In small letters."),
        Function("LTRIM", (S,), Type.STRING, "Without spaces at the start."),
        Function("RTRIM", (S,), Type.STRING, "Without spaces at the end."),
        Function("SUBSTRING", (S, I, I), Type.STRING, "From a position (1 is the first), so many characters.", 1),
        Function("SUBSTR", (S, I, I), Type.STRING, "As SUBSTRING.", 1),
        Function("LEFT", (S, I), Type.STRING, "The first characters."),
        Function("RIGHT", (S, I), Type.STRING, "The last characters."),
        Function("CONCAT", (S,), Type.STRING, "One after the other; NULL if one is NULL.", many=True),
        Function(
            "CONCAT_WS",
            (S, S),
            Type.STRING,
            "All but the first, which stands between them; NULLs are ignored.",
            many=True,
        ),
        Function("REPLACE", (S, S, S), Type.STRING, "Every occurrence of the second replaced by the third."),
        Function("REVERSE", (S,), Type.STRING, "From its end to its start."),
        Function("LPAD", (S, I, S), Type.STRING, "Filled at the left, or cut, to a length."),
        Function("RPAD", (S, I, S), Type.STRING, "Filled at the right, or cut, to a length."),
        Function("REPEAT", (S, I), Type.STRING, "So many times."),
        Function(
            "POSITION",
            (S, S),
            Type.INT,
            "Where the first starts in the second, from 1; 0: nowhere.",
            form="POSITION(string IN string)",
        ),
        Function("LOCATE", (S, S), Type.INT, "As POSITION."),
        Function(
            "SPLIT_INDEX", (S, S, I), Type.STRING, "The part of that number, from 0, between separators; NULL if none."
        ),
        Function("REGEXP", (S, REGEX), Type.BOOLEAN, "Whether a part matches."),
        Function(
            "REGEXP_EXTRACT",
            (S, REGEX, GROUP),
            Type.STRING,
            "The group of that number in the first match (0: all of it); NULL if none.",
            1,
        ),
        Function("REGEXP_REPLACE", (S, REPLACED_REGEX, S), Type.STRING, "Every match replaced."),
        Function("MD5", (S,), Type.STRING, "Its MD5, in hexadecimal."),
        Function("SHA256", (S,), Type.STRING, "Its SHA-256, in hexadecimal."),
        # times
        Function(
            "TO_TIMESTAMP",
            (S, READ_PATTERN),
            Type.TIMESTAMP,
            "Read from a text (yyyy-MM-dd HH:mm:ss); NULL if it is none.",
            1,
        ),
        Function(
            "TO_TIMESTAMP_LTZ",
            (W, Parameter("0 or 3", frozenset({Type.INT}), literal=True, check=_seconds_or_ms)),
            Type.TIMESTAMP_LTZ,
            "Of seconds (0) or milliseconds (3) since 1970.",
        ),
        Function("TO_DATE", (S,), Type.DATE, "Read from a text (yyyy-MM-dd); NULL if it is none."),
        Function("DATE_FORMAT", (TIME, PATTERN), Type.STRING, "As a text."),
        Function(
            "UNIX_TIMESTAMP",
            (S, READ_PATTERN),
            Type.BIGINT,
            "Seconds since 1970 of a text (yyyy-MM-dd HH:mm:ss), UTC; -9223372036854775808 if it is none.",
            1,
        ),
        Function(
            "FROM_UNIXTIME", (W, PATTERN), Type.STRING, "Seconds since 1970 as a text (yyyy-MM-dd HH:mm:ss), UTC.", 1
        ),
        Function(
            "EXTRACT", (UNIT, DAY), Type.BIGINT, "A part of a date or time.", form="EXTRACT(unit FROM date or time)"
        ),
        *(
            Function(unit, (DAY,), Type.BIGINT, f"EXTRACT({unit} FROM ...).")
            for unit in ("YEAR", "QUARTER", "MONTH", "WEEK")
        ),
        Function("DAYOFMONTH", (DAY,), Type.BIGINT, "EXTRACT(DAY FROM ...)."),
        *(Function(unit, (TIME,), Type.BIGINT, f"EXTRACT({unit} FROM ...).") for unit in ("HOUR", "MINUTE", "SECOND")),
        Function("TIMESTAMPADD", (UNIT, I, TIME), _last, "So many units later."),
        Function("TIMESTAMPDIFF", (UNIT, TIME, TIME), Type.INT, "Whole units from the first to the second."),
        # JSON
        Function("JSON_VALUE", (S, PATH), Type.STRING, "The scalar at a path, as a text; NULL if there is none."),
        Function("JSON_EXISTS", (S, PATH), Type.BOOLEAN, "Whether there is anything at a path."),
    )
}

# Where Flink takes the word NULL without a CAST.
TAKES_NULL = ("COALESCE", "IFNULL", "NULLIF")

# Written in their own way, known to `expressions`.
FORMS = (
    ("CASE [value] WHEN ... THEN ... [ELSE ...] END", "the common type of its values", "The first branch that holds."),
    ("CAST(value AS type)", "that type", "Stops the run where the value cannot become it."),
    ("TRY_CAST(value AS type)", "that type", "NULL where the value cannot become it."),
    (
        "TRIM([BOTH, LEADING or TRAILING] [string FROM] string)",
        "STRING",
        "Without such characters (spaces) at its ends.",
    ),
)


def _sum(types: Sequence[Type]) -> Type | None:
    """the argument's"""
    return types[0]


AGGREGATES = {
    function.name: function
    for function in (
        Function(
            "COUNT", (ANY,), Type.BIGINT, "Rows, or values that are not NULL.", form="COUNT(*), COUNT([DISTINCT] value)"
        ),
        Function("SUM", (N,), _sum, "NULL without values.", form="SUM([DISTINCT] number)"),
        Function("AVG", (N,), _sum, "Of whole numbers cut to a whole number.", form="AVG([DISTINCT] number)"),
        Function("MIN", (VALUE,), _sum, "The smallest value."),
        Function("MAX", (VALUE,), _sum, "The largest value."),
    )
}

_CLOCK = "It would give another answer when the same records are read again. Use the event's own time."
REFUSED = {
    **dict.fromkeys(
        ("NOW", "CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_ROW_TIMESTAMP", "LOCALTIMESTAMP", "RAND"),
        _CLOCK,
    ),
    "PROCTIME": "Processing time is not supported. Use the event's own time, with a WATERMARK.",
    "ROW_NUMBER": "It is supported in a subquery of FROM:  SELECT *, ROW_NUMBER() OVER (...) AS n",
}
