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

// The answer: {from, to, history, topic, records, topic_name, seconds}; `to` is at most the watermark.
function comparison({ format }, { from, to, history, topic, records, topic_name: name, seconds }, now) {
  // The one of a funnel is a list.
  const equal = JSON.stringify(history) === JSON.stringify(topic);
  const row = (words, value) => h('div', {}, h('dt', {}, words), h('dd', {}, h('b', {}, value)));
  const show = (value) => (value == null ? 'not known' : format(value));
  return [
    h(
      'dl',
      {},
      row('From the history', show(history)),
      row(`From the topic ${name}`, show(topic)),
    ),
    h(
      equal ? 'p' : 'p.bad',
      {},
      equal ? 'They are equal. ' : 'They differ. ',
      `${int(records)} records were read in ${Number(seconds).toFixed(1)}\u202fs, for `,
      `${moment(from, now)} to ${moment(to, now)}, which is final.`,
    ),
  ];
}
