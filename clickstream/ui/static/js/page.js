// What a page gets from the frame: the one object through which it asks the server and changes the address.

import { proofOf } from './numbers.js';
import { DIMENSIONS } from './route.js';

/** Why nothing can be changed at a past instant. */
export const PAST_NOTE = 'A past instant is shown: Esc goes live again';

/**
 * The interface of a page's module:
 *   export const meta = { ranges: [5, 15, 30, 60], timed: true, filterable: false, pausable: true };   (all optional)
 *     (`range` beside `ranges`: the one of them, in minutes, that is shown where the address has another; `timed` false:
 *     it has no ranges, but shows how all was at the instant `state.to`; `remembered`: as the server remembers it, every
 *     ten seconds; `filterable`: it looks at the filters)
 *   export function create(root, page) { return { update() {}, destroy() {} }; }
 * `update` is called after every change of what is in `page.state`, of the theme and of the zone: ask again with
 * `open` (the same question costs nothing and paints again), and paint what depends on it.
 */
export class Page {
  constructor(app, { heading, tools, arg }) {
    this.app = app;
    /** What follows the page's name in the address: the topic of '#/topics/clickstream'. */
    this.arg = arg;
    /** The h1 in the head. */
    this.heading = heading;
    /** A place in the head for the page's own controls. */
    this.tools = tools;
    this.opened = new Set();
  }

  /**
   * What is asked for.
   * @returns {{range: number, to: number|null, from: number|null, filters: Array<[string, string, string]>,
   *   paused: boolean, down: Object|null}} `range` in ms; `to` is a past instant or the end of a dragged time, `from`
   *   only the beginning of the latter; `down` says since when (epoch ms) there is nothing new, and why
   */
  get state() {
    const { to, from, filters } = this.app.place;
    return { range: this.app.range, to, from, filters, paused: this.app.paused, down: this.app.down() };
  }

  /** What the server said of itself, or null before it did. */
  get hello() {
    return this.app.live.hello;
  }

  /** The server's clock, epoch ms. */
  now() {
    return this.app.live.now();
  }

  /** The moment that is shown: the past instant, else now. Epoch ms. */
  shownAt() {
    return this.app.place.to ?? this.now();
  }

  /** Whether a past instant is shown. */
  get isPast() {
    return this.app.isPast;
  }

  /** The parameters of panels that are about one moment: {at}, epoch ms; {} is now. */
  instant() {
    return this.app.isPast ? { at: this.app.place.to } : {};
  }

  /** The parameters of panels about a time: range (ms), to (a past instant or null), filters. */
  params() {
    const { to, from, filters } = this.app.place;
    return { range: from ? to - from : this.app.range, to, filters };
  }

  /**
   * Opens a panel, or asks it something else; it is closed when the page is left. Before it is known which range is
   * to be shown, nothing is asked: `update` is called then.
   * @param {string} id of the page's choice
   * @param {string} panel its name at the server
   * @param {Object} params
   * @param {function(*, number)|Object} handler see Live.open
   */
  open(id, panel, params, handler) {
    if (!this.app.knowsRange) {
      return;
    }
    this.opened.add(id);
    this.app.live.open(id, panel, params, handler);
  }

  /** Closes a panel. */
  close(id) {
    this.opened.delete(id);
    this.app.live.close(id);
  }

  /**
   * Includes a value (only that, or no longer), or excludes it.
   * @param {string} dimension one of DIMENSIONS
   * @param {string} value
   * @param {boolean} [exclude]
   */
  setFilter(dimension, value, exclude = false) {
    if (!DIMENSIONS.includes(dimension)) {
      throw new Error(`no dimension ${dimension}`);
    }
    this.app.go({ filters: changed(this.app.place.filters, dimension, exclude ? '!=' : '=', value) });
  }

  /** The address of another page (and what follows its name), with the same time and filters: for links. */
  address(id, arg) {
    return this.app.address(id, arg);
  }

  /** The value that is included of a dimension, or null. */
  picked(dimension) {
    return this.app.place.filters.find(([name, sign]) => name === dimension && sign === '=')?.[2] ?? null;
  }

  /** Shows a span of time (epoch ms), or goes live again: setTime(null). */
  setTime(from, to = null) {
    this.app.go({ from: from && Math.round(from), to: to && Math.round(to) });
  }

  /** One of the page's own choices in the address. */
  get(name, fallback = null) {
    return this.app.place.own[name] ?? fallback;
  }

  /** Keeps one of the page's own choices in the address; null removes it. */
  set(name, value) {
    const { [name]: _, ...own } = this.app.place.own;
    this.app.go({ own: value == null ? own : { ...own, [name]: String(value) } }, { replace: true });
  }

  /**
   * Shows how a number comes about, with a recount from the topic.
   * @param {string} key in NUMBERS
   * @param {string} value as it stands on the page
   * @param {Object} of what it is of, see numbers.js
   * @param {string} [title] its name, if it has another one there
   */
  prove(key, value, of, title = null) {
    this.app.proof.show(proofOf(key, value, of, title));
  }

  leave() {
    for (const id of this.opened) {
      this.app.live.close(id);
    }
  }
}

/**
 * The filters after a click. A value is included once; another one of its dimension takes its place.
 * @param {Array<[string, string, string]>} filters
 */
export function changed(filters, dimension, sign, value) {
  const same = ([name, one, other]) => name === dimension && one === sign && other === value;
  if (filters.some(same)) {
    return filters.filter((filter) => !same(filter));
  }
  const replaced = ([name, one, other]) => name === dimension && (other === value || (sign === '=' && one === '='));
  return [...filters.filter((filter) => !replaced(filter)), [dimension, sign, value]];
}
