"""The two formats inside a Java client's configuration file: .properties and the JAAS login entry in it.

Only the formats: what the keys mean to librdkafka is decided in properties.py. Error messages never quote a
value: it may be a secret.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from clickstream.errors import ConfigError

# https://docs.oracle.com/javase/8/docs/api/java/util/Properties.html#load-java.io.Reader-
_BLANK = " \t\f"
_NEWLINE = re.compile(r"\r\n|\r|\n")
_KEY_AND_VALUE = re.compile(rf"((?:\\.|[^\\=:{_BLANK}])*)[{_BLANK}]*[=:]?[{_BLANK}]*(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(u.{0,4}|.)", re.DOTALL)
_CONTROL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}

# The form that org.apache.kafka.common.security.JaasConfig reads: MODULE FLAG (NAME=VALUE)* ;
_VALUE = r""" "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' | [^\s"'=;]+ """
_OPTION = re.compile(rf""" (?:\s+|(?<=["'])) ([\w.-]+) \s*=\s* ({_VALUE}) """, re.VERBOSE)
_ENTRY = re.compile(rf"\s* ([\w.$]+) \s+ \w+ ((?:{_OPTION.pattern})*) \s*;\s*", re.VERBOSE)
_QUOTED_ESCAPE = re.compile(r"\\([0-3][0-7]{0,2}|[4-7][0-7]?|.)")
_QUOTED_CONTROL = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True)
class Entry:
    """A value, and the number of the (last) line that it stands in."""

    value: str
    line: int


def parse_properties(text: str, source: str) -> dict[str, Entry]:
    """The keys and values of a .properties file, as java.util.Properties reads them: of a repeated key, the last.

    Raises ConfigError for a malformed \\u escape.
    """
    found = {}
    for number, line in _logical_lines(text.removeprefix("\ufeff")):
        match = _KEY_AND_VALUE.fullmatch(line)
        assert match is not None  # every part of the pattern may be empty, and `.*` takes the rest
        try:
            key, value = (_unescape(part) for part in match.groups())
        except ValueError:
            raise ConfigError(
                rf"{source}, line {number}: malformed \u escape; write \uXXXX, or \\u for a backslash."
            ) from None
        found[key] = Entry(value, number)
    return found


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their continuations joined, without comments and blank lines; with the number of the last part."""
    parts = ""
    for number, line in enumerate(_NEWLINE.split(text), 1):
        stripped = line.lstrip(_BLANK)
        # A continuation that starts with # is no comment, unless nothing came before it.
        if not parts and (not stripped or stripped[0] in "#!"):
            continue
        backslashes = len(stripped) - len(stripped.rstrip("\\"))
        continued = backslashes % 2 == 1
        parts += stripped[:-1] if continued else stripped
        if not continued:
            yield number, parts
            parts = ""
    if parts:
        yield number, parts


def _unescape(text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        escaped = match[1]
        if escaped[0] != "u":
            return _CONTROL.get(escaped, escaped)
        if not re.fullmatch("u[0-9a-fA-F]{4}", escaped):
            raise ValueError(escaped)
        return chr(int(escaped[1:], 16))

    # Java's characters are UTF-16 units: an emoji is two \u escapes. A lone half is a ValueError.
    return _ESCAPE.sub(replace, text).encode("utf-16", "surrogatepass").decode("utf-16")


def parse_login(entry: str, source: str) -> tuple[str, dict[str, str]]:
    """The login module's simple class name and its options, from the value of sasl.jaas.config.

    Raises ConfigError when the entry is not one module with options.
    """
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise ConfigError(
            f"{source}: sasl.jaas.config cannot be read. It must be of the form: "
            'org.apache.kafka.common.security.plain.PlainLoginModule required username="..." password="...";'
        )
    options = {name: _unquote(value) for name, value in _OPTION.findall(match[2])}
    return match[1].rpartition(".")[2], options


def _unquote(text: str) -> str:
    """A JAAS value without its quotes; escapes as java.io.StreamTokenizer reads them."""

    def replace(match: re.Match[str]) -> str:
        escaped = match[1]
        return chr(int(escaped, 8)) if escaped[0] in "01234567" else _QUOTED_CONTROL.get(escaped, escaped)

    return _QUOTED_ESCAPE.sub(replace, text[1:-1]) if text[0] in "\"'" else text
