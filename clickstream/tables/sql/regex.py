"""Regular expressions of Java as those of RE2, as far as both mean the same.

Java: https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/util/regex/Pattern.html.
RE2: https://github.com/google/re2/wiki/Syntax.
"""

from dataclasses import dataclass, field
from typing import NoReturn

# What Java's dot does not match.
LINE_ENDS = r"\n\r\x{85}\x{2028}\x{2029}"
_CLASSES = {
    "d": ("0-9", r"\x00-/:-\x{10ffff}"),
    "w": ("0-9A-Z_a-z", r"\x00-/:-@\[-\^`{-\x{10ffff}"),
    "s": (r"\t-\r ", r"\x00-\x08\x0e-\x1f!-\x{10ffff}"),
}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_MOST = 1000  # RE2's limit of repetitions


class RegexProblem(ValueError):
    """The pattern is none, or not supported; the message says why."""


@dataclass
class Group:
    """A capturing group. `empty`: it can match nothing; `sure`: it takes part in every match."""

    empty: bool = False
    sure: bool = True


@dataclass
class Regex:
    """A pattern for RE2. `at_end`: it ended with $, which is not in `text`; `empty`: it can match nothing."""

    text: str = ""
    empty: bool = True
    at_end: bool = False
    branches: bool = False
    groups: list[Group] = field(default_factory=list)


def translate(pattern: str, *, capture: bool = True) -> Regex:
    """Java's pattern as RE2's, with its groups if wanted. Raises RegexProblem."""
    return _Reader(pattern, capture).read()


class _Reader:
    """Recursive descent over a pattern's characters."""

    def __init__(self, pattern: str, capture: bool) -> None:
        self.capture = capture
        self.ignore_case = pattern.startswith("(?i)")
        self.pattern = pattern.removeprefix("(?i)")
        self.at = 0
        self.made = Regex()

    def read(self) -> Regex:
        body = self.pattern
        if body.endswith("$") and (len(body) - len(body[:-1].rstrip("\\"))) % 2 == 1:
            self.made.at_end, self.pattern = True, body[:-1]
        self.made.text, self.made.empty = self._alternatives(outer=True, sure=True)
        if self.at < len(self.pattern):
            self._fail(") without (")
        if self.made.at_end and self.made.branches:
            self._fail("| beside $: put the alternatives in parentheses")
        if any(group.empty and not group.sure for group in self.made.groups):
            self._fail("a group that can be empty, or left out")
        return self.made

    def _alternatives(self, *, outer: bool, sure: bool) -> tuple[str, bool]:
        """`sure`: what stands here takes part in every match."""
        branched = self._branched()
        parts, empties = [], []
        while True:
            text, empty = self._sequence(sure and not branched)
            parts.append(text)
            empties.append(empty)
            if self._peek() != "|":
                break
            self.at += 1
        if outer:
            self.made.branches = branched
        return "|".join(parts), any(empties)

    def _branched(self) -> bool:
        """Whether there is a | before this level's end."""
        depth, at, inside = 0, self.at, False
        while at < len(self.pattern):
            one = self.pattern[at]
            if one == "\\":
                at += 1
            elif inside:
                inside = one != "]"
            elif one == "[":
                inside = True
            elif one == "(":
                depth += 1
            elif one == ")":
                depth -= 1
                if depth < 0:
                    return False
            elif one == "|" and depth == 0:
                return True
            at += 1
        return False

    def _sequence(self, sure: bool) -> tuple[str, bool]:
        parts, empty = [], True
        while self._peek() not in ("", "|", ")"):
            first = len(self.made.groups)
            text, may_be_empty, repeatable = self._atom(sure)
            least, repeat = self._repeat(repeatable)
            if least == 0:
                for group in self.made.groups[first:]:
                    group.sure = False
            if repeat and may_be_empty:
                self._fail("a repeated part that can be empty")
            parts.append(text + repeat)
            empty = empty and (may_be_empty or least == 0)
        return "".join(parts), empty

    def _atom(self, sure: bool) -> tuple[str, bool, bool]:
        """A part's text, whether it can match nothing, and whether it can be repeated."""
        one = self._next()
        match one:
            case "(":
                return (*self._group(sure), True)
            case "[":
                return self._set(), False, True
            case "\\":
                return self._escape()
            case ".":
                return f"[^{LINE_ENDS}]", False, True
            case "^":
                return "^", True, False
            case "$":
                self._fail("$ that is not at the end")
            case "*" | "+" | "?" | "{":
                self._fail(f"{one} with nothing to repeat")
        return self._character(one), False, True

    def _group(self, sure: bool) -> tuple[str, bool]:
        group = None
        if self.pattern.startswith("?:", self.at):
            self.at += 2
        elif self._peek() == "?":
            self._fail("(?" + self.pattern[self.at + 1 : self.at + 2])
        else:
            group = Group()
            self.made.groups.append(group)
        text, empty = self._alternatives(outer=False, sure=sure)
        if self._next() != ")":
            self._fail("( without )")
        if group is not None:
            group.empty, group.sure = empty, sure
        return f"({'' if group and self.capture else '?:'}{text})", empty

    def _repeat(self, repeatable: bool) -> tuple[int, str]:
        """The least number of times, and the quantifier's text."""
        one = self._peek()
        if one not in ("*", "+", "?", "{"):
            return 1, ""
        if not repeatable:
            self._fail(f"{one} with nothing to repeat")
        start = self.at
        self.at += 1
        least = 1 if one == "+" else 0
        if one == "{":
            end = self.pattern.find("}", self.at)
            low, _, high = self.pattern[self.at : max(end, self.at)].partition(",")
            if end < 0 or not low.isdecimal() or not (high.isdecimal() or not high):
                self._fail("{ without numbers")
            least, most = int(low), int(high or low)
            if most > _MOST or most < least:
                self._fail(f"repetitions from {least} to {most}")
            self.at = end + 1
        if self._peek() == "?":
            self.at += 1
        if self._peek() in ("*", "+", "?", "{"):
            self._fail("a repetition of a repetition")
        return least, self.pattern[start : self.at]

    def _escape(self) -> tuple[str, bool, bool]:
        one = self._next()
        if one in ("b", "B"):
            return f"\\{one}", True, False
        if one.lower() in _CLASSES:
            inside = _CLASSES[one.lower()][0]
            return f"[{'^' if one.isupper() else ''}{inside}]", False, True
        return self._character(self._escaped(one)), False, True

    def _escaped(self, one: str) -> str:
        """The character that \\ and `one` stand for."""
        if one in _CONTROLS:
            return _CONTROLS[one]
        if one in ("x", "u"):
            digits = self.pattern[self.at : self.at + (2 if one == "x" else 4)]
            self.at += len(digits)
            try:
                found = chr(int(digits, 16))
            except ValueError:
                found = ""
            if len(digits) != (2 if one == "x" else 4) or not found or "\ud800" <= found <= "\udfff":
                self._fail(f"\\{one}{digits}")
            return found
        if not one.isascii() or one.isalnum() or not one.isprintable():
            self._fail(f"\\{one}")
        return one

    def _set(self) -> str:
        negative = self._peek() == "^"
        self.at += negative
        parts: list[str] = []
        while (one := self._next()) != "]" or not parts:
            if one in ("[", "]") or self.pattern.startswith("&&", self.at - 1):
                self._fail("[ or && in [ ]")
            if one == "\\" and self._peek().lower() in _CLASSES:
                name = self._next()
                parts.append(_CLASSES[name.lower()][name.isupper()])
                if self._peek() == "-" and self.pattern[self.at + 1 : self.at + 2] != "]":
                    self._fail("- behind a class")
                continue
            low = self._escaped(self._next()) if one == "\\" else one
            high = low
            if self._peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self._next()
                if high == "\\":
                    if self._peek().lower() in _CLASSES:
                        self._fail("- before a class")
                    high = self._escaped(self._next())
                if high < low or high == "[":
                    self._fail(f"{low}-{high}")
            parts.append(self._range(low, high))
        return f"[{'^' if negative else ''}{''.join(parts)}]"

    def _range(self, low: str, high: str) -> str:
        found = f"{_hex(low)}-{_hex(high)}" if high != low else _hex(low)
        if self.ignore_case:
            for start, end in (("a", "z"), ("A", "Z")):
                first, last = max(low, start), min(high, end)
                if first <= last:
                    found += f"{_hex(first.swapcase())}-{_hex(last.swapcase())}"
        return found

    def _character(self, one: str) -> str:
        if self.ignore_case and one.isascii() and one.isalpha():
            return f"[{one.lower()}{one.upper()}]"
        return one if one.isascii() and one.isalnum() else _hex(one)

    def _peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def _next(self) -> str:
        if self.at >= len(self.pattern):
            self._fail("an end too early")
        self.at += 1
        return self.pattern[self.at - 1]

    def _fail(self, what: str) -> NoReturn:
        raise RegexProblem(what)


def _hex(one: str) -> str:
    return rf"\x{{{ord(one):x}}}"
