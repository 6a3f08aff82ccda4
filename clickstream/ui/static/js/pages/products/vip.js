// What the best customers do: a feed, newest first. It holds still under the pointer, and says what came meanwhile.

import { h, isPointedAt, text } from '../../dom.js';
import { NONE, int } from '../../format.js';
import { hms } from '../../time.js';

const SHOWN = 9;

/** `el` is its element. */
export class Vip {
  /** @param {Object} page see Page */
  constructor(page) {
    this.page = page;
    this.rows = [];
    this.waiting = 0;
    this.skipped = 0;
    this.lines = Array.from({ length: SHOWN }, () => line());
    this.note = h('span.note', {});
    this.below = h('p.note.below', {});
    const head = ['time', 'name', 'action'].map((words) => h('th', { scope: 'col' }, words));
    this.body = h('tbody', {}, this.lines.map(({ el }) => el));
    const table = h(
      'table',
      { 'aria-label': 'What platinum customers do' },
      h('thead', {}, h('tr', {}, head, h('th.num', { scope: 'col' }, 'page'))),
      this.body,
    );
    this.body.addEventListener('pointerleave', () => this.paint());
    const header = h('header', {}, h('h2', {}, 'Platinum customers'), this.note);
    this.el = h('section.sec.p-vip', {}, header, h('div.scroll', {}, table), this.below);
  }

  update() {
    this.page.open('vip', 'vip', this.page.instant(), {
      feed: (news) => this.take(news),
      error: (words) => text(this.below, words),
    });
    this.paint();
  }

  take({ rows, skipped, anew, stage, words }) {
    this.skipped = anew ? 0 : this.skipped + skipped;
    const newest = [...rows].reverse();
    this.rows = [...newest, ...(anew ? [] : this.rows)].slice(0, SHOWN);
    // Of what was there before, the oldest are not missed.
    this.waiting = anew ? this.rows.length : this.waiting + rows.length;
    text(this.below, words || (this.rows.length || stage === 'live' ? '' : 'Reading\u2026'));
    this.paint();
  }

  paint() {
    if (isPointedAt(this.body)) {
      text(this.note, `holds still; ${int(this.waiting)} newer`);
      return;
    }
    this.skipped += Math.max(0, this.waiting - SHOWN);
    this.waiting = 0;
    const missed = this.skipped ? `; ${int(this.skipped)} not shown` : '';
    text(this.note, `vip-action, newest first${missed}`);
    for (const [index, { el, cells }] of this.lines.entries()) {
      const row = this.rows[index];
      el.hidden = !row && index > 0;
      const words = row ? wordsOf(row) : ['', 'Nothing yet', '', ''];
      for (const [place, cell] of cells.entries()) {
        text(cell, String(words[place]));
      }
    }
  }
}

const wordsOf = ({ time, name, user, action, page }) => [
  hms(time),
  name || user,
  action.replaceAll('_', ' '),
  page ?? NONE,
];

function line() {
  const cells = [h('td.dim'), h('td'), h('td'), h('td.num')];
  return { el: h('tr', {}, cells), cells };
}
