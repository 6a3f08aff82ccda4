"""A JVM that ends with this process, however that ends."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickstream.flink.jvm import console_file
from clickstream.java.locks import FileLock, is_free

TERM_TIMEOUT = 10.0  # s that it has to shut down before it is killed


class Child:
    """A running command line of Runtime.command."""

    def __init__(self, words: list[str], directory: Path) -> None:
        with console_file(directory).open("wb") as console:
            self._jvm = subprocess.Popen(
                # It begins once its watcher is there: killed in between, we would leave it behind.
                ["/bin/sh", "-c", 'read -r go && exec "$@" < /dev/null', "sh", *words],
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**os.environ, "FLINK_CONF_DIR": str(directory)},
                cwd=directory,
                start_new_session=True,  # Ctrl-C is ours to handle
            )
        # Reads until our end of the pipe is closed, which the kernel does when we are gone.
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", 'cat > /dev/null; kill -9 "$0"', str(self._jvm.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._jvm.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._jvm.stdin as go:  # somebody has killed it already
            go.write(b"go\n")

    def ended(self) -> bool:
        """Whether the JVM is gone."""
        return self._jvm.poll() is not None

    def end(self) -> None:
        """Shut it down, by force if need be; returns when it is dead."""
        self._watcher.kill()  # first: it must not kill a pid that is free again
        self._watcher.wait()
        assert self._watcher.stdin is not None
        self._watcher.stdin.close()
        self._jvm.terminate()
        try:
            self._jvm.wait(TERM_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._jvm.kill()
            self._jvm.wait()


@contextmanager
def work_directory(parent: Path) -> Iterator[Path]:
    """A directory for one JVM: removed after a good end; after an error kept, for its log, until the next one."""
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob("run-*"):
        with contextlib.suppress(OSError):
            if is_free(left / "lock"):
                shutil.rmtree(left, ignore_errors=True)
    directory = parent / f"run-{os.getpid()}"
    directory.mkdir(exist_ok=True)
    with FileLock(directory / "lock") as lock:
        lock.try_acquire()
        yield directory
    shutil.rmtree(directory, ignore_errors=True)
