// The figures above the chart of errors.

import { h } from '../../dom.js';
import { Fig } from '../../fig.js';
import { NONE, int, percent, two } from '../../format.js';
import { NUMBERS } from '../../numbers.js';
import { hm } from '../../time.js';

const SHOWN = 'in the time shown';
const MINUTE = 60000;

/** `el` is its element; `destroy` it when it goes. */
export class ErrorFigures {
  /** @param {Object} page see Page */
  constructor(page) {
    this.page = page;
    this.state = null;
    this.rate = this.fig('errors', MINUTE);
    this.perMinute = this.fig('errors_per_minute', MINUTE);
    this.met = this.fig('met');
    this.alerts = this.fig('alerts');
    this.all = [this.rate, this.perMinute, this.met, this.alerts];
    this.el = h('div.figures.four', {}, this.all.map((fig) => fig.el));
  }

  // Of the last `ms` of the time shown; else of all of it.
  fig(key, ms = null) {
    const { label, definition: title } = NUMBERS[key];
    const fig = new Fig(label, { title, onProve: () => this.prove(key, fig, ms) });
    return fig;
  }

  prove(key, { value }, ms) {
    if (this.state) {
      const { from, to } = this.state;
      const { filters } = this.page.state;
      this.page.prove(key, value, { from: ms ? to - ms : from, to, ...(key === 'alerts' ? {} : { filters }) });
    }
  }

  destroy() {
    for (const fig of this.all) {
      fig.destroy();
    }
  }

  paint(state) {
    this.state = state;
    this.paintRate(state);
    this.paintPerMinute(state);
    this.paintMet(state);
    this.paintAlerts(state);
  }

  paintRate({ last_hits: lastHits, last_errors: lastErrors, hits, errors, ...state }) {
    const { hits_per_minute: each, errors_per_minute: bad } = state;
    this.rate.set({
      value: two(lastHits ? (lastErrors / lastHits) * 100 : 0),
      unit: '%',
      second: percent(hits ? errors / hits : 0),
      words: SHOWN,
      spark: bad.map((value, index) => (value == null ? null : value / (each[index] || 1))),
    });
  }

  paintPerMinute({ last_errors: last, errors_per_minute: values, minutes }) {
    const known = values.filter((value) => value != null);
    const most = Math.max(...known);
    this.perMinute.set({
      value: int(last),
      second: known.length ? int(most) : NONE,
      words: known.length ? `at most, at ${hm(minutes[values.indexOf(most)])}` : 'no whole minute yet',
      spark: values,
    });
  }

  paintMet({ visitors: { met, all }, errors_per_minute: values }) {
    this.met.set({
      value: met == null ? NONE : int(met),
      second: met == null || all == null ? NONE : percent(all ? met / all : 0),
      words: met == null ? 'the history does not reach so far' : 'of all visitors',
      spark: values,
    });
  }

  paintAlerts({ alerts, minutes }) {
    const open = alerts.filter((alert) => alert.open).length;
    const at = (from) => alerts.filter((alert) => alert.from < from + MINUTE && alert.to > from).length;
    this.alerts.set({
      value: int(open),
      second: int(alerts.length),
      words: SHOWN,
      spark: minutes.map(at),
      bad: open > 0,
    });
  }
}
