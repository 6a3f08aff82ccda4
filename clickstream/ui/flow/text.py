"""One statement out of a file of SQL."""

import re

_PIECE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|`[^`]*`|\"[^\"]*\"|;", re.DOTALL)


def statement(sql: str, line: int) -> str:
    """From the beginning of a line (from 1) to the semicolon that ends what begins there."""
    lines = sql.splitlines(keepends=True)
    rest = "".join(lines[max(0, line - 1) :])
    for piece in _PIECE.finditer(rest):
        if piece[0] == ";":
            return rest[: piece.end()].strip()
    return rest.strip()
