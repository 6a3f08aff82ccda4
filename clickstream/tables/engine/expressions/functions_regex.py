"""REGEXP, REGEXP_EXTRACT and REGEXP_REPLACE as DuckDB's SQL."""

from collections.abc import Callable, Sequence

from clickstream.tables.engine.expressions.text import Argument, once
from clickstream.tables.names import string
from clickstream.tables.sql.regex import LINE_ENDS, Group, translate
from clickstream.tables.sql.types import Type

# Where Java's $ is: before the last line's end, and at the end.
_LAST_LINE_END = rf"(\r\n|[{LINE_ENDS}])?\z"


def matches(text: Argument, pattern: Argument) -> str:
    """REGEXP: whether the pattern is somewhere in the text; an empty one never is."""
    if not pattern.literal:
        return f"(CASE WHEN {text} IS NOT NULL THEN FALSE END)"
    regex = translate(pattern.literal)
    end = _LAST_LINE_END if regex.at_end else ""
    return f"regexp_matches({text}, {string(regex.text + end)})"


def extract(text: Argument, pattern: Argument, index: Argument | None) -> str:
    """REGEXP_EXTRACT: a group of the first match, NULL where there is none."""
    regex = translate(pattern.literal or "")
    wanted = (index.number or 0) if index else 0
    if wanted > len(regex.groups):
        return "CAST(NULL AS VARCHAR)"
    whole = string(f"({regex.text}){_LAST_LINE_END}" if regex.at_end else regex.text)
    group = regex.groups[wanted - 1] if wanted else Group(regex.empty)

    def found(s: str) -> str:
        return f"regexp_extract({s}, {whole}, {wanted + regex.at_end})"

    # DuckDB gives '' for no match, for a group that has no part in it, and for one that is empty.
    if not group.empty:
        return f"nullif({found(text.sql)}, '')"
    return once(text, lambda s: f"(CASE WHEN regexp_matches({s}, {whole}) THEN {found(s)} END)")


def replace(text: Argument, pattern: Argument, by: Argument) -> str:
    """REGEXP_REPLACE: every match; the new text has no references to groups."""
    regex = translate(pattern.literal or "", capture=False)
    new = string(by.literal.replace("\\", "\\\\")) if by.literal is not None else rf"replace({by}, '\', '\\')"
    if not regex.at_end:
        return f"regexp_replace({text}, {string(regex.text)}, {new}, 'g')"
    ending = string(f"(?:{regex.text}){_LAST_LINE_END}")

    def replaced(s: str) -> str:
        # A match before the last line's end, which then may be a match of its own.
        again = f"regexp_full_match(regexp_extract({s}, {ending}, 1), {string(regex.text)})"
        behind = f"CASE WHEN {again} THEN {new} ELSE '\\1' END"
        return f"regexp_replace({s}, {ending}, {new} || {behind})"

    return once(text, replaced)


FUNCTIONS: dict[str, Callable[[Sequence[Argument], Type], str]] = {
    "REGEXP": lambda arguments, _: matches(*arguments),
    "REGEXP_EXTRACT": lambda arguments, _: extract(
        arguments[0], arguments[1], arguments[2] if len(arguments) > 2 else None
    ),
    "REGEXP_REPLACE": lambda arguments, _: replace(*arguments),
}
