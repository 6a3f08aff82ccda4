"""A RabbitMQ of the tests' own: Debian's server as one node in a temporary directory, on the loopback only."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pika

from tests.support import free_port, missing, wait_until

PROGRAMS = (Path("/usr/lib/rabbitmq/bin"), Path("/usr/local/sbin"), Path("/opt/rabbitmq/sbin"))
WITHIN_S = 120.0


class Rabbit:
    """A node, started by `start`; its messages outlive `kill`."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self.port, distribution, mapper = free_port(), free_port(), free_port()
        # In every file and port its own: a node of the system, or of another run, is not met.
        self._environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))},
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"clickstream{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(mapper),
        }
        (folder / "plugins").write_text("[].")
        (folder / "rabbitmq.conf").write_text(
            "disk_free_limit.absolute = 50MB\nheartbeat = 30\nmax_message_size = 100000\n"
        )
        self._mapper = subprocess.Popen(
            ["epmd", "-address", "127.0.0.1", "-port", str(mapper)], env=self._environment, stdin=subprocess.DEVNULL
        )
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        with (self._folder / "output").open("ab") as output:
            self._server = subprocess.Popen(
                [self._programs / "rabbitmq-server"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_until(self._answers, WITHIN_S, self._said, poll=0.2)

    def _answers(self) -> bool:
        assert self._server is not None
        assert self._server.poll() is None, self._said()
        try:
            with self.channel():
                return True
        except (pika.exceptions.AMQPError, OSError):
            return False

    def _said(self) -> str:
        return (self._folder / "output").read_text("utf-8", "replace")[-3_000:]

    def kill(self) -> None:
        """SIGKILL, with all its processes."""
        assert self._server is not None
        os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait()

    def end(self) -> None:
        """Kill it, and the port mapper."""
        if self._server is not None and self._server.poll() is None:
            self.kill()
        self._mapper.terminate()
        self._mapper.wait()

    def control(self, *command: str) -> str:
        """rabbitmqctl."""
        done = subprocess.run(
            [self._programs / "rabbitmqctl", *command], env=self._environment, capture_output=True, timeout=WITHIN_S
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    @contextmanager
    def short_of(self, what: str) -> Iterator[None]:
        """While the block runs, it takes no messages for want of `memory` or `disk`."""
        limit = {"memory": "set_vm_memory_high_watermark", "disk": "set_disk_free_limit"}[what]
        short, enough = {"memory": ("0.00001", "0.4"), "disk": (str(10**15), "50MB")}[what]
        self.control(limit, short)
        try:
            yield
        finally:
            self.control(limit, enough)

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """A channel for a test's own questions."""
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        try:
            yield connection.channel()
        finally:
            with contextlib.suppress(pika.exceptions.AMQPError):
                connection.close()

    def make_queue(self, name: str, **arguments: Any) -> None:
        with self.channel() as channel:
            channel.queue_declare(name, durable=True, arguments=arguments or None)

    def messages(self, queue: str) -> list[tuple[Any, bytes]]:
        """What is in a queue, in its order: properties and body. It is empty then, but for what comes meanwhile."""
        found: list[tuple[Any, bytes]] = []
        with self.channel() as channel:
            count = channel.queue_declare(queue, passive=True).method.message_count
            # One by one: a consumer would be handed what comes later, too, and take it away.
            while len(found) < count:
                method, properties, body = channel.basic_get(queue, auto_ack=True)
                if method is None:
                    break
                found.append((properties, body))
        return found

    def size(self, queue: str) -> int:
        with self.channel() as channel:
            count: int = channel.queue_declare(queue, passive=True).method.message_count
            return count


@contextmanager
def rabbit_in(folder: Path) -> Iterator[Rabbit]:
    """A running node; skips the test, or fails it where everything is required, without RabbitMQ here."""
    programs = next((one for one in PROGRAMS if (one / "rabbitmq-server").exists()), None)
    if programs is None or shutil.which("epmd") is None:
        missing("no RabbitMQ here: apt-get install rabbitmq-server, which bin/test does as root")
    node = Rabbit(programs, folder)
    try:
        node.start()
        yield node
    finally:
        node.end()
