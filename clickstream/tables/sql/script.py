"""A file's statements: where each one stands, with its text untouched."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from clickstream.tables.sql.source import Problem, Source, is_blank, pieces

# Between words Flink reads blanks of ASCII only; what cannot be seen is no part of a word either.
_ODD_BLANK = re.compile(r"[^\S \t\n\r\f]|[\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]")
_SET_BEGIN = ["EXECUTE", "STATEMENT", "SET", "BEGIN"]


@dataclass(frozen=True)
class Span:
    """`source.text[start:end]`, without blanks and comments around it and without its semicolon."""

    start: int
    end: int


@dataclass(frozen=True)
class Statement:
    """One statement as Flink takes it. `members` are a statement set's statements, or the statement itself."""

    source: Source
    span: Span
    members: tuple[Span, ...]

    @property
    def text(self) -> str:
        """As it is written, with its variables filled in."""
        return self.source.text[self.span.start : self.span.end]

    @property
    def line(self) -> int:
        """In the file, from 1."""
        return self.source.place(self.span.start)[0]


def chunks(text: str) -> Iterator[str]:
    """`text` cut after every semicolon that ends a statement; joined they are `text`."""
    start = 0
    for offset, piece in pieces(text):
        if piece == ";":
            yield text[start : offset + 1]
            start = offset + 1
    if start < len(text):
        yield text[start:]


def split(source: Source) -> tuple[list[Statement], list[Problem]]:
    """The statements in their order, and what is not closed: strings, names, comments, statement sets."""
    problems = [
        source.problem(f"{what} is not closed.", offset, offset + 1, f"Close it with {mark}")
        for offset, piece in pieces(source.text)
        for what, mark in [_unclosed(piece)]
        if mark
    ]
    problems += [
        source.problem("Hints are not supported.", offset, offset + len(piece), "A comment does not begin with /*+")
        for offset, piece in pieces(source.text)
        if piece.startswith("/*+")
    ]
    problems += [
        source.problem(f"{_named(match[0])} is not supported.", offset + match.start(), hint="Write a plain space.")
        for offset, piece in pieces(source.text)
        if not piece.startswith(("--", "/*", "'", "`"))
        for match in _ODD_BLANK.finditer(piece)
    ]
    statements: list[Statement] = []
    members: list[Span] = []
    begin: int | None = None
    for words, span in _spans(source.text):
        if begin is None and [word.upper() for _, word in words[:4]] == _SET_BEGIN:
            begin = span.start
            members = [Span(words[4][0], span.end)] if len(words) > 4 else []
        elif begin is None:
            statements.append(Statement(source, span, (span,)))
        elif len(words) == 1 and words[0][1].upper() == "END":
            statements.append(Statement(source, Span(begin, span.end), tuple(members)))
            begin = None
        else:
            members.append(span)
    if begin is not None:
        problems.append(source.problem("EXECUTE STATEMENT SET without its end.", begin, hint="It ends with  END;"))
        statements.append(Statement(source, Span(begin, members[-1].end if members else begin + 7), tuple(members)))
    return statements, problems


def _spans(text: str) -> Iterator[tuple[list[tuple[int, str]], Span]]:
    """The significant pieces and the span of each statement."""
    found: list[tuple[int, str]] = []
    for offset, piece in pieces(text):
        if piece == ";" and found:
            yield found, Span(found[0][0], found[-1][0] + len(found[-1][1]))
            found = []
        elif piece != ";" and not is_blank(piece):
            found.append((offset, piece))
    if found:
        yield found, Span(found[0][0], found[-1][0] + len(found[-1][1]))


def _named(character: str) -> str:
    """A character that cannot be seen, for people."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}{f' ({name})' if name else ''}"


def _unclosed(piece: str) -> tuple[str, str]:
    if piece.startswith("/*") and (len(piece) < 4 or not piece.endswith("*/")):
        return "This comment", "*/"
    for mark, what in (("'", "This string"), ("`", "This name")):
        if piece.startswith(mark) and piece.count(mark) % 2:
            return what, mark
    return "", ""
