// Beneath the graph: a statement to read, what was not counted, and what holds results back.

import { attr, h, text } from '../../dom.js';
import { int } from '../../format.js';
import { holdsOf } from './words.js';

const LOST = [
  ['late', 'late for every window', 'warn'],
  ['dead_letters', 'could not be read', 'bad'],
  ['dropped', 'without a key', ''],
  ['untimed', 'without a time', ''],
  ['nulled', 'fields not of their type', ''],
];

/** `el` is its element. */
export class Statement {
  constructor() {
    this.name = h('span.note', {}, 'Click a statement to read it');
    this.sql = h('pre.sql', { tabindex: '0', 'aria-label': 'SQL of the statement' });
    this.sql.hidden = true;
    this.el = h('section.sec.f-sql', {}, h('header', {}, h('h2', {}, 'Statement'), this.name), this.sql);
  }

  /** @param {{name: string, sql: string}} statement */
  paint({ name, sql }) {
    text(this.name, name || 'This statement does not run any more');
    text(this.sql, sql);
    this.sql.hidden = !sql;
  }
}

/** `el` is its element. */
export class Lost {
  /** @param {function(string): string} address see Page.address */
  constructor(address) {
    this.address = address;
    this.letters = h('a', {}, 'dead letters');
    this.values = LOST.map(([, , cls]) => h('dd', { class: cls || null }));
    const rows = LOST.map(([, words], index) => h('div', {}, h('dt', {}, words), this.values[index]));
    this.el = h(
      'section.sec.f-lost',
      {},
      h('header', {}, h('h2', {}, 'Not counted')),
      h('dl.facts', {}, rows),
      h('p.note', {}, 'Late rows are kept with --late-topic. What cannot be read: ', this.letters, '.'),
    );
  }

  paint({ files }) {
    attr(this.letters, 'href', this.address('dead'));
    for (const [index, [name, , cls]] of LOST.entries()) {
      const sum = files.reduce((all, file) => all + (file.totals[name] ?? 0), 0);
      text(this.values[index], int(sum));
      attr(this.values[index], 'class', sum && cls ? cls : 'dim');
    }
  }
}

/** `el` is its element. */
export class Holds {
  constructor() {
    this.list = h('ul.holds', {});
    this.shown = '';
    this.el = h('section.sec.f-holds', {}, h('header', {}, h('h2', {}, 'What holds results back')), this.list);
  }

  paint({ files }) {
    const all = files.flatMap((file) => [
      ...(file.trouble ? [{ words: `${file.name}: ${file.trouble}`, held: true }] : []),
      ...holdsOf(file),
    ]);
    const unique = [...new Map(all.map((hold) => [hold.words, hold])).values()].sort((a, b) => b.held - a.held);
    const shown = JSON.stringify(unique);
    if (shown !== this.shown) {
      this.shown = shown;
      const rows = unique.map(({ words, held }) => h(held ? 'li.warn' : 'li.dim', {}, words));
      this.list.replaceChildren(...(rows.length ? rows : [h('li.dim', {}, 'Nothing.')]));
    }
  }
}
