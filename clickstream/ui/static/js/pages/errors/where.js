// Where errors come from: pages, users or addresses.

import { BarList, topWords } from '../../barlist.js';
import { h, provesButton, segments, text } from '../../dom.js';
import { moment } from '../../time.js';

const WHICH = [['page', 'Pages'], ['user', 'Users'], ['ip', 'Addresses']];
const HEADS = { page: 'page', user: 'user', ip: 'address' };
const NOTHING = { rows: [], more: 0, total: 0 };

/** `el` is its element. */
export class Where {
  /** @param {Object} page see Page */
  constructor(page) {
    this.page = page;
    this.state = null;
    this.names = {};
    this.shown = '';
    this.choice = segments('Of what', WHICH, (which) => page.set('where', which === 'page' ? null : which));
    this.lists = Object.fromEntries(WHICH.map(([key]) => [key, this.list(key)]));
    const proves = provesButton('Where', () => this.prove());
    this.note = h('span.note', {});
    const header = h('header', {}, h('h2', {}, 'Where'), proves, this.note, h('div.right', {}, this.choice.el));
    this.el = h('section.sec.e-pages', {}, header, Object.values(this.lists).map((list) => list.el));
  }

  list(key) {
    return new BarList({
      head: HEADS[key],
      rows: 6,
      unit: 'errors',
      onPick: (value, exclude) => this.page.setFilter(key, value, exclude),
      name: (value) => this.name(key, value),
      bad: () => true,
    });
  }

  name(key, value) {
    return key === 'user' ? (this.names[value] ?? value) : value;
  }

  prove() {
    if (!this.state) {
      return;
    }
    const top = this.state.where[this.shown] ?? NOTHING;
    const { to } = this.state;
    const from = top.since ?? this.state.from;
    const { shown: dimension } = this;
    const name = (value) => this.name(dimension, value);
    const of = { from, to, filters: this.page.state.filters, dimension, rows: this.lists[dimension].length, name };
    this.page.prove('error_values', topWords(top, 'errors'), of, `Where: ${WHICH.find(([key]) => key === dimension)[1].toLowerCase()}`);
  }

  paint(state, anew) {
    this.state = state;
    const asked = this.page.get('where');
    const which = asked in this.lists ? asked : 'page';
    this.names = state.names;
    this.choice.set(which);
    for (const [key, list] of Object.entries(this.lists)) {
      list.el.hidden = key !== which;
    }
    const none = state.newest == null ? 'Nothing yet' : 'None';
    this.lists[which].set(state.where[which] ?? NOTHING, this.page.picked(which), anew || which !== this.shown, none);
    this.shown = which;
    const since = state.where[which]?.since;
    // By statuses only the clicks themselves can be counted, which do not reach as far as the sums of the chart.
    text(this.note, since == null ? '' : `since ${moment(since, this.page.now())}`);
  }
}
