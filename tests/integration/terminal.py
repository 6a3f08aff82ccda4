"""Commands on a terminal of their own."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from dataclasses import dataclass

from tests.integration.support import ROOT, environment_of_a_command


@dataclass(frozen=True)
class Screen:
    """How a command ended: its exit code, and all that the terminal got, colours included."""

    code: int
    shown: str


def on_terminal(*arguments: str, columns: int = 80, rows: int = 40, errors: bool = True, **environment: str) -> Screen:
    """The command on a terminal, to its end; with `errors`, its standard error goes there, too."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    ours = {
        name: text
        for name, text in environment_of_a_command(environment).items()
        if name not in ("COLUMNS", "NO_COLOR")
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "clickstream", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave if errors else subprocess.DEVNULL,
        cwd=ROOT,
        env={**ours, "TERM": "xterm-256color"},
    )
    os.close(slave)
    found = bytearray()
    reader = threading.Thread(target=_read, args=(master, found))
    reader.start()
    try:
        code = process.wait(120)
    finally:
        process.kill()
        reader.join()
        os.close(master)
    return Screen(code, found.decode())


def _read(master: int, found: bytearray) -> None:
    while True:
        try:
            piece = os.read(master, 65_536)
        except OSError:  # how Linux says that the other end was closed
            return
        if not piece:
            return
        found += piece
