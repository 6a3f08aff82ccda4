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
from pathlib import Path
from urllib.parse import urlsplit

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.java.lockfile import Jar, JarSet, read
from clickstream.java.locks import FileLock
from clickstream.java.progress import Progress

Fetch = Callable[[Jar, Path, Progress], Path]  # (what, temporary directory, progress) -> the file it wrote

_THREADS = 6
_LOCK_TIMEOUT = 600.0  # s; another process may be downloading over a slow line
_TIMEOUT = 10  # s without a byte
_INSTEAD = {"kafka": ", or set bootstrap.servers to a Kafka of your own"}
_WORDS = {  # for the exceptions of requests that a person can do something about
    "SSLError": "its certificate is not trusted",
    "ProxyError": "the proxy does not let us through",
    "ConnectTimeout": "no answer within 10 s",
    "ReadTimeout": "no answer within 10 s",
    "ChunkedEncodingError": "the connection broke",
}


class FetchError(Exception):
    """A file did not arrive; the message says why in a few words."""


def cache_dir() -> Path:
    """Where jars are kept: $CLICKSTREAM_CACHE_DIR/jars, else the user's cache directory.

    Raises ConfigError when it is in a home directory that cannot be determined.
    """
    configured = os.environ.get("CLICKSTREAM_CACHE_DIR")
    try:
        if configured:
            return Path(configured).expanduser() / "jars"
        from platformdirs import user_cache_path

        return user_cache_path("clickstream") / "jars"
    except RuntimeError:
        raise ConfigError(
            "There is no home directory to keep downloads in: set CLICKSTREAM_CACHE_DIR to a directory."
        ) from None


def ensure(
    name: str, notify: Callable[[str], None], *, cache: Path | None = None, fetch: Fetch | None = None
) -> list[Path]:
    """The files of the set `name` of jars.toml, each with its pinned sha256; what is missing or damaged is fetched.

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
        instead = _INSTEAD.get(jar_set.name, "")
        futures = [pool.submit(_fetch_one, jar, cache, Path(work), progress, fetch, instead) for jar in bad]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        except BaseException:  # Ctrl-C too
            progress.abandon()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _version(jar_set: JarSet) -> str:
    return jar_set.roots[0].split(":")[2]


def _fetch_one(jar: Jar, cache: Path, work: Path, progress: Progress, fetch: Fetch, instead: str) -> None:
    problem = ""
    for attempt in ("first", "second"):
        try:
            fetched = fetch(jar, work / f"{jar.file_name}.{attempt}", progress)
        except FetchError as error:
            problem = str(error)
            if progress.done == 0:
                break  # nothing at all came through yet: say so soon, a second try would only double the wait
            continue
        if matches(fetched, jar):
            os.replace(fetched, cache / jar.file_name)
            return
        problem = f"{fetched.stat().st_size} bytes arrived, twice, which are not the file that jars.toml pins"
        progress.add(-fetched.stat().st_size)
    raise ClickstreamError(
        f"Could not download {jar.coordinate}: {problem}. Check the network (behind a proxy, set HTTPS_PROXY) and run "
        f"the same command again{instead}."
    )


def fetch_with_jgo(jar: Jar, directory: Path, progress: Progress) -> Path:
    """Download one file below `directory`. Raises FetchError, or OSError if it cannot be written."""
    import requests
    from jgo.maven import MavenContext, PythonResolver

    resolver = PythonResolver(progress_callback=lambda _name, _size: progress.part())
    context = MavenContext(resolver, repo_cache=directory, timeout=_TIMEOUT)
    group, artifact, version, *classifier = jar.coordinate.split(":")
    try:
        path: Path = context.project(group, artifact).at_version(version).artifact(*classifier).resolve()
    except requests.RequestException as error:
        host = urlsplit(str(error.request.url)).netloc if error.request is not None else "the Maven repository"
        raise FetchError(f"{_WORDS.get(type(error).__name__, 'no connection')} ({host})") from error
    except RuntimeError as error:
        raise FetchError("the Maven repository does not deliver it, or not whole") from error
    return path
