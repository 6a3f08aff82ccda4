// The tally: how often each event was counted in all, and how many come now.

import { h } from '../../dom.js';
import { Fig } from '../../fig.js';
import { NONE, int, rate } from '../../format.js';
import { NUMBERS } from '../../numbers.js';
import { ALL_USUAL, colourOf, slotOf, titleOf } from './names.js';

const SECOND = 1000;
const RATE_OF_MS = 10000;

/** `el` is its element; `destroy` it when it goes. */
export class ProductFigures {
  /** @param {Object} page see Page */
  constructor(page) {
    this.page = page;
    this.state = null;
    this.figures = ALL_USUAL.map((name, index) => this.fig(name, index));
    this.el = h('div.figures.four', {}, this.figures.map((fig) => fig.el));
  }

  fig(name, index) {
    const { definition: title } = NUMBERS.tally;
    return new Fig(titleOf(name), {
      note: name,
      title,
      onProve: () => this.proveTally(index),
      onProveSecond: () => this.proveRate(index),
    });
  }

  proveTally(index) {
    const name = this.shown?.[index];
    if (name != null) {
      const { tally, to } = this.state;
      const at = tally?.at ?? to;
      this.page.prove('tally', this.figures[index].value, { from: 0, to: at, event: name }, titleOf(name));
    }
  }

  proveRate(index) {
    const name = this.shown?.[index];
    if (name != null) {
      const to = Math.floor(this.state.final / SECOND) * SECOND;
      const value = rate(this.state.rates[name] ?? 0);
      this.page.prove('event_rate', value, { from: to - RATE_OF_MS, to, event: name }, `${titleOf(name)} per second`);
    }
  }

  destroy() {
    for (const fig of this.figures) {
      fig.destroy();
    }
  }

  paint(state) {
    const { names, tally, rates, series } = state;
    this.state = state;
    this.shown = [...names, ...ALL_USUAL.filter((name) => !names.includes(name))].slice(0, this.figures.length);
    for (const [index, fig] of this.figures.entries()) {
      const name = this.shown[index];
      const title = titleOf(name);
      fig.rename(title, title === name ? '' : name);
      fig.set({
        value: tally ? int(tally.counts[name] ?? 0) : NONE,
        second: rate(rates[name] ?? 0),
        words: tally ? 'per second' : 'per second; not counted yet',
        spark: (series[name] ?? []).slice(0, -1),
        color: colourOf(slotOf(name, names)),
      });
    }
  }
}
