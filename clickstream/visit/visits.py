"""Visitors of a site, one after the other, a few at a time."""

import asyncio
import logging
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from clickstream.errors import ClickstreamError
from clickstream.visit.address import check, origin
from clickstream.visit.browser import Browsers
from clickstream.visit.plan import Plan
from clickstream.visit.walk import LEAVES_WITHIN_S, Walk
from clickstream.visit.watch import Seen, Watch

log = logging.getLogger(__name__)

AT_ONCE = 3
LOOK_AT_STOP_S = 0.1
LOOK_AT_REQUESTS_S = 0.05
LAST_WORDS_S = 0.3


@dataclass(frozen=True)
class Options:
    """`as_people`: nothing tells the site that a program drives the browsers; `pace`: how long all takes, 1 for
    people's own."""

    headed: bool = False
    as_people: bool = False
    at_once: int = AT_ONCE
    pace: float = 1.0


class Visits:
    """`run` has them made."""

    def __init__(self, address: str, plans: Iterable[Plan], options: Options | None = None) -> None:
        """`plans` may have no end. Raises ConfigError when `address` is none of a web site."""
        self._address = check(address)
        self._site = origin(address) or ""
        self._plans = plans
        self._options = options or Options()
        self.seen = Seen()

    def run(self, stop: threading.Event) -> None:
        """Until all have been there, or `stop` is set: who is there then leaves.

        Raises ClickstreamError when there is no browser, or nobody answers at the address.
        """
        asyncio.run(self._run(stop))

    async def _run(self, stop: threading.Event) -> None:
        from playwright.async_api import async_playwright

        options = self._options
        # What nobody waits for any more when all end at once, as by a signal to the whole group of processes.
        asyncio.get_running_loop().set_exception_handler(lambda _loop, told: log.debug("%s", told["message"]))
        async with async_playwright() as playwright:
            browsers = Browsers(playwright, headed=options.headed, as_people=options.as_people)
            await browsers.try_one()
            there: set[asyncio.Task[None]] = set()
            there.add(asyncio.create_task(self._come(browsers, there)))
            try:
                while there and not stop.is_set():
                    done, _ = await asyncio.wait(there, timeout=LOOK_AT_STOP_S, return_when=asyncio.FIRST_COMPLETED)
                    there -= done
                    for task in done:
                        task.result()
            finally:
                for task in there:
                    task.cancel()
                await asyncio.gather(*there, return_exceptions=True)

    async def _come(self, browsers: Browsers, there: "set[asyncio.Task[None]]") -> None:
        """Begin the visits: each is a task in `there`, as this one is."""
        for plan in self._plans:
            if plan.number > 1:
                await asyncio.sleep(plan.after_s * self._options.pace)
            while len(there) > self._options.at_once:
                await asyncio.sleep(LOOK_AT_STOP_S)
            there.add(asyncio.create_task(self._visit(browsers, plan)))

    async def _visit(self, browsers: Browsers, plan: Plan) -> None:
        from playwright.async_api import Error

        log.debug("Visitor %d: %s, %s, %s.", plan.number, plan.agent.name, plan.home.languages, plan.manner.value)
        try:
            async with browsers.tab(plan, self._site) as page:
                watch = Watch(page, self._site, self.seen)
                walk = Walk(page, plan, self._options.pace)
                await self._arrive(walk)
                try:
                    await walk.go_on()
                finally:
                    await _leave(walk, watch)
        except Error as problem:
            self.seen.left_early += 1
            log.debug("Visitor %d left early: %s", plan.number, problem.message)

    async def _arrive(self, walk: Walk) -> None:
        from playwright.async_api import Error

        try:
            await walk.arrive(self._address)
        except Error as problem:
            if self.seen.visitors:
                raise
            said = problem.message.strip().splitlines()[0].removeprefix("Page.goto: ").partition(" at ")[0][:200]
            raise ClickstreamError(f"{self._address} cannot be opened: {said}. Does it run?") from None
        self.seen.visitors += 1


async def _leave(walk: Walk, watch: Watch) -> None:
    """Within LEAVES_WITHIN_S: what the pages send as they are left is answered before their browser forgets them."""
    from playwright.async_api import Error

    with suppress(Error, TimeoutError):
        async with asyncio.timeout(LEAVES_WITHIN_S):
            await walk.leave()
            # Of what it sends with its last breath nobody is told when it has arrived.
            await asyncio.sleep(LAST_WORDS_S)
            while watch.underway:
                await asyncio.sleep(LOOK_AT_REQUESTS_S)
