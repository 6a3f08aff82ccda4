"""A server that speaks the page's protocol with states that a test chooses: for what the page does on its own.

It serves the shipped files with the headers of the real server, and one WebSocket per tab. Everything runs on one event
loop in a thread; tests call its methods from theirs.
"""

import asyncio
import base64
import contextlib
import gc
import hashlib
import json
import threading
import time
import warnings
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support import PATIENCE

STATIC = Path(__file__).parents[2] / "clickstream" / "ui" / "static"
POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
NO_TOKEN = b"The token is missing or wrong: open the address that `clickstream ui` printed."
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

Make = Callable[[dict[str, Any], int], Any]


def now_ms() -> int:
    return int(time.time() * 1000)


@dataclass(eq=False)
class Tab:
    """One WebSocket: what it has open, and what it said."""

    writer: asyncio.StreamWriter
    opened: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    hidden: bool = False
    sent: list[dict[str, Any]] = field(default_factory=list)


class FakeServer:
    """`states`: by panel, what makes its state of the parameters and the time; what is not there is an error."""

    def __init__(self, states: dict[str, Make], clock: Callable[[], int] = now_ms, every_s: float = 0.2) -> None:
        self.states = states
        self.clock = clock
        self.every_s = every_s
        # By path; what was sent as a body is the parameter `body`.
        self.answers: dict[str, Callable[[dict[str, str]], tuple[int, Any]]] = {}
        self.muted = False  # connected, but sends nothing
        self.refuse: int | None = None  # the HTTP status with which handshakes are refused
        self.token: str | None = None  # needed for all but files, as at a server that others can connect to
        self.hello: dict[str, Any] = {"version": "1", "address": "localhost:9092", "control": False}
        self.connects: list[float] = []  # monotonic
        self.protocols: list[str] = []  # as the handshakes offered them
        self.requests: list[str] = []
        self.heard: list[dict[str, Any]] = []
        self.tabs: list[Tab] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake server", daemon=True)
        self._thread.start()
        self.port = 0
        self._run(self._start())
        self._ticker = asyncio.run_coroutine_threadsafe(self._tick(), self._loop)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def push(self) -> None:
        """Send every open panel its state now."""
        self._run(self._push_all())

    def error(self, panel: str, words: str) -> None:
        """Say that this panel failed."""
        for tab in self.tabs:
            for wire_id, (name, _params) in tab.opened.items():
                if name == panel:
                    self._run(self._send(tab, {"id": wire_id, "error": words}))

    def say(self, message: dict[str, Any]) -> None:
        """Send this to every tab."""
        for tab in list(self.tabs):
            self._run(self._send(tab, message))

    def drop_all(self, code: int = 1001, bye: str | None = None) -> None:
        """Close all WebSockets; `bye` is said before."""
        for tab in list(self.tabs):
            if bye:
                self._run(self._send(tab, {"bye": bye}))
            self._run(self._part(tab, code))

    async def _part(self, tab: Tab, code: int) -> None:
        """As RFC 6455 has it: the tab says goodbye, too, and then the connection is closed. One that is closed at once
        may end without a code."""
        tab.opened.clear()
        await self._frame(tab, CLOSE, code.to_bytes(2, "big"))
        self._loop.call_later(1.0, tab.writer.close)

    def stop_listening(self) -> None:
        """As a server that is down: nobody answers on the port."""
        self._run(self._stop_listening())

    def listen_again(self) -> None:
        self._run(self._start())

    def panels(self) -> list[tuple[str, dict[str, Any]]]:
        """What all tabs have open: panel and parameters."""
        return [panel for tab in self.tabs for panel in tab.opened.values()]

    def close(self) -> None:
        self._ticker.cancel()
        self.drop_all()
        self.stop_listening()
        self._run(self._end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10 * PATIENCE)
        self._loop.close()
        # Connections that came as it ended may have no task to close them: they are no fault of the test that is next.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30 * PATIENCE)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        self._server.close()

    async def _end_tasks(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)  # a task that has not begun when it is cancelled closes nothing
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()  # what a closed one has still to send keeps it open
        await asyncio.sleep(0)  # they are told of it in the loop's next turn

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self.every_s)
            await self._push_all()

    async def _push_all(self) -> None:
        if not self.muted:
            for tab in list(self.tabs):
                if not tab.hidden:
                    for wire_id in list(tab.opened):
                        await self._show(tab, wire_id)

    async def _show(self, tab: Tab, wire_id: str) -> None:
        panel, params = tab.opened[wire_id]
        now = self.clock()
        make = self.states.get(panel)
        if make is None:
            await self._send(tab, {"id": wire_id, "error": f"There is no panel {panel!r}."})
            return
        state = make(params, now)
        if state is not None:
            await self._send(tab, {"id": wire_id, "now": now, "state": state})

    # --- HTTP

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            await self._answer_one(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target = head[0].split(" ")[:2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        self.requests.append(target)
        if self._lacks_token(target, headers):
            _write_head(writer, "401 -", {"content-type": "text/plain", "content-length": str(len(NO_TOKEN))})
            writer.write(b"" if method == "HEAD" else NO_TOKEN)
            await writer.drain()
        elif headers.get("upgrade", "").lower() == "websocket":
            await self._socket(reader, writer, headers)
        else:
            asked = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
            status, kind, body = self._answer(target, asked)
            _write_head(writer, f"{status} -", {"content-type": kind, "content-length": str(len(body))})
            writer.write(b"" if method == "HEAD" else body)
            await writer.drain()

    def _lacks_token(self, target: str, headers: dict[str, str]) -> bool:
        if self.token is None or _file(urlsplit(target).path) is not None:
            return False
        offered = headers.get("sec-websocket-protocol", "").split(", ")
        return headers.get("authorization") != f"Bearer {self.token}" and f"token.{self.token}" not in offered

    def _answer(self, target: str, asked: str = "") -> tuple[int, str, bytes]:
        parts = urlsplit(target)
        if parts.path in self.answers:
            params = dict(parse_qsl(parts.query)) | ({"body": asked} if asked else {})
            status, answer = self.answers[parts.path](params)
            body = answer if isinstance(answer, str) else json.dumps(answer)
            return status, "text/html" if body.startswith("<") else "application/json", body.encode()
        if parts.path == "/healthz":
            return 200, "text/plain", b"ok"
        file = _file(parts.path)
        if file is not None:
            return 200, TYPES.get(file.suffix, "text/plain"), file.read_bytes()
        return 404, "text/plain", b"There is no such file."

    # --- WebSocket, RFC 6455

    async def _socket(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: dict[str, str]
    ) -> None:
        self.connects.append(time.monotonic())
        if self.refuse is not None:
            _write_head(writer, f"{self.refuse} -", {"content-length": "0"})
            await writer.drain()
            return
        digest = hashlib.sha1((headers["sec-websocket-key"] + MAGIC).encode()).digest()
        accept = {"upgrade": "websocket", "sec-websocket-accept": base64.b64encode(digest).decode()}
        self.protocols.append(headers.get("sec-websocket-protocol", ""))
        if self.protocols[-1]:
            accept["sec-websocket-protocol"] = "clickstream"
        _write_head(writer, "101 -", accept, connection="Upgrade")
        tab = Tab(writer)
        self.tabs.append(tab)
        try:
            said = {"boot": "b1", "history_minutes": 60, "now": self.clock(), **self.hello}
            await self._send(tab, {"hello": said})
            while (frame := await _read_frame(reader)) is not None:
                kind, payload = frame
                if kind == PING:
                    await self._frame(tab, PONG, payload)
                elif kind == TEXT:
                    await self._hear(tab, json.loads(payload))
        finally:
            self.tabs.remove(tab)

    async def _hear(self, tab: Tab, said: dict[str, Any]) -> None:
        self.heard.append(said)
        if "open" in said:
            tab.opened[said["open"]] = (said["panel"], said["params"])
            if not self.muted and not tab.hidden:
                await self._show(tab, said["open"])
        elif "close" in said:
            tab.opened.pop(said["close"], None)
        elif "beat" in said and not self.muted:
            await self._send(tab, {"beat": said["beat"], "now": self.clock()})
        elif "hidden" in said:
            tab.hidden = said["hidden"]
            if not tab.hidden:
                for wire_id in list(tab.opened):
                    await self._show(tab, wire_id)

    async def _send(self, tab: Tab, message: dict[str, Any]) -> None:
        tab.sent.append(message)
        await self._frame(tab, TEXT, json.dumps(message).encode())

    async def _frame(self, tab: Tab, kind: int, payload: bytes) -> None:
        if len(payload) < 126:
            head = bytes([0x80 | kind, len(payload)])
        elif len(payload) < 65_536:
            head = bytes([0x80 | kind, 126]) + len(payload).to_bytes(2, "big")
        else:
            head = bytes([0x80 | kind, 127]) + len(payload).to_bytes(8, "big")
        with contextlib.suppress(ConnectionError):
            tab.writer.write(head + payload)
            await tab.writer.drain()


def _file(path: str) -> Path | None:
    """The file of the pages at this path of an address."""
    found = (STATIC / (path.lstrip("/") or "index.html")).resolve()
    return found if found.is_file() and found.is_relative_to(STATIC) else None


def _write_head(writer: asyncio.StreamWriter, status: str, headers: dict[str, str], connection: str = "close") -> None:
    lines = [f"HTTP/1.1 {status}", f"connection: {connection}", f"content-security-policy: {POLICY}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())


async def _read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes] | None:
    """One frame of a browser, which masks it; None at its end."""
    try:
        first, second = await reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(await reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await reader.readexactly(8), "big")
        mask = await reader.readexactly(4)
        payload = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    kind = first & 0x0F
    if kind == CLOSE:
        return None
    return kind, bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
