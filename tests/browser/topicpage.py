"""The page of one topic: it is opened, records come, and what its tables show, in which order."""

from typing import Any

from tests.browser import topicstates
from tests.browser.conftest import Open, Opened
from tests.browser.topicstates import row

# As they come: clocks of partitions disagree, and one of partition 0 goes back.
BEFORE = [row(0, 0, 100), row(1, 0, 200), row(2, 0, 400), row(2, 1, 410)]
AFTER = [row(0, 1, 50), row(1, 1, 90), row(0, 2, 300)]


def opened(open_page: Open, hash_: str, **options: Any) -> Opened:
    tab = open_page(hash_, ready=False, **options)
    tab.wait_for(lambda: tab.page.locator(".readers tbody tr").count() == len(topicstates.GROUPS), "its groups")
    return tab


def come(
    tab: Opened,
    rows: list[dict[str, Any]],
    skipped: int = 0,
    *,
    anew: bool = False,
    stage: str = "live",
    words: str = "",
) -> None:
    """These records come, as the server sends them: a feed."""
    feed = {"rows": rows, "skipped": skipped, "anew": anew, "stage": stage, "words": words}
    tab.wait_for(lambda: tab.page.evaluate("() => window.clickstream.app.live.panels.has('tail')"))
    tab.page.evaluate("feed => window.clickstream.app.live.panels.get('tail').handlers.feed(feed)", feed)


def places(tab: Opened) -> list[str]:
    found: list[str] = tab.page.locator(".records tbody tr").evaluate_all("all => all.map((one) => one.dataset.key)")
    return found


def head(tab: Opened, key: str) -> Any:
    return tab.page.locator(f".records th[data-k='{key}']")


def order(tab: Opened, section: str) -> list[str]:
    return [words.strip() for words in tab.page.locator(f"{section} tbody td:first-child").all_inner_texts()]


def expected(values: dict[str, Any], *, down: bool) -> list[str]:
    """What is not known stands last, whichever way."""
    known = sorted((name for name in values if values[name] is not None), key=lambda name: values[name], reverse=down)
    return known + [name for name in values if values[name] is None]


def check_sorting(tab: Opened, section: str, title: str, values: dict[str, Any]) -> None:
    button = tab.page.locator(f"{section} th").get_by_role("button", name=title, exact=True)
    cell = button.locator("xpath=..")
    for _click in range(2):
        button.click()
        down = cell.get_attribute("aria-sort") == "descending"
        assert order(tab, section) == expected(values, down=down), f"{title}, {'down' if down else 'up'}"


def fits(tab: Opened, selector: str) -> bool:
    found: bool = tab.page.locator(selector).evaluate("one => one.scrollWidth <= one.clientWidth")
    return found
