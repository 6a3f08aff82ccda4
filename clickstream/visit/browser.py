"""Chromium, and tabs in it that look like a visitor's."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.visit.address import origin
from clickstream.visit.plan import Plan

if TYPE_CHECKING:
    from playwright.async_api import Browser, CDPSession, Page, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Without it navigator.webdriver is true, and the page tag says so.
AS_PEOPLE = "--disable-blink-features=AutomationControlled"
WAIT_MS = 15_000
FRAME_HEIGHT = 135  # of a desktop's window, around the page
_GET_ONE = "install Chromium (apt-get install chromium, CHROMIUM=/path/to/it), or: playwright install chromium"


def needed() -> None:
    """Raises ConfigError, with how to install it, when Playwright is not there."""
    try:
        import playwright.async_api  # noqa: F401
    except ModuleNotFoundError:
        raise ConfigError(
            f"Visits need Playwright and a browser: pip install 'clickstream[visit]', then {_GET_ONE}"
        ) from None


def path() -> str | None:
    """Where Chromium is: what CHROMIUM says, or under one of its usual names; None: where Playwright puts its own."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Browsers:
    """Opens tabs, each in a browser of its own, that looks like its visitor's."""

    def __init__(self, playwright: "Playwright", *, headed: bool = False, as_people: bool = False) -> None:
        self._playwright = playwright
        self._headed = headed
        self._as_people = as_people
        self._version = ""

    async def try_one(self) -> None:
        """Start one, and end it. Raises ClickstreamError, with what to do, when there is none or it does not start."""
        from playwright.async_api import Error

        try:
            async with self._started() as browser:
                self._version = browser.version
        except Error as problem:
            raise ClickstreamError(_explained(problem.message)) from None

    @asynccontextmanager
    async def tab(self, plan: Plan, site: str) -> "AsyncIterator[Page]":
        """A tab of a browser that knows nothing yet; it opens no page of another site than `site`, an origin.

        Needs `try_one` before.
        """
        agent, size, languages = plan.agent, plan.size, plan.home.languages
        # Given to the browser, too: DevTools do not reach what pages send as they are left. Of hints it then has none.
        own = [
            f"--user-agent={agent.user_agent(self._version)}",
            f"--accept-lang={languages}",
            "--enable-features=UACHOverrideBlank",
        ]
        async with self._started(*own) as browser:
            context = await browser.new_context(
                viewport={"width": size.width, "height": size.height},
                screen={"width": size.width, "height": size.height + (0 if agent.touch else FRAME_HEIGHT)},
                device_scale_factor=size.scale,
                is_mobile=agent.touch,
                has_touch=agent.touch,
                timezone_id=plan.home.time_zone,
                color_scheme="dark" if plan.dark else "light",
                accept_downloads=False,
            )
            context.set_default_timeout(WAIT_MS)
            page = await context.new_page()
            devtools = await context.new_cdp_session(page)
            await devtools.send(
                "Emulation.setUserAgentOverride",
                {
                    "userAgent": agent.user_agent(self._version),
                    "acceptLanguage": languages,
                    "platform": agent.for_scripts,
                    "userAgentMetadata": agent.client_hints(self._version),
                },
            )
            await _keep_to(site, devtools)
            yield page

    @asynccontextmanager
    async def _started(self, *arguments: str) -> "AsyncIterator[Browser]":
        from playwright.async_api import Error

        browser = await self._playwright.chromium.launch(
            executable_path=path(),
            headless=not self._headed,
            # Its sandbox refuses to run as root.
            chromium_sandbox=os.geteuid() != 0,
            args=[*arguments, *([AS_PEOPLE] if self._as_people else [])],
            # Ctrl-C is for us: visitors leave before their browsers end.
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
        )
        try:
            yield browser
        finally:
            with suppress(Error):
                await browser.close()


def _explained(message: str) -> str:
    if "Executable doesn't exist" in message or "ENOENT" in message:
        return f"There is no browser here{f' at {path()}' if path() else ''}: {_GET_ONE}"
    if "DISPLAY" in message or "XServer" in message:
        return "There is no desktop here to show browsers on: leave out --headed."
    if "sandbox" in message.lower():
        return f"{path()} cannot have its sandbox here. Run it where user namespaces are allowed."
    return f"{path() or 'The browser'} does not start: {message.strip().splitlines()[0][:200]}"


async def _keep_to(site: str, devtools: "CDPSession") -> None:
    """Let the tab ask for no page of another site, by whatever link or redirect; frames in a page may be of any."""
    from playwright.async_api import Error

    tree = await devtools.send("Page.getFrameTree")
    main_frame = tree["frameTree"]["frame"]["id"]
    deciding: set[asyncio.Task[None]] = set()

    async def decide(asked: dict[str, Any]) -> None:
        foreign = asked["frameId"] == main_frame and origin(asked["request"]["url"]) != site
        with suppress(Error):  # the tab was closed
            if foreign:
                request = {"requestId": asked["requestId"], "errorReason": "Aborted"}
                await devtools.send("Fetch.failRequest", request)
            else:
                await devtools.send("Fetch.continueRequest", {"requestId": asked["requestId"]})

    def asked(request: dict[str, Any]) -> None:
        task = asyncio.ensure_future(decide(request))
        deciding.add(task)
        task.add_done_callback(deciding.discard)

    devtools.on("Fetch.requestPaused", asked)
    await devtools.send("Fetch.enable", {"patterns": [{"urlPattern": "*", "resourceType": "Document"}]})
