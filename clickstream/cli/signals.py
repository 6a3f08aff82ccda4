"""Signals before there is anything to drain: they end the process at once, whatever it waits for.

Python runs a signal's handler between two instructions of the main thread. A call into librdkafka, such as asking
for topics of a broker that does not answer, or the wait for download threads at exit, holds that up for seconds: a
thread is told of the signal by the interpreter, and ends the process when the main thread does not.
"""

import functools
import os
import select
import signal
import threading
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
TERMINATED = 128 + signal.SIGTERM
# Long enough to remove temporary files, and for a person still at once.
ENDS_WITHIN_S = 1.0

_SHOW_CURSOR = "\x1b[?25h"  # a progress bar may have hidden it


def end_at_once_on_signals() -> None:
    """From here on Ctrl-C raises KeyboardInterrupt and SIGTERM SystemExit, and within ENDS_WITHIN_S the process ends.

    It holds until something else handles these signals: see cli.options.stop_event.
    """
    # A first process of a container has no default action for SIGTERM.
    signal.signal(signal.SIGTERM, _terminate)
    _watch()


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(TERMINATED)


@functools.cache  # one thread for a process, however often
def _watch() -> None:
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    threading.Thread(target=_end_late, args=(told,), name="signals", daemon=True).start()


def _end_late(told: int) -> None:
    """End the process when it has not ended by itself, each time that the interpreter tells of a signal."""
    while True:
        for number in os.read(told, 64):
            if signal.getsignal(number) in (signal.default_int_handler, _terminate):
                threading.Event().wait(ENDS_WITHIN_S)
                _end(number)


def _end(number: int) -> NoReturn:
    # Not by sys.stderr: the main thread may hold its lock.
    if number == signal.SIGINT and select.select([], [2], [], 0)[1]:
        os.write(2, f"{_SHOW_CURSOR if os.isatty(2) else ''}\nInterrupted.\n".encode())
    os._exit(INTERRUPTED if number == signal.SIGINT else TERMINATED)
