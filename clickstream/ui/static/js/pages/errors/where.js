// Where errors come from: pages, users or addresses.

import { BarList } from '../../barlist.js';
import { h, segments } from '../../dom.js';

const WHICH = [['page', 'Pages'], ['user', 'Users'], ['ip', 'Addresses']];
const HEADS = { page: 'page', user: 'user', ip: 'address' };
const NOTHING = { rows: [], more: 0, total: 0 };

/** `el` is its element. */
export class Where {
  /** @param {Object} page see Page */
  constructor(page) {
    this.page = page;
    this.names = {};
    this.shown = '';
    this.choice = segments('Of what', WHICH, (which) => page.set('where', which === 'page' ? null : which));
    this.lists = Object.fromEntries(WHICH.map(([key]) => [key, this.list(key)]));
    const header = h('header', {}, h('h2', {}, 'Where'), h('div.right', {}, this.choice.el));
    this.el = h('section.sec.e-pages', {}, header, Object.values(this.lists).map((list) => list.el));
  }

  list(key) {
    return new BarList({
      head: HEADS[key],
      rows: 6,
      unit: 'errors',
      onPick: (value, exclude) => this.page.setFilter(key, value, exclude),
      name: (value) => (key === 'user' ? (this.names[value] ?? value) : value),
      bad: () => true,
    });
  }

  paint(state, anew) {
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
  }
}
