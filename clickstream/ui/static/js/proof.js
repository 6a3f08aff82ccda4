// Every number proves itself: its definition, the time and filters it is of, the query; and a recount from the topic,
// which reads Kafka again and never the history, with both results side by side.

import { get } from './api.js';
import { h } from './dom.js';
import { duration, int } from './format.js';
import { moment, zoneName } from './time.js';

/** `el` is its dialog. */
export class Proof {
  /** @param {Object} app `live` */
  constructor(app) {
    this.app = app;
    this.body = h('div', {});
    const close = h('form', { method: 'dialog' }, h('button.btn', {}, 'Close'));
    this.el = h('dialog.help.proof', { 'aria-label': 'How this number comes about' }, this.body, close);
    this.shown = 0;
  }

  /**
   * Shows a number.
   * @param {Object} what
   * @param {string} what.title
   * @param {string} what.value as it stands on the page
   * @param {string} what.definition in one or two sentences
   * @param {string|null} what.figure its name at /api/recount; null: it cannot be counted again, and `what.why`
   * @param {Object} what.params of it, besides the range and filters
   * @param {Array<[string, string]>} what.facts what else it is of
   * @param {number} what.from epoch ms
   * @param {number} what.to epoch ms, not included
   * @param {Array<[string, string, string]>|null} what.filters null: filters are not of it
   * @param {string} what.query SQL over the history that gives it
   * @param {function(*): string} what.format
   * @param {function(string): string} what.name of a list: how a value is shown
   */
  show(what) {
    this.shown += 1;
    const result = h('div.recount', { 'aria-live': 'polite' }, what.figure ? null : what.why);
    const button = h(
      'button.btn.main',
      { type: 'button', onclick: () => this.recount(what, button, result) },
      'Recount from the topic',
    );
    this.body.replaceChildren(
      h('h2', {}, what.title),
      h('p', {}, what.definition),
      h('dl', {}, this.facts(what).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value)))),
      h('pre.sql', { tabindex: '0', 'aria-label': 'Query' }, what.query),
      ...(what.figure ? [button] : []),
      result,
    );
    if (!this.el.open) {
      this.el.showModal();
    }
  }

  facts({ value, from, to, filters, facts }) {
    const now = this.app.live.now();
    const words = filters?.map(([dimension, sign, one]) => `${dimension} ${sign === '=' ? 'is' : 'is not'} ${one}`);
    return [
      ['On the page', value],
      ['From', from ? `${moment(from, now)}, included` : 'the first one'],
      ['To', `${moment(to, now)}, not included${from ? `; ${duration(to - from)} in all` : ''}`],
      ['Times', zoneName(to)],
      ...(words ? [['Filters', words.length ? words.join(', ') : 'none']] : []),
      ...facts,
    ];
  }

  async recount(what, button, result) {
    const mine = this.shown;
    button.disabled = true;
    result.replaceChildren('Reading the topic again\u2026');
    let lines;
    try {
      const { figure, from, to, filters, params } = what;
      const answer = await get('/api/recount', { figure, from, to, filters: JSON.stringify(filters ?? []), ...params });
      lines = comparison(what, answer, this.app.live.now());
    } catch (problem) {
      lines = [h('p.bad', {}, `Not recounted: ${problem.message}`)];
    }
    if (mine === this.shown) {
      button.disabled = false;
      result.replaceChildren(...lines);
    }
  }
}

// The answer: {from, to, history, topic, differing, records, topic_name, seconds, note}; `to` is at most the watermark.
function comparison(what, { from, to, differing, records, seconds, note, ...sides }, now) {
  const unknown = sides.history == null && sides.topic != null;
  const verdict = unknown ? 'The history does not reach so far: it has nothing to compare. ' : 'They are equal. ';
  const differ = differing > 0 && !unknown;
  return [
    sides.topic?.rows ? listed(what, differing, sides) : both(what, sides),
    h(
      differ ? 'p.bad' : 'p',
      {},
      differ ? 'They differ. ' : verdict,
      `${int(records)} records were read in ${Number(seconds).toFixed(1)}\u202fs, for `,
      `${moment(from, now)} to ${moment(to, now)}, which is final.`,
    ),
    ...(note ? [h('p', {}, note)] : []),
  ];
}

const shownBy = (format) => (value) => (value == null ? 'not known' : format(value));

function both({ format }, { history, topic, topic_name: name }) {
  const row = (words, value) => h('div', {}, h('dt', {}, words), h('dd', {}, h('b', {}, shownBy(format)(value))));
  return h('dl', {}, row('From the history', history), row(`From the topic ${name}`, topic));
}

// A list: each value that is shown, what has none, and the others as one.
function listed({ format, name, params }, differing, { history, topic, topic_name: from }) {
  const rows = topic.rows.map(([value, number], index) => {
    const mine = history?.rows[index][1];
    return [value == null ? 'no value' : name(value), mine, number, !history || mine === number ? '' : 'differs'];
  });
  const hidden = differing - rows.filter(([, , , differs]) => differs).length;
  const more = Math.max(topic.more, history?.more ?? 0);
  if (more) {
    rows.push([`${int(more)} more`, history?.rest, topic.rest, history && hidden > 0 ? `${int(hidden)} differ` : '']);
  }
  const label = `From the history and from the topic ${from}`;
  const head = ([words, spec]) => h(spec, { scope: 'col' }, words);
  const heads = [[params.dimension, 'th'], ['history', 'th.num'], ['topic', 'th.num'], ['', 'th']].map(head);
  const number = (value) => h('td.num', {}, shownBy(format)(value));
  const line = ([words, mine, its, differs]) =>
    h(differs ? 'tr.bad' : 'tr', {}, h('td', { title: words }, words), number(mine), number(its), h('td', {}, differs));
  const table = h('table', { 'aria-label': label }, h('thead', {}, h('tr', {}, heads)), h('tbody', {}, rows.map(line)));
  return h('div', {}, h('p', {}, `${label}:`), h('div.scroll', { tabindex: '0', role: 'group', 'aria-label': label }, table));
}
