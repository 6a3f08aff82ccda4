"""The dashboard's server on a real Kafka, with real WebSocket clients."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest
from websockets.exceptions import InvalidStatus

from clickstream.history.history import History
from clickstream.inspect.topicreader import Stage
from clickstream.kafka.clients import Cluster
from clickstream.records import Status, encode
from clickstream.ui import server as server_module
from clickstream.ui import socket as socket_module
from clickstream.ui import tabs as tabs_module
from clickstream.ui.panels.contract import NoParams, StateKind
from clickstream.ui.socket import RESTARTING, SILENT, TRY_LATER
from tests.integration.brokers import MortalBroker
from tests.integration.support import Part, is_an_error_for_people, make_topic, run, running
from tests.integration.uisupport import TOKEN, address_of, dashboard, get, state_of, tab
from tests.support import PATIENCE, wait_until

TABS = 100
ENDS_WITHIN_S = 3.0 * PATIENCE
ATTEMPTS = 3


def story(tell: Callable[[], Awaitable[Any]]) -> Any:
    async def told() -> Any:
        return await tell()

    return asyncio.run(told())


def ui(kafka: str, *arguments: str) -> tuple[str, ...]:
    return ("ui", "-b", kafka, "--port", "0", *arguments)


def test_a_hundred_tabs_see_the_parts_that_report_and_are_told_of_the_end(
    kafka: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It ends within 3 s with all of them open; on a machine that does much else, one of a few times."""
    took = [a_hundred_tabs(kafka, str(tmp_path_factory.mktemp("ui"))) for _ in range(1)]
    while took[-1] > ENDS_WITHIN_S and len(took) < ATTEMPTS:
        took.append(a_hundred_tabs(kafka, str(tmp_path_factory.mktemp("ui"))))
    assert took[-1] <= ENDS_WITHIN_S, took


def a_hundred_tabs(kafka: str, state_dir: str) -> float:
    """How long it takes to end, in seconds."""
    with running(*ui(kafka, "--state-dir", state_dir)) as part:
        address = address_of(part)

        async def tell() -> float:
            async with AsyncExitStack() as stack:
                tabs = [await stack.enter_async_context(tab(address)) for _ in range(TABS)]
                for one in tabs:
                    await one.say(open="s", panel="sources")
                await asyncio.gather(*(one.until(sees_itself) for one in tabs))
                assert all("hello" in one.frames[0] for one in tabs)
                began = time.monotonic()
                part.process.terminate()
                closed = await asyncio.gather(*(one.until_closed() for one in tabs))
                assert set(closed) == {(RESTARTING, "stopping")}
                assert all(one.frames[-1] == {"bye": "stopping"} for one in tabs)
                assert await asyncio.to_thread(part.wait) == 0, part.said()
                return time.monotonic() - began

        took = cast(float, story(tell))
        assert f"{TABS} tabs were opened" in part.said()
        assert "Traceback" not in part.said()
        return took


def sees_itself(frame: dict[str, Any]) -> bool:
    return "state" in frame and any(one["kind"] == "ui" for one in frame["state"]["parts"])


def test_health_metrics_and_what_is_not_ours(kafka: str, tmp_path: Any) -> None:
    with running(*ui(kafka, "--state-dir", str(tmp_path))) as part:
        address = address_of(part)
        status, headers, text = get(address)
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert "<title>" in text
        assert json.loads(get(f"{address}/healthz")[2])["status"] == "ok"
        metrics = get(f"{address}/metrics")[2]
        assert 'clickstream_tabs{name="",part="ui"} 0.0' in metrics
        assert "clickstream_client_received_messages_total" in metrics
        token = (tmp_path / "ui" / "token").read_text()
        assert f"{address}/#token={token}" in part.said()
        foreign = {"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example"}, {"Origin": "http://evil.example"}
        for header in foreign:
            assert get(address, **header)[0] in (403, 421)
            assert get(f"{address}/api/x", "POST", **header, Authorization=f"Bearer {token}")[0] in (403, 421)
        assert get(f"{address}/api/x", "POST", Authorization=f"Bearer {token}")[0] == 403, "without an Origin"
        assert get(f"{address}/api/x", "POST", Origin=address)[0] == 401
        assert get(f"{address}/api/x", "POST", Origin=address, Authorization=f"Bearer {token}")[0] == 404, "let in"

        async def tell() -> None:
            refused: tuple[dict[str, Any], ...] = (
                {"origin": "http://evil.example"},
                {"origin": None},
                {"additional_headers": {"Host": "evil.example"}, "origin": "http://evil.example"},
            )
            for more in refused:
                with pytest.raises(InvalidStatus) as problem:
                    async with tab(address, **more):
                        pass
                assert problem.value.response.status_code == 403

        story(tell)
        assert part.stop() == 0


def test_what_keeps_it_running_needs_no_token_where_others_can_connect(kafka: str, tmp_path: Any) -> None:
    with running(*ui(kafka, "--host", "0.0.0.0", "--state-dir", str(tmp_path))) as part:
        address = f"http://127.0.0.1:{address_of(part).rpartition(':')[2]}"
        assert json.loads(get(f"{address}/healthz")[2])["status"] == "ok"
        assert get(f"{address}/metrics")[0] == 401
        assert get(f"{address}/healthz", Host="evil.example")[0] == 421
        assert part.stop() == 0


def test_a_taken_port_says_by_whom(kafka: str) -> None:
    with running(*ui(kafka)) as part:
        port = address_of(part).rpartition(":")[2]
        done = run("ui", "-b", kafka, "--port", port)
        assert is_an_error_for_people(done, f"Port {port}", f"process {part.process.pid}", "--port")
        assert done.code == 2


def test_control_is_for_who_brings_the_token(kafka: str) -> None:
    async def tell(address: str) -> list[bool]:
        found = []
        for offered in (None, ["clickstream", "token.wrong"], ["clickstream", f"token.{TOKEN}"]):
            async with tab(address, subprotocols=offered) as one:
                found.append((await one.until(lambda frame: "hello" in frame))["hello"]["control"])
        return found

    with dashboard(Cluster(kafka)) as address:
        assert story(lambda: tell(address)) == [False, False, True]


def test_tabs_stay_over_a_restart_of_the_broker(mortal: MortalBroker) -> None:
    def alive(frame: dict[str, Any]) -> bool:
        parts = frame["state"]["parts"] if "state" in frame else []
        return any(one["kind"] == "ui" and one["silent_s"] < 5 for one in parts)

    async def tell(address: str, part: Part) -> None:
        async with tab(address) as one:
            await one.say(open="s", panel="sources")
            await one.until(alive)
            await asyncio.to_thread(mortal.kill)
            killed = time.time()

            def said_since(frame: dict[str, Any]) -> bool:
                return alive(frame) and frame["now"] / 1000 - 5 > killed and frame["state"]["topic"]["stage"] == "live"

            await one.until(said_since)
            assert one.closed is None
            stages = {frame["state"]["topic"]["stage"] for frame in one.frames if "state" in frame}
            assert Stage.MISSING not in stages, "a restart is no missing topic"
        assert part.running

    with running(*ui(mortal.address)) as part:
        address = address_of(part)
        story(lambda: tell(address, part))
        assert part.stop() == 0, part.said()


def test_a_missing_topic_is_said_with_the_command_and_fills_when_it_comes(kafka: str, topic_name: str) -> None:
    def said(state: dict[str, Any]) -> bool:
        return [part["id"] for part in state["parts"]] == ["w-1"] and state["topic"]["stage"] == "live"

    async def tell(address: str) -> None:
        async with tab(address) as one:
            await one.say(open="s", panel="sources")
            frame = await one.until(lambda frame: "state" in frame and frame["state"]["topic"]["stage"] == "missing")
            topic = frame["state"]["topic"]
            assert (topic["name"], topic["command"]) == (topic_name, "clickstream demo")
            assert topic_name in topic["words"]
            await asyncio.to_thread(make_topic, kafka, topic_name, 1)
            status = Status("w-1", "web", "here", "2026-01-01T00:00:00UTC", "running", {"sent": 5.0}, [])
            producer = Cluster(kafka).producer()
            producer.produce(topic_name, encode(status), status.id)
            assert await asyncio.to_thread(producer.flush, 60) == 0
            frame = await one.until(lambda frame: "state" in frame and said(frame["state"]))
            assert [part["rates"] for part in frame["state"]["parts"]] == [{"sent": 5.0}]

    with dashboard(Cluster(kafka), status_topic=topic_name) as address:
        story(lambda: tell(address))


def test_one_more_than_fit_is_told_to_come_later(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabs_module, "MAX_TABS", 2)

    async def tell(address: str) -> None:
        async with tab(address) as first, tab(address), tab(address) as third:
            assert (await third.until_closed())[0] == TRY_LATER
            await first.say(beat=1)
            await first.until(lambda frame: frame.get("beat") == 1)
        assert "clickstream_tabs_refused_total" in get(f"{address}/metrics")[2]

    with dashboard(Cluster(kafka)) as address:
        story(lambda: tell(address))


def test_a_silent_tab_is_given_up_and_one_that_vanished_is_forgotten(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_module, "SILENT_S", 1.0)

    async def tell(address: str) -> None:
        async with tab(address) as silent:
            assert (await silent.until_closed())[0] == SILENT
        async with tab(address) as vanishing:
            await vanishing.until(lambda frame: "hello" in frame)
            vanishing.socket.transport.abort()
        await asyncio.to_thread(
            wait_until, lambda: 'clickstream_tabs{name="",part="ui"} 0.0' in get(f"{address}/metrics")[2], 60
        )

    with dashboard(Cluster(kafka)) as address:
        story(lambda: tell(address))


class Large:
    """A state of 2 MB."""

    def state(self, now: int) -> dict[str, Any]:
        return {"at": now, "filling": "x" * 2_000_000}

    def close(self) -> None: ...


def test_a_tab_that_never_reads_is_closed_and_the_others_lose_nothing(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "PANELS", {"large": StateKind(NoParams, lambda _services, _params: Large())})
    monkeypatch.setattr(socket_module, "SEND_WITHIN_S", 2.0 * PATIENCE)
    ended = threading.Event()

    async def tell(address: str) -> None:
        async with tab(address) as fast, tab(address) as stuck:
            await fast.say(open="x", panel="large")
            await stuck.say(open="x", panel="large")
            await stuck.end()  # it reads no more
            stuck.socket.transport.pause_reading()
            await fast.until(state_of("x"))
            await asyncio.to_thread(
                wait_until, lambda: 'clickstream_tabs{name="",part="ui"} 1.0' in get(f"{address}/metrics")[2], 90
            )
            at = [frame["now"] for frame in fast.frames if "state" in frame]
            assert len(at) >= 2
            before = len(fast.frames)
            await fast.until(state_of("x"))
            assert len(fast.frames) > before
            assert fast.closed is None
            stuck.socket.transport.abort()
            ended.set()

    with dashboard(Cluster(kafka)) as address:
        story(lambda: tell(address))
    assert ended.is_set()


def test_it_ends_though_kafka_does_not_answer() -> None:
    with socket.socket() as silent:  # takes connections, and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)

        async def tell(address: str) -> None:
            async with tab(address) as one:
                await one.say(open="s", panel="sources")
                await one.until(state_of("s"))

        cluster = Cluster(f"127.0.0.1:{silent.getsockname()[1]}")
        with dashboard(cluster, history=lambda _statuses: History(cluster)) as address:
            story(lambda: tell(address))
            began = time.monotonic()
        assert time.monotonic() - began < 3 * PATIENCE
