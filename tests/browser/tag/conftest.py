"""The tag in a browser that keeps pages for Back and Forward, as people's browsers do."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from bench.tab import chromium
from clickstream.errors import ClickstreamError
from tests.browser.tag.sites import Page, Site, StandIn, standing_in
from tests.support import PATIENCE, missing

# Names of the same machine: no secure contexts, as sites on plain http, and another host.
PLAIN_NAME = "shop.test"
OTHER_NAME = "elsewhere.test"
ARGUMENTS = (f"--host-resolver-rules=MAP {PLAIN_NAME} 127.0.0.1,MAP {OTHER_NAME} 127.0.0.1",)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with ExitStack() as stack:
        try:
            found = stack.enter_context(chromium(more=ARGUMENTS, without=["--disable-back-forward-cache"]))
        except ClickstreamError as without:
            missing(str(without))
        yield found


@pytest.fixture
def collector() -> Iterator[StandIn]:
    with standing_in() as server:
        yield server


@dataclass(eq=False)
class Shop:
    """A site whose pages have the tag, and tabs on it. `problems`: errors of its pages' scripts."""

    browser: Any
    site: Site
    collector: StandIn
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    contexts: list[Any] = field(default_factory=list)

    def page(
        self, path: str, body: str = "", *, tag: str = "", head: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Put a page there; `tag` are attributes of the tag's script element."""
        script = f'<script defer src="{self.collector.url}/tag.js" data-site="shop" {tag}></script>'
        self.site.pages[path] = Page(
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{path}</title>{head}{script}<body>{body}',
            headers or {},
        )

    def serve_tag(self) -> None:
        """The script comes from the site, so that it is there when the collector is not."""
        self.site.pages["/tag.js"] = self.collector.pages["/tag.js"]
        for path, page in self.site.pages.items():
            text = page.text.replace(
                f'src="{self.collector.url}/tag.js"', f'src="/tag.js" data-collector="{self.collector.url}"'
            )
            self.site.pages[path] = Page(text, page.headers, page.kind)

    def context(self, **options: Any) -> Any:
        """A visitor with nothing stored."""
        context = self.browser.new_context(**options)
        context.set_default_timeout(20_000 * PATIENCE)
        self.contexts.append(context)
        return context

    def tab(self, context: Any) -> Any:
        page = context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._hear)
        return page

    def _hear(self, said: Any) -> None:
        if said.type == "warning":
            self.warnings.append(said.text)

    def open(self, path: str = "/", *, context: Any = None, script: str = "", **options: Any) -> Any:
        """A tab at a path; `script` runs before all others."""
        context = context or self.context(**options)
        if script:
            context.add_init_script(script)
        page = self.tab(context)
        page.goto(self.site.url + path)
        return page


@pytest.fixture
def shop(browser: Any, collector: StandIn) -> Iterator[Shop]:
    site = Site()
    shop = Shop(browser, site, collector)
    shop.page("/")
    shop.page("/other")
    yield shop
    for context in shop.contexts:
        context.close()
    site.close()
    assert not shop.problems


Hide = Callable[[Any, bool], None]


def hide(page: Any, hidden: bool = True) -> None:
    """As a switch to another tab does."""
    page.evaluate(
        """(hidden) => {
          Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
          document.dispatchEvent(new Event('visibilitychange'));
        }""",
        hidden,
    )


def stored(page: Any) -> dict[str, str]:
    """All of the page's localStorage."""
    found: dict[str, str] = page.evaluate("() => ({ ...localStorage })")
    return found
