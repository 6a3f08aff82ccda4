"""Take docs/images/dashboard/*.png from the dashboard of a real run of the demo, and docs/images/shop.png from the demo
shop: python -m docs.pages [NAME...]

Needs Chromium (`CHROMIUM=/path/to/it` if it has no usual name) and playwright, as the tests in tests/browser do.
"""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from bench.tab import chromium
from clickstream.collect.http.files import STATIC, TAG
from clickstream.serving.listening import listen
from clickstream.shop.shop import Shop

PICTURES = Path(__file__).resolve().parent / "images" / "dashboard"
SHOP = PICTURES.parent / "shop.png"
COLLECTOR = "http://127.0.0.1:8322"
# So long the demo runs before: visitors of its web site come for 90 s, and stay away for 35 s.
FILLING_S = 200.0
DRAWN = "() => document.querySelector('.sheet')?.children.length > 1"  # the first one is for notices
SEEN = "() => document.querySelector('.map')?.scrollIntoView()"  # it is loaded when it comes into view
MAP_DRAWN = "() => !document.querySelector('.map') || document.querySelectorAll('.map path').length > 100"
SETTLE_S = 6.0  # charts and lists fill with the second message
LIGHT, DARK = "light", "dark"
WIDE, NARROW = (1280, 900), (360, 780)
SHOTS = (
    ("overview", "overview?range=5", WIDE, LIGHT),
    ("overview-dark", "overview?range=5", WIDE, DARK),
    ("overview-narrow", "overview?range=5", NARROW, LIGHT),
    ("sessions", "sessions?range=5", WIDE, LIGHT),
    ("errors", "errors?range=5", WIDE, DARK),
    ("products", "products?range=5", WIDE, LIGHT),
    ("topics", "topics", WIDE, DARK),
    ("topic", "topics/clickstream", WIDE, LIGHT),
    ("dead-letters", "dead", WIDE, LIGHT),
    ("flow", "flow", WIDE, LIGHT),
    ("sources", "sources", WIDE, DARK),
    ("query", "query", WIDE, LIGHT),
)


@contextmanager
def demo() -> Iterator[str]:
    """The address of a demo's dashboard, without the token; it has run for a while."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "clickstream", "demo", "--duration", "30m"]
        said = Path(folder) / "said"
        environment = {**os.environ, "CLICKSTREAM_STATE_DIR": folder, "CLICKSTREAM_UI_PORT": "0"}
        with said.open("w") as out:
            process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=out)
        try:
            deadline = time.monotonic() + 120
            while (found := re.search(r"(http://\S+)/#token=", said.read_text())) is None:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SystemExit(said.read_text())
                time.sleep(0.2)
            time.sleep(FILLING_S)
            yield found[1]
        finally:
            process.terminate()
            process.wait()


def take(browser: Any, address: str, name: str, page: str, size: tuple[int, int], theme: str) -> None:
    """One picture, of the whole page."""
    tab = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=theme, timezone_id="UTC")
    tab.goto(f"{address}/#/{page}")
    tab.wait_for_function(DRAWN, timeout=60_000)
    tab.evaluate(SEEN)
    tab.wait_for_function(MAP_DRAWN, timeout=60_000)
    tab.evaluate("() => scrollTo(0, 0)")
    time.sleep(SETTLE_S)
    tab.screenshot(path=PICTURES / f"{name}.png", full_page=True)
    tab.close()


def take_shop(browser: Any) -> None:
    """The first page of the demo shop, whose collector takes everything."""
    stop, ready = threading.Event(), threading.Event()
    with closing(listen("127.0.0.1", 0)) as listening:
        shop = Shop(listening, COLLECTOR, ready.set)
        thread = threading.Thread(target=shop.run, args=(stop,))
        thread.start()
        ready.wait()
        tab = browser.new_page(viewport={"width": WIDE[0], "height": WIDE[1]}, color_scheme=LIGHT)
        tab.route(f"{COLLECTOR}/**", lambda route: route.fulfill(status=204))
        tab.route(f"{COLLECTOR}/{TAG}", lambda route: route.fulfill(path=STATIC / TAG))
        tab.goto(shop.address)
        tab.locator("#opt-out:enabled").wait_for()
        tab.screenshot(path=SHOP)
        tab.close()
        stop.set()
        thread.join()


def main() -> int:
    PICTURES.mkdir(parents=True, exist_ok=True)
    wanted = set(sys.argv[1:])
    shots = [shot for shot in SHOTS if not wanted or shot[0] in wanted]
    with chromium() as browser:
        if not wanted or SHOP.stem in wanted:
            take_shop(browser)
        if shots:
            with demo() as address:
                for name, page, size, theme in shots:
                    take(browser, address, name, page, size, theme)
    return 0


if __name__ == "__main__":
    sys.exit(main())
