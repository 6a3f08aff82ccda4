"""The way of one visitor through a site."""

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from clickstream.visit.address import Link, followed, origin, with_query
from clickstream.visit.plan import Manner, Plan, Shopping

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

# How long somebody looks at a page (s): at least, and at most.
_LOOKS = {Manner.BOUNCE: (1.0, 4.0), Manner.READ: (5.0, 20.0), Manner.WANDER: (1.5, 6.0), Manner.BUY: (1.5, 6.0)}
_SCROLL_EVERY_S = 0.8
_KEY_EVERY_S = 0.06
_TRIES = 3  # links that cannot be clicked, as something lies above them
_CLICK_MS, _NEXT_PAGE_MS = 3_000, 10_000
LEAVES_WITHIN_S = 2.0

# Links that stay in this tab and that somebody can see, as [index, address].
_LINKS = """() => [...document.links].map((link, index) => [link, index])
  .filter(([link]) => (!link.target || link.target === '_self') && !link.hasAttribute('download'))
  .filter(([link]) => !/nofollow/.test(link.rel) && link.checkVisibility())
  .map(([link, index]) => [index, link.href])"""
_ALL_LINKS = "a[href], area[href]"

# The demo shop has these, and only where they are forms are filled in: no other site is sent any.
_PRODUCT, _BASKET, _CHECKOUT = 'main a[href^="/products/"]', 'a[href="/basket"]', 'a[href="/checkout"]'
_ADD, _REMOVE, _ORDER = "form[data-add]", "[data-remove]", "form[data-demo]"
_TYPED = {"who": "A. Visitor", "mail": "visitor@example.com", "where": "1 Nowhere Street"}


class Walk:
    """What a visitor does in a tab; `pace` is how long it takes, 1 for people's own."""

    def __init__(self, page: "Page", plan: Plan, pace: float = 1.0) -> None:
        self._page = page
        self._plan = plan
        self._pace = pace
        self._draw = random.Random(plan.seed)

    async def arrive(self, address: str) -> None:
        """Open the first page. Raises playwright's Error when nobody answers there."""
        arrival = self._plan.arrival
        await self._page.goto(with_query(address, arrival.query), referer=arrival.referrer or None)

    async def go_on(self) -> None:
        """See the page, and those after it."""
        for left in reversed(range(self._plan.pages)):
            await self._look()
            if left and not await self._follow_a_link():
                return
        if self._plan.shopping is not None:
            await self._shop(self._plan.shopping)

    async def leave(self) -> None:
        """Away from the site, so that its pages can tell that they were left."""
        await self._page.goto("about:blank")

    async def _look(self) -> None:
        least, most = _LOOKS[self._plan.manner]
        seconds = self._draw.triangular(least, most, least + (most - least) / 4)
        size = self._plan.size
        while seconds > 0:
            pause = min(seconds, _SCROLL_EVERY_S * self._draw.uniform(0.5, 1.5))
            await self._wait(pause)
            seconds -= pause
            await self._page.mouse.move(
                self._draw.uniform(0.2, 0.8) * size.width, self._draw.uniform(0.2, 0.8) * size.height
            )
            if self._plan.manner is not Manner.BOUNCE:
                await self._page.mouse.wheel(0, self._draw.uniform(0.1, 0.5) * size.height)

    async def _follow_a_link(self) -> bool:
        """Whether there was one."""
        found: list[Any] = await self._page.evaluate(_LINKS)
        links = followed([Link(*link) for link in found], self._page.url)
        self._draw.shuffle(links)
        every = self._page.locator(_ALL_LINKS)
        for link in links[:_TRIES]:
            if await self._open(every.nth(link.index)):
                return True
        return False

    async def _open(self, link: "Locator") -> bool:
        """Click, and wait for the page behind it; False if there came none."""
        from playwright.async_api import Error

        before = self._page.url
        with suppress(Error):
            await link.click(timeout=_CLICK_MS)
            await self._page.wait_for_url(lambda url: url != before, timeout=_NEXT_PAGE_MS)
            return True
        return False

    async def _shop(self, shopping: Shopping) -> None:
        for _ in range(shopping.products):
            if not await self._open_one_of(_PRODUCT):
                return
            await self._look()
            await self._add()
        if not await self._open_one_of(_BASKET):
            return
        await self._look()
        removing = self._page.locator(_REMOVE).locator("visible=true")
        if shopping.takes_one_out and await removing.count() > 1:
            await removing.nth(self._draw.randrange(await removing.count())).click()
        if shopping.pays and await self._open_one_of(_CHECKOUT):
            await self._pay()

    async def _open_one_of(self, selector: str) -> bool:
        links = self._page.locator(selector).locator("visible=true")
        count = await links.count()
        return count > 0 and await self._open(links.nth(self._draw.randrange(count)))

    async def _add(self) -> None:
        form = self._page.locator(_ADD)
        if await form.count() != 1:
            return
        if self._draw.random() < 0.3:
            await form.locator("select").select_option(str(self._draw.randint(2, 3)))
        await form.locator("button").click()
        await self._wait(0.5)

    async def _pay(self) -> None:
        form = self._page.locator(_ORDER)
        if await form.count() != 1 or origin(self._page.url) is None:
            return
        for name, text in _TYPED.items():
            await form.locator(f"#{name}").press_sequentially(text, delay=1000 * _KEY_EVERY_S * self._pace)
            await self._wait(0.4)
        if await self._open(form.locator("button")):
            await self._look()

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._pace)
