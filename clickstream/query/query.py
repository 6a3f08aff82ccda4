"""Asking: one SELECT over tables, answered by a process of its own within limits."""

import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, cast

import msgspec
import pyarrow as pa

from clickstream.deadline import Deadline
from clickstream.errors import ClickstreamError
from clickstream.inspect.names import suggestions
from clickstream.interpreter import command_for, environment
from clickstream.query import wire
from clickstream.query.model import MIB, Limits, Newest, Refused, Result, Tables
from clickstream.query.wire import Answered, Asked, Failed, Said, Wanted

log = logging.getLogger(__name__)

# What a process needs to start: nothing of ours that is secret is in there.
ENVIRONMENT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "SYSTEMROOT")
# An answer is larger in this form than its cells.
ROOM = 4
ENDS_WITHIN_S = 5.0


def query(
    sql: str,
    tables: Sequence[Tables],
    limits: Limits | None = None,
    *,
    tell: Callable[[str], None] = lambda doing: None,
    cancel: threading.Event | None = None,
) -> Result:
    """The answer to one SELECT. A name is looked for in `tables` in their order, in capitals or small letters.

    `tell` hears what is being done; `cancel` may be set from any thread. Raises Refused for SQL that is not answered,
    TooLong, Cancelled, and ClickstreamError when a table cannot be read.
    """
    limits = limits or Limits()
    begun = time.monotonic()
    with Deadline(limits.seconds, cancel) as deadline, _Process(deadline) as process:
        process.give(msgspec.msgpack.encode(Asked(sql, limits)))
        wanted: Wanted = process.hear(Wanted, MIB)
        newest: dict[str, Newest] = {}
        for name in wanted.tables:
            tell(f"reading {name}")
            table, since = _loaded(name, tables, deadline)
            if since is not None:
                newest[name] = Newest(len(table), since)
            process.give(_stream(table))
        tell("computing")
        answered: Answered = process.hear(Answered, limits.octets * ROOM + MIB)
    seconds = time.monotonic() - begun
    return Result(answered.columns, answered.rows, answered.cut, wanted.tables, round(seconds, 3), newest)


def _loaded(name: str, tables: Sequence[Tables], deadline: Deadline) -> tuple[pa.Table, int | None]:
    """As Tables.load."""
    found = _find(name, tables)
    if found is None:
        near = suggestions([name], [one for place in tables for one in place.names()])
        raise Refused(f"There is no table {name}." + (f" Did you mean {near}?" if near else ""))
    place, exact = found
    loaded = place.load(exact, deadline.over)
    deadline.check()
    return loaded


def _stream(table: pa.Table) -> bytes:
    """A table as a piece of Arrow's stream format."""
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    return cast(bytes, out.getvalue().to_pybytes())


def _find(name: str, tables: Sequence[Tables]) -> tuple[Tables, str] | None:
    """Who has the table, and its exact name: SQL does not tell capitals from small letters, topics do."""
    for place in tables:
        names = place.names()
        if name in names:
            return place, name
        alike = [one for one in names if one.lower() == name.lower()]
        if len(alike) == 1:
            return place, alike[0]
    return None


class _Process:
    """The query process: it is killed when the time is over, or at the end of the block."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        ours = environment()
        try:
            self._process = subprocess.Popen(
                command_for("clickstream.query.worker"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C here must not reach it
                cwd=os.sep,
                env={name: ours[name] for name in ENVIRONMENT if name in ours},
            )
        except OSError as error:
            raise ClickstreamError(f"The process that answers queries cannot be started: {error}.") from error
        deadline.interrupt = self._process.kill

    def __enter__(self) -> "_Process":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                cast(Any, pipe).close()
            except OSError:
                log.debug("The query process had ended.")
        self._process.wait(ENDS_WITHIN_S)

    def give(self, piece: bytes) -> None:
        """Send it a piece. Raises as `hear`."""
        try:
            wire.write(cast(BinaryIO, self._process.stdin), piece)
        except OSError:
            raise self._ended() from None

    def hear(self, kind: type[Any], most: int) -> Any:
        """What it says next. Raises Refused with its words, or why it says nothing."""
        try:
            said: Said = msgspec.msgpack.decode(wire.read(cast(BinaryIO, self._process.stdout), most), type=Said)
        except (EOFError, msgspec.MsgspecError):
            raise self._ended() from None
        if isinstance(said, Failed):
            raise Refused(said.words)
        if not isinstance(said, kind):
            raise ClickstreamError("The process that answers queries has said something else.")
        return said

    def _ended(self) -> ClickstreamError:
        """Why it has: raises Cancelled or TooLong if that is it."""
        self._deadline.check()
        self._process.kill()
        code = self._process.wait(ENDS_WITHIN_S)
        return Refused(f"The query has ended its process ({code}): it needs more memory than it may have, as a rule.")
