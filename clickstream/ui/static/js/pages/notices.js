// What stands above a page: nothing, that there is nothing yet and which command helps, or that something failed.

import { h } from '../dom.js';
import { errorNotice, lineNotice, setupNotice } from '../notice.js';

/** `el` is its element. */
export class Notices {
  constructor() {
    this.el = h('div.notices', {});
    this.shown = '';
  }

  /** Shows what `make` makes, once for each `kind`; '' is nothing. */
  show(kind, make = null) {
    if (kind !== this.shown) {
      this.shown = kind;
      this.el.replaceChildren(...(kind && make ? [make()] : []));
    }
  }

  /** A panel failed. */
  error(words) {
    this.show(`error ${words}`, () => errorNotice(words));
  }

  /** One sentence. */
  line(words) {
    this.show(`line ${words}`, () => lineNotice(words));
  }

  /**
   * There is nothing yet: the topic is missing, or empty.
   * @param {string} title
   * @param {{name: string, stage: string, words: string, command: string}} topic
   */
  setup(title, topic) {
    const { name, stage, words, command } = topic;
    if (stage === 'away' || stage === 'refused') {
      this.line(words);
      return;
    }
    if (stage === 'connecting' || stage === 'catching up') {
      this.line(`Reading ${name}\u2026`);
      return;
    }
    const there = stage === 'missing' ? `There is no topic ${name}.` : `The topic ${name} has nothing recent.`;
    this.show(`setup ${stage} ${name}`, () =>
      setupNotice(title, [
        { ok: true, words: 'Kafka answers', command: null },
        { ok: false, words: `${there} This fills it:`, command },
      ]),
    );
  }
}

/**
 * A line below a section for a topic that is not there, with the command that makes it; null when it is there.
 * @param {{name: string, stage: string, command: string}} topic
 */
export function missingWords({ name, stage, command }) {
  return stage === 'missing' ? [`There is no topic ${name}. This makes it: `, command] : null;
}
