"""SQL that writes JSON as Flink and Jackson do, value by value."""

from clickstream.tables.engine.decoding.jackson import quote
from clickstream.tables.names import string
from clickstream.tables.sql.types import Type

NUMBERS = "numbers"
"""Instead of a standard of JSON: times are ms since 1970, dates days, and no character is escaped that need not be."""


def json_object(members: list[tuple[str, str | None]], *, without_nulls: bool) -> str:
    """SQL (VARCHAR) of an object: pairs of a name and the SQL of its JSON text, which is NULL for null.

    None instead of SQL is always null.
    """
    if without_nulls:
        pieces = [f"{string(f',{quote(name)}:')} || {sql}" for name, sql in members if sql is not None]
        return f"'{{' || concat({', '.join([*pieces, string('')])})[2:] || '}}'"
    arguments, text = [], "{"
    for number, (name, sql) in enumerate(members):
        text += f"{',' if number else ''}{quote(name)}:"
        if sql is None:
            text += "null"
        else:
            arguments += [string(text), f"coalesce({sql}, 'null')"]
            text = ""
    return f"concat({', '.join([*arguments, string(text + '}')])})"


def json_value(sql: str, given: Type, column: Type, standard: str) -> str | None:
    """SQL of the JSON text of a value of type `given` in a column; None if it always is null.

    `standard` is the option json.timestamp-format.standard, SQL or ISO-8601, or NUMBERS.
    """
    if given == Type.NULL:
        return None
    match column:
        case Type.DATE if standard == NUMBERS:
            return f"({sql} - DATE '1970-01-01')::VARCHAR"
        case Type.TIMESTAMP | Type.TIMESTAMP_LTZ if standard == NUMBERS:
            return f"epoch_ms({sql})::VARCHAR"
        case Type.STRING if standard == NUMBERS:
            return f"to_json({sql})"
        case Type.BOOLEAN | Type.INT | Type.BIGINT:
            return f"{sql}::VARCHAR"
        case Type.DOUBLE:
            return _double(sql if given == Type.DOUBLE else f"{sql}::DOUBLE")
        case Type.DATE:
            return f"'\"' || {_calendar(sql, 'DATE')} || '\"'"
        case Type.TIMESTAMP | Type.TIMESTAMP_LTZ:
            text = _calendar(sql, "TIMESTAMP")
            text = text if standard.upper() == "SQL" else f"replace({text}, ' ', 'T')"
            return f"'\"' || {text} || '{'Z' if column == Type.TIMESTAMP_LTZ else ''}\"'"
    return _string(sql)


# Parameters of lambdas: a column of the same name would be taken for them.
_SIGN, _TEXT = '"$sign"', '"$text"'


def _string(sql: str) -> str:
    """DuckDB escapes as Jackson does, which also writes characters beyond the first 65,536 as two escapes."""
    json = f"to_json({sql})"
    code = f"unicode({_SIGN})"
    halves = f"format('\\u{{:04X}}\\u{{:04X}}', 55232 + ({code} >> 10), 56320 + ({code} & 1023))"
    one = f"CASE WHEN {code} > 65535 THEN {halves} ELSE {_SIGN} END"
    escaped = f"array_to_string(list_transform(string_split({json}, ''), lambda {_SIGN}: {one}), '')"
    beyond = f"strlen({sql}) > length({sql}) AND regexp_matches({sql}, '[\\x{{10000}}-\\x{{10FFFF}}]')"
    return f"CASE WHEN {beyond} THEN {escaped} ELSE {json} END"


def _double(sql: str) -> str:
    """As `jackson.double_text`."""
    plain = f"{sql} = 0 OR (abs({sql}) >= 1e-3 AND abs({sql}) < 1e7)"
    odd = f"WHEN isnan({sql}) THEN '\"NaN\"' WHEN {sql} > 0 THEN '\"Infinity\"' WHEN {sql} < 0 THEN '\"-Infinity\"'"
    return f"CASE WHEN {plain} THEN {sql}::VARCHAR WHEN isfinite({sql}) THEN {_scientific(sql)} {odd} END"


def _scientific(sql: str) -> str:
    """A digit, a point, digits, E and the exponent, of DuckDB's text: 123.45, 0.00012, 1.2e+16."""
    parts = f"regexp_extract(abs({sql})::VARCHAR, '^(\\d+)\\.?(\\d*)e?(.*)$', ['whole', 'part', 'exponent'])"
    whole, part, exponent = (f"{_TEXT}.{name}" for name in ("whole", "part", "exponent"))
    digits = f"ltrim({whole} || {part}, '0')"
    places = f"CASE WHEN {whole} = '0' THEN length({digits}) - length({part}) ELSE length({whole}) END"
    exponent = f"({places}) - 1 + CASE WHEN {exponent} = '' THEN 0 ELSE {exponent}::INTEGER END"
    rest = f"rtrim(({digits})[2:], '0')"
    text = f"({digits})[1] || '.' || CASE WHEN {rest} = '' THEN '0' ELSE {rest} END || 'E' || ({exponent})"
    sign = f"CASE WHEN {sql} < 0 THEN '-' ELSE '' END"
    return f"{sign} || list_transform([{parts}], lambda {_TEXT}: {text})[1]"


def _calendar(sql: str, kind: str) -> str:
    """A date or time as text: years with four digits, or a sign and more, and -0001 before 0000."""
    text, year = f"{sql}::VARCHAR", f"year({sql})"
    years = f"CASE WHEN {year} < 0 THEN '-' ELSE '' END || format('{{:04d}}', abs({year}))"
    old = f"{years} || replace(({text})[strpos({text}, '-'):], ' (BC)', '')"
    last = "9999-12-31" if kind == "DATE" else "9999-12-31 23:59:59.999999"
    usual = f"{sql} BETWEEN {kind} '0001-01-01' AND {kind} '{last}'"
    return f"CASE WHEN {usual} THEN {text} WHEN {year} > 9999 THEN '+' || {text} ELSE {old} END"
