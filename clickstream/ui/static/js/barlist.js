// Names with bars. The tick under a bar is the period before. The order changes every 5 s at most, and never while the
// pointer is in the list. The focus only puts it off for 5 s, as it stays where somebody clicked once; its row remains.

import { attr, focusedIn, h, isPointedAt, rem, text } from './dom.js';
import { NONE, count, int, percent } from './format.js';

const REORDER_MS = 5000;
const ROW_REM = 1.6875;
const WIDE_PX = 1600;
const MOST_ROWS = 24;

/** `el` is its element. */
export class BarList {
  /**
   * @param {Object} options
   * @param {string} options.head words above the names
   * @param {string} [options.unit] words above the numbers
   * @param {number} [options.rows] how many at most; more where the window is large
   * @param {function(string, boolean)} options.onPick the value, and whether it is to be excluded (alt-click)
   * @param {function(string): string} [options.name] how a value is shown; the value itself if it is left out
   * @param {function(string): string} [options.note] more words behind it
   * @param {function(string): boolean} [options.bad] drawn in magenta
   */
  constructor({ head, unit = 'hits', rows = 9, onPick, name = (value) => value, note, bad }) {
    this.options = { rows, onPick, name, note, bad };
    this.rows = new Map();
    this.orderedAt = -Infinity;
    this.most = 0;
    this.head = h('span', {}, head);
    this.list = h('ul.barlist', {});
    this.foot = h('div.under', {}, '\u00a0');
    const heads = h('div.listhead', { 'aria-hidden': 'true' }, this.head, h('span', {}, unit), h('span', {}, 'share'));
    this.list.style.minHeight = `${rows * ROW_REM}rem`;
    this.el = h('div', {}, heads, this.list, this.foot);
    this.list.addEventListener('focusin', () => {
      this.orderedAt = performance.now();
    });
  }

  /** How many values stand there. */
  get length() {
    return this.rows.size;
  }

  /** Another dimension in the same place. */
  rename(head) {
    if (this.head.textContent !== head) {
      text(this.head, head);
      this.orderedAt = -Infinity;
    }
  }

  /**
   * Shows the values.
   * @param {{rows: Array<[string, number, number|null]>, more: number, total: number}} top value, number, before
   * @param {string|null} picked the value of the filter on this dimension
   * @param {boolean} anew another question: the order is set at once
   * @param {string} [none] words if there is no value
   */
  set(top, picked, anew, none = 'Nothing yet') {
    const shown = this.shown(top, anew);
    const focused = focusedIn(this.list);
    const most = Math.max(1, ...shown.map((row) => row[1]), ...top.rows.slice(0, 1).map((row) => row[1]));
    this.keep(new Set(shown.map((row) => row[0])));
    let at = this.list.firstElementChild;
    for (const row of shown) {
      const kept = this.rows.get(row[0]) ?? this.row(row[0]);
      this.paint(kept, row, most, top.total, picked);
      if (kept.el === at) {
        at = at.nextElementSibling;
      } else {
        this.list.insertBefore(kept.el, at);
      }
    }
    focused?.focus({ preventScroll: true }); // a row that is moved loses it
    this.list.classList.toggle('picked', picked != null);
    // It keeps the height of its longest time.
    this.most = top.rows.length ? Math.max(this.most, shown.length) : 0;
    this.list.style.minHeight = `${this.most * ROW_REM}rem`;
    text(this.foot, this.footWords(top, shown.filter((row) => row[1] !== 0).length, none));
  }

  footWords(top, shown, none) {
    const more = top.more + top.rows.length - shown;
    if (!top.rows.length) {
      return none;
    }
    return more > 0 ? `${int(more)} more` : '\u00a0';
  }

  shown(top, anew) {
    const now = performance.now();
    const held = isPointedAt(this.list) || now - this.orderedAt < REORDER_MS;
    if (!anew && this.rows.size && held) {
      return [...this.list.children].map((el) => rowOf(top, el.dataset.value));
    }
    this.orderedAt = now;
    const rows = top.rows.slice(0, this.limit());
    const focused = anew ? null : focusedIn(this.list)?.parentElement.dataset.value;
    if (focused != null && rows.every(([value]) => value !== focused)) {
      rows.splice(this.limit() - 1, 1, rowOf(top, focused));
    }
    return rows;
  }

  // On large windows the list fills the height that is left.
  limit() {
    const { rows } = this.options;
    if (innerWidth < WIDE_PX) {
      return rows;
    }
    const one = ROW_REM * rem();
    const top = this.list.getBoundingClientRect().top + scrollY;
    return Math.max(rows, Math.min(MOST_ROWS, Math.floor((innerHeight - top - one * 2.4) / one)));
  }

  keep(values) {
    for (const [value, kept] of this.rows) {
      if (!values.has(value)) {
        kept.el.remove();
        this.rows.delete(value);
      }
    }
  }

  row(value) {
    const { name, note, bad, onPick } = this.options;
    const bar = h('span.bar');
    const before = h('span.prev');
    const words = h('span.nm', {}, name(value));
    const number = h('b');
    const share = h('span.sh');
    if (note?.(value)) {
      words.append(h('small', {}, note(value)));
    }
    const button = h(
      'button',
      { type: 'button', title: `${name(value)}\nAlt-click leaves it out`, onclick: (e) => onPick(value, e.altKey) },
      h('span.track', {}, bar, before),
      words,
      number,
      share,
    );
    const el = h('li', { 'data-value': value }, button);
    el.classList.toggle('err', Boolean(bad?.(value)));
    const kept = { el, button, bar, before, number, share };
    this.rows.set(value, kept);
    return kept;
  }

  paint(kept, [value, number, before], most, total, picked) {
    text(kept.number, number == null ? NONE : int(number));
    text(kept.share, number == null ? NONE : percent(total ? number / total : 0));
    kept.bar.style.transform = `scaleX(${number / most})`;
    kept.before.hidden = !before;
    if (before) {
      kept.before.style.left = `${Math.min(100, (before / most) * 100)}%`;
    }
    attr(kept.button, 'aria-pressed', picked === value);
  }
}

// A value that is none of the top rows has no clicks only if there are no others: else its number is not known.
function rowOf({ rows, more }, value) {
  return rows.find((row) => row[0] === value) ?? [value, more ? null : 0, null];
}

/** What a list says in all, for its proof. */
export const topWords = ({ rows, more, total }, unit) => `${int(total)} ${unit}, ${count(rows.length + more, 'value', 'values')}`;
