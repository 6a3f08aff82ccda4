"""A view that moves at the bottom of a terminal, and above it what is written meanwhile.

All views and bars are opened here. While one is shown, `sys.stdout` and `sys.stderr`, as far as they are its terminal,
write above it: log lines, warnings and errors stay, whoever writes them.

The cursor rests on the line below the view, where a terminal echoes `^C`: the next drawing removes that. No line is
longer than the terminal is wide. Where the terminal was made narrower than a line, it may have broken it, and nobody
can tell into how many: then the whole screen is erased and written again, with the lines above the view.
"""

import io
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TextIO, cast

from rich.console import Console
from rich.text import Text

# Lines above, kept for a screen that has to be written again: more than one shows.
REMEMBERED = 200
UNKNOWN_SIZE = os.terminal_size((80, 24))
# Values of TERM for terminals that cannot move the cursor up.
DUMB = frozenset({"dumb", "unknown"})


class Size(NamedTuple):
    """What a view may take: characters and lines."""

    width: int
    height: int


Frame = Callable[[Size], Sequence[Text]]
"""Gives the lines of a view, for its size."""


def interactive(file: TextIO) -> bool:
    """Whether a view can move on `file`; if not, plain lines are written instead."""
    return file.isatty() and os.environ.get("TERM", "").lower() not in DUMB


@contextmanager
def live(file: TextIO, *, transient: bool = False) -> Iterator["View"]:
    """A view on `file`, an interactive terminal, while the block runs; a `transient` one leaves nothing behind."""
    screen = getattr(file, "screen", None) or _Screen(file)  # of a file that writes above a view already
    view = View(screen)
    screen.open(view)
    try:
        yield view
    finally:
        screen.close(view, transient)


class View:
    """Some lines of a screen."""

    def __init__(self, screen: "_Screen") -> None:
        self._screen = screen
        self._frame: Frame = lambda _size: ()
        self._size: Size | None = None
        self._lines: Sequence[Text] = ()

    def draw(self, frame: Frame) -> None:
        """Show other lines."""
        size = self._screen.size()
        self._frame, self._size, self._lines = frame, size, frame(size)
        self._screen.write([])

    def lines(self, size: Size) -> Sequence[Text]:
        """Those last drawn, for the size of now."""
        if size != self._size:
            self._size, self._lines = size, self._frame(size)
        return self._lines


class _Screen:
    """A terminal with its views, in the order in which they were opened. Threads may use it at the same time."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._console = Console(file=file, force_terminal=True, markup=False, emoji=False, highlight=False)
        self._lock = threading.RLock()
        self._views: list[View] = []
        self._drawn: list[int] = []  # the widths of the lines that the views have on the terminal now
        self._above: deque[str] = deque(maxlen=REMEMBERED)
        self._gone = False
        self._streams: dict[str, _Above] = {}

    def open(self, view: View) -> None:
        with self._lock:
            self._views.append(view)
            if len(self._views) == 1:
                self._redirect()

    def close(self, view: View, transient: bool) -> None:
        """A view's last lines stay, above the other views."""
        with self._lock:
            self._views.remove(view)
            if not self._views:
                self._restore()
            size = self.size()
            self.write([] if transient else [line for line, _width in self._rendered(view.lines(size), size)])

    def size(self) -> Size:
        """What views may take now, without the line of the cursor."""
        try:
            width, height = os.get_terminal_size(self._file.fileno())
        except OSError:
            width, height = UNKNOWN_SIZE
        if min(width, height) <= 0:  # a terminal that does not know
            width, height = UNKNOWN_SIZE
        return Size(width, max(1, height - 1))

    def write(self, above: Sequence[str]) -> None:
        """Lines above the views, and the views as they are now: in one piece, so that nothing flickers."""
        with self._lock:
            if self._gone:
                return
            self._above.extend(above)
            size = self.size()
            lines = self._rendered([line for view in self._views for line in view.lines(size)], size)
            if any(width > size.width for width in self._drawn) or len(self._drawn) > size.height:
                start = "\x1b[H\x1b[J"
                known = max(len(above), size.height - len(lines))
                above = list(self._above)[-known:] if known else []
            else:
                up = f"\x1b[{len(self._drawn)}A" if self._drawn else ""
                start = f"\r{up}" + ("\x1b[J" if above else "")
            # A line is erased before it is written: after a full one, terminals would erase its last character.
            views = "".join(f"\x1b[2K{line}\n" for line, _width in lines)
            self._put(start + "".join(f"{line}\n" for line in above) + views + "\x1b[J")
            self._drawn = [width for _line, width in lines]

    def _rendered(self, texts: Sequence[Text], size: Size) -> list[tuple[str, int]]:
        """Lines as the terminal gets them, with their widths, cut to its size."""
        if len(texts) > size.height:
            hidden = len(texts) - size.height + 1
            texts = [*texts[: size.height - 1], Text(f"… {hidden} lines more: the terminal is too small", "dim")]
        self._console.width = size.width
        found = []
        for text in texts:
            with self._console.capture() as captured:
                self._console.print(text, no_wrap=True, overflow="ellipsis", end="")
            found.append((captured.get(), min(text.cell_len, size.width)))
        return found

    def _put(self, words: str) -> None:
        encoding = self._file.encoding or "utf-8"
        try:
            self._file.write(words.encode(encoding, "replace").decode(encoding))
            self._file.flush()
        except OSError:
            self._gone = True  # the window was closed: what is at work goes on, unseen

    def _redirect(self) -> None:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if _same_terminal(stream, self._file):
                self._streams[name] = _Above(self, stream)
                setattr(sys, name, cast(TextIO, self._streams[name]))

    def _restore(self) -> None:
        for name, above in self._streams.items():
            above.end()
            setattr(sys, name, above.stream)
        self._streams.clear()


class _Above(io.TextIOBase):
    """Writes above the views, whole lines; in the place of a stream, until `end`, and from then on to that stream."""

    def __init__(self, screen: _Screen, stream: TextIO) -> None:
        self.screen = screen
        self.stream = stream
        self._ended = False
        self._begun = ""
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        if self._ended:
            return self.stream.write(text)
        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
        if lines:
            self.screen.write(lines)
        return len(text)

    def end(self) -> None:
        """What was begun is written as a line."""
        if self._begun:
            self.write("\n")
        self._ended = True

    def flush(self) -> None:
        if self._ended:
            self.stream.flush()

    # click asks for these before it writes text.
    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self.stream.errors

    @property
    def buffer(self) -> object:
        return self.stream.buffer

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self.stream.isatty()

    def fileno(self) -> int:
        return self.stream.fileno()


def _same_terminal(one: TextIO, other: TextIO) -> bool:
    if not (one.isatty() and other.isatty()):
        return False
    return os.fstat(one.fileno()).st_rdev == os.fstat(other.fileno()).st_rdev
