// The same as a list, on narrow screens.

import { attr, h, s, text } from '../../dom.js';
import { fileWords, flowWords, glyph, per } from './words.js';

/** `el` is its element. */
export class FlowList {
  /** @param {{onStatement: function(string, string), address: function(string, string): string}} page as FlowGraph */
  constructor({ onStatement, address }) {
    this.onStatement = onStatement;
    this.address = address;
    this.el = h('div.flowlist', {});
    this.built = '';
    this.paints = [];
  }

  paint(state) {
    if (state.rev !== this.built) {
      this.built = state.rev;
      this.paints = [];
      this.el.replaceChildren(...state.files.map((file) => this.file(file)));
    }
    const files = new Map(state.files.map((file) => [file.id, file]));
    for (const one of this.paints) {
      one(files);
    }
  }

  file(file) {
    const words = h('p.note', {});
    this.paints.push((files) => text(words, fileWords(files.get(file.id))));
    const streams = file.sources.filter((one) => !one.reference);
    const left = new Set(file.statements);
    const lists = streams.map((source) => {
      const own = [...left].filter((one) => reaches(file, one, source.topic));
      own.forEach((one) => left.delete(one));
      return h('ul', {}, this.source(file, source), own.map((one) => this.statement(file, one)));
    });
    return h('div', {}, h('h2', {}, file.name), words, lists);
  }

  source(file, { topic }) {
    const rate = h('span', {});
    this.paints.push((files) => {
      const now = files.get(file.id).sources.find((one) => one.topic === topic);
      text(rate, flowWords(now));
    });
    return h('li.src', {}, this.link(topic), rate);
  }

  statement(file, { id, topic, kind, words }) {
    const rate = h('span', {});
    this.paints.push((files) => {
      const now = files.get(file.id).statements.find((one) => one.id === id);
      text(rate, per(now.rate));
    });
    const sign = s('svg', { viewBox: '0 0 23 12', width: 23, height: 12, class: 'fglyph', 'aria-hidden': 'true' }, glyph(kind));
    const read = h('button.quiet', { type: 'button', onclick: () => this.onStatement(file.id, id) }, words);
    return h('li', {}, sign, h('span.op', {}, read, this.link(topic)), rate);
  }

  link(topic) {
    const link = h('a', {}, topic);
    this.paints.push(() => attr(link, 'href', this.address('topics', topic)));
    return link;
  }
}

function reaches(file, statement, topic) {
  const views = new Map(file.views.map((view) => [`v:${view.name}`, view.inputs]));
  return statement.inputs.some((id) => id === `t:${topic}` || views.get(id)?.includes(`t:${topic}`));
}
