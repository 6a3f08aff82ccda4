"""The collector behind nginx, as docs/collector.md has it: restarts and reloads cost no event."""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from clickstream.records import WebEvent, decode
from docs.generate import ROOT
from tests.integration.collectsupport import AGENT, Collecting, ask, collecting, event, ids_in, load
from tests.integration.support import records, value
from tests.support import PATIENCE, free_port, missing, wait_until

pytestmark = pytest.mark.slow

RESTARTS = 10
CLOSED_WITHIN_S, ATTEMPTS = 13.0, 3  # the collector's own time is 15 s
PROXY = ("--trusted-proxy", "127.0.0.1", "--workers", "2")


def shown() -> str:
    """The page's configuration."""
    found = re.search(
        r"^```nginx\n(.*?)^```$", (ROOT / "docs" / "collector.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert found is not None
    return found[1]


def changed(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


class Nginx:
    """In the foreground, in a folder of its own, without TLS; `reload` is what a changed certificate asks for."""

    def __init__(self, program: str, folder: Path, collector: int) -> None:
        self.port = free_port()
        server = changed(
            shown(),
            ("server 127.0.0.1:8322;", f"server 127.0.0.1:{collector};"),
            ("listen 443 ssl;", f"listen 127.0.0.1:{self.port};"),
        )
        temporary = "".join(
            f"{name}_temp_path {folder / name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        self._log = folder / "error.log"
        conf = folder / "nginx.conf"
        conf.write_text(
            f"daemon off;\nworker_processes 1;\npid {folder / 'pid'};\nerror_log {self._log} warn;\n"
            f"events {{ worker_connections 1024; }}\nhttp {{\naccess_log off;\n{temporary}{server}}}\n"
        )
        self._process = subprocess.Popen(
            [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(self._log)]
        )

    def serves(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            return ask(self.port, "GET", "/ping").status == 200
        except OSError:
            return False

    def reload(self) -> None:
        self._process.send_signal(signal.SIGHUP)

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(30 * PATIENCE)


@contextmanager
def nginx(folder: Path, collector: int) -> Iterator[Nginx]:
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        missing("nginx is not installed (Debian: apt install nginx-light)")
    folder.mkdir()
    found = Nginx(program, folder, collector)
    try:
        wait_until(found.serves, 30, "nginx serves")
        yield found
    finally:
        found.end()


def test_restarts_and_reloads_cost_no_event(kafka: str, topic_name: str, tmp_path: Path) -> None:
    port = free_port()
    with (
        collecting(kafka, topic_name, tmp_path / "first", *PROXY, port=port) as first,
        nginx(tmp_path / "nginx", port) as front,
        load(front.port, senders=16) as sent,
    ):
        goes_on(sent.acknowledged)
        assert first.part.stop() == 0, first.part.said()
        for number in range(RESTARTS):
            with collecting(kafka, topic_name, tmp_path / "first", *PROXY, port=port) as again:
                goes_on(sent.acknowledged)
                if number % 2:
                    front.reload()
                    goes_on(sent.acknowledged)
                assert again.part.stop() == 0, again.part.said()
        sent.stop.set()
    there = set(ids_in(kafka, f"{topic_name}-events"))
    assert len(sent.acknowledged) > RESTARTS * 100
    assert sent.acknowledged <= there


def goes_on(acknowledged: set[str]) -> None:
    before = len(acknowledged)
    wait_until(lambda: len(acknowledged) > before + 100, 60, "events are acknowledged")


def test_an_idle_connection_is_closed_by_nginx_first(kafka: str, topic_name: str, tmp_path: Path) -> None:
    """Else the collector would close connections that nginx is about to use: that is a 502 for a browser."""
    with collecting(kafka, topic_name, tmp_path, *PROXY) as found, nginx(tmp_path / "nginx", found.port) as front:
        took: list[float] = []
        while not took or (took[-1] >= CLOSED_WITHIN_S and len(took) < ATTEMPTS):  # the machine may do much else
            ask(front.port, "GET", "/ping")
            assert connections(found) == 1
            begun = time.monotonic()
            wait_until(lambda: connections(found) == 0, 30, "it is closed")
            took.append(time.monotonic() - begun)
        assert took[-1] < CLOSED_WITHIN_S, took
        assert ask(front.port, "GET", "/ping").status == 200


def connections(found: Collecting) -> int:
    """Between nginx and the collector, by the kernel."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[2].endswith(f":{found.port:04X}") and line[3] == "01" for line in lines)


def test_the_client_is_who_nginx_heard_from(kafka: str, topic_name: str, tmp_path: Path) -> None:
    with collecting(kafka, topic_name, tmp_path, *PROXY) as found, nginx(tmp_path / "nginx", found.port) as front:
        # Not from 127.0.0.1, which is trusted as a proxy, and with an address that it made up.
        connection = HTTPConnection("127.0.0.1", front.port, timeout=30 * PATIENCE, source_address=("127.0.9.2", 0))
        claimed = {"User-Agent": AGENT, "X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
        connection.request("GET", "/e.gif?id=1&url=https%3A%2F%2Fshop.example%2F", headers=claimed)
        assert connection.getresponse().status == 200
        connection.close()
        [one] = records(kafka, found.events)
        assert decode(value(one), WebEvent).address == "127.0.9.0"
        assert ask(front.port, "GET", "/metrics").status == 403


def test_events_go_through(kafka: str, topic_name: str, tmp_path: Path) -> None:
    with collecting(kafka, topic_name, tmp_path, *PROXY) as found, nginx(tmp_path / "nginx", found.port) as front:
        through = Collecting(found.kafka, found.part, front.port, found.name)
        assert through.post(event(id="a"), event(id="b")).json == {"accepted": 2, "refused": []}
        assert through.ask("POST", "/e", b" " * 300_000).status == 413
        assert set(ids_in(kafka, found.events)) == {"a", "b"}
