// With control: late and malformed records on demand; and what came of all that was asked.

import { attr, h, text } from '../../dom.js';
import { hms, zone } from '../../time.js';

const MOST_ROWS = 12;
const FLAWS = [
  ['late', 'Late records', 'an earlier time than their neighbours'],
  ['malformed', 'Malformed records', 'cut off, not UTF-8, of a wrong type, empty'],
];

/** `el` is its element. */
export class Inject {
  /** @param {{ask: function(Object, string, number|null): Promise}} page */
  constructor(page) {
    this.page = page;
    this.parts = new Map();
    this.shown = '';
    this.choice = h('select.field', { 'aria-label': 'Source' });
    this.number = h('input.field.rate', { type: 'text', inputmode: 'numeric', value: '10', 'aria-label': 'How many' });
    this.buttons = FLAWS.map(([action, words, note]) =>
      h('button.btn', { type: 'button', title: note, onclick: () => this.send(action) }, words),
    );
    const header = h('header', {}, h('h2', {}, 'Send something odd'), h('span.note', {}, 'made by the source itself'));
    this.el = h('section.sec.ctlonly', {}, header, h('div.inj', {}, this.choice, this.number, this.buttons));
  }

  /** @param {string} locked why nothing can be asked of them now */
  paint(parts, locked) {
    const able = parts.filter((part) => part.control && part.state !== 'dead' && part.state !== 'failed');
    this.parts = new Map(able.map((part) => [part.id, part]));
    const ids = [...this.parts.keys()].join('\n');
    if (ids !== this.shown) {
      this.shown = ids;
      const before = this.choice.value;
      this.choice.replaceChildren(...able.map((part) => h('option', { value: part.id }, part.id)));
      this.choice.value = this.parts.has(before) ? before : (able[0]?.id ?? '');
    }
    for (const [index, button] of this.buttons.entries()) {
      button.disabled = !able.length || Boolean(locked);
      attr(button, 'title', locked || FLAWS[index][2]);
    }
  }

  send(action) {
    const part = this.parts.get(this.choice.value);
    const number = Number(this.number.value);
    if (part && Number.isInteger(number) && number > 0) {
      this.page.ask(part, action, number);
    }
  }
}

/** What came of it, the newest first: what the parts themselves say, and what never reached them. `el` is its element. */
export class Done {
  constructor() {
    this.list = h('ol.did', { 'aria-label': 'What was asked, and what came of it' });
    this.el = h('section.sec', {}, h('header', {}, h('h2', {}, 'What was asked')), this.list);
    this.shown = '';
    this.refused = [];
  }

  /** Notes down what was asked in this tab and not done. */
  refuse(part, action, words, at) {
    this.refused.push({ part: part.id, action, words, at, done: false });
    this.refused = this.refused.slice(-MOST_ROWS);
  }

  paint(parts) {
    const told = parts.flatMap((part) => part.answers.map((answer) => ({ ...answer, part: part.id, action: '' })));
    const rows = [...told, ...this.refused].sort((a, b) => b.at - a.at).slice(0, MOST_ROWS);
    const shown = JSON.stringify([zone(), rows]);
    this.el.hidden = !rows.length;
    if (shown !== this.shown) {
      this.shown = shown;
      this.list.replaceChildren(...rows.map(row));
    }
  }
}

function row({ part, action, words, at, done }) {
  const result = h('span', {});
  attr(result, 'class', done ? '' : 'bad');
  text(result, done ? words : `not done: ${words}`);
  return h('li', {}, h('span.dim', {}, hms(at)), h('span', {}, part), h('span.dim', {}, action), result);
}
