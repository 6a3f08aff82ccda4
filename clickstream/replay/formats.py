"""One line of an access log, in the common or combined format of Apache and nginx, as a click or a reason.

    common    %h %l %u [%t] "%r" %>s %b
    combined  common "%{Referer}i" "%{User-agent}i"

https://httpd.apache.org/docs/2.4/mod/mod_log_config.html#formats and nginx's predefined `combined`. Fields
that a site appends to the combined format (`"$http_x_forwarded_for"`, `rt=0.003`) are passed over.
"""

import re
from dataclasses import dataclass

from clickstream.logtime import epoch_ms
from clickstream.records import WebClick
from clickstream.replay.escapes import unescape

# Possessive quantifiers: no line, however hostile, makes the match backtrack.
_QUOTED = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
_WORD = r"[!#-~]++"  # printable ASCII without quotes

# Each field's pattern and what it must be. The line's pattern is their sequence; they are tried one by one
# only to say which field is wrong.
_COMMON = (
    ("ip", rf"(?!- )({_WORD}) ", "an address or host name"),
    ("ident", rf"{_WORD} ", "one word"),
    # One word: with more, a virtual host in front of the address would be taken for the address.
    ("remote_user", r"(\S++) (?=\[)", "one word and then the time in brackets"),
    ("time", r"\[([^\]]*+)\] ", "a time in brackets"),
    ("request", _QUOTED + " ", "a text in quotes"),
    ("status", r"([1-5][0-9][0-9]|-) ", "a number from 100 to 599, or -"),
    ("bytes", r"([0-9]{1,18}+|-)(?= |\Z)", "a whole number from 0, or -"),
)
_COMBINED = (
    ("referrer", " " + _QUOTED, "a text in quotes, or the end of the line"),
    ("agent", " " + _QUOTED, "a text in quotes"),
    (
        "after agent",
        r'(?: [^" ]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+")?+)*+\Z',
        "further fields set apart by spaces",
    ),
)
_LINE = re.compile(
    "".join(pattern for _, pattern, _ in _COMMON) + "(?:" + "".join(pattern for _, pattern, _ in _COMBINED) + r")?+\Z"
)
_STEPS = tuple((name, re.compile(pattern), meaning) for name, pattern, meaning in _COMMON + _COMBINED)
_SHOWN = 60
_NOBODY = frozenset({"-", '""'})  # Apache writes "" for a user name that was sent empty


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that is no click; `reason` names the field that is wrong."""

    reason: str


def parse(line: bytes) -> WebClick | Malformed:
    """The click of one line, without its line end (trailing white space is ignored)."""
    try:
        text = line.rstrip().decode()
    except UnicodeDecodeError as error:
        return Malformed(f"not valid UTF-8: byte {error.start + 1:,} is 0x{line[error.start]:02x}")
    match = _LINE.match(text)
    if match is None:
        return Malformed(_diagnose(text))
    ip, user, time, request, status, size, referrer, agent = match.groups()
    time_ms = epoch_ms(time)
    if time_ms is None:
        return Malformed(f"time: expected a date such as 17/May/2015:10:05:03 +0000, found {_show(time)}")
    if "\\" in text:
        user, request = unescape(user), unescape(request)
        referrer, agent = referrer and unescape(referrer), agent and unescape(agent)
    return WebClick(
        ip,
        None,
        None if user in _NOBODY else user,
        time,
        time_ms,
        None if request == "-" else request,
        None if status == "-" else int(status),
        0 if size == "-" else int(size),
        None if referrer == "-" else referrer,
        None if agent == "-" else agent,
    )


def _diagnose(text: str) -> str:
    if not text:
        return "the line is empty"
    at = 0
    for name, pattern, meaning in _STEPS:
        match = pattern.match(text, at)
        if match is None:
            return f"{name}: expected {meaning}, found {_show(text[at:].lstrip(' '))}"
        at = match.end()
    raise AssertionError(f"each field of {text!r} matches, the line does not")


def _show(text: str) -> str:
    if not text:
        return "the end of the line"
    return ascii(text[:_SHOWN]) + ("..." if len(text) > _SHOWN else "")
