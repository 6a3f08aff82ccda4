r"""Escapes inside the fields of an access log.

Apache (ap_escape_logitem) writes `\"`, `\\`, `\n`, `\t` and the like, and `\xhh` for other control bytes and
every byte from 0x80 up; nginx (log_format escape=default) writes `\xHH` for `"`, `\`, and bytes below 32 or
above 126.
"""

import re

_ESCAPES = re.compile(r'((?:\\x[0-9A-Fa-f]{2})+)|\\(["\\])')
_WIDTH = len(r"\xHH")


def unescape(text: str) -> str:
    r"""`text` with every escape decoded that stands for text: `\"`, `\\`, and `\xHH` where it is UTF-8.

    What stands for a control character or for no valid UTF-8 (TLS sent to an HTTP port, a referrer in
    another encoding) stays as the log has it, so that nothing is lost and the result is always valid text.
    """
    return _ESCAPES.sub(_decode, text) if "\\" in text else text


def _decode(match: re.Match[str]) -> str:
    run: str | None = match[1]
    return _decode_run(run) if run else match[2]


def _decode_run(run: str) -> str:
    raw = bytes.fromhex(run.replace(r"\x", ""))
    parts = []
    at = 0
    for character in raw.decode("utf-8", "surrogateescape"):
        invalid = "\udc80" <= character <= "\udcff"
        width = 1 if invalid else len(character.encode())
        control = character < " " or "\x7f" <= character <= "\x9f"
        parts.append(run[_WIDTH * at : _WIDTH * (at + width)] if invalid or control else character)
        at += width
    return "".join(parts)
