// The sessions as a table: the first by the chosen column, all or only those over the threshold.

import { h, provenNumber, provesButton, segments, text } from '../../dom.js';
import { NONE, bytesText, count, duration, int } from '../../format.js';
import { SteadyTable } from '../../steadytable.js';
import { hms } from '../../time.js';

const WHICH = [['all', 'All'], ['over', 'Over the line']];
const SORTS = ['name', 'city', 'start', 'length', 'hits', 'bytes', 'errors', 'page', 'last'];
const TEXTS = ['name', 'city', 'page'];
const USUAL = 'bytes';

/** How it is sorted, from the address: 'hits' is from the largest down, 'hits.up' the other way. */
export function readSort(value) {
  const [key, way] = (value ?? USUAL).split('.');
  const known = SORTS.includes(key) ? key : USUAL;
  return { key: known, down: way ? way === 'down' : !TEXTS.includes(known) };
}

function writeSort({ key, down }) {
  const usual = down === !TEXTS.includes(key);
  if (key === USUAL && usual) {
    return null;
  }
  return usual ? key : `${key}.${down ? 'down' : 'up'}`;
}

/** `el` is its element. */
export class SessionTable {
  /**
   * @param {Object} page see Page
   * @param {function(string, string, Object=)} onProve a number's key, value, and what it is of
   */
  constructor(page, onProve) {
    this.page = page;
    this.onProve = onProve;
    this.how = null;
    this.gap = 0;
    this.note = h('span.note', {});
    this.choice = segments('Which sessions', WHICH, (which) => page.set('only', which === 'over' ? which : null));
    this.table = new SteadyTable({
      label: 'Sessions',
      columns: this.columns(),
      key: (row) => `${row.user} ${row.start}`,
      sort: readSort(page.get('sort')),
      onSort: (sort) => page.set('sort', writeSort(sort)),
    });
    const proves = provesButton('Sessions', () => onProve('sessions', this.total));
    const header = h('header', {}, h('h2', {}, 'Sessions'), this.note, proves, h('div.right', {}, this.choice.el));
    this.el = h('section.sec.s-table', {}, header, this.table.el);
  }

  columns() {
    return [
      { key: 'name', title: 'user', paint: (cell, row) => this.paintUser(cell, row) },
      { key: 'city', title: 'city', cls: 'opt', text: (row) => row.city ?? NONE },
      { key: 'start', title: 'start', cls: 'c-start', text: (row) => (row.cut ? 'before ' : '') + hms(row.start) },
      { key: 'length', title: 'length', number: true, cls: 'c-dur', text: (row) => duration(row.length) },
      { key: 'hits', title: 'clicks', number: true, paint: (cell, row) => this.paintCount(cell, row, 'clicks', int(row.hits)) },
      { key: 'bytes', title: 'bytes', number: true, paint: (cell, row) => this.paintBytes(cell, row) },
      { key: 'page', title: 'last page', cls: 'opt', paint: paintPage },
      { key: 'last', title: 'state', paint: (cell, row) => this.paintState(cell, row) },
    ];
  }

  /**
   * @param {Object} state of the panel
   * @param {{threshold: number, now: number, live: boolean}} how
   * @param {string} words which time that is
   */
  paint(state, how, words) {
    this.how = { ...how, now: how.live ? how.now : state.to };
    this.gap = state.gap;
    const only = this.page.get('only') === 'over';
    this.choice.set(only ? 'over' : 'all');
    const rows = only ? state.rows.filter((row) => row.bytes > how.threshold) : state.rows;
    this.table.set(rows);
    const all = state.sizes.reduce((sum, [, closed, open]) => sum + closed + open, 0);
    const some = rows.length < all ? `, ${int(rows.length)} of them here` : '';
    this.total = int(state.total);
    text(this.note, `${count(state.total, 'session', 'sessions')} in ${words}${some}`);
  }

  /** The next rows are of another question. */
  orderAnew() {
    this.table.orderAnew();
  }

  paintUser(cell, row) {
    if (cell.dataset.user !== row.user || cell.textContent !== row.name) {
      cell.dataset.user = row.user;
      const pick = () => this.page.setFilter('user', cell.dataset.user);
      cell.replaceChildren(h('button.pick', { type: 'button', title: `Only ${row.name}`, onclick: pick }, row.name));
    }
  }

  // All clicks of the user from the first to the last of a session are its own.
  paintCount(cell, row, key, words) {
    const of = { user: row.user, from: row.start, to: row.last + 1, title: `A session of ${row.name}: ${key.split('_').at(-1)}` };
    provenNumber(cell, words, `${row.name}, ${key.split('_').at(-1)}`, () => this.onProve(key, words, of));
  }

  paintBytes(cell, row) {
    this.paintCount(cell, row, 'clicks_bytes', bytesText(row.bytes));
    const over = row.bytes > this.how.threshold;
    cell.classList.toggle('bad', over);
    cell.classList.toggle('strong', over);
  }

  paintState(cell, row) {
    const left = row.last + this.gap - this.how.now;
    const closes = left > 0 ? `open, closes in ${duration(left)}` : 'open, about to close';
    text(cell, row.open ? closes : `closed ${hms(row.last + this.gap)}`);
    cell.classList.toggle('dim', !row.open);
  }
}

function paintPage(cell, row) {
  text(cell, row.page ?? NONE);
  if (cell.title !== (row.page ?? '')) {
    cell.title = row.page ?? '';
  }
}
