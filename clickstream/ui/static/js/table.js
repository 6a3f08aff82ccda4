// A plain table that sorts: for anything below a thousand rows. Rows are reused by their key and changed in place.

import { attr, focusedIn, h, text } from './dom.js';

/**
 * @typedef {Object} Column
 * @property {string} key
 * @property {string} title words of the head
 * @property {boolean} [number] aligned to the right, and sorted from the largest down at first
 * @property {function(Object): *} [value] what is sorted by; the row's field of that name if it is left out
 * @property {function(Object): string} [text] what is shown; the value as text if it is left out
 * @property {function(HTMLElement, Object)} [paint] fills the cell itself (links, sparklines); called on every update
 * @property {boolean} [sorts] false: its head is no button
 * @property {string} [note] tooltip of the head
 * @property {string} [cls] class of its cells
 */

/** A sortable table. `el` is its element; `destroy` is not needed: it listens to nothing outside itself. */
export class Table {
  /**
   * @param {Object} options
   * @param {string} options.label for screen readers
   * @param {Column[]} options.columns
   * @param {function(Object): string} options.key of a row, unique
   * @param {{key: string, down: boolean}} [options.sort] at first; none: the order of the rows
   * @param {function({key: string, down: boolean})} [options.onSort] after a click on a head
   * @param {function(Object)} [options.onPick] makes rows selectable by click and Enter
   */
  constructor({ label, columns, key, sort = null, onSort, onPick }) {
    this.columns = columns;
    this.key = key;
    this.sort = sort;
    this.onSort = onSort;
    this.onPick = onPick;
    this.rows = new Map();
    this.list = [];
    this.picked = null;
    this.heads = columns.map((column) => this.head(column));
    this.body = h('tbody', {});
    const table = h('table', { 'aria-label': label }, h('thead', {}, h('tr', {}, this.heads)), this.body);
    this.el = h('div.scroll', { tabindex: '0', role: 'group', 'aria-label': label }, table);
    this.paintHeads();
  }

  /**
   * Shows these rows, in the chosen order.
   * @param {Object[]} list
   */
  set(list) {
    this.list = list;
    const wanted = new Map(this.sorted().map((row) => [this.key(row), row]));
    for (const [key, kept] of this.rows) {
      if (!wanted.has(key)) {
        kept.el.remove();
        this.rows.delete(key);
      }
    }
    const focused = focusedIn(this.body);
    let at = this.body.firstElementChild;
    for (const [key, row] of wanted) {
      const kept = this.rows.get(key) ?? this.row(key);
      kept.row = row;
      this.paintRow(kept, row);
      if (kept.el === at) {
        at = at.nextElementSibling;
      } else {
        this.body.insertBefore(kept.el, at);
      }
    }
    focused?.focus({ preventScroll: true }); // a row that is moved loses it
  }

  /** Marks the row of this key; null marks none. */
  pick(key) {
    this.picked = key;
    for (const [one, kept] of this.rows) {
      this.paintPicked(kept, one);
    }
  }

  head(column) {
    const props = { class: headClass(column), scope: 'col', title: column.note, 'data-k': column.key };
    if (column.sorts === false) {
      return h('th', props, column.title);
    }
    return h('th', props, h('button', { type: 'button', onclick: () => this.sortBy(column) }, column.title));
  }

  sortBy(column) {
    const again = this.sort?.key === column.key;
    this.sort = { key: column.key, down: again ? !this.sort.down : Boolean(column.number) };
    this.paintHeads();
    this.set(this.list);
    this.onSort?.(this.sort);
  }

  paintHeads() {
    for (const [index, column] of this.columns.entries()) {
      if (this.sort?.key === column.key) {
        this.heads[index].setAttribute('aria-sort', this.sort.down ? 'descending' : 'ascending');
      } else {
        this.heads[index].removeAttribute('aria-sort');
      }
    }
  }

  sorted() {
    const column = this.columns.find((one) => one.key === this.sort?.key);
    if (!column) {
      return this.list;
    }
    const way = this.sort.down ? -1 : 1;
    const value = column.value ?? ((row) => row[column.key]);
    return [...this.list].sort((a, b) => compare(value(a), value(b), way));
  }

  row(key) {
    const cells = this.columns.map((column) => h('td', { class: cellClass(column) }));
    const kept = { cells, row: null };
    const pick = this.onPick && (() => this.onPick(kept.row));
    const keys = pick && ((event) => event.key === 'Enter' && event.target === kept.el && pick());
    kept.el = h('tr', { tabindex: pick && '0', onclick: pick, onkeydown: keys }, cells);
    this.rows.set(key, kept);
    this.paintPicked(kept, key);
    return kept;
  }

  paintRow(kept, row) {
    for (const [index, column] of this.columns.entries()) {
      if (column.paint) {
        column.paint(kept.cells[index], row);
      } else {
        text(kept.cells[index], column.text ? column.text(row) : String(row[column.key] ?? ''));
      }
    }
  }

  paintPicked(kept, key) {
    kept.el.classList.toggle('sel', key === this.picked);
    if (this.onPick) {
      attr(kept.el, 'aria-selected', key === this.picked);
    }
  }
}

/** What the columns with a note mean, for the foot of a page: titles are not for those who use keys. */
export const definitionsOf = (columns) =>
  columns
    .filter(({ note }) => note)
    .map(({ title, note }) => `${title[0].toUpperCase()}${title.slice(1)}: ${note}.`)
    .join(' ');

/** The foot of a page of measured numbers; the key that proves a number goes there. */
export const definitionsFoot = (words) => h('p.defs', { tabindex: '-1' }, words);

/** How it is sorted, from the address: 'rate-' is from the largest down; null is the default. */
export function sortOf(words) {
  const found = /^(.+)([+-])$/.exec(words ?? '');
  return found && { key: found[1], down: found[2] === '-' };
}

/** As the address has it. */
export const sortWords = (sort) => sort && `${sort.key}${sort.down ? '-' : '+'}`;

// What says where a column is shown is for its head as well; how its cells look is not.
function headClass(column) {
  const shown = (column.cls ?? '').split(' ').filter((name) => !['dim', 'bad'].includes(name));
  return [column.number && 'num', ...shown].filter(Boolean).join(' ') || null;
}

function cellClass(column) {
  return [column.number && 'num', column.cls].filter(Boolean).join(' ') || null;
}

// What is not known stands last, whichever way it is sorted. Big integers come as text of digits.
function compare(a, b, way) {
  if (a == null || b == null) {
    return (a == null) - (b == null);
  }
  if (typeof a === 'string' && typeof b === 'string') {
    const digits = /^-?\d+$/;
    if (!digits.test(a) || !digits.test(b)) {
      return way * a.localeCompare(b, 'en', { numeric: true });
    }
    return way * Number(BigInt(a) - BigInt(b));
  }
  return way * (a - b);
}
