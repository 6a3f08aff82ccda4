"""Text from outside (records, names, files, errors that quote them) made harmless for a terminal.

Whoever writes to a topic must not control the terminal of who looks: everything that is shown to people goes through
here, and so do log lines, errors and tracebacks.
"""

import re
import sys
import threading
import traceback
from types import TracebackType

# What a terminal obeys instead of shows: C0, DEL, C1 (U+009B alone begins an escape sequence), line and paragraph
# separators, and the marks that reverse the direction of what follows. Then what has no width, so that two names look
# the same (but not U+200C and U+200D, which Persian and emoji need), and halves of characters, which no output takes.
_OBEYED = "\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
_IN_A_LINE = re.compile(f"[{_OBEYED}]")
_IN_LINES = re.compile(rf"(?![\n\t])[{_OBEYED}]")


def escaped(text: str) -> str:
    r"""`text` in one line, what a terminal obeys as \uXXXX. Within JSON strings that is the same text."""
    return text if text.isprintable() else _IN_A_LINE.sub(_as_json, text)


def escaped_lines(text: str) -> str:
    """As `escaped`, for texts of several lines: line ends and tabs stay."""
    return text if text.isprintable() else _IN_LINES.sub(_as_json, text)


def message(text: str) -> str:
    """As `escaped_lines`; all lines after the first are indented, so that none looks like a message of its own."""
    return escaped_lines(text).replace("\n", "\n  ")


def has_controls(text: str) -> bool:
    """Whether `escaped` changes it."""
    return not text.isprintable() and _IN_A_LINE.search(text) is not None


def guard_tracebacks() -> None:
    """From now on the errors that nobody caught, whose texts may quote records, are escaped, too."""
    sys.excepthook = _show
    threading.excepthook = _show_of_thread


def print_traceback(error: BaseException) -> None:
    """As traceback.print_exception."""
    sys.stderr.write(escaped_lines("".join(traceback.format_exception(error))))
    sys.stderr.flush()


def _show(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    print_traceback(error)


def _show_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
        print_traceback(ended.exc_value)


def _as_json(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"
