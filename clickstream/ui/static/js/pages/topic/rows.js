// The rows of records: a row is made once, and only its time is painted again, in another zone; the oldest fall out
// when there are too many.

import { h } from '../../dom.js';
import { bytesText, int } from '../../format.js';
import { nodes } from '../../json.js';
import { putField, putPreview } from '../../octets.js';
import { dayTime, hmsMs, day, isUtc } from '../../time.js';
import { NUMBERS, byColumn, newestFirst } from './order.js';

export const MOST_ROWS = 1000;
const VALUE_CHARACTERS = 300;

/** The key of a row. */
export const keyOf = (row) => `${row.partition}:${row.offset}`;

/** `el` is its element. */
export class Rows {
  /**
   * @param {function(Object)} onPick
   * @param {function(): number} now the server's clock
   * @param {function({key: string, down: boolean}|null)} onSort after a click on a head
   */
  constructor(onPick, now, onSort) {
    this.onPick = onPick;
    this.now = now;
    this.onSort = onSort;
    this.columns = [];
    this.picked = null;
    this.sort = null;
    this.isLive = true;
    this.utc = isUtc();
    this.rows = new Map(); // key -> {row, el}, in the order in which they are told when they are not sorted
    this.head = h('tr', {});
    this.body = h('tbody', {});
    const table = h('table.records', { 'aria-label': 'Records' }, h('thead', {}, this.head), this.body);
    this.el = h('div.scroll.tail', { tabindex: '-1' }, table);
    this.body.addEventListener('click', (event) => this.pickAt(event.target));
    this.body.addEventListener('keydown', (event) => this.key(event));
    this.paintHead();
  }

  get count() {
    return this.rows.size;
  }

  /** Other columns: the rows go, as they have other cells. */
  setColumns(columns) {
    this.columns = columns;
    this.paintHead();
    this.clear();
  }

  paintHead() {
    const fields = this.columns.length
      ? this.columns.map((path) => this.headCell('th', `f:${path}`, nodes(path), path))
      : [this.headCell('th.v', 'value', 'value')];
    this.head.replaceChildren(
      this.headCell('th.num.o', 'offset', 'offset'),
      this.headCell('th.p', 'partition', 'part.', 'partition'),
      this.headCell('th.t', 'time', 'time'),
      this.headCell('th.c', 'key', 'key'),
      ...fields,
      this.headCell('th.num.b', 'size', 'size'),
    );
    this.paintSort();
  }

  headCell(spec, key, words, title) {
    const button = h('button', { type: 'button', onclick: () => this.sortBy(key) }, words);
    return h(spec, { scope: 'col', title, 'data-k': key }, button);
  }

  paintSort() {
    for (const cell of this.head.children) {
      if (cell.dataset.k === this.sort?.key) {
        cell.setAttribute('aria-sort', this.sort.down ? 'descending' : 'ascending');
      } else {
        cell.removeAttribute('aria-sort');
      }
    }
  }

  // One way, the other way, and as it was.
  sortBy(key) {
    const first = NUMBERS.has(key);
    if (this.sort?.key !== key) {
      this.onSort({ key, down: first });
    } else {
      this.onSort(this.sort.down === first ? { key, down: !first } : null);
    }
  }

  /** By this column; null: newest first, or in the order of the search. */
  setSort(sort) {
    this.sort = sort;
    this.paintSort();
    this.place();
  }

  /** @param {boolean} isLive whether the newest come first; else rows stay in the order of the search */
  clear(isLive = this.isLive) {
    this.isLive = isLive;
    this.rows.clear();
    this.body.replaceChildren();
  }

  /** Rows that came; the oldest make room. */
  add(list) {
    this.append(list);
    if (this.rows.size > MOST_ROWS) {
      for (const { row, el } of [...this.rows.values()].slice(MOST_ROWS)) {
        this.rows.delete(keyOf(row));
        el.remove();
      }
    }
  }

  /** Rows of a search: all of them stay. */
  append(list) {
    const fresh = list.filter((row) => !this.rows.has(keyOf(row)));
    if (!fresh.length) {
      return;
    }
    for (const row of fresh) {
      this.make(row);
    }
    if (this.isLive) {
      const ordered = newestFirst([...this.rows.values()].map(({ row }) => row));
      this.rows = new Map(ordered.map((row) => [keyOf(row), this.rows.get(keyOf(row))]));
    }
    this.place();
  }

  // Moves only those that do not stand where they should.
  place() {
    const rows = [...this.rows.values()].map(({ row }) => row);
    const wanted = this.sort ? byColumn(rows, this.sort, this.columns) : rows;
    let at = this.body.firstElementChild;
    for (const row of wanted) {
      const { el } = this.rows.get(keyOf(row));
      if (el === at) {
        at = at.nextElementSibling;
      } else {
        this.body.insertBefore(el, at);
      }
    }
    this.placeTabStop();
  }

  // One row is reached by Tab: the first, unless the focus is in the list already.
  placeTabStop() {
    const first = this.body.firstElementChild;
    if (first && first !== this.tabStop && !this.body.contains(document.activeElement)) {
      this.tabStop?.setAttribute('tabindex', '-1');
      first.setAttribute('tabindex', '0');
      this.tabStop = first;
    }
  }

  make(row) {
    const key = keyOf(row);
    const cells = [
      h('td.num.dim.o', {}, int(row.offset)),
      h('td.dim.p', {}, String(row.partition)),
      this.timeCell(row),
      filled('td.c', (cell) => putPreview(cell, row.key, 'no key')),
      ...this.fields(row),
      h('td.num.dim.b', {}, row.value == null ? '' : bytesText(row.size)),
    ];
    const el = h('tr', { tabindex: '-1', 'data-key': key }, cells);
    this.rows.set(key, { row, el });
    this.mark(el, key);
  }

  fields(row) {
    if (this.columns.length && row.value != null) {
      return row.cells.map((raw) => filled('td', (cell) => putField(cell, raw)));
    }
    const short = row.value?.text && { ...row.value, text: row.value.text.slice(0, VALUE_CHARACTERS) };
    const cell = filled('td.v', (one) => putPreview(one, short || row.value, 'a tombstone: the key is deleted'));
    cell.colSpan = Math.max(1, this.columns.length);
    return [cell];
  }

  timeCell({ time }) {
    return h('td.dim.t', { title: time == null ? '' : dayTime(time) }, this.time(time));
  }

  /** After a change of the zone: all rows tell their times in the same one. */
  paintTimes() {
    if (isUtc() === this.utc) {
      return;
    }
    this.utc = isUtc();
    for (const { row, el } of this.rows.values()) {
      el.querySelector('td.t').replaceWith(this.timeCell(row));
    }
  }

  time(at) {
    if (at == null) {
      return '\u2013';
    }
    return day(at) === day(this.now()) ? hmsMs(at) : dayTime(at);
  }

  pick(key) {
    this.picked = key;
    for (const [one, { el }] of this.rows) {
      this.mark(el, one);
    }
  }

  mark(el, key) {
    el.classList.toggle('sel', key === this.picked);
    if (key === this.picked) {
      el.setAttribute('aria-current', 'true');
    } else {
      el.removeAttribute('aria-current');
    }
  }

  pickAt(target) {
    const found = this.rows.get(target.closest('tr')?.dataset.key);
    if (found) {
      this.onPick(found.row);
    }
  }

  key(event) {
    const row = event.target.closest('tr');
    const ways = { ArrowDown: 'next', j: 'next', ArrowUp: 'previous', k: 'previous' };
    if (event.key === 'Enter' || event.key === ' ') {
      this.pickAt(row);
    } else if (ways[event.key]) {
      const to = row[`${ways[event.key]}ElementSibling`];
      to?.focus();
      if (to) {
        this.pickAt(to);
      }
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}

function filled(spec, fill) {
  const cell = h(spec, {});
  fill(cell);
  return cell;
}
