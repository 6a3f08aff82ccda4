// The head of a page: its title, filters as chips, the page's own tools, the range, and pause.

import { attr, h, icon } from './dom.js';
import { span } from './format.js';
import { changed } from './page.js';
import { moment } from './time.js';
import { countryName } from './countries.js';

const MINUTE = 60000;
const RANGES = [5, 15, 30, 60, 360, 1440];
const SHORT_RANGES_TO = 60;
const UNFILTERED = 'With filters, at most 60 min: longer ranges are kept as sums, without filters';

/** `el` is its element. */
export class Head {
  /** @param {Object} app `place`, `range`, `knowsRange`, `isInstant`, `paused`, `go`, `pause`, `live` */
  constructor(app) {
    this.app = app;
    this.heading = h('h1', {});
    this.filters = h('div.filters', { role: 'group', 'aria-label': 'Filters' });
    this.tools = h('div.right.tools-slot', {});
    this.ranges = h('div.seg', { role: 'group', 'aria-label': 'Time range' });
    this.pause = h('button.btn', { type: 'button', onclick: () => app.pause(!app.paused) });
    this.el = h('header.head', {}, this.heading, this.filters, this.tools, this.ranges, this.pause);
  }

  /** For another page: `meta` is what its module says of itself. */
  setPage({ title }, meta) {
    this.meta = meta;
    this.heading.replaceChildren(title);
    this.tools.replaceChildren();
    this.ranges.hidden = meta.timed === false;
    this.pause.hidden = meta.timed === false && !meta.pausable;
    const minutes = meta.ranges ?? RANGES;
    this.ranges.replaceChildren(...minutes.map((one) => this.rangeButton(one)));
  }

  rangeButton(minutes) {
    const words = span(minutes * MINUTE);
    const props = {
      type: 'button',
      'data-t': words,
      'data-minutes': String(minutes),
      onclick: () => this.setRange(minutes * MINUTE),
    };
    return h('button', props, words);
  }

  // A dragged time ends with it; a past instant stays, and shows more or less before it.
  setRange(range) {
    const { from, to } = this.app.place;
    this.app.go({ range, from: null, to: from ? null : to });
  }

  /** After a change of what is asked for. */
  paint() {
    const { place, paused } = this.app;
    this.pause.replaceChildren(icon(paused ? 'play' : 'pause'), paused ? 'Go on' : 'Pause');
    attr(this.pause, 'aria-pressed', paused);
    for (const button of this.ranges.children) {
      const minutes = Number(button.dataset.minutes);
      const shown = this.app.knowsRange ? rangeOf(this.meta, this.app.range) : null;
      attr(button, 'aria-pressed', !place.from && minutes * MINUTE === shown);
      button.disabled = minutes > SHORT_RANGES_TO && place.filters.length > 0;
      button.title = button.disabled ? UNFILTERED : '';
    }
    const chips = this.chips();
    const hint = this.meta?.filterable ? [h('span.wide-only', {}, 'Click a value to see only that')] : [];
    this.filters.replaceChildren(...(chips.length ? chips : hint));
  }

  chips() {
    const filters = this.app.place.filters.map((filter) => this.filterChip(filter));
    return [...(this.meta?.filterable ? filters : withoutEffect(filters)), ...this.timeChips()];
  }

  timeChips() {
    const { from, to } = this.app.place;
    if (!to) {
      return [];
    }
    const now = this.app.live.now();
    const spans = !this.app.isInstant;
    const shown = spans ? `${moment(from, now)} to ${moment(to, now)}` : moment(to, now);
    return [chip(spans ? 'time' : 'at', shown, 'Back to live', () => this.live())];
  }

  live() {
    this.app.go({ from: null, to: null });
  }

  filterChip([dimension, sign, value]) {
    const { place } = this.app;
    const excluded = sign === '!=';
    const others = place.filters.filter((one) => one[2] !== value || one[0] !== dimension);
    const remove = () => this.app.go({ filters: others });
    const turn = () => this.app.go({ filters: changed(place.filters, dimension, excluded ? '=' : '!=', value) });
    const shown = dimension === 'country' ? countryName(value) : value;
    const words = excluded ? `${dimension} not` : dimension;
    const made = chip(words, shown, `Remove filter ${words} ${shown}`, remove, {
      act: turn,
      title: excluded ? 'Show only that instead' : 'Leave that out instead',
    });
    made.classList.toggle('not', excluded);
    return made;
  }
}

/** The range (ms) that a page shows: the one in the address, or its own where it does not have that. */
export function rangeOf({ ranges, range } = {}, asked) {
  return range && !ranges.includes(asked / MINUTE) ? range * MINUTE : asked;
}

function chip(name, value, label, remove, turn = null) {
  const turns = turn && { type: 'button', title: turn.title, onclick: turn.act };
  const what = turn ? h('button.name', turns, name) : h('b', {}, name);
  const cross = h('button', { type: 'button', 'aria-label': label, title: label, onclick: remove }, icon('x'));
  return h('span.chip', {}, what, h('span', { title: value }, value || '(empty)'), cross);
}

// Chips that the page does not look at, which stay for the others, and behind them the words for that.
function withoutEffect(chips) {
  for (const one of chips) {
    one.classList.add('off');
  }
  return chips.length ? [...chips, h('span', {}, 'not on this page')] : [];
}

/** The next shorter (-1) or longer (1) range button that can be pressed. */
export function stepRange(head, way) {
  const buttons = head.ranges.hidden ? [] : [...head.ranges.children].filter((button) => !button.disabled);
  const at = buttons.findIndex((button) => button.getAttribute('aria-pressed') === 'true');
  buttons[Math.min(buttons.length - 1, Math.max(0, at + way))]?.click();
}
