"""A terminal of the tests: a pseudo-terminal, with a model of the screen that a person would see."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyte

from tests.support import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[1]
NOT_OURS = frozenset({"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"})
SCROLLED = 10_000  # lines that are remembered when they left the screen


class Cutting(pyte.HistoryScreen):
    """As xterm: made narrower, it cuts lines."""

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__(columns, rows, SCROLLED)

    def become(self, columns: int, rows: int) -> None:
        """The person changes the window's size. Lines leave above where there is no room for those above the cursor."""
        self._rewrite(self.rows(), columns, rows)

    def rows(self) -> list[str]:
        return [line.rstrip() for line in self.display[: self.cursor.y + 1]]

    def scrolled(self) -> list[str]:
        """Lines that left the screen at its top."""
        return ["".join(line[place].data for place in range(max(line, default=-1) + 1)).rstrip() for line in self.top()]

    def top(self) -> Sequence[Any]:
        return list(self.history.top)

    def _rewrite(self, lines: Sequence[str], columns: int, rows: int) -> None:
        before = list(self.history.top)
        self.reset()
        self.resize(rows, columns)
        self.history.top.extend(before)
        stream = pyte.Stream(self)
        stream.feed("\r\n".join(line[:columns] for line in lines))


class Reflowing(Cutting):
    """As most others: made narrower, it breaks lines."""

    def become(self, columns: int, rows: int) -> None:
        pieces = [
            line[start : start + columns] for line in self.rows() for start in range(0, max(1, len(line)), columns)
        ]
        self._rewrite(pieces, columns, rows)


class Terminal:
    """A command on a terminal."""

    def __init__(self, process: "subprocess.Popen[bytes]", master: int, screen: Cutting) -> None:
        self.process = process
        self.raw = bytearray()
        """All that the terminal got."""
        self._master = master
        self._screen = screen
        self._stream = pyte.ByteStream(screen)
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def lines(self) -> list[str]:
        """What the screen shows, without the empty lines at its end."""
        with self._lock:
            found = [line.rstrip() for line in self._screen.display]
        while found and not found[-1]:
            found.pop()
        return found

    def all_lines(self) -> list[str]:
        """Also what left the screen at its top."""
        with self._lock:
            above = self._screen.scrolled()
        return [*above, *self.lines()]

    def wait_for(self, condition: Callable[[list[str]], Any], timeout: float = 60.0) -> list[str]:
        """The screen when it is so, for `condition` of its lines."""

        def found() -> list[str] | None:
            lines = self.lines()
            return lines if condition(lines) else None

        return wait_until(found, timeout, lambda: "the screen shows\n" + "\n".join(self.lines()))

    def resize(self, columns: int, rows: int) -> None:
        with self._lock:
            self._screen.become(columns, rows)
            _set_size(self._master, columns, rows)

    def press(self, keys: str) -> None:
        """What a person types: the terminal echoes it, and `\\x03` is Ctrl-C."""
        os.write(self._master, keys.encode())

    def end(self, timeout: float = 120.0) -> int:
        """The exit code, when all has been shown."""
        code = self.process.wait(timeout * PATIENCE)
        self._reader.join()
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        os.close(self._master)

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._master, 65_536)
            except OSError:  # how Linux says that the other end was closed
                return
            if not piece:
                return
            with self._lock:
                self.raw += piece
                self._stream.feed(piece)


@contextmanager
def terminal(
    command: Sequence[str],
    *,
    columns: int = 80,
    rows: int = 24,
    reflowing: bool = True,
    stdin: "int | IO[Any] | None" = subprocess.DEVNULL,
    stdout: "int | IO[Any] | None" = None,
    stderr: "int | IO[Any] | None" = None,
    kind: str = "xterm-256color",
    environment: Mapping[str, str] | None = None,
) -> Iterator[Terminal]:
    """`command` with a terminal of its own, which its outputs are, unless others are given. `kind` is its TERM."""
    master, slave = pty.openpty()
    _set_size(master, columns, rows)
    ours = (
        {name: text for name, text in os.environ.items() if name not in NOT_OURS}
        if environment is None
        else environment
    )
    process = subprocess.Popen(
        command,
        stdin=stdin,
        stdout=slave if stdout is None else stdout,
        stderr=slave if stderr is None else stderr,
        cwd=ROOT,
        env={**ours, "TERM": kind},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    found = Terminal(process, master, (Reflowing if reflowing else Cutting)(columns, rows))
    try:
        yield found
    finally:
        found.close()


def _set_size(master: int, columns: int, rows: int) -> None:
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
