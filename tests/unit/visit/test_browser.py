import sys

import pytest

from clickstream.errors import ConfigError
from clickstream.visit import browser


def test_without_playwright_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "playwright.async_api", None)
    with pytest.raises(ConfigError, match=r"pip install 'clickstream\[visit\]'"):
        browser.needed()


def test_the_browser_is_the_one_that_is_named_or_one_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"google-chrome": "/usr/bin/google-chrome"}
    monkeypatch.setattr("shutil.which", found.get)
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert browser.path() == "/usr/bin/google-chrome"
    monkeypatch.setenv("CHROMIUM", "/opt/chromium")
    assert browser.path() == "/opt/chromium"
    monkeypatch.delenv("CHROMIUM")
    found.clear()
    assert browser.path() is None, "that of playwright"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("BrowserType.launch: Executable doesn't exist at /x/chrome", "playwright install chromium"),
        ("Missing X server or $DISPLAY", "leave out --headed"),
        ("No usable sandbox! ...", "sandbox"),
        ("Something else\nand more", "does not start: Something else"),
    ],
)
def test_a_browser_that_does_not_start_says_what_to_do(said: str, told: str) -> None:
    assert told in browser._explained(said)
