"""Nothing is told by its colour alone: what is drawn differs in dash, mark or texture as well, and so does its key.

Canvases cannot be asked what is on them: each path that is drawn is noted down with its looks.
"""

from typing import Any

import pytest

from tests.browser import peoplestates, querystates
from tests.browser.conftest import NOTE_DRAWN_TEXT, Open, Opened
from tests.browser.fakeserver import FakeServer

NOTE_PATHS = """
window.paths = [];
window.Path2D = class extends Path2D {
  constructor(...how) {
    super(...how);
    this.d = typeof how[0] === 'string' ? how[0] : null;
  }
};
const canvas = CanvasRenderingContext2D.prototype;
const around = (name, note) => {
  const usual = canvas[name];
  canvas[name] = function (...how) {
    const done = usual.apply(this, how);
    note(this, how, done);
    return done;
  };
};
for (const name of ['fill', 'stroke']) {
  around(name, (g, [path]) => {
    g.canvas.d ??= path?.d; // of a tile
    const style = name === 'fill' ? g.fillStyle : g.strokeStyle;
    const colour = style.colour ?? style;
    const where = g.canvas.closest('.plot')?.className.match(/[hq]-\\w+/)[0];
    const line = { width: g.lineWidth, dash: g.getLineDash().join(' ') };
    const shape = { series: Boolean(path), d: style.d ?? path?.d ?? '', points: g.points };
    window.paths.push({ name, where, colour, ...shape, ...line });
  });
}
around('fillRect', (g) => { g.canvas.colour ??= g.fillStyle; });
around('createPattern', (g, [tile], made) => Object.assign(made, { d: tile.d, colour: tile.colour }));
around('beginPath', (g) => { g.points = 0; });
for (const name of ['moveTo', 'lineTo']) {
  around(name, (g) => { g.points += 1; });
}
"""
# Colour, and path or dash, of the keys: the colour as canvases say it.
READ_KEYS = """([keys, property, shape, attribute]) => {
  const g = document.createElement('canvas').getContext('2d');
  return [...document.querySelectorAll(keys)].map((key) => {
    const one = key.querySelector(shape);
    g.fillStyle = getComputedStyle(one)[property];
    return [g.fillStyle, key.querySelector(attribute[0]).getAttribute(attribute[1]) ?? ''];
  });
}"""


def drawn(tab: Opened, name: str, where: str) -> list[dict[str, Any]]:
    """What was filled, or stroked, in that chart."""
    found: list[dict[str, Any]] = tab.page.evaluate("() => window.paths")
    return [one for one in found if (one["name"], one["where"]) == (name, where)]


def keys(tab: Opened, selector: str, property_: str, shape: str, *attribute: str) -> set[tuple[str, str]]:
    """Colour, and path or dash, of each key."""
    found = tab.page.evaluate(READ_KEYS, [selector, property_, shape, attribute])
    return {(colour, path) for colour, path in found}


def told_apart(tab: Opened, of_keys: set[tuple[str, str]], of_chart: set[tuple[str, str]], number: int) -> None:
    """All keys are in the chart, and without their colours there would be as many."""
    assert of_chart == of_keys
    assert len(of_keys) == len({looks for _colour, looks in of_keys}) == number


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_statuses_have_textures_and_their_keys_the_same(
    open_page: Open, server: FakeServer, monkeypatch: pytest.MonkeyPatch, theme: str
) -> None:
    two = {"502": ("Bad gateway", 0.1), "503": ("Service unavailable", 0.1)}  # which share the last colour
    monkeypatch.setattr(peoplestates, "CODES", peoplestates.CODES | two)
    server.states |= peoplestates.STATES
    tab = open_page("#/errors?range=15", query=f"?theme={theme}", scripts=(NOTE_PATHS,))
    tab.wait_for(lambda: drawn(tab, "fill", "h-err"))
    areas = {(one["colour"], one["d"]) for one in drawn(tab, "fill", "h-err") if one["series"]}
    shown = keys(tab, ".codes tr:not(.quiet) .codekey", "fill", "rect", "path", "d")
    told_apart(tab, shown, areas, 6)


def test_events_have_marks_and_their_keys_the_same(open_page: Open, server: FakeServer) -> None:
    server.states |= {**peoplestates.STATES, "vip": lambda _params, _now: None}
    tab = open_page("#/products?range=15", scripts=(NOTE_PATHS,))
    tab.wait_for(lambda: drawn(tab, "fill", "h-prod"))
    marks = {(one["colour"], one["d"]) for one in drawn(tab, "fill", "h-prod") if one["d"]}
    told_apart(tab, keys(tab, ".p-chart .key", "fill", "path", "path", "d"), marks, len(peoplestates.EVENTS))


def test_lines_of_an_answer_have_dashes_and_their_keys_the_same(open_page: Open, server: FakeServer) -> None:
    rows = [
        [f"2026-03-25 14:{minute:02}:00", code, code + minute] for minute in range(30) for code in range(200, 700, 100)
    ]
    columns = [["minute", "TIMESTAMP"], ["status", "INTEGER"], ["hits", "BIGINT"]]
    server.answers |= querystates.answers(querystates.answer(columns, rows))
    tab = open_page("#/query?view=chart", scripts=(NOTE_PATHS,))
    tab.wait_for(lambda: drawn(tab, "stroke", "q-plot"))
    lines = {(one["colour"], one["dash"]) for one in drawn(tab, "stroke", "q-plot") if one["series"]}
    shown = keys(tab, ".q-keys .key", "stroke", "line", "line", "stroke-dasharray")
    told_apart(tab, shown, lines, 5)


def test_what_is_open_is_dashed_and_the_period_before_is_a_thin_line_without_an_area(open_page: Open) -> None:
    tab = open_page("#/overview?range=15", scripts=(NOTE_PATHS,))
    tab.wait_for(lambda: drawn(tab, "stroke", "h-main"))
    lines = {(one["dash"], one["width"]) for one in drawn(tab, "stroke", "h-main") if one["series"]}
    assert lines == {("", 1), ("", 1.5), ("3 3", 1.5)}
    of_before = next(one["colour"] for one in drawn(tab, "stroke", "h-main") if one["series"] and one["width"] == 1)
    assert of_before not in {one["colour"] for one in drawn(tab, "fill", "h-main") if one["series"]}
    looks = "one => [getComputedStyle(one, '::before')].map((one) => [one.height, one.borderTopStyle])[0]"
    key = tab.page.locator(".traffic .key")
    assert key.filter(has_text="the period before").evaluate(looks) == ["1px", "none"]
    assert key.filter(has_text="still open").evaluate(looks) == ["2px", "dashed"]


def test_an_alert_has_a_shape_and_words(open_page: Open, server: FakeServer) -> None:
    server.states |= peoplestates.STATES
    tab = open_page("#/overview?range=60", scripts=(NOTE_PATHS, NOTE_DRAWN_TEXT))
    words = "() => [...window.drawn]"
    tab.wait_for(lambda: {"404", "407"} <= {word.split()[0] for word in tab.page.evaluate(words) if word})
    alert = tab.page.evaluate(
        "() => getComputedStyle(document.documentElement).getPropertyValue('--alert-line').trim()"
    )
    shapes = {one["points"] for one in drawn(tab, "fill", "h-sub") if one["colour"] == alert and not one["series"]}
    assert shapes == {3}, "triangles"
    assert tab.page.locator(".strip .flag").is_visible()
    assert "407 Proxy authentication required" in tab.text(".strip")
    tab.page.evaluate("() => { location.hash = '#/errors'; window.drawn.clear(); }")
    tab.wait_for(
        lambda: {"404", "407", "peak 100/min"} <= set(tab.page.evaluate(words)), "a lane for each, with its code"
    )
