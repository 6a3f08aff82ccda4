"""A real Druid for tests: its jars by Maven, and the four processes that ingest from Kafka and answer SQL."""

import contextlib
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from clickstream.errors import ClickstreamError
from clickstream.java import ports, runtime
from tests.dashboards import DEPLOY
from tests.support import PATIENCE, free_port, missing, wait_until

T = TypeVar("T")

FOLDER = DEPLOY / "druid"
POM = Path(__file__).parent / "druid" / "pom.xml"
START_TIMEOUT_S = 300  # it takes 90 s on two cores that do nothing else

# What Druid's own bin/run-java gives to Java 17 and newer.
_OPTIONS = (
    "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
    "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=jdk.management/com.sun.management.internal=ALL-UNNAMED",
    # The heaps are small and the processes live for minutes.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Duser.timezone=UTC",
    "-Dfile.encoding=UTF-8",
)
_LOG = """\
<Configuration status="WARN">
  <Appenders><Console name="console"><PatternLayout pattern="%d{ISO8601} %p [%t] %c{1} %m%n"/></Console></Appenders>
  <Loggers><Root level="info"><AppenderRef ref="console"/></Root></Loggers>
</Configuration>
"""
# MB of heap; of off-heap memory each takes two buffers of _BUFFER.
_HEAPS = {"coordinator": 256, "broker": 400, "historical": 256, "indexer": 384}
_BUFFER = 16 << 20
_ZOOKEEPER = "org.apache.zookeeper.server.ZooKeeperServerMain"


class Druid:
    """A running Druid. `overlord` and `broker` are their URLs."""

    def __init__(self, overlord: str, broker: str) -> None:
        self.overlord = overlord
        self.broker = broker

    def call(self, path: str, body: Any = None) -> Any:
        """JSON of the overlord; a `body` is posted."""
        return _call(self.overlord + path, body)

    def sql(self, query: str) -> list[list[Any]]:
        """The rows that the broker answers."""
        found: list[list[Any]] = _call(self.broker + "/druid/v2/sql", {"query": query, "resultFormat": "array"})
        return found

    def supervise(self, kafka: str, prefix: str) -> None:
        """Submit what docs/deploy/druid.md says; only the topics are others, those with the prefix."""
        for name in ("web-events", "clickstream"):
            spec = json.loads((FOLDER / f"{name}.json").read_text("utf-8").replace("${BOOTSTRAP_SERVERS}", kafka))
            spec["spec"]["ioConfig"]["topic"] = f"{prefix}-{name}"
            self.call("/druid/indexer/v1/supervisor", spec)

    def wait_for_rows(self, wanted: dict[str, int]) -> None:
        """Until each data source has exactly so many rows."""
        found: dict[str, int] = {}

        def arrived() -> bool:
            for source in wanted:
                with contextlib.suppress(AssertionError):  # before its first row there is no such table
                    [[found[source]]] = self.sql(f'SELECT COUNT(*) FROM "{source}"')
            return found == wanted

        wait_until(arrived, 300, lambda: f"rows: {found}, not {wanted}", 1.0)


def patiently(ask: Callable[[], T | None]) -> T:
    """What Druid says of its tasks, which it asks every 30 s."""
    return wait_until(ask, 180, "what Druid tells of its tasks", 2.0)


def _call(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60 * PATIENCE) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {error.code} {error.read().decode()[:2000]}") from None


def jars(directory: Path) -> str:
    """Druid's class path; skips the test, or fails it where everything is required, where Maven cannot get it."""
    listed = directory / "classpath"
    if shutil.which("mvn") is None:
        missing("no Druid: there is no mvn that gets its jars")
    words = ["mvn", "-q", "-B", "-f", str(POM), "dependency:build-classpath", f"-Dmdep.outputFile={listed}"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=900 * PATIENCE, check=False)
    if done.returncode:
        missing(f"no Druid: mvn says {done.stdout[-500:]}")
    return listed.read_text("utf-8").strip()


@contextmanager
def running(directory: Path) -> Iterator[Druid]:
    """A Druid of four processes, with its files below `directory`, and its ZooKeeper.

    The coordinator is the overlord, too, and has Derby; an indexer runs tasks as threads.
    """
    try:
        java = str(runtime.find("PATH").path)
    except ClickstreamError as error:
        missing(f"no Druid: {error}")
    classes = jars(directory)
    (directory / "log4j2.xml").write_text(_LOG)
    free = {name: free_port() for name in ("zookeeper", "derby", *_HEAPS)}
    common = _common(directory, free)
    tmp = _made(directory / "tmp")
    with ExitStack() as stack:

        def start(name: str, heap: int, *words: str, options: tuple[str, ...] = ()) -> None:
            command = [java, *_OPTIONS, f"-Xmx{heap}m", f"-Djava.io.tmpdir={tmp}", *options]
            command += ["-cp", f"{directory}:{classes}", *words]
            stack.enter_context(_process(directory / f"{name}.log", command))

        place = (str(free["zookeeper"]), str(_made(directory / "zookeeper")))
        start("zookeeper", 64, _ZOOKEEPER, *place, options=("-Dzookeeper.admin.enableServer=false",))
        for name, heap in _HEAPS.items():
            settings = {**common, **_OWN[name], "druid.plaintextPort": free[name], "druid.service": f"druid/{name}"}
            options = ("-XX:MaxDirectMemorySize=64m", *(f"-D{key}={value}" for key, value in settings.items()))
            start(name, heap, "org.apache.druid.cli.Main", "server", name, options=options)
        urls = {name: f"http://{ports.HOST}:{free[name]}" for name in _HEAPS}
        for name, url in urls.items():
            last_words = partial(_last_words, directory / f"{name}.log")
            wait_until(partial(_answers, f"{url}/status/health"), START_TIMEOUT_S, last_words, 0.5)
        yield Druid(urls["coordinator"], urls["broker"])


_OWN: dict[str, dict[str, Any]] = {
    "coordinator": {
        "druid.coordinator.asOverlord.enabled": "true",
        "druid.coordinator.asOverlord.overlordService": "druid/overlord",
        "druid.coordinator.startDelay": "PT1S",
        "druid.coordinator.period": "PT5S",
        "druid.indexer.queue.startDelay": "PT0S",
        "druid.indexer.runner.type": "httpRemote",
        "druid.indexer.storage.type": "metadata",
    },
    "broker": {"druid.broker.http.numConnections": 5, "druid.sql.planner.metadataRefreshPeriod": "PT1S"},
    "historical": {"druid.segmentCache.locations": '[{"path": "cache", "maxSize": "256m"}]'},  # beside its log
    "indexer": {"druid.worker.capacity": 4},
}


def _common(directory: Path, free: dict[str, int]) -> dict[str, Any]:
    derby = f"{ports.HOST}:{free['derby']}"
    return {
        "druid.host": ports.HOST,
        "druid.bindOnHost": "true",
        "druid.extensions.loadList": "[]",  # all are on the class path
        "druid.zk.service.host": f"{ports.HOST}:{free['zookeeper']}",
        "druid.metadata.storage.type": "derby",
        "druid.metadata.storage.connector.host": ports.HOST,
        "druid.metadata.storage.connector.port": free["derby"],
        "druid.metadata.storage.connector.connectURI": f"jdbc:derby://{derby}/{directory}/metadata;create=true",
        "druid.storage.type": "local",
        "druid.storage.storageDirectory": directory / "segments",
        "druid.indexer.logs.directory": directory / "tasklogs",
        "druid.indexer.task.baseDir": directory / "tasks",
        "druid.indexer.task.restoreTasksOnRestart": "false",
        "druid.selectors.indexing.serviceName": "druid/overlord",
        "druid.selectors.coordinator.serviceName": "druid/coordinator",
        "druid.processing.buffer.sizeBytes": _BUFFER,
        "druid.processing.numThreads": 1,
        "druid.processing.numMergeBuffers": 2,
        "druid.server.http.numThreads": 20,
        "druid.startup.logging.logProperties": "false",
        "druid.monitoring.monitors": "[]",
        "druid.emitter": "noop",
    }


@contextmanager
def _process(log: Path, words: list[str]) -> Iterator[None]:
    with log.open("wb") as file:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, cwd=log.parent
        )
        try:
            yield
        finally:
            process.kill()
            process.wait()


def _made(directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    return directory


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError):
        return bool(_call(url))
    return False


def _last_words(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-3000:]
