"""What tests on Apache Flink share: whether it is to be had, commands that use it, and a session cluster."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickstream.errors import ClickstreamError
from clickstream.flink import jvm
from tests.integration.support import Done, run
from tests.support import free_port, missing

# Java, and where the jars are, as in this process.
ENVIRONMENT = {name: os.environ[name] for name in ("CLICKSTREAM_JAVA", "CLICKSTREAM_CACHE_DIR") if name in os.environ}


def need_flink() -> None:
    """Skips the test, or fails it where everything is required, without Java or Flink's jars."""
    try:
        jvm.find(os.environ.get("CLICKSTREAM_JAVA", "auto"), lambda _: None)
    except ClickstreamError as error:
        missing(f"no Flink: {error}")


def flink(*arguments: str, state_dir: Path, timeout: float = 120.0) -> Done:
    """`clickstream flink ARGUMENTS`, run to its end."""
    return run(*command(*arguments, state_dir=state_dir), timeout=timeout, **ENVIRONMENT)


def command(*arguments: str, state_dir: Path) -> list[str]:
    return ["flink", *arguments, "--state-dir", str(state_dir)]


def to_the_end(kafka: str, *paths: Path, parallelism: int = 1, timeout: float = 120.0) -> Done:
    """`flink run` of files, one after the other, to the end of their topics; Flink's directory is beside the first."""
    names = [str(path) for path in paths]
    bounds = ["--exit-at-end", "--parallelism", str(parallelism)]
    return flink("run", *names, "-b", kafka, *bounds, state_dir=paths[0].parent / "state", timeout=timeout)


@contextmanager
def session_cluster(state_dir: Path) -> Iterator[str]:
    """The REST address of a cluster of 2 TaskManagers; commands with the same directory find it by themselves."""
    port = str(free_port())
    done = flink("cluster", "start", "--rest-port", port, state_dir=state_dir)
    assert done.code == 0, done.said
    try:
        yield done.printed.strip()
    finally:
        flink("cluster", "stop", state_dir=state_dir)


def job_state(job_id: str, state_dir: Path) -> str:
    """RUNNING, FINISHED and so on, as `flink list` has it."""
    listed = flink("list", state_dir=state_dir).printed
    found = re.search(rf"^{job_id} +(\w+) ", listed, re.MULTILINE)
    assert found is not None, listed
    return found[1]
