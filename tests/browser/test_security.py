"""The policy is on, and what comes from records is text and nothing else."""

from typing import Any

from tests.browser import states
from tests.browser.conftest import Open
from tests.browser.fakeserver import FakeServer

HOSTILE = [
    "<img src=x onerror=window.owned=1>",
    "<script>window.owned=1</script>",
    "${7*7}",
    "javascript:window.owned=1",
    "\u202egpj.exe",
    "\u0000\u0007\u001b[31m",
    "'\"><svg onload=window.owned=1>",
    "%3Cimg%20src=x%3E",
]


def test_an_inline_script_is_refused(open_page: Open) -> None:
    """A canary: if this one runs, the other tests of security mean nothing."""
    tab = open_page()
    tab.expected = ["Content Security Policy", "violates"]
    tab.page.evaluate(
        """() => {
          const script = document.createElement('script');
          script.textContent = 'window.canary = 1';
          document.body.append(script);
        }"""
    )
    assert tab.page.evaluate("() => window.canary") is None
    assert tab.problems, "the browser says that it refused it"


def test_no_part_of_the_page_needs_an_exception(open_page: Open) -> None:
    tab = open_page(
        scripts=(
            "addEventListener('securitypolicyviolation', (event) => (window.violation = event.violatedDirective))",
        )
    )
    tab.page.keyboard.press("i")
    tab.page.keyboard.press("Escape")
    tab.page.get_by_role("button", name="/cart.html").click()
    assert tab.page.evaluate("() => window.violation") is None


def test_hostile_values_are_text_everywhere(open_page: Open, server: FakeServer) -> None:
    def hostile(params: dict[str, Any], now: int) -> dict[str, Any]:
        state = states.overview(params, now)
        rows = [[value, 9 - index, 1] for index, value in enumerate(HOSTILE)]
        for name in state["tops"]:
            state["tops"][name] = {"rows": rows, "more": 0, "total": 40}
        state["names"] = {"status": dict.fromkeys(HOSTILE, HOSTILE[0])}
        state["places"] = {"source": HOSTILE[1], "unknown": 3}
        return state

    server.states["overview"] = hostile
    tab = open_page()
    shown = tab.page.locator(".l-page .nm").all_inner_texts()
    assert shown[:2] == HOSTILE[:2]
    for number in range(len(HOSTILE)):
        tab.page.locator(".l-page .barlist button").nth(number).click()
        tab.wait_for(lambda: tab.page.locator(".chip").count() == 1)
    tab.page.keyboard.press("i")
    assert tab.page.evaluate("() => window.owned") is None
    assert tab.page.locator("main img, main script, dialog img").count() == 0


def test_a_hostile_address_opens(open_page: Open) -> None:
    tab = open_page("#/overview/%ff?range=-1&to=abc&from=9&page=%zz&%00=1&metric=__proto__&agent=constructor")
    assert tab.text(".traffic h2") == "Hits per minute"
    assert tab.page.evaluate("() => ({}).polluted") is None
