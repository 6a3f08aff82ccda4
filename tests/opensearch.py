"""A real OpenSearch for tests: the smallest distribution, from Maven Central, as one node of the test's own."""

import hashlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from clickstream.errors import ClickstreamError
from clickstream.java import runtime
from clickstream.java.jars import cache_dir
from clickstream.java.locks import FileLock
from tests.postgres import owner
from tests.support import PATIENCE, free_port, missing, wait_until

GROUP, NAME, VERSION = "org.opensearch.distribution.integ-test-zip", "opensearch", "2.19.1"
SHA256 = "af7152d8b7f6f1cee09d47276b32b70479fe6dd8cdbb61213f84eb7f8098b261"
WITHIN_S = 180.0
_WATCHED = "cluster.routing.allocation.disk.threshold_enabled"
# Code is compiled quickly rather than well: a test runs for seconds.
QUICK = "-Xms512m -Xmx512m -XX:TieredStopAtLevel=1"


def archive() -> Path:
    """The distribution, 51 MB, from the cache; the test is skipped where it cannot be had."""
    path = cache_dir().parent / "opensearch" / f"{NAME}-{VERSION}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.parent / ".lock") as lock:
        assert lock.acquire(timeout=WITHIN_S)
        if not path.exists() or _sum(path) != SHA256:
            _download(path)
    return path


def _download(path: Path) -> None:
    import requests
    from jgo.maven import MavenContext

    with tempfile.TemporaryDirectory(dir=path.parent) as work:
        component = MavenContext(repo_cache=Path(work), timeout=30).project(GROUP, NAME).at_version(VERSION)
        try:
            found = component.artifact("", "zip").resolve()
        except (requests.RequestException, RuntimeError) as problem:
            missing(f"no OpenSearch from Maven Central: {problem}")
        assert _sum(found) == SHA256, "it is not the file that is pinned"
        os.replace(found, path)


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class OpenSearchServer:
    """One node, which can be killed and started again at the same port."""

    def __init__(self, folder: Path) -> None:
        """`folder` is of who may run it: it refuses to run as root."""
        self._folder = folder
        self.port, self._transport = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """The folder that its data are in."""
        return self._folder / "data"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *settings: str, java_options: str = QUICK) -> None:
        """Start it, and wait until it answers; about 10 s alone on two cores."""
        try:
            java = runtime.find(os.environ.get("CLICKSTREAM_JAVA", "auto"))
        except ClickstreamError as error:
            missing(f"no Java for OpenSearch: {error}")
        given = (
            "discovery.type=single-node",
            "network.host=127.0.0.1",
            f"http.port={self.port}",
            f"transport.port={self._transport}",
            f"path.data={self.data}",
            f"path.logs={self._folder / 'logs'}",
            # The disk of who runs tests may be nearly full.
            *(() if any(_WATCHED in one for one in settings) else (f"{_WATCHED}=false",)),
            *settings,
        )
        ours = {name: text for name, text in os.environ.items() if not name.startswith(("OPENSEARCH_", "ES_"))}
        environment = {
            **ours,
            "HOME": str(self._folder),
            "JAVA_HOME": str(java.path.resolve().parent.parent),
            "OPENSEARCH_JAVA_OPTS": java_options,
            "OPENSEARCH_TMPDIR": str(self._folder / "tmp"),
            "OPENSEARCH_PATH_CONF": str(self._folder / "home" / "config"),
        }
        environment.pop("OPENSEARCH_JAVA_HOME", None)
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [self._folder / "home" / "bin" / "opensearch", *(part for one in given for part in ("-E", one))],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **owner(),
            )
        wait_until(self._answers, WITHIN_S, self._said, poll=0.2)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._said()
        try:
            status, _ = ask(self.url, "GET", "/_cluster/health?wait_for_status=yellow&timeout=1s")
        except (OSError, http.client.HTTPException):
            return False
        return status == 200

    def _said(self) -> str:
        return "OpenSearch does not answer:\n" + (self._folder / "output").read_text("utf-8", "replace")[-3_000:]

    def kill(self) -> None:
        """SIGKILL, as when the machine fails."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """As an administrator stops it."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """It takes connections, and answers none."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, how)
            try:
                self._process.wait(WITHIN_S)
            finally:
                if self._process.poll() is None:
                    os.killpg(self._process.pid, signal.SIGKILL)
                    self._process.wait()
            self._process = None


@contextmanager
def server(
    *settings: str,
    java_options: str = QUICK,
    data_on: Callable[[Path], AbstractContextManager[object]] = nullcontext,
) -> Iterator[OpenSearchServer]:
    """A running node with nothing in it. `data_on` is given the empty folder for its data, and may mount a disk."""
    found = archive()
    folder = Path(tempfile.mkdtemp(prefix="opensearch-"))
    node = OpenSearchServer(folder)
    try:
        with zipfile.ZipFile(found) as packed:
            packed.extractall(folder)
        os.rename(folder / f"{NAME}-{VERSION}", folder / "home")
        for program in (folder / "home" / "bin").iterdir():
            program.chmod(0o755)
        for name in ("data", "logs", "tmp"):
            (folder / name).mkdir()
        _give_away(folder)
        with data_on(node.data):
            try:
                node.start(*settings, java_options=java_options)
                yield node
            finally:
                node.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _give_away(folder: Path) -> None:
    user = owner().get("user")
    if user is not None:
        subprocess.run(["chown", "-R", str(user), str(folder)], check=True)


def ask(url: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """A test's own question: the status, and the decoded answer."""
    where = urlsplit(url).netloc
    connection = http.client.HTTPConnection(where, timeout=60 * PATIENCE)
    try:
        octets = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
        connection.request(method, path, octets, {"Content-Type": kind} if octets else {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    finally:
        connection.close()


def documents(url: str, index: str) -> dict[str, Any]:
    """All documents of an index, by id; {} without it. They are searched, so that what is deleted is not there."""
    status, _ = ask(url, "POST", f"/{index}/_refresh")
    if status == 404:
        return {}
    found: dict[str, Any] = {}
    after: Sequence[Any] | None = None
    while True:
        query = {"size": 5_000, "sort": ["_doc"], "query": {"match_all": {}}}
        if after is not None:
            query["search_after"] = after
        status, answer = ask(url, "POST", f"/{index}/_search", query)
        assert status == 200, answer
        hits = answer["hits"]["hits"]
        if not hits:
            return found
        found |= {hit["_id"]: hit["_source"] for hit in hits}
        after = hits[-1]["sort"]
