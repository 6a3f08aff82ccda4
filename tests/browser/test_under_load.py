"""The server and a tab over minutes of many clicks: memory, a tab that sleeps, a restart under a hundred tabs."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bench import ui_return
from bench.broker import BenchKafka, bench_kafka
from bench.latency import running
from bench.tab import NOTE_WHAT_DISTURBS, WAIT_MS, opened
from bench.ui_memory import FIGURES, PAGES, Plan, measure, thirds
from bench.ui_server import clicks, server
from clickstream.errors import ClickstreamError
from tests.browser.conftest import HIDE, plain
from tests.support import PATIENCE, missing

pytestmark = pytest.mark.slow

# Of what a figure may be in the last third of the time, over what it was in the second.
GROWS_AT_MOST = 1.10
RATE = 5_000
ASLEEP_S = 200  # longer than the server waits for a hidden tab
NOTE_STATES = """
window.came = [];
window.WebSocket = class extends WebSocket {
  constructor(...how) {
    super(...how);
    this.addEventListener('message', ({ data }) => {
      const { id, state } = JSON.parse(data);
      if (state) window.came.push(id.split('~')[0]);
    });
  }
};
"""


@pytest.fixture
def kafka() -> Iterator[BenchKafka]:
    """One of the test's own, as it has many clicks in the end."""
    try:
        with bench_kafka(print) as found:
            yield found
    except ClickstreamError as problem:
        missing(f"no embedded Kafka: {problem}")


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(Plan(history=30, rate=2_000, duration=180, switches=60), id="3 min, a history of 30 s"),
        pytest.param(Plan(history=300, rate=RATE, duration=1_800, switches=60), id="30 min, a history of 5 min"),
    ],
)
def test_memory_is_flat_over_six_histories_and_sixty_pages(kafka: BenchKafka, browser: Any, how: Plan) -> None:
    assert how.duration >= 6 * how.history
    assert how.switches >= 7 * len(PAGES)
    samples = measure(kafka, browser, how, print)
    assert samples[-1].rows - samples[0].rows > how.rate * how.duration / 2, "it was under load"
    for name, figure in FIGURES.items():
        _first, second, last = thirds(samples, figure)
        assert last <= second * GROWS_AT_MOST, name


def test_a_tab_that_was_frozen_for_minutes_gets_one_snapshot(kafka: BenchKafka, browser: Any) -> None:
    with (
        running(clicks(kafka, RATE)),
        server(kafka, "--geo-db", "made-up") as (_process, address),
        opened(browser, f"http://{address}/", NOTE_STATES, NOTE_WHAT_DISTURBS) as tab,
    ):
        tab.show_map()
        tab.page.wait_for_function("() => window.came.length > 20", timeout=WAIT_MS)
        tab.page.evaluate(HIDE, True)
        tab.session.send("Page.setWebLifecycleState", {"state": "frozen"})
        tab.page.wait_for_timeout(1000 * ASLEEP_S)
        tab.session.send("Page.setWebLifecycleState", {"state": "active"})
        tab.page.evaluate("() => { window.came = []; window.longTasks = []; }")
        tab.page.evaluate(HIDE, False)
        took, came, tasks = tab.page.evaluate(
            """async () => {
              const begun = performance.now();
              const seen = window.clickstream.app.live.now();
              const { panels } = window.clickstream.app.live;
              while (!(panels.get('overview').now >= seen)) {
                await new Promise((resolve) => requestAnimationFrame(resolve));
              }
              await new Promise((resolve) => requestAnimationFrame(resolve));
              return [performance.now() - begun, window.came, window.longTasks];
            }"""
        )
        hits = plain(tab.page.locator(".fig", has_text="Hits").first.inner_text())
    print(f"right after {took:.0f} ms; {came}; tasks {tasks}; {hits}")
    assert took < 5_000 * PATIENCE
    assert max(map(came.count, came)) <= 3, "not what was missed, one after the other"
    assert max(tasks, default=0) < 1_000


def test_a_hundred_tabs_come_back_after_a_restart_and_not_all_at_once(kafka: BenchKafka, browser: Any) -> None:
    waits = ui_return.page_waits(kafka, browser, 100)
    with ThreadPoolExecutor(1) as elsewhere:  # this thread has the browser's event loop
        back = elsewhere.submit(ui_return.measure, kafka, waits, print).result()
    print(f"{back.spread:.1f} s; the last after {back.last:.1f} s; {back.away:.1f} s away; {back.cpu_peak:.0f} %")
    assert len(back.times) == 100
    assert back.spread >= 3
    assert back.last <= 20
