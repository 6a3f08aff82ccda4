"""The process that runs a function: records come in, what became of each goes out, one after the other.

It can be killed at any moment: it keeps nothing.
"""

import importlib
import importlib.util
import inspect
import os
import queue
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, BinaryIO

from clickstream.transform.api import Away, Function, Record
from clickstream.transform.results import NoResult, results_of
from clickstream.transform.wire import (
    Loaded,
    Raised,
    Returned,
    Said,
    Unloadable,
    WasAway,
    frame,
    read_begin,
    read_records,
)

# When nobody listens any more, what a call under way does is for nothing.
ENDS_WITHIN_S = 2.0


class NotLoaded(Exception):
    """There is no such function; the message says why."""


def main() -> None:
    """Answer what stands on standard input, until its end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # the command ends it; what it starts inherits no deaf ears
    given = os.fdopen(os.dup(0), "rb")
    out = os.fdopen(os.dup(1), "wb")
    # What the function prints must not get between, nor may it read what is ours.
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        function = load(read_begin(given).function)
    except NotLoaded as problem:
        _say(out, Unloadable(_utf8(str(problem))))
        return
    _say(out, Loaded())
    records: queue.SimpleQueue[list[Record] | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(given, records), daemon=True).start()
    while (chunk := records.get()) is not None:
        for record in chunk:
            _say(out, call(function, record))


def _listen(given: BinaryIO, records: "queue.SimpleQueue[list[Record] | None]") -> None:
    try:
        while True:
            records.put(read_records(given))
    except EOFError:
        records.put(None)
    time.sleep(ENDS_WITHIN_S)
    os._exit(1)


def _say(out: BinaryIO, said: Said) -> None:
    try:
        piece = frame(said)
    except ValueError as problem:  # of its size: all texts in it are UTF-8
        piece = frame(Raised(f"the results are too large: {problem}", "result"))
    try:
        out.write(piece)
        out.flush()
    except BrokenPipeError:
        os._exit(1)


def call(function: Function, record: Record) -> Said:
    """What became of one record."""
    try:
        return Returned(results_of(function(record), record))
    except NoResult as problem:
        return Raised(_utf8(str(problem)), "result")
    except Away as away:
        return WasAway(_utf8(str(away)) or "the function says that something it needs is away")
    except BaseException as problem:  # noqa: BLE001 - whatever a function raises, also SystemExit, is the record's fate
        return Raised(_utf8(_words(problem)), "exception")


def _utf8(text: str) -> str:
    """Halves of surrogate pairs escaped: a function may say them, and nothing that is sent can hold them."""
    return text.encode("utf-8", "backslashreplace").decode()


def _words(problem: BaseException) -> str:
    """`ValueError: no user (vip.py line 12)`: what was raised, and where in the function."""
    said = f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
    frames = traceback.extract_tb(problem.__traceback__)
    own = str(Path(__file__).parent)
    theirs = [one for one in frames if not one.filename.startswith(own)]
    return f"{said} ({Path(theirs[-1].filename).name} line {theirs[-1].lineno})" if theirs else said


def load(name: str) -> Function:
    """The function that `module:callable` or `FILE.py:callable` names. Raises NotLoaded.

    Modules are also looked for in the current folder, and beside the file.
    """
    place, _, attribute = name.rpartition(":")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else _module(place)
    except BaseException as problem:  # noqa: BLE001 - a module may raise anything when it is imported
        raise NotLoaded(f"{place} cannot be imported: {_words(problem)}") from None
    found: Any = module
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise NotLoaded(f"{place} has no function {attribute}")
    if inspect.iscoroutinefunction(found):
        raise NotLoaded(f"{attribute} is an async function: a plain one is expected")
    function: Function = found
    return function


def _module(name: str) -> Any:
    # Last: nothing in the current folder takes the place of what is installed.
    sys.path.append(os.getcwd())
    return importlib.import_module(name)


def _from_file(path: Path) -> Any:
    sys.path.append(str(path.resolve().parent))
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[path.stem] = module
    found.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
