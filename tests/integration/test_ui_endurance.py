"""Tabs that do not behave, with the server's own time limits: dead ones are noticed, slow ones hold up no other."""

import asyncio
import itertools
import re
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from tests.integration.support import Part, running
from tests.integration.uisupport import address_of, get, state_of, tab
from tests.support import wait_until

pytestmark = pytest.mark.slow

FAST = 99
MEASURED_S = 40.0
# What the server's process executes first: a panel whose states are large, so that one who does not read is noticed.
LARGE = """
from clickstream.ui import server
from clickstream.ui.panels.contract import NoParams, StateKind
class Large:
    def state(self, now):
        return {"filling": "x" * 300_000}
    def close(self): ...
server.PANELS = {**server.PANELS, "large": StateKind(NoParams, lambda services, params: Large())}
"""


def tabs_open(address: str) -> int:
    found = re.search(r'clickstream_tabs\{name="",part="ui"\} (\S+)', get(f"{address}/metrics")[2])
    assert found is not None
    return int(float(found[1]))


class Proxy:
    """Between a tab and the server. `muted`: it keeps both connections, and passes on nothing."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._heard = asyncio.Event()
        self._heard.set()
        self._serving: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}

    async def close(self) -> None:
        """Cut all off."""
        for task, writers in self._serving.items():
            task.cancel()
            for writer in writers:
                writer.transport.abort()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def mute(self) -> None:
        self._heard.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        writers = self._serving[task] = [writer]
        beyond_reader, beyond_writer = await asyncio.open_connection("127.0.0.1", self._port)
        writers.append(beyond_writer)
        ways = ((reader, beyond_writer), (beyond_reader, writer))
        await asyncio.gather(*(self._pass_on(*way) for way in ways), return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while octets := await reader.read(65_536):
            await self._heard.wait()
            writer.write(octets)
            await writer.drain()
        writer.close()


def test_a_tab_behind_a_dead_line_is_given_up_within_45_s(kafka: str) -> None:
    async def tell(address: str) -> float:
        port = int(address.rpartition(":")[2])
        proxy = Proxy(port)
        listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        through = listening.sockets[0].getsockname()[1]
        async with tab(f"http://127.0.0.1:{through}") as one:
            await one.say(open="s", panel="sources")
            await one.until(lambda frame: "state" in frame)
            assert await asyncio.to_thread(tabs_open, address) == 1
            proxy.mute()
            muted = time.monotonic()
            await asyncio.to_thread(wait_until, lambda: tabs_open(address) == 0, 90, poll=0.2)
            took = time.monotonic() - muted
        listening.close()
        await proxy.close()
        return took

    with running("ui", "-b", kafka, "--port", "0") as part:
        took = asyncio.run(tell(address_of(part)))
        assert 5 < took < 60  # 45 s, and what a machine adds that does much else
        assert part.stop() == 0


def test_one_tab_that_never_reads_changes_nothing_for_ninety_nine_others(kafka: str) -> None:
    with running("ui", "-b", kafka, "--port", "0", before=LARGE) as part:
        alone, beside, memory = asyncio.run(beside_a_stuck_one(part))
        print(f"p99 {p99(alone):.2f} s alone, {p99(beside):.2f} s beside it; {memory} MB")
        assert p99(beside) < max(2 * p99(alone), 2.0)
        assert memory[1] < memory[0] * 1.1 + 10
        assert part.stop() == 0


async def beside_a_stuck_one(part: Part) -> tuple[list[float], list[float], tuple[float, float]]:
    """The times between two states of the others, s, without it and with it; the server's MB at the end of both."""
    address = address_of(part)
    async with AsyncExitStack() as stack:
        came: list[list[float]] = [[] for _ in range(FAST)]
        following = [asyncio.create_task(follow(address, times)) for times in came]
        await asyncio.to_thread(wait_until, lambda: all(came), 60)
        alone, first_mb = await measured(part, came)
        stuck = await stack.enter_async_context(tab(address))
        await stuck.say(open="large", panel="large")
        await stuck.end()  # it reads no more
        stuck.socket.transport.pause_reading()
        beside, then_mb = await measured(part, came)
        await asyncio.to_thread(wait_until, lambda: tabs_open(address) == FAST, 90, "it is given up", poll=0.2)
        assert not any(task.done() for task in following)
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        stuck.socket.transport.abort()
        return alone, beside, (first_mb, then_mb)


async def follow(address: str, times: list[float]) -> None:
    """A fast tab: notes when its states come, and says that it lives, as pages do."""
    async with tab(address) as one:
        await one.say(open="s", panel="sources")
        for number in itertools.count():
            await one.until(state_of("s"))
            times.append(time.monotonic())
            one.frames.clear()
            await one.say(beat=number)


async def measured(part: Part, came: Sequence[list[float]]) -> tuple[list[float], float]:
    for times in came:
        times.clear()
    await asyncio.sleep(MEASURED_S)
    return [after - before for times in came for before, after in pairwise(times)], resident_mb(part.process.pid)


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * 4_096 / 1e6


def p99(values: Sequence[float]) -> float:
    return sorted(values)[int(0.99 * len(values))]
