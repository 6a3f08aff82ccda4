"""What the collector's tests share: collectors as processes, senders, and raw connections."""

import http.client
import itertools
import json
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.support import Part, records, running, value
from tests.support import PATIENCE, wait_until

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


@dataclass
class Collecting:
    """A running collector and the topics that are its own."""

    kafka: str
    part: Part
    port: int
    name: str

    @property
    def events(self) -> str:
        return f"{self.name}-events"

    @property
    def clicks(self) -> str:
        return f"{self.name}-clicks"

    @property
    def dead(self) -> str:
        return f"{self.name}-dead"

    def ask(
        self, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> "Answered":
        return ask(self.port, method, target, body, headers)

    def post(self, *events: dict[str, Any], headers: dict[str, str] | None = None) -> "Answered":
        return self.ask("POST", "/e", json.dumps(list(events)).encode(), headers)

    def metrics(self) -> dict[str, float]:
        """Its counts by name, without `clickstream_` and `_total`."""
        text = self.ask("GET", "/metrics").body.decode()
        found = re.findall(r"^clickstream_(\w+?)(?:_total)?\{[^}]*part=\"collect\"[^}]*\} (\S+)$", text, re.MULTILINE)
        return {name: float(number) for name, number in found}


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    port: int, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> Answered:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30 * PATIENCE)) as connection:
        connection.request(method, target, body, {"User-Agent": AGENT, **(headers or {})})
        answer = connection.getresponse()
        return Answered(answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read())


def event(**changes: Any) -> dict[str, Any]:
    """A page view of somebody."""
    plain = {"id": uuid.uuid4().hex, "event": "pageview", "url": "https://shop.example/", "visitor": "v1"}
    return {**plain, **changes}


def command(kafka: str, name: str, folder: Path, *more: str, port: int = 0) -> list[str]:
    return [
        *("collect", "-b", kafka, "--port", str(port), "--state-dir", str(folder), "--rate-limit", "0"),
        *("--topic", f"{name}-events", "--clicks-topic", f"{name}-clicks", "--dead-letter-topic", f"{name}-dead"),
        *("--loss-topic", f"{name}-loss"),
        *more,
    ]


@contextmanager
def collecting(
    kafka: str, name: str, folder: Path, *more: str, port: int = 0, before: str = ""
) -> Iterator[Collecting]:
    """A collector that serves; killed at the end of the block if it still runs. Its process first executes `before`."""
    with running(*command(kafka, name, folder, *more, port=port), before=before) as part:
        yield Collecting(kafka, part, served_port(part), name)


def served_port(part: Part) -> int:
    """Of a collector that says that it serves."""

    def found() -> int | None:
        assert part.running, part.said()
        said = re.search(r"Collector: http://127\.0\.0\.1:(\d+)/", part.said())
        return int(said[1]) if said else None

    return wait_until(found, 60, lambda: f"the collector serves; it said: {part.said()}")


def workers_of(part: Part) -> list[int]:
    """The processes of a collector's workers."""
    return sorted(_workers(part.process.pid))


def _workers(parent: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and b"collect.worker" in (path / "cmdline").read_bytes():
                yield int(path.name)
        except OSError:
            continue


def is_gone(pid: int) -> bool:
    """Whether a process has ended: one that nobody has waited for yet has, too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def ids_in(kafka: str, topic: str) -> list[str]:
    """Of the events in a topic, as often as they are there."""
    return [json.loads(value(record))["id"] for record in records(kafka, topic)]


@dataclass
class Load:
    """Senders at work: each keeps a connection, and sends an event again under its id until it is acknowledged."""

    port: int
    acknowledged: set[str] = field(default_factory=set)
    refused: int = 0
    broken: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def send(self) -> None:
        """One thread's work."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * PATIENCE)
        body, id_ = b"", ""
        while not self.stop.is_set():
            if not id_:
                id_ = f"load-{next(self._numbers)}"
                body = json.dumps(event(id=id_, event="test")).encode()
            try:
                connection.request("POST", "/e", body, {"User-Agent": AGENT})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                self.broken += 1
                connection.close()
                time.sleep(0.01)
                continue
            if answer.status == 200:
                self.acknowledged.add(id_)
                id_ = ""
            else:
                self.refused += 1
                time.sleep(0.05)
        connection.close()


@contextmanager
def load(port: int, senders: int = 8) -> Iterator[Load]:
    """Events sent to a collector all the while."""
    found = Load(port)
    threads = [threading.Thread(target=found.send) for _ in range(senders)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        found.stop.set()
        for thread in threads:
            thread.join(30 * PATIENCE)


def raw(port: int, *pieces: bytes, timeout: float = 10.0) -> socket.socket:
    """A connection on which these bytes were sent."""
    connection = socket.create_connection(("127.0.0.1", port), timeout * PATIENCE)
    try:
        for piece in pieces:
            connection.sendall(piece)
    except OSError:
        connection.close()
        raise
    return connection


def received(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    try:
        while piece := connection.recv(65_536):
            found += piece
    except ConnectionResetError:
        pass  # closed with our bytes unread
    return found
