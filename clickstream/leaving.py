"""How a process ends."""

import atexit
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End the process with this code, once its threads, but for the daemons, have ended.

    Python is not taken down piece by piece. What daemons still hold then, such as a page's question that waits for
    Kafka, DuckDB's binding would list in forty lines; and a thread that is not Python's, as granian's are, and asks
    for the interpreter meanwhile, would abort the process: Python ends it by an unwinding that Rust forbids
    (https://github.com/PyO3/pyo3/pull/4874).
    """
    threading._shutdown()  # type: ignore[attr-defined]  # as Python does before the rest; there is no public name
    atexit._run_exitfuncs()
    with suppress(OSError, ValueError):  # nobody reads them any more
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
