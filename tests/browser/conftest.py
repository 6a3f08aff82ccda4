"""A real browser on the shipped page, and a server whose states the tests choose."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench.tab import chromium
from clickstream.errors import ClickstreamError
from tests.browser import states, topicstates
from tests.browser.fakeserver import FakeServer
from tests.support import PATIENCE, missing, wait_until

VENDOR = Path(__file__).parent / "vendor"
READY = "() => document.querySelector('.sheet')?.getAttribute('aria-busy') === 'false'"
HIDE = """(hidden) => {
  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}"""
# What is drawn on canvases cannot be read from the document: it is noted down as it is drawn.
NOTE_DRAWN_TEXT = """
window.drawn = new Set();
const fillText = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (words, ...rest) {
  window.drawn.add(String(words));
  return fillText.call(this, words, ...rest);
};
"""


# Of a module, not of all: while it is there, its event loop runs, and tests with one of their own cannot.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with ExitStack() as stack:
        try:
            browser = stack.enter_context(chromium())
        except ClickstreamError as without:
            missing(str(without))
        yield browser


@contextmanager
def page_at(browser: Any, address: str) -> Iterator[Any]:
    """A page of the dashboard at `address`, in UTC; what is raised in it fails the test at the end."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, timezone_id="UTC")
    context.set_default_timeout(90_000 * PATIENCE)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    page.wait_for_selector("main h1")
    yield page
    context.close()
    assert not problems


@pytest.fixture
def server() -> Iterator[FakeServer]:
    server = FakeServer({"frame": states.frame, "overview": states.overview})
    yield server
    server.close()


@pytest.fixture
def one_topic(server: FakeServer) -> None:
    """The server has a topic without records."""
    topicstates.fill(server)


@dataclass(eq=False)
class Opened:
    """A tab, and what went wrong in it. `expected`: parts of messages that are no fault here."""

    page: Any
    server: FakeServer
    problems: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        """The element's text, with plain spaces."""
        return plain(self.page.locator(selector).first.inner_text())

    def wait_for(self, what: Callable[[], Any], words: str = "") -> Any:
        return wait_until(what, timeout=60, what=words or "the page shows it", poll=0.05)

    def wait_text(self, selector: str, part: str) -> str:
        """Waits until the element's text has that part."""
        self.wait_for(lambda: part in self.text(selector), f"{part!r} in {selector}: {self.text(selector)!r}")
        return self.text(selector)

    def fits(self, width: int) -> None:
        """Waits until the page, made so wide, needs no scrolling sideways."""
        self.page.set_viewport_size({"width": width, "height": 900})
        fits = "(width) => innerWidth === width && document.documentElement.scrollWidth <= width"
        self.wait_for(lambda: self.page.evaluate(fits, width), f"nothing is wider than {width} pixels")

    def hear(self, said: Any) -> None:
        if said.type in ("error", "warning"):
            self.problems.append(said.text)

    def see_request(self, asked: Any) -> None:
        if not asked.url.startswith(self.server.url):
            self.foreign.append(asked.url)

    def hash(self) -> str:
        found: str = self.page.evaluate("() => location.hash")
        return found

    def unexpected(self) -> list[str]:
        return [one for one in self.problems if not any(part in one for part in self.expected)]


def plain(words: str) -> str:
    return words.replace("\u202f", " ").replace("\u00a0", " ").replace("\u2212", "-")


Open = Callable[..., Opened]


@pytest.fixture
def open_page(browser: Any, server: FakeServer) -> Iterator[Open]:
    """Opens the page at an address; afterwards no tab may have had an error or asked another host."""
    tabs: list[Opened] = []

    def open_(
        hash_: str = "#/overview", *, query: str = "", ready: bool = True, scripts: tuple[str, ...] = (), **options: Any
    ) -> Opened:
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(**options)
        context.set_default_timeout(60_000 * PATIENCE)
        for script in scripts:
            context.add_init_script(script)
        page = context.new_page()
        tab = Opened(page, server)
        tabs.append(tab)
        page.on("console", tab.hear)
        page.on("pageerror", lambda error: tab.problems.append(str(error)))
        page.on("request", tab.see_request)
        page.goto(f"{server.url}{query}{hash_}")
        if ready:
            page.wait_for_function(READY)
        return tab

    yield open_
    for tab in tabs:
        tab.page.context.close()
    for tab in tabs:
        assert not tab.unexpected()
        assert not tab.foreign
