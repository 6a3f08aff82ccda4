"""The socket that the server listens on, and who has the port if it is taken."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from clickstream.errors import ConfigError

BACKLOG = 512
_LISTENS = "0A"  # include/net/tcp_states.h of Linux


def listen(host: str, port: int, *, or_any: bool = False) -> socket.socket:
    """A socket that listens on `port` (0: any free one); with `or_any` on any free one if that is taken.

    Raises ConfigError when the port is taken, naming by whom, or the host is none of this machine's.
    """
    try:
        family, _kind, _protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return _bound(family, address)
    except OSError as problem:
        if problem.errno != errno.EADDRINUSE:
            raise ConfigError(f"Cannot listen on {host}:{port}: {problem.strerror}. Choose another --host.") from None
    if or_any:
        return listen(host, 0)
    raise ConfigError(
        f"Port {port} of {host} is in use by {holder(port) or 'another program'}. End that, or choose another port: "
        f"--port {port + 1 if port < 65_535 else port - 1}"
    )


def _bound(family: int, address: object, *, spread: bool = False) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Connections of a server before this one that are still closing are no obstacle.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if spread:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(address)  # type: ignore[arg-type]  # as getaddrinfo says
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


def spread(listening: socket.socket, number: int) -> list[socket.socket]:
    """Sockets, `number` with `listening`, on the same address, among which the system spreads connections.

    Processes that share one socket do not share its connections: whoever is awake takes them all. The option is set
    only now: a stranger's socket that has it would have been no obstacle before. Where the system cannot spread, all
    are copies of `listening`.
    """
    found = [listening]
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        while len(found) < number:
            found.append(_bound(listening.family, listening.getsockname(), spread=True))
    except (OSError, AttributeError):
        found += [listening.dup() for _ in range(number - len(found))]
    return found


def holder(port: int) -> str:
    """The process that listens on a port, `process 4711 (python -m http.server)`; "" if that cannot be told (it is
    another user's, or this is not Linux)."""
    inodes = {f"socket:[{inode}]" for inode in _listening(port)}
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        try:
            if not inodes.isdisjoint(_open_files(process)):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
                return f"process {process.name} ({command[:80]})"
        except OSError:  # it has ended, or is not ours
            continue
    return ""


def _open_files(process: Path) -> Iterator[str]:
    """What its descriptors stand for. One that is closed meanwhile says nothing about the others."""
    for file in (process / "fd").iterdir():
        with suppress(OSError):
            yield os.readlink(file)


def _listening(port: int) -> Iterator[str]:
    """The inodes of the sockets that listen on it (proc_net_tcp of Linux)."""
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]
