"""A SQL file's text: what stands where, `${NAME}` filled in, and problems shown at their place."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from clickstream import terminal
from clickstream.errors import ConfigError
from clickstream.spelling import nearest

# A comment, a string, a quoted name, a semicolon, or anything else; together they give back the whole text.
# What is opened and not closed matches the rest of the text.
_PIECE = re.compile(
    r"--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*(?:'|\Z)|`(?:[^`]|``)*(?:`|\Z)|;|\s+|[^\s\-/'`;]+|.", re.DOTALL
)
_VARIABLE = re.compile(r"\$\{([^}\n]*)\}")
_WORD_WIDTH = re.compile(r"[\w$]+|.", re.DOTALL)


@dataclass(frozen=True)
class Problem:
    """Why a file is refused: lines and columns count from 1, `length` characters are marked."""

    message: str
    line: int
    column: int
    length: int
    hint: str = ""


@dataclass(frozen=True)
class Source:
    """A file's text as an engine gets it. Offsets are into `text`; places are lines and columns of `original`."""

    name: str
    original: str
    text: str
    # For each substitution: where it begins and ends in `text`, and where in `original`.
    filled: tuple[tuple[int, int, int, int], ...] = ()

    def origin(self, offset: int) -> int:
        """The offset in `original`; all of a substituted value comes from the start of its `${NAME}`."""
        index = bisect_right(self.filled, offset, key=lambda one: one[0]) - 1
        if index < 0:
            return offset
        _start, end, original_start, original_end = self.filled[index]
        return original_start if offset < end else offset - end + original_end

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column, from 1, in the file as written."""
        before = self.original[: self.origin(offset)]
        return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1

    def problem(self, message: str, start: int, end: int | None = None, hint: str = "") -> Problem:
        """A problem with `text[start:end]`; without an end, with the word at `start`."""
        if end is None:
            word = _WORD_WIDTH.match(self.text, start)
            end = word.end() if word else start + 1
        line, column = self.place(start)
        first, last = self.origin(start), self.origin(max(end - 1, start)) + 1
        end_of_line = self.original.find("\n", first)
        stop = min(max(last, first + 1), end_of_line if end_of_line >= 0 else len(self.original))
        return Problem(message, line, column, max(stop - first, 1), hint)

    def render(self, problem: Problem) -> str:
        """The problem with its line and a caret under the place."""
        lines = self.original.split("\n")
        line = lines[problem.line - 1].rstrip("\r") if problem.line <= len(lines) else ""
        number = f"{problem.line:>5}"
        start = problem.column - 1
        begin, marked = (terminal.escaped_lines(part) for part in (line[:start], line[start : start + problem.length]))
        # Tabs are kept, so that the marks stand under their characters whatever a tab's width.
        before = "".join("\t" if character == "\t" else " " for character in begin)
        marks = "^" * max(len(marked), problem.length)
        shown = [
            f"{self.name}:{problem.line}:{problem.column}: {problem.message}",
            f"{number} | {terminal.escaped_lines(line)}",
            f"{' ' * len(number)} | {before}{marks}",
        ]
        return "\n".join([*shown, *([f"{' ' * len(number)}   {problem.hint}"] if problem.hint else [])])


def pieces(text: str) -> Iterator[tuple[int, str]]:
    """Offset and text of every comment, string, quoted name, semicolon, blank and rest; joined they are `text`."""
    return ((match.start(), match[0]) for match in _PIECE.finditer(text))


def is_blank(piece: str) -> bool:
    """White space or a comment."""
    return piece.isspace() or piece.startswith(("--", "/*"))


def substitute(text: str, settings: Mapping[str, str], name: str = "<text>") -> tuple[Source, list[Problem]]:
    """`text` with `${NAME}` filled in from `settings`, inside string literals, where a quote is doubled.

    Comments are left alone. An unknown NAME, and one outside of a string, is a problem and stays as it is.
    """
    original = Source(name, text, text)
    parts: list[str] = []
    filled: list[tuple[int, int, int, int]] = []
    problems: list[Problem] = []
    length = copied = 0
    for offset, piece in pieces(text):
        for match in () if is_blank(piece) else _VARIABLE.finditer(piece):
            start, end = offset + match.start(), offset + match.end()
            if not piece.startswith("'"):
                problems.append(
                    original.problem(f"{match[0]} outside of a string.", start, end, "Write '" + match[0] + "'.")
                )
                continue
            if match[1] not in settings:
                problems.append(
                    original.problem(f"Unknown setting {match[1]}.", start, end, _known(match[1], settings))
                )
                continue
            value = settings[match[1]].replace("'", "''")
            parts += [text[copied:start], value]
            length += start - copied + len(value)
            filled.append((length - len(value), length, start, end))
            copied = end
    parts.append(text[copied:])
    return Source(name, text, "".join(parts), tuple(filled)), problems


def _known(name: str, settings: Mapping[str, str]) -> str:
    near = nearest(name, settings)
    return f"Did you mean {near}?" if near else f"Known are {', '.join(sorted(settings)) or 'none'}."


def read(path: Path, settings: Mapping[str, str]) -> tuple[Source, list[Problem]]:
    """The file with `${NAME}` filled in. Raises ConfigError when it cannot be read or is not UTF-8."""
    try:
        text = path.read_text("utf-8-sig")  # some editors put a byte order mark before it
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: {error.reason} at byte {error.start}.") from None
    return substitute(text, settings, str(path))
