"""A real PostgreSQL for tests: the binaries of the pgserver wheel, as a server of the test's own, or any given one.

CLICKSTREAM_TEST_POSTGRES=DSN runs what does not kill its server on that one.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from tests.support import PATIENCE, free_port, missing, wait_until

SETTINGS = (
    # The machine does not crash in tests, only processes do: what the kernel has is safe.
    "fsync=off",
    "shared_buffers=32MB",
    "max_connections=40",
    "unix_socket_directories=",
    "listen_addresses=127.0.0.1",
    "max_wal_senders=4",
    "wal_level=replica",
    "hot_standby=on",
)


def binaries() -> Path:
    """Of initdb and postgres; the test is skipped where the wheel is missing."""
    found = importlib.util.find_spec("pgserver")
    if found is None or not found.submodule_search_locations:
        missing("no PostgreSQL: pip install pgserver")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


class PostgresServer:
    """A server that can be killed and started again at the same port."""

    def __init__(self, directory: Path, port: int | None = None) -> None:
        """`directory` is made by `make`, or by a base backup."""
        self.directory = directory
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"

    def make(self) -> None:
        """The files of a new database."""
        run("initdb", "-D", str(self.directory), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")

    def start(self, *settings: str) -> None:
        """Start it, and wait until it lets somebody in."""
        options = [part for setting in (*SETTINGS, f"port={self.port}", *settings) for part in ("-c", setting)]
        with (self.directory.parent / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(binaries() / "postgres"), "-D", str(self.directory), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **owner(),
            )
        wait_until(self._answers, timeout=120, what=self._log, poll=0.05)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log()
        try:
            psycopg.connect(self.dsn).close()
        except psycopg.OperationalError:
            return False
        return True

    def _log(self) -> str:
        return "PostgreSQL lets nobody in:\n" + (self.directory.parent / "log").read_text("utf-8", "replace")[-2_000:]

    def kill(self) -> None:
        """All at once, as when the machine fails; nothing is written any more."""
        if self._process is not None:
            children = self._children()
            self._process.kill()
            self._process.wait()
            self._process = None
            _signal(children, signal.SIGKILL)
            wait_until(lambda: not any(map(_runs, children)), timeout=60, what="its processes are gone")

    def freeze(self) -> None:
        """All of its processes stand still; the kernel goes on to take what is sent to them."""
        assert self._process is not None
        pid = str(self._process.pid)
        self._process.send_signal(signal.SIGSTOP)
        wait_until(lambda: _state(pid) == "T", timeout=60, what="it begins no more processes")
        _signal(self._children(), signal.SIGSTOP)

    def thaw(self) -> None:
        """All of them go on."""
        assert self._process is not None
        _signal([*self._children(), str(self._process.pid)], signal.SIGCONT)

    def _children(self) -> list[str]:
        # Each of its processes has a session of its own.
        assert self._process is not None
        return Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()

    def stop(self) -> None:
        """Without waiting for sessions."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60 * PATIENCE)
            self._process = None

    def execute(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What a statement returns."""
        return execute(self.dsn, statement, *parameters)


def _signal(pids: Sequence[str], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(int(pid), number)


def _runs(pid: str) -> bool:
    return _state(pid) not in (None, "Z")


def _state(pid: str) -> str | None:
    """A letter of proc(5); None: there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return None


def execute(dsn: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """What a statement returns; each has a connection of its own, in UTC."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(statement, parameters or None)
        return found.fetchall() if found.description else []


def run(program: str, *arguments: str) -> None:
    """One of PostgreSQL's programs."""
    done = subprocess.run(
        [str(binaries() / program), *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False, **owner()
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")


def owner() -> dict[str, Any]:
    """As whom PostgreSQL runs: never as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": "/"}


@contextmanager
def directories(count: int = 1) -> Iterator[Sequence[Path]]:
    """For servers; where pytest keeps its own, no other user may look."""
    made = [Path(tempfile.mkdtemp(prefix="clickstream-postgres-")) for _ in range(count)]
    for path in made:
        if os.geteuid() == 0:
            os.chown(path, owner()["user"], owner()["group"])
    try:
        yield made
    finally:
        for path in made:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def server(*settings: str) -> Iterator[PostgresServer]:
    """A server of one's own."""
    with directories() as (path,):
        one = PostgresServer(path / "data")
        one.make()
        one.start(*settings)
        try:
            yield one
        finally:
            one.kill()


@contextmanager
def given_or_own() -> Iterator[str]:
    """The DSN of a server that is not to be killed."""
    given = os.environ.get("CLICKSTREAM_TEST_POSTGRES")
    if given:
        yield given
        return
    with server() as one:
        yield one.dsn
