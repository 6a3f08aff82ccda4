"""Fetch the pinned jars into our own cache: verified, moved into place whole, and checked at every use.

jgo downloads, but neither verifies a file that it already has nor writes atomically; so it downloads into
a temporary directory, and only what has the pinned sha256 leaves it.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from pathlib import Path

from clickstream.broker.lockfile import Jar, JarSet, read
from clickstream.broker.locks import FileLock
from clickstream.broker.progress import Progress
from clickstream.errors import ClickstreamError

Fetch = Callable[[Jar, Path, Progress], Path]  # (what, temporary directory, progress) -> the file it wrote

_THREADS = 6
_LOCK_TIMEOUT = 600.0  # s; another process may be downloading over a slow line
_CONNECT_TIMEOUT = 10  # s, of one request


def cache_dir() -> Path:
    """Where jars are kept: $CLICKSTREAM_CACHE_DIR/jars, else the user's cache directory."""
    configured = os.environ.get("CLICKSTREAM_CACHE_DIR")
    if configured:
        return Path(configured).expanduser() / "jars"
    from platformdirs import user_cache_path

    return user_cache_path("clickstream") / "jars"


def ensure(
    name: str, notify: Callable[[str], None], *, cache: Path | None = None, fetch: Fetch | None = None
) -> list[Path]:
    """The files of the set `name` of jars.lock, each with its pinned sha256; what is missing or damaged is fetched.

    Raises ClickstreamError, within seconds without a network, if a file cannot be had or written.
    """
    jar_set = read()[name]
    cache = cache_dir() if cache is None else cache
    paths = [cache / jar.file_name for jar in jar_set.jars]
    if not _bad(jar_set.jars, cache):
        return paths
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / ".lock") as lock:
            if not lock.acquire(timeout=_LOCK_TIMEOUT):
                raise ClickstreamError(f"Another process has been downloading into {cache} for 10 minutes; end it.")
            bad = _bad(jar_set.jars, cache)  # again: another process may have fetched them meanwhile
            if bad:
                _fetch_all(jar_set, bad, cache, notify, fetch or fetch_with_jgo)
    except OSError as error:
        raise ClickstreamError(
            f"Cannot keep the jars of {name} in {cache}: {error.strerror or error}. "
            "Free some space or make it writable, or set CLICKSTREAM_CACHE_DIR to another directory."
        ) from error
    return paths


def matches(path: Path, jar: Jar) -> bool:
    """Whether the file is the pinned one. 45 MB hash in 0.03 s, so no stamp of an earlier check is trusted."""
    try:
        if path.stat().st_size != jar.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256
    except OSError:
        return False


def _bad(jars: Iterable[Jar], cache: Path) -> list[Jar]:
    return [jar for jar in jars if not matches(cache / jar.file_name, jar)]


def _fetch_all(jar_set: JarSet, bad: list[Jar], cache: Path, notify: Callable[[str], None], fetch: Fetch) -> None:
    for left in cache.glob(".download-*"):  # of an interrupted download; we hold the lock
        shutil.rmtree(left, ignore_errors=True)
    damaged = [jar.file_name for jar in bad if (cache / jar.file_name).exists()]
    if damaged:
        notify(f"damaged, fetching again: {', '.join(damaged)}")
    total = sum(jar.size for jar in bad)
    with (
        tempfile.TemporaryDirectory(prefix=".download-", dir=cache) as work,
        Progress(f"downloading {jar_set.name} {_version(jar_set)}", total, notify) as progress,
        ThreadPoolExecutor(_THREADS) as pool,
    ):
        futures = [pool.submit(_fetch_one, jar, cache, Path(work), progress, fetch) for jar in bad]
        done, rest = wait(futures, return_when=FIRST_EXCEPTION)
        for future in rest:
            future.cancel()
        for future in done:
            future.result()


def _version(jar_set: JarSet) -> str:
    return jar_set.roots[0].split(":")[2]


def _fetch_one(jar: Jar, cache: Path, work: Path, progress: Progress, fetch: Fetch) -> None:
    problem = ""
    for attempt in ("first", "again"):
        directory = work / f"{jar.file_name}.{attempt}"
        try:
            fetched = fetch(jar, directory, progress)
        except OSError as error:  # requests' exceptions are OSErrors too
            if error.errno is not None and not _is_network(error):
                raise
            problem = f"{type(error).__name__}"
            continue
        except RuntimeError as error:  # jgo: no such file, or its own checksum differs
            problem = str(error)
            continue
        if matches(fetched, jar):
            os.replace(fetched, cache / jar.file_name)
            return
        problem = f"received {fetched.stat().st_size} bytes that are not the file pinned in jars.lock"
    raise ClickstreamError(
        f"Could not download {jar.coordinate}, twice: {problem}. Check the network (a proxy? HTTPS_PROXY) and "
        "run the same command again, or set bootstrap.servers to a Kafka of your own."
    )


def _is_network(error: OSError) -> bool:
    return type(error).__module__.startswith(("requests", "urllib3"))


def fetch_with_jgo(jar: Jar, directory: Path, progress: Progress) -> Path:
    """Download one file below `directory`; raises requests' exceptions, or RuntimeError if there is none."""
    from jgo.maven import MavenContext, PythonResolver

    def track(_name: str, _size: int) -> AbstractContextManager[Callable[[int], None]]:
        return progress.part()

    context = MavenContext(PythonResolver(progress_callback=track), repo_cache=directory, timeout=_CONNECT_TIMEOUT)
    group, artifact, version, *classifier = jar.coordinate.split(":")
    found = context.project(group, artifact).at_version(version).artifact(*classifier)
    path: Path = found.resolve()
    return path
