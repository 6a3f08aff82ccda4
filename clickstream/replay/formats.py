"""One line of an access log, in the common or combined format of Apache and nginx, as a click or a reason.

    common    %h %l %u [%t] "%r" %>s %b
    combined  common "%{Referer}i" "%{User-agent}i"

https://httpd.apache.org/docs/2.4/mod/mod_log_config.html#formats and nginx's predefined `combined`. Fields
that a site appends to the combined format (`"$http_x_forwarded_for"`, `rt=0.003`) are skipped, and so is a
virtual host in front (`%v:%p %h ...`, `$host $remote_addr ...`) where an address follows it: it is never taken for
the address. Nor are several addresses (X-Forwarded-For): which of them is the client's, the line does not say.
"""

import re
from dataclasses import dataclass

from clickstream.logtime import epoch_ms
from clickstream.records import WebClick
from clickstream.replay.escapes import unescape

# Possessive quantifiers: no line, however hostile, makes the match backtrack.
_QUOTED = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
_WORD = r"[!#-+\--~]++"  # printable ASCII without quotes and commas
_NAME = r"[!#-+\-/-9;-~]++"  # nor dots and colons: no address, no host name but a short one
_ADDRESS_WORD = r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|(?=[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:)[0-9A-Fa-f:.]++(?:%[0-9A-Za-z]++)?+)"
_ADDRESS = _ADDRESS_WORD + "(?= )"

# Each field's pattern and what it must be. The line's pattern is their sequence; they are tried one by one
# only to say which field is wrong.
_FRONT = (
    ("ip", rf"(?!- )({_WORD}) ", "an address or host name"),
    ("ident", rf"{_NAME} ", "one word without dots, colons and commas"),
)
_COMMON = (
    ("remote_user", r"(\S++) (?=\[)", "one word and then the time in brackets"),
    ("time", r"\[([^\]]*+)\] ", "a time in brackets"),
    ("request", _QUOTED + " ", "a text in quotes"),
    # nginx writes 000 where a connection ended before there was a status, and whatever a backend answers.
    ("status", r"([0-9]{3}|-) ", "a number from 000 to 999, or -"),
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
_REST = (
    "".join(pattern for _, pattern, _ in _COMMON) + "(?:" + "".join(pattern for _, pattern, _ in _COMBINED) + r")?+\Z"
)
_LINE = re.compile("".join(pattern for _, pattern, _ in _FRONT) + _REST)
# The virtual host has a port, or an address follows it. Its format may have no ident: `$host $remote_addr - [`.
_BEHIND_HOST = re.compile(
    rf"(?!- |{_ADDRESS})(?:{_WORD} (?={_ADDRESS})|[^ :,]++:[0-9]++ (?=[^ :,]*\.))({_WORD}) (?:{_WORD} (?!\[))?+" + _REST
)
_SEVERAL_ADDRESSES = re.compile(rf'(?:{_WORD} )?+"?(?:{_ADDRESS}|[0-9A-Fa-f.:]++|unknown|-),|{_ADDRESS} {_ADDRESS}')
_ADDRESS_ALONE = re.compile(_ADDRESS_WORD)
_HOST_ALONE = re.compile(r"(?=[^ :]*[A-Za-z])[A-Za-z0-9._-]+:[0-9]{1,5}")
_STEPS = tuple((name, re.compile(pattern), meaning) for name, pattern, meaning in _FRONT + _COMMON + _COMBINED)
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
    match = _LINE.match(text) or _BEHIND_HOST.match(text)
    if match is None:
        # Logs that were joined have a byte order mark in the middle.
        return parse(text.lstrip("\ufeff").encode()) if text.startswith("\ufeff") else Malformed(_diagnose(text))
    ip, user, time, request, status, size, referrer, agent = match.groups()
    time_ms = epoch_ms(time)
    if time_ms is None:
        return Malformed(f"time: expected a date such as 17/May/2015:10:05:03 +0000, found {_show(time)}")
    if ip.count(":") == 1 and _HOST_ALONE.fullmatch(ip):
        return Malformed(f"ip: expected an address or host name, found {_show(ip)}, a virtual host with its port")
    if user not in _NOBODY and _ADDRESS_ALONE.fullmatch(user):
        return Malformed(
            f"remote_user: expected a name, found the address {_show(user)}: is {_show(ip)} a virtual host?"
        )
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
    if not text.strip("\0"):
        return "the line has only NUL bytes: a hole, as truncating a log in place leaves it"
    if _SEVERAL_ADDRESSES.match(text):
        return f"ip: several addresses (X-Forwarded-For?), and none is known to be the client's: {_show(text)}"
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
