"""The dashboard's server as the measurements start it, and WebSockets as its pages open them."""

import asyncio
import json
import math
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from bench.broker import BenchKafka
from bench.programs import OURS
from clickstream.errors import ClickstreamError

STARTS_WITHIN_S = 60.0
LIVE_WITHIN_S = 120.0
USERS = 1_000

Server = tuple["subprocess.Popen[bytes]", str]
"""Its process, and where it listens: HOST:PORT."""


@contextmanager
def server(kafka: BenchKafka, *options: str, port: str = "0") -> Iterator[Server]:
    """Runs while the block does. Raises ClickstreamError when it does not start."""
    where = ("-b", kafka.address, "--state-dir", str(kafka.directory / "state"), "--port", port)
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([*OURS, "ui", *where, *options], stdin=subprocess.DEVNULL, stderr=said)
        try:
            yield process, _address(process, said.fileno())
        finally:
            process.kill()
            process.wait()


def _address(process: "subprocess.Popen[bytes]", said: int) -> str:
    deadline = time.monotonic() + STARTS_WITHIN_S
    text = ""
    while process.poll() is None and time.monotonic() < deadline:
        with open(f"/proc/self/fd/{said}", encoding="utf-8") as file:
            text = file.read()
        found = re.search(r"Dashboard: http://(\S+?)/#token=", text)
        if found is not None:
            return found[1]
        time.sleep(0.05)
    raise ClickstreamError(f"The dashboard did not start within {STARTS_WITHIN_S:.0f} s. {text}")


def clicks(kafka: BenchKafka, rate: float, *more: str) -> Sequence[str]:
    """A generator of so many clicks per second; inf: as fast as it can."""
    pace = "max" if rate == math.inf else f"{rate:g}"
    return [*OURS, "generate", "web", "-b", kafka.address, "--rate", pace, "--users", str(USERS), "--quiet", *more]


def connected(address: str) -> connect:
    """A WebSocket of one of the server's pages."""
    return connect(f"ws://{address}/live", origin=f"http://{address}", ping_interval=None, max_size=None)  # type: ignore[arg-type]


async def open_panel(socket: ClientConnection, panel: str, params: dict[str, Any] | None = None) -> None:
    """Under its name as the id."""
    await socket.send(json.dumps({"open": panel, "panel": panel, "params": params or {}}))


def wait_for_clicks(address: str, least: int) -> None:
    """Until the history has so many clicks of the last hour. Raises ClickstreamError when it takes too long."""

    async def wait() -> None:
        async with asyncio.timeout(LIVE_WITHIN_S), connected(address) as socket:
            await open_panel(socket, "overview", {"range": 3_600_000})
            while True:
                frame = json.loads(await socket.recv())
                if "error" in frame:
                    raise ClickstreamError(frame["error"])
                if "state" in frame and frame["state"]["hits"] >= least:
                    return

    try:
        with ThreadPoolExecutor(1) as beside:  # where a browser is open, this thread has a loop already
            beside.submit(asyncio.run, wait()).result()
    except TimeoutError:
        raise ClickstreamError(f"The history had no {least:,} clicks within {LIVE_WITHIN_S:.0f} s.") from None
