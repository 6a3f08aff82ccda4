"""Log files, named pipes and standard input: checked before anything starts, then read to their end."""

import os
import select
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.replay.lines import Lines, Splitter, Unreadable, unzipped

READ_BYTES = 131_072
IDLE_S = 0.2
STANDARD_INPUT = 0


@dataclass(frozen=True)
class Source:
    """Something to read. `path` is None for standard input, `size` (bytes) for anything but a plain file."""

    name: str
    path: Path | None
    size: int | None


def check(names: Sequence[str]) -> list[Source]:
    """The sources of `names` (`-` is standard input).

    Raises ConfigError, naming each that is missing, unreadable or a folder, before any is read.
    """
    sources, problems = [], []
    for name in names:
        if name == "-":
            sources.append(Source("standard input", None, None))
            continue
        path = Path(name)
        try:
            found = path.stat()
        except (OSError, ValueError) as error:
            problems.append(f"{name}: {getattr(error, 'strerror', None) or error}")
            continue
        if stat.S_ISDIR(found.st_mode):
            problems.append(f"{name}: is a folder; name the files in it")
        elif not os.access(path, os.R_OK):
            problems.append(f"{name}: no permission to read it")
        else:
            sources.append(Source(name, path, found.st_size if stat.S_ISREG(found.st_mode) else None))
    if list(names).count("-") > 1:
        problems.append("-: standard input can be read only once")
    if problems:
        raise ConfigError("Nothing was replayed. Cannot read " + "; ".join(problems) + ".")
    return sources


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
            for chunk in unzipped(self._chunks()):
                yield from splitter.feed(chunk)
        except (EOFError, zlib.error, OSError) as error:
            yield from splitter.end(cut_off=str(error))
            cause = getattr(error, "strerror", None) or error
            raise ClickstreamError(
                f"{self.source.name} cannot be read past line {splitter.next - 1:,}: {cause}. "
                "What was read before is replayed; files named after this one are not."
            ) from None
        yield from splitter.end()

    def _chunks(self) -> Iterator[bytes]:
        """Bytes as they come; b"" when a pipe or terminal gave none for IDLE_S."""
        path = self.source.path
        descriptor = STANDARD_INPUT if path is None else os.open(path, os.O_RDONLY)
        try:
            ready = _readiness(descriptor)
            while True:
                if not ready():
                    yield b""
                    continue
                data = os.read(descriptor, READ_BYTES)
                if not data:
                    return
                self.consumed += len(data)
                yield data
        finally:
            if path is not None:
                os.close(descriptor)


def _readiness(descriptor: int) -> Callable[[], bool]:
    """Waits up to IDLE_S for input. A blocking read would go on waiting through a Ctrl-C (PEP 475)."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return lambda: True
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return lambda: bool(poll.poll(IDLE_S * 1000))
