"""LIKE as DuckDB's SQL."""

from clickstream.tables.engine.expressions.text import Argument, once
from clickstream.tables.names import string
from clickstream.tables.sql.regex import LINE_ENDS

# Flink makes _ a dot of Java's regular expressions.
_ONE, _ANY = f"[^{LINE_ENDS}]", "(?s:.*)"


def like(text: Argument, pattern: Argument, escape: str | None) -> str:
    """LIKE, without an escape character unless one is given.

    A pattern with _ is looked at once more as a regular expression where LIKE finds it; others are DuckDB's.
    """
    ending = f" ESCAPE {string(escape)}" if escape is not None else ""
    plain = f"{text} LIKE {pattern}{ending}"
    if pattern.literal is None:
        return _dynamic(text, pattern)
    regex, ones = _regex(pattern.literal, escape)
    if not ones:
        return f"({plain})"
    return once(text, lambda s: f"({s} LIKE {pattern}{ending} AND regexp_full_match({s}, {string(regex)}))")


def _regex(pattern: str, escape: str | None) -> tuple[str, bool]:
    """The pattern as a regular expression, and whether it has a _."""
    parts, ones, characters = [], False, iter(pattern)
    for character in characters:
        if character == escape:
            parts.append(_literal(next(characters)))
        elif character == "_":
            parts.append(_ONE)
            ones = True
        else:
            parts.append(_ANY if character == "%" else _literal(character))
    return "".join(parts), ones


def _literal(character: str) -> str:
    return rf"\x{{{ord(character):x}}}" if character.isascii() and not character.isalnum() else character


def _dynamic(text: Argument, pattern: Argument) -> str:
    def found(one: str, other: str) -> str:
        regex = f"replace(replace(regexp_escape({other}), '_', {string(_ONE)}), '\\%', {string(_ANY)})"
        odd = f"contains({other}, '_') AND regexp_matches({one}, '[{LINE_ENDS}]')"
        return f"(CASE WHEN {odd} THEN regexp_full_match({one}, {regex}) ELSE {one} LIKE {other} END)"

    return once(text, lambda one: once(pattern, lambda other: found(one, other)))


def trim(text: Argument, characters: Argument | None, position: str) -> str:
    """Without any of the characters (spaces) at its ends."""
    function = {"BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}[position]
    return f"{function}({text}, {characters or string(' ')})"
