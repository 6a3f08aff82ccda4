"""UPPER and LOWER. DuckDB maps one character to one; Java also has those that become several, and the final sigma."""

from clickstream.tables.engine.expressions.text import Argument, once
from clickstream.tables.names import string

# The 102 characters whose capitals are more than one (Unicode's SpecialCasing.txt); Python's are the same as Java's.
_EXPANDING = "".join(chr(one) for one in range(0x80, 0x10000) if len(chr(one).upper()) > 1)
_LETTERS, _IGNORED = r"\p{Lu}\p{Ll}\p{Lt}", r"\p{Mn}\p{Me}\p{Cf}\p{Lm}\p{Sk}'.:\x{b7}\x{2019}"
_FINAL_SIGMA = rf"([{_LETTERS}][{_IGNORED}]*)Σ([{_IGNORED}]*(?:[^{_LETTERS}{_IGNORED}]|$))"


def upper(text: Argument) -> str:
    """In capitals: straße is STRASSE."""
    several = ", ".join(f"{string(one)}: {string(one.upper())}" for one in _EXPANDING)

    def mapped(s: str) -> str:
        each = f"list_transform(regexp_extract_all({s}, '(?s).'), lambda c: coalesce(MAP {{{several}}}[c], upper(c)))"
        return _by_need(s, f"upper({s})", _EXPANDING, f"array_to_string({each}, '')")

    return once(text, mapped)


def lower(text: Argument) -> str:
    """In small letters."""

    def mapped(s: str) -> str:
        prepared = rf"replace(regexp_replace({s}, {string(_FINAL_SIGMA)}, '\1ς\2', 'g'), 'İ', 'i̇')"
        return _by_need(s, f"lower({s})", "İΣ", f"lower({prepared})")

    return once(text, mapped)


def _by_need(s: str, plain: str, characters: str, otherwise: str) -> str:
    """`plain` but where one of the characters occurs; ASCII is not searched."""
    rare = f"strlen({s}) > length({s}) AND regexp_matches({s}, '[{characters}]')"
    return f"(CASE WHEN {rare} THEN {otherwise} ELSE {plain} END)"
