"""The programs that ours are measured against: Kafka's own perf tools and a Kafka Streams application."""

import functools
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from bench.broker import JAVA
from clickstream.errors import ClickstreamError
from clickstream.generate.products import BLOCK_SIZE, ProductEvents, dated
from clickstream.java import jars, runtime
from clickstream.records import utc_text

STREAMS_SOURCE = Path(__file__).parent / "streams" / "CountEvents.java"
TOOLS = "org.apache.kafka.tools."
PAYLOADS = 100_000

# What Kafka's own start scripts give to these tools (bin/kafka-run-class.sh, bin/kafka-producer-perf-test.sh).
JVM_OPTIONS = (
    "-Xmx512M",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
)

# The same promises and codec as ours. Then once as it comes (batches of 16 kB, linger 5 ms), and once as one
# would set it for throughput: batches of 128 kB and our linger.
PRODUCER_PROPERTIES = ("acks=all", "enable.idempotence=true", "compression.type=lz4")
LARGE_BATCHES = ("batch.size=131072", "linger.ms=50")
# Our batches; the default is 500, with Streams 1,000.
LARGE_POLLS = "max.poll.records=10000"


class Missing(Exception):
    """A peer cannot be run here; the text says why."""


@dataclass(frozen=True)
class Peers:
    """Builds the peers' command lines."""

    directory: Path  # for what they need on disk
    notify: Callable[[str], None]

    def producer_performance(self, address: str, topic: str, count: int, properties: Sequence[str]) -> list[str]:
        """Sends `count` of our events, taken at random from memory, without keys."""
        return [
            *self._tool("ProducerPerformance"),
            *("--bootstrap-server", address, "--topic", topic, "--num-records", str(count)),
            *("--throughput", "-1", "--payload-file", str(self.payloads)),
            *("--command-property", *PRODUCER_PROPERTIES, *properties),
        ]

    def consumer_performance(self, address: str, topic: str, count: int, properties: Sequence[str]) -> list[str]:
        """Reads `count` records and decodes nothing."""
        return [
            *self._tool("ConsumerPerformance"),
            *("--bootstrap-server", address, "--topic", topic, "--num-records", str(count)),
            *(word for name in properties for word in ("--command-property", name)),
        ]

    def streams(self, address: str, topic: str, output: str, guarantee: str, settings: Sequence[str]) -> list[str]:
        """Counts `topic` by eventName. Raises Missing without a compiler."""
        classes, jdk = self._streams_classes
        class_path = [classes, *jars.ensure("kafka-streams", self.notify)]
        state = self.directory / f"streams-{output}"
        return [
            *_jvm(jdk / "java", class_path, "CountEvents"),
            *(address, topic, output, output, guarantee, str(state), *settings),
        ]

    @functools.cached_property
    def payloads(self) -> Path:
        """A file of our events, one per line."""
        path = self.directory / "payloads.jsonl"
        events = ProductEvents(seed=0)
        with path.open("wb") as file:
            for number in range(PAYLOADS // BLOCK_SIZE):
                block = dated(events.block(number), utc_text(1_585_163_149 + number))
                file.writelines(cast(bytes, event["value"]) + b"\n" for event in block)
        return path

    def _tool(self, name: str) -> list[str]:
        return _jvm(runtime.find(JAVA).path, jars.ensure("kafka-tools", self.notify), TOOLS + name)

    @functools.cached_property
    def _streams_classes(self) -> tuple[Path, Path]:
        """Where the compiled application is, and the bin directory of the JDK that compiled it."""
        jdk = find_jdk()
        class_path = jars.ensure("kafka-streams", self.notify)
        classes = self.directory / "classes"
        command = [str(jdk / "javac"), "-d", str(classes), "-cp", _joined(class_path), str(STREAMS_SOURCE)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise ClickstreamError(f"{STREAMS_SOURCE.name} does not compile:\n{done.stderr}")
        return classes, jdk


def find_jdk() -> Path:
    """The bin directory of a JDK: JAVA_HOME's, that of the Java in use, or the PATH's. Raises Missing."""
    compiler = shutil.which("javac")
    candidates = [
        Path(os.environ["JAVA_HOME"], "bin") if os.environ.get("JAVA_HOME") else None,
        runtime.find(JAVA).path.resolve().parent,
        Path(compiler).resolve().parent if compiler else None,
    ]
    for directory in candidates:
        if directory is not None and (directory / "javac").exists() and (directory / "java").exists():
            return directory
    raise Missing("needs a JDK, 17 or newer (javac): none in JAVA_HOME or on the PATH")


def _jvm(executable: Path, class_path: Sequence[Path], main: str) -> list[str]:
    return [str(executable), *JVM_OPTIONS, "-cp", _joined(class_path), main]


def _joined(paths: Sequence[Path]) -> str:
    return os.pathsep.join(map(str, paths))
