"""Log files, named pipes and standard input: checked before anything starts, then read to their end."""

import fcntl
import os
import select
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.replay.codecs import Damaged, Refused
from clickstream.replay.lines import Lines, Splitter, Unreadable
from clickstream.replay.texts import text

READ_BYTES = 131_072
IDLE_S = 0.2
_AFTER = "What was read before is sent; files named after this one are not."
STANDARD_INPUT = 0


@dataclass(frozen=True)
class Source:
    """Something to read. `path` is None for standard input, `size` (bytes) for anything but a plain file."""

    name: str
    path: Path | None
    size: int | None


def check(names: Sequence[str]) -> list[Source]:
    """The sources of `names` (`-` is standard input).

    Raises ConfigError, naming each that is missing, unreadable, a folder or a file of a kind that is not read,
    before any is read. What a pipe holds is seen only when it is read.
    """
    sources, problems = [], []
    for name in names:
        source = _standard_input() if name == "-" else _file(name)
        if isinstance(source, Source) and (reason := _refused(source)):
            source = f"{name}: {reason}"
        if isinstance(source, Source):
            sources.append(source)
        else:
            problems.append(source)
    if list(names).count("-") > 1:
        problems.append("-: standard input can be read only once")
    if problems:
        raise ConfigError("Nothing was sent. Cannot read " + "; ".join(problems) + ".")
    return sources


def _standard_input() -> Source | str:
    """Standard input, or why it cannot be read."""
    try:
        closed = fcntl.fcntl(STANDARD_INPUT, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY  # see cli.streams
    except OSError:
        closed = True
    if closed:
        return "-: standard input is closed"
    return Source("standard input", None, None)


def _file(name: str) -> Source | str:
    """The file of that name, or why it cannot be read."""
    path = Path(name)
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        return f"{name}: {getattr(error, 'strerror', None) or error}"
    if stat.S_ISDIR(found.st_mode):
        return f"{name}: is a folder; name the files in it"
    if not os.access(path, os.R_OK):
        return f"{name}: no permission to read it"
    return Source(name, path, found.st_size if stat.S_ISREG(found.st_mode) else None)


def _refused(source: Source) -> str | None:
    """Why a plain file is of a kind that is not read."""
    if source.size is None:
        return None
    # Damage and a disk's errors are told when the file is read, after the lines before them.
    with suppress(Damaged, OSError):
        try:
            next(text(Reader(source).chunks()), None)
        except Refused as refused:
            return str(refused)
    return None


def total_size(sources: Sequence[Source]) -> int | None:
    """Bytes of all sources together; None when one is a pipe, whose end nobody knows."""
    sizes = [source.size for source in sources]
    return None if None in sizes else sum(size or 0 for size in sizes)


class Reader:
    """Reads one source; `consumed` is how many of its bytes on disk were read so far."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.consumed = 0

    def __iter__(self) -> Iterator[Lines | Unreadable]:
        """Lines in order. Raises ClickstreamError, after the lines that could be read, for damaged input."""
        splitter = Splitter()
        try:
            for chunk in text(self.chunks()):
                yield from splitter.feed(chunk)
            self._check_length()
        except Refused as refused:
            raise ClickstreamError(f"{self.source.name} {refused}. {_AFTER}") from None
        except (Damaged, OSError) as error:
            cause = getattr(error, "strerror", None) or error
            yield from splitter.end(cut_off=str(cause))
            raise ClickstreamError(
                f"{self.source.name} cannot be read {_place(splitter.next - 1)}: {cause}. {_AFTER}"
            ) from None
        yield from splitter.end()

    def _check_length(self) -> None:
        size = self.source.size
        if size is not None and self.consumed < size:
            raise Damaged(
                f"it ended after {self.consumed:,} of {size:,} bytes, so it was rotated or truncated meanwhile"
            )

    def chunks(self) -> Iterator[bytes]:
        """Bytes as they come; b"" when a pipe or terminal gave none for IDLE_S."""
        path = self.source.path
        # O_NONBLOCK: opening a named pipe would wait for a writer, even through a Ctrl-C.
        descriptor = STANDARD_INPUT if path is None else os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            ready = _readiness(descriptor)
            while True:
                if not ready():
                    yield b""
                    continue
                try:
                    data = os.read(descriptor, READ_BYTES)
                except BlockingIOError:
                    continue
                if not data:
                    return
                self.consumed += len(data)
                yield data
        finally:
            if path is not None:
                os.close(descriptor)


def _place(lines: int) -> str:
    return f"past line {lines:,}" if lines else "from its beginning"


def _readiness(descriptor: int) -> Callable[[], bool]:
    """Waits up to IDLE_S for input. A blocking read would go on waiting through a Ctrl-C (PEP 475)."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return lambda: True
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return lambda: bool(poll.poll(IDLE_S * 1000))
