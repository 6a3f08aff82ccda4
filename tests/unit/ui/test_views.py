"""A panel is computed once a second, however many tabs look at it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sized
from functools import partial

import msgspec
import pytest

from clickstream.errors import ClickstreamError
from clickstream.ui.views import FRESH_MS, Key, Views
from clickstream.ui.workers import Workers
from tests.unit.ui.doubles import WITHIN_S, Clock, Panel, views_of


class Looker:
    def __init__(self) -> None:
        self.hidden = False
        self.shown: list[tuple[int, str]] = []
        self.failures: list[str] = []

    def show(self, now: int, encoded: str) -> None:
        self.shown.append((now, encoded))

    def fail(self, words: str) -> None:
        self.failures.append(words)


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(2)
    yield made
    made.close()


class Setting:
    """One panel, `p`, and its views."""

    def __init__(self, workers: Workers) -> None:
        self.panel = Panel()
        self.clock = Clock()
        self.views: Views = views_of({"p": self.panel.kind}, workers, self.clock)

    def look(self, looker: Looker, params: bytes = b"{}") -> Key:
        return self.views.look("p", self.panel.kind, msgspec.Raw(params), looker)

    def second(self) -> None:
        self.clock.now += 1_000
        self.views.compute()


@pytest.fixture
def at(workers: Workers) -> Setting:
    return Setting(workers)


def until(condition: Callable[[], object]) -> Awaitable[None]:
    async def waiting() -> None:
        async with asyncio.timeout(WITHIN_S):
            while not condition():
                await asyncio.sleep(0.001)

    return waiting()


def has(found: Sized, number: int) -> bool:
    return len(found) >= number


def test_all_that_ask_the_same_share_one_computation(at: Setting) -> None:
    async def story() -> None:
        lookers = [Looker() for _ in range(50)]
        for looker in lookers:
            at.look(looker, b'{"minutes": 5}')
        other = Looker()
        at.look(other, b"{}")
        await until(lambda: all(one.shown for one in [*lookers, other]))
        assert len(at.panel.params) == 2, "equal parameters are one view"
        assert len(at.panel.asked) == 2
        at.second()
        await until(lambda: all(len(one.shown) == 2 for one in [*lookers, other]))
        assert len(at.panel.asked) == 4
        assert len({id(one.shown[-1][1]) for one in lookers}) == 1, "and encoded once"

    asyncio.run(story())


def test_a_default_is_the_same_as_its_value_said(at: Setting) -> None:
    async def story() -> None:
        assert at.look(Looker(), b"{}") == at.look(Looker(), b'{"minutes": 60}')

    asyncio.run(story())


def test_one_that_comes_later_gets_what_is_known_at_once(at: Setting) -> None:
    async def story() -> None:
        first, second = Looker(), Looker()
        at.look(first)
        await until(lambda: first.shown)
        at.look(second)
        assert second.shown == first.shown
        assert len(at.panel.asked) == 1

    asyncio.run(story())


def test_what_is_old_is_not_shown_to_one_that_comes(at: Setting) -> None:
    async def story() -> None:
        first, second = Looker(), Looker()
        at.look(first)
        await until(lambda: first.shown)
        first.hidden = True
        at.clock.now += FRESH_MS
        at.look(second)
        assert not second.shown
        await until(lambda: second.shown)
        assert second.shown[0][0] == at.clock.now

    asyncio.run(story())


def test_nothing_is_computed_for_who_is_hidden(at: Setting) -> None:
    async def story() -> None:
        looker = Looker()
        looker.hidden = True
        key = at.look(looker)
        at.second()
        assert at.panel.asked == []
        looker.hidden = False
        at.views.catch_up(key, looker)
        await until(lambda: looker.shown)

    asyncio.run(story())


def test_one_that_takes_long_is_not_asked_twice_and_holds_up_no_other(at: Setting, workers: Workers) -> None:
    slow = Panel()
    slow.go.clear()
    views = views_of({"p": at.panel.kind, "slow": slow.kind}, workers, at.clock)

    async def story() -> None:
        waiting, fast = Looker(), Looker()
        views.look("slow", slow.kind, msgspec.Raw(b"{}"), waiting)
        views.look("p", at.panel.kind, msgspec.Raw(b"{}"), fast)
        for number in range(1, 4):
            await until(partial(has, fast.shown, number))
            at.clock.now += 1_000
            views.compute()
        assert len(slow.asked) == 1
        slow.go.set()
        await until(lambda: waiting.shown)

    asyncio.run(story())


def test_a_failure_is_told_once_and_the_others_go_on(at: Setting) -> None:
    async def story() -> None:
        looker = Looker()
        at.panel.says = ClickstreamError("The topic is gone.")
        at.look(looker)
        await until(lambda: looker.failures)
        for _ in range(3):
            asked = len(at.panel.asked)
            at.second()
            await until(partial(has, at.panel.asked, asked + 1))
        at.panel.says = {"back": 1}
        while not looker.shown:
            at.second()
            await asyncio.sleep(0.001)
        assert looker.failures == ["The topic is gone."]

    asyncio.run(story())


def test_a_fault_is_logged_and_its_words_stay_here(at: Setting, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        looker = Looker()
        at.panel.says = KeyError("secret")
        at.look(looker)
        await until(lambda: looker.failures)
        assert "secret" not in looker.failures[0]
        assert "KeyError" in looker.failures[0]

    asyncio.run(story())
    assert "secret" in caplog.text


def test_parameters_that_it_does_not_know_are_refused(at: Setting) -> None:
    for params in (b'{"hours": 1}', b'{"minutes": "x"}', b"[]", b"nonsense"):
        with pytest.raises(msgspec.MsgspecError):
            at.look(Looker(), params)
    assert len(at.views) == 0


def test_a_panel_is_closed_after_its_last_looker_also_while_it_computes(at: Setting) -> None:
    async def story() -> None:
        first, second = Looker(), Looker()
        key = at.look(first)
        at.look(second)
        await until(lambda: first.shown)
        at.views.leave(key, first)
        assert len(at.views) == 1
        at.panel.go.clear()
        at.second()
        await until(lambda: len(at.panel.asked) == 2)
        at.views.leave(key, second)
        assert (len(at.views), at.panel.closed) == (0, 0)
        at.panel.go.set()
        await until(lambda: at.panel.closed == 1)

    asyncio.run(story())


def test_nothing_is_computed_for_who_left_while_it_waited_for_its_turn(at: Setting, workers: Workers) -> None:
    slow = Panel()
    slow.go.clear()
    views = views_of({"p": at.panel.kind, "slow": slow.kind}, workers, at.clock)

    async def story() -> None:
        for minutes in (1, 2):  # one for each worker
            views.look("slow", slow.kind, msgspec.Raw(b'{"minutes": %d}' % minutes), Looker())
        await until(partial(has, slow.asked, 2))
        gone = Looker()
        views.leave(views.look("p", at.panel.kind, msgspec.Raw(b'{"minutes": 3}'), gone), gone)
        stays = Looker()
        views.look("p", at.panel.kind, msgspec.Raw(b'{"minutes": 4}'), stays)
        slow.go.set()
        await until(lambda: stays.shown)
        assert [one.minutes for one in at.panel.params] == [4]
        assert gone.shown == []

    asyncio.run(story())
