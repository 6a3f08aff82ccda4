"""A real schema registry: Apicurio, which speaks Confluent's API, fetched from Maven Central and run in memory."""

import hashlib
import os
import subprocess
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickstream.errors import ClickstreamError
from clickstream.java import runtime
from clickstream.java.jars import cache_dir
from tests.support import PATIENCE, free_port, missing, wait_until

VERSION = "3.3.3"
SHA256 = "8bc6751c76d963734224b01d5e7f84ccb3cb61c87d3bd77c36c35f10a5cbed63"  # 158,577,952 bytes
STARTS_WITHIN_S = 240.0


def _archive() -> Path:
    """The archive, in the cache of jars. Skips the test where it is not to be had."""
    path = cache_dir() / f"apicurio-registry-app-{VERSION}-all.tar.gz"
    if not path.exists():
        from jgo.maven import MavenContext, PythonResolver

        # Not named as the downloads of jars are: what is left of those is swept by whoever downloads next.
        with tempfile.TemporaryDirectory(prefix=".apicurio-", dir=cache_dir()) as work:
            try:
                context = MavenContext(PythonResolver(), repo_cache=Path(work), timeout=60)
                project = context.project("io.apicurio", "apicurio-registry-app").at_version(VERSION)
                fetched: Path = project.artifact("all", "tar.gz").resolve()
            except Exception as problem:  # noqa: BLE001 - whatever keeps it from coming
                missing(f"no schema registry: {type(problem).__name__}: {problem}")
            os.replace(fetched, path)
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != SHA256:
            path.unlink()
            missing(f"no schema registry: {path.name} was not the file that is pinned, and is deleted")
    return path


@contextmanager
def apicurio(folder: Path) -> Iterator[str]:
    """The URL of a registry that knows nothing, and forgets all at the end."""
    try:
        java = runtime.find("wheel")  # it needs Java 21
    except ClickstreamError as error:
        missing(f"no schema registry: {error}")
    with tarfile.open(_archive()) as archive:
        archive.extractall(folder, filter="data")
    port = free_port()
    options = {
        "quarkus.http.host": "127.0.0.1",
        "quarkus.http.port": port,
        "quarkus.management.host": "127.0.0.1",
        "quarkus.management.port": 0,
    }
    # Of the compiler's two halves the quick one is enough: it starts in half of the time.
    command = [
        str(java.path),
        "-Xmx384m",
        "-XX:TieredStopAtLevel=1",
        *(f"-D{name}={one}" for name, one in options.items()),
    ]
    url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "-jar", "quarkus-run.jar"], cwd=folder, stdout=log, stderr=log)
        try:
            wait_until(
                lambda: _answers(process, url), STARTS_WITHIN_S, lambda: (folder / "log").read_text()[-2_000:], 0.2
            )
            yield url
        finally:
            process.kill()
            process.wait()


def _answers(process: "subprocess.Popen[bytes]", url: str) -> bool:
    assert process.poll() is None, "the registry has ended"
    try:
        with urllib.request.urlopen(f"{url}/subjects", timeout=10 * PATIENCE) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
