"""Divolte Collector as a peer, of which a distribution is on this machine.

https://github.com/divolte/divolte-collector

It answers before Kafka has anything, as ours does with `--ack queue`, and asks one broker to acknowledge (`acks=1`,
without retries: its defaults).
"""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from bench.broker import JAVA, BenchKafka
from clickstream.errors import ClickstreamError
from clickstream.java import runtime

TOPIC = "divolte"
STARTS_WITHIN_S = 60.0
MAIN = "io.divolte.server.Server"
# What its own start script gives to Java.
JVM_OPTIONS = ("-XX:+UseG1GC", "-Djava.awt.headless=true")

_CONFIGURATION = """
divolte {{
  global {{
    server {{ host = 127.0.0.1, port = {port} }}
    hdfs.enabled = false
    kafka {{ enabled = true, producer {{ bootstrap.servers = ["{address}"] }} }}
  }}
  sources {{ browser {{ type = browser }} }}
  sinks {{ kafka {{ type = kafka, topic = {topic} }} }}
  mappings {{ all {{ sources = [browser], sinks = [kafka] }} }}
}}
"""


@contextmanager
def collector(kafka: BenchKafka, distribution: Path) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """Its process and its port, while the block runs. Raises ClickstreamError when it does not start."""
    kafka.topic(TOPIC)
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        configuration = Path(folder) / "divolte.conf"
        configuration.write_text(_CONFIGURATION.format(port=port, address=kafka.address, topic=TOPIC))
        java = (str(runtime.find(JAVA).path), *JVM_OPTIONS, "-cp", f"{distribution / 'lib'}/*")
        command = [*java, f"-Dconfig.file={configuration}", MAIN]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            _wait_until_it_serves(process, port, said.fileno())
            yield process, port
        finally:
            process.kill()  # it has nothing that is worth waiting for
            process.wait()


def _wait_until_it_serves(process: "subprocess.Popen[bytes]", port: int, said: int) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(f"http://127.0.0.1:{port}/ping", timeout=10):
                return
        except (URLError, OSError):
            time.sleep(0.05)
    words = Path(f"/proc/self/fd/{said}").read_text("utf-8", "replace").split()
    raise ClickstreamError(f"Divolte did not start within {STARTS_WITHIN_S:.0f} s. {' '.join(words)[-300:]}")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
