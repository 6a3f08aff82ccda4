// A figure: its name, the number, what it is of, and its recent past as a small line.

import { h, provenNumber, provesButton, text } from './dom.js';
import { NONE } from './format.js';
import { Spark } from './spark.js';

/** `el` is its element; `destroy` it when it goes. */
export class Fig {
  /**
   * @param {string} label
   * @param {{note?: string, title?: string, onProve?: function(), onProveSecond?: function()}} [more] a word beside the
   *   label, a tooltip with the definition, and what shows how the number, and the smaller one, come about
   */
  constructor(label, { note = '', title, onProve, onProveSecond = null } = {}) {
    this.onProveSecond = onProveSecond;
    this.label = h('span', {}, label);
    this.note = h('span.dim.code', {}, note);
    this.number = h('span.value', {}, NONE);
    this.unit = h('small', {}, '');
    this.second = h('b', {}, NONE);
    this.words = h('span', {}, '');
    this.spark = new Spark();
    const fig = h(
      'div.fig',
      { title },
      h('div.l', {}, this.label, this.note),
      h('div.n', {}, this.number, this.unit),
      h('div.c', {}, this.second, this.words),
      this.spark.el,
    );
    this.el = h('div.figbox', {}, fig, onProve && provesButton(label, onProve));
  }

  /** The number as it stands there. */
  get value() {
    return [this.number.textContent, this.unit.textContent].filter(Boolean).join('\u202f');
  }

  destroy() {
    this.spark.destroy();
  }

  /**
   * @param {Object} what
   * @param {string} what.value
   * @param {string} [what.unit]
   * @param {string} what.second a smaller number below it, and `words` that say what it is
   * @param {string} what.words
   * @param {Array<number|null>} what.spark
   * @param {string} [what.color] CSS variable of the line
   * @param {boolean} [what.bad] it is about what breaks
   */
  set({ value, unit = '', second, words, spark, color = '--ink-3', bad = false }) {
    text(this.number, value);
    text(this.unit, unit);
    if (this.onProveSecond) {
      provenNumber(this.second, second, `${this.label.textContent} ${words}`, this.onProveSecond);
    } else {
      text(this.second, second);
    }
    text(this.words, words);
    this.number.classList.toggle('bad', bad);
    this.spark.set(spark, { color });
  }

  /** Another name. */
  rename(label, note) {
    text(this.label, label);
    text(this.note, note);
  }
}
