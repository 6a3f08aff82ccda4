"""The protocol of /live: what a tab says, and what it gets."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import cast
from unittest.mock import Mock

import pytest

from clickstream.ui import socket, wire
from clickstream.ui.socket import BAD_DATA, RESTARTING, SILENT, SLOW, TOO_BIG, Tab
from clickstream.ui.tabs import Tabs
from clickstream.ui.wire import Feed
from clickstream.ui.workers import Workers
from tests.unit.ui.doubles import WITHIN_S, Browser, Clock, Panel, Stream, views_of

HELLO = wire.hello(wire.Hello("1", "localhost:9092", "boot", False, 60.0, 1))


class Server:
    """One panel, `p`, one feed, `f`, and the tabs that look at them."""

    def __init__(self) -> None:
        self.panel, self.stream = Panel(), Stream()
        self.clock = Clock()
        self.workers = Workers(2)
        self.views = views_of({"p": self.panel.kind, "f": self.stream.kind}, self.workers, self.clock)
        self.tabs = Tabs()

    def open(self) -> tuple[Browser, Tab, "asyncio.Task[None]"]:
        browser = Browser()
        tab = Tab(browser.socket, self.views, self.workers, HELLO, self.clock)

        async def serve() -> None:
            await browser.socket.accept()
            await self.tabs.serve(tab)

        return browser, tab, asyncio.create_task(serve())

    def second(self) -> None:
        self.clock.now += 1_000
        self.tabs.check()
        self.views.compute()
        self.tabs.mark_feeds()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.workers.close()


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(WITHIN_S):
            await story()

    asyncio.run(limited())


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_hello_comes_first_then_states_and_beats(server: Server) -> None:
    async def story() -> None:
        browser, _tab, serving = server.open()
        browser.say(open="x", panel="p", params={"minutes": 5})
        browser.say(beat=7)
        [state] = await browser.until("state")
        [beat] = await browser.until("beat")
        assert "hello" in browser.frames[0]
        assert state == {"id": "x", "now": server.clock.now, "state": {"fine": True}}
        assert beat == {"beat": 7, "now": server.clock.now}
        server.second()
        await browser.until("state", number=2)
        browser.leave()
        await serving
        assert browser.closed is None
        await until(lambda: server.panel.closed)
        assert (len(server.tabs), len(server.views)) == (0, 0)

    run(story)


def test_the_same_id_again_replaces_and_close_ends_it(server: Server) -> None:
    async def story() -> None:
        browser, _tab, _serving = server.open()
        browser.say(open="x", panel="p", params={"minutes": 5})
        await browser.until("state")
        browser.say(open="x", panel="p", params={"minutes": 6})
        await until(lambda: len(server.panel.params) == 2)
        assert len(server.views) == 1
        browser.say(close="x")
        await until(lambda: len(server.views) == 0)

    run(story)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"panel": "p", "params": {"hours": 1}}, "hours"),
        ({"panel": "nothing"}, "no panel"),
        ({"panel": "f", "params": {"x": 1}}, "`x`"),
    ],
)
def test_what_cannot_be_opened_is_told_and_the_rest_goes_on(
    server: Server, said: dict[str, object], words: str
) -> None:
    async def story() -> None:
        browser, _tab, _serving = server.open()
        browser.say(open="bad", **said)
        [error] = await browser.until("error")
        assert error["id"] == "bad"
        assert words in error["error"]
        browser.say(open="good", panel="p")
        await browser.until("state")

    run(story)


@pytest.mark.parametrize(
    ("text", "code"),
    [("nonsense", BAD_DATA), ("[]", BAD_DATA), ('{"beat": "x"}', BAD_DATA), ('"' + "x" * 20_000 + '"', TOO_BIG)],
)
def test_who_does_not_keep_to_the_protocol_is_closed_with_the_reason(server: Server, text: str, code: int) -> None:
    async def story() -> None:
        browser, _tab, serving = server.open()
        browser.say_text(text)
        await serving
        assert browser.closed is not None
        assert browser.closed[0] == code
        assert browser.closed[1]

    run(story)


def test_members_of_a_later_version_are_ignored(server: Server) -> None:
    async def story() -> None:
        browser, _tab, _serving = server.open()
        browser.say(beat=1, colour="blue")
        await browser.until("beat")

    run(story)


def test_it_may_not_open_without_end(server: Server) -> None:
    async def story() -> None:
        browser, _tab, serving = server.open()
        for number in range(socket.MAX_PANELS + 1):
            browser.say(open=f"x{number}", panel="p")
        await serving
        assert browser.closed is not None
        assert "panels" in browser.closed[1]

    run(story)


def test_a_hidden_tab_gets_beats_alone_and_one_snapshot_when_it_is_seen_again(server: Server) -> None:
    async def story() -> None:
        browser, tab, _serving = server.open()
        browser.say(open="x", panel="p")
        await browser.until("state")
        browser.say(hidden=True)
        await until(lambda: tab.hidden)
        asked = len(server.panel.asked)
        for number in range(5):
            server.second()
            browser.say(beat=number)
            await browser.until("beat", number=number + 1)
        assert len(server.panel.asked) == asked, "nobody sees it: nothing is computed"
        assert len(await browser.until("state")) == 1
        browser.say(hidden=False)
        states = await browser.until("state", number=2)
        assert states[-1]["now"] == server.clock.now
        await until(lambda: len(tab.outbox) == 0)
        assert len(await browser.until("state")) == 2

    run(story)


def test_a_feed_sends_what_came_and_what_was_missed_and_nothing_when_nothing_came(server: Server) -> None:
    async def story() -> None:
        browser, _tab, serving = server.open()
        server.stream.coming = [
            Feed([1, 2], anew=True, stage="live"),
            Feed([], stage="live"),
            Feed([3], skipped=4, stage="live"),
        ]
        browser.say(open="f", panel="f")
        await browser.until("feed")
        while server.stream.coming:
            server.second()
            await asyncio.sleep(0.001)
        first, second = await browser.until("feed", number=2)
        assert first["feed"] == {"rows": [1, 2], "skipped": 0, "anew": True, "stage": "live", "words": ""}
        assert (second["feed"]["rows"], second["feed"]["skipped"]) == ([3], 4)
        server.stream.coming = [Feed([], stage="away", words="Kafka is away")]
        while server.stream.coming:
            server.second()
            await asyncio.sleep(0.001)
        assert (await browser.until("feed", number=3))[-1]["feed"]["stage"] == "away"
        browser.leave()
        await serving
        await until(lambda: server.stream.closed == 1)
        assert server.stream.made == 1

    run(story)


def test_a_tab_that_does_not_read_is_closed_and_holds_up_no_other(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "SEND_WITHIN_S", 0.2)
    monkeypatch.setattr(socket, "CLOSE_WITHIN_S", 0.05)

    async def story() -> None:
        stuck, stuck_tab, serving = server.open()
        stuck.stuck = True
        stuck.say(open="x", panel="p")
        fast, _tab, _serving = server.open()
        fast.say(open="x", panel="p")
        await fast.until("state")
        for number in range(2, 200):
            server.second()
            await fast.until("state", number=number)
            assert len(stuck_tab.outbox) <= 2, "one slot for each panel"
        await serving
        assert stuck.closed is not None
        assert stuck.closed[0] == SLOW
        assert len(server.tabs) == 1

    run(story)


@pytest.mark.parametrize(("hidden", "allowed"), [(False, socket.SILENT_S), (True, socket.SILENT_HIDDEN_S)])
def test_a_silent_tab_is_given_up(
    server: Server, monkeypatch: pytest.MonkeyPatch, hidden: bool, allowed: float
) -> None:
    async def story() -> None:
        browser, tab, serving = server.open()
        browser.say(hidden=hidden)
        browser.say(beat=1)
        await browser.until("beat")
        heard = tab._heard
        monkeypatch.setattr(time, "monotonic", lambda: heard + allowed - 1)
        server.tabs.check()
        assert not serving.done()
        monkeypatch.setattr(time, "monotonic", lambda: heard + allowed + 1)
        server.tabs.check()
        monkeypatch.undo()
        await serving
        assert browser.closed == (SILENT, f"silent for {allowed:.0f} s")

    run(story)


def test_all_are_told_before_the_end(server: Server) -> None:
    async def story() -> None:
        opened = [server.open() for _ in range(20)]
        for browser, _tab, _serving in opened:
            browser.say(open="x", panel="p")
            await browser.until("state")
        opened[0][0].stuck = True
        await server.tabs.say_bye("stopping", within_s=5)
        for browser, _tab, _serving in opened[1:]:
            assert browser.frames[-1] == {"bye": "stopping"}
            assert browser.closed == (RESTARTING, "stopping")
        await asyncio.gather(*(serving for _browser, _tab, serving in opened), return_exceptions=True)
        assert (len(server.tabs), len(server.views)) == (0, 0)

    run(story)


def test_what_a_cut_off_handler_leaves_is_cleared(server: Server) -> None:
    async def story() -> None:
        browser, tab, serving = server.open()
        browser.say(open="x", panel="p")
        await browser.until("state")
        task = server.tabs._open[tab]
        server.tabs._open[tab] = asyncio.create_task(asyncio.sleep(0))  # as if nobody waited for it any more
        await server.tabs._open[tab]
        server.tabs.check()
        assert (len(server.tabs), len(server.views)) == (0, 0)
        task.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    run(story)


def test_another_thread_may_count_frames_while_tabs_come() -> None:
    tabs = Tabs()

    class Counted:
        """Another tab comes while its frames are counted."""

        @property
        def sent(self) -> int:
            tabs._open[cast(Tab, Mock(sent=5))] = Mock()
            return 7

    tabs._open[cast(Tab, Counted())] = Mock()
    assert tabs.sent == 7
