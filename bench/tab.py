"""A tab of a real browser, and what a page costs in it."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from clickstream.errors import ClickstreamError

WAIT_MS = 60_000
WIDE = {"width": 1280, "height": 900}
# When the frame is shown that has the first line of the large chart, after the first state (ms since the navigation).
NOTE_FIRST_CHART = """
const stroke = CanvasRenderingContext2D.prototype.stroke;
CanvasRenderingContext2D.prototype.stroke = function (...path) {
  const filled = document.querySelector('.sheet')?.getAttribute('aria-busy') === 'false';
  if (window.firstChart === undefined && path.length && filled && this.canvas.closest('.h-main')) {
    window.firstChart = 0;
    requestAnimationFrame(() => { window.firstChart = performance.now(); });
  }
  return stroke.apply(this, path);
};
"""
# How often what is read out to people who do not see the page was changed, and how long tasks took (ms).
NOTE_WHAT_DISTURBS = """
window.spoken = [];
const spoken = '[role=status], [role=alert], [aria-live]';
const regionsOf = ({ target, addedNodes }) => [
  (target.closest ? target : target.parentElement)?.closest(spoken),
  ...[...addedNodes].filter((node) => node.matches?.(spoken)),
];
const hear = (changes) => {
  const regions = new Set(changes.flatMap(regionsOf));
  window.spoken.push(...[...regions].map((region) => region?.textContent).filter(Boolean));
};
new MutationObserver(hear).observe(document, { childList: true, characterData: true, subtree: true });
window.longTasks = [];
const watch = (list) => window.longTasks.push(...list.getEntries().map((task) => task.duration));
new PerformanceObserver(watch).observe({ type: 'longtask' });
"""


def chromium_path() -> str | None:
    """Where Chromium is: what CHROMIUM says, or under one of its usual names; None when it is not there."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@contextmanager
def chromium(*, more: Sequence[str] = (), without: Sequence[str] = ()) -> Iterator[Any]:
    """A browser for the block; meanwhile its thread cannot run an event loop. Raises ClickstreamError without one.

    `more` are arguments for it, `without` those of Playwright's that it does not get.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise ClickstreamError("Playwright is needed: pip install playwright") from None
    path = chromium_path()
    if path is None:
        raise ClickstreamError("Chromium is needed: apt-get install chromium, or CHROMIUM=/path/to/it")
    with sync_playwright() as playwright:
        # Containers have no user namespaces for the sandbox; the page is our own.
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", *more], ignore_default_args=[*without]
        )
        yield browser
        browser.close()


@dataclass(frozen=True)
class Taken:
    """What a page takes: seconds of its main thread so far, of `at` seconds; bytes of JavaScript's heap, nodes of
    documents, listeners to events."""

    at: float
    busy: float
    heap: float
    nodes: float
    listeners: float

    def share_since(self, before: "Taken") -> float:
        """Of the time since then that the main thread was busy, in %."""
        return 100 * (self.busy - before.busy) / (self.at - before.at)


@dataclass(eq=False)
class Tab:
    """With a browser's cache of its own, which is empty."""

    page: Any
    session: Any
    answers: list[Any] = field(default_factory=list)

    def taken(self, *, collected: bool = False) -> Taken:
        """So far; `collected`: without what nobody refers to any more."""
        if collected:
            for _ in range(2):
                self.session.send("HeapProfiler.collectGarbage")
        found = {one["name"]: one["value"] for one in self.session.send("Performance.getMetrics")["metrics"]}
        names = ("Timestamp", "TaskDuration", "JSHeapUsedSize", "Nodes", "JSEventListeners")
        return Taken(*(found[name] for name in names))

    def first_chart_ms(self) -> float:
        """From the navigation until the first chart was drawn. Needs NOTE_FIRST_CHART."""
        self.page.wait_for_function("() => window.firstChart > 0", timeout=WAIT_MS)
        found: float = self.page.evaluate("() => window.firstChart")
        return found

    def show_map(self) -> None:
        """It is loaded when it comes into view."""
        self.page.locator(".map").scroll_into_view_if_needed(timeout=WAIT_MS)
        self.page.wait_for_function("() => document.querySelectorAll('.map path').length > 100", timeout=WAIT_MS)
        self.page.evaluate("() => scrollTo(0, 0)")

    def transferred(self) -> dict[str, int]:
        """Bytes of all answers so far as they came through the network, by path."""
        found: dict[str, int] = {}
        for answer in self.answers:
            path = "/" + answer.url.split("/", 3)[3].partition("#")[0]
            found[path] = found.get(path, 0) + answer.request.sizes()["responseBodySize"]
        return found

    def not_compressed(self) -> list[str]:
        """The texts among the answers that came as they are."""
        texts = ("text/", "application/json", "image/svg")
        return [
            answer.url
            for answer in self.answers
            if answer.headers.get("content-type", "").startswith(texts)
            and answer.headers.get("content-encoding") != "gzip"
        ]


@contextmanager
def opened(browser: Any, address: str, *scripts: str) -> Iterator[Tab]:
    """The page at this address; `scripts` run before its own."""
    context = browser.new_context(viewport=WIDE)
    try:
        for script in scripts:
            context.add_init_script(f"{{{script}}}")
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Performance.enable")
        tab = Tab(page, session)
        page.on("response", lambda answer: tab.answers.append(answer))  # Playwright takes no built-in method
        page.goto(address)
        yield tab
    finally:
        context.close()
