// The parts that report, a row each; with control, what they are to do.

import { attr, h, icon, text } from '../../dom.js';
import { NONE, ago, duration, int, rate } from '../../format.js';
import { Spark } from '../../spark.js';
import { Table } from '../../table.js';

const BUCKETS = 120;

/** `el` is its element; call `destroy` when it goes. */
export class SourcesTable {
  /**
   * @param {Object} page
   * @param {function(): number} page.now the server's clock
   * @param {function(Object, string, number|null): Promise} page.ask has a part do something
   * @param {function(string, string): string} page.address see Page.address
   */
  constructor(page) {
    this.page = page;
    this.sparks = new Map();
    this.table = new Table({ label: 'Sources', columns: this.columns(), key: (part) => part.id });
    this.table.el.classList.add('sources');
    this.el = this.table.el;
  }

  columns() {
    return [
      { key: 'name', title: 'part', sorts: false, paint: (cell, part) => this.paintName(cell, part) },
      { key: 'state', title: 'state', sorts: false, paint: (cell, part) => this.paintState(cell, part) },
      { key: 'rate', title: 'records/s', sorts: false, number: true, text: rateText, note: 'as the part itself reports: what it writes or counts' },
      { key: 'spark', title: 'last 10 min', sorts: false, cls: 'wide', paint: (cell, part) => this.paintSpark(cell, part) },
      { key: 'total', title: 'in all', sorts: false, number: true, text: totalText, note: 'the same since the part was started' },
      { key: 'failed', title: 'failed', sorts: false, number: true, cls: 'dim', text: failedText, note: 'what failed since it was started, as the part itself counts it' },
      { key: 'wanted', title: 'wanted', sorts: false, number: true, paint: (cell, part) => this.paintWanted(cell, part), note: 'records per second that it is to reach' },
      { key: 'act', title: 'control', sorts: false, cls: 'act', paint: (cell, part) => this.paintAct(cell, part) },
    ];
  }

  /**
   * @param {Object[]} parts
   * @param {string} [locked] why nothing can be asked of them now
   */
  set(parts, locked = '') {
    this.locked = locked;
    for (const [id, spark] of this.sparks) {
      if (!parts.some((part) => part.id === id)) {
        spark.destroy();
        this.sparks.delete(id);
      }
    }
    this.table.set(parts);
  }

  destroy() {
    for (const spark of this.sparks.values()) {
      spark.destroy();
    }
  }

  paintName(cell, { id, kind, name, topics }) {
    const words = `${id} ${topics.join()}`;
    if (cell.dataset.words !== words) {
      cell.dataset.words = words;
      const shown = topics.slice(0, 2).flatMap((topic) => [' ', h('a', { 'data-topic': topic }, topic)]);
      const more = topics.length > 2 ? ` and ${topics.length - 2} more` : '';
      cell.replaceChildren(
        h('span.nm', {}, h('b', {}, kind), name ? ` ${name}` : ''),
        h('span.nm.dim', {}, shown, more),
        h('span.opts', { title: id }, id),
      );
    }
    for (const link of cell.querySelectorAll('a')) {
      attr(link, 'href', this.page.address('topics', link.dataset.topic));
    }
  }

  paintState(cell, { state, silent_s: silent, since, error, error_at: at }) {
    const dead = state === 'dead' || state === 'failed';
    const spent = dead ? silent * 1000 : since == null ? null : this.page.now() - since;
    if (!cell.firstChild) {
      cell.append(h('span', {}), h('span.wide-only', {}), h('span.opts', {}));
    }
    text(cell.children[0], state);
    text(cell.children[1], state === 'paused' || spent == null ? '' : ` for ${duration(spent)}`);
    // What a part that runs has said last may be over.
    const said = error && at && !dead ? `${ago(this.page.now() - at)}: ${error}` : (error ?? '');
    text(cell.children[2], said);
    cell.children[2].title = said;
    attr(cell, 'class', dead ? 'bad' : state === 'paused' ? 'warn' : '');
  }

  paintSpark(cell, { id, history, paused }) {
    let spark = this.sparks.get(id);
    if (!spark) {
      spark = new Spark('.row');
      this.sparks.set(id, spark);
    }
    if (cell.firstChild !== spark.el) {
      cell.replaceChildren(spark.el);
    }
    const signature = `${paused} ${history.join()}`;
    if (spark.signature !== signature) {
      spark.signature = signature;
      const values = [...Array(Math.max(0, BUCKETS - history.length)).fill(null), ...history];
      spark.set(values, { step: true, color: paused ? '--ink-3' : '--water-line' });
    }
  }

  // The field is nobody's but the writer's while it has the focus.
  paintWanted(cell, part) {
    if (!part.control) {
      cell.replaceChildren(part.wanted == null ? '' : rate(part.wanted));
      return;
    }
    if (!(cell.firstChild instanceof HTMLElement)) {
      const field = h('input.field.rate', {
        type: 'text',
        inputmode: 'decimal',
        placeholder: 'max',
        'aria-label': `Wanted records per second of ${part.id}`,
        onchange: () => this.setRate(cell.shown, field),
      });
      cell.replaceChildren(field);
    }
    cell.shown = part;
    const field = cell.firstChild;
    this.lock(field);
    if (document.activeElement !== field && !field.dataset.asked) {
      field.value = part.wanted == null ? '' : String(part.wanted);
    }
  }

  async setRate(part, field) {
    const words = field.value.trim();
    const wanted = words === '' || words === 'max' ? null : Number(words);
    if (Number.isNaN(wanted)) {
      field.value = part.wanted == null ? '' : String(part.wanted);
      return;
    }
    field.dataset.asked = '1';
    await this.page.ask(part, 'rate', wanted);
    delete field.dataset.asked;
  }

  paintAct(cell, part) {
    if (!part.control || part.state === 'dead' || part.state === 'failed') {
      const why = ['generate-web', 'generate-vip', 'producer', 'replay'].includes(part.kind) ? 'needs --allow-control' : '';
      cell.replaceChildren(h('span.dim', {}, part.state === 'dead' ? '' : why));
      delete cell.dataset.action;
      return;
    }
    const action = part.paused ? 'resume' : 'pause';
    cell.shown = part;
    if (cell.dataset.action !== action) {
      cell.dataset.action = action;
      const words = part.paused ? 'Go on' : 'Pause';
      const button = h(
        'button.btn',
        { type: 'button', 'aria-label': `${words}: ${part.id}`, onclick: () => this.press(cell, button) },
        icon(part.paused ? 'play' : 'pause'),
        words,
      );
      cell.replaceChildren(button);
    }
    this.lock(cell.firstChild);
  }

  lock(control) {
    control.disabled = Boolean(this.locked) || control.dataset.asked === '1';
    attr(control, 'title', this.locked);
  }

  async press(cell, button) {
    button.dataset.asked = '1';
    this.lock(button);
    await this.page.ask(cell.shown, cell.dataset.action, null);
    delete button.dataset.asked;
    this.lock(button);
  }
}

const rateText = ({ main, rates, state }) => (main == null ? NONE : state === 'dead' ? '0' : rate(rates[main]));

const totalText = ({ main, totals }) => (main == null ? NONE : int(totals[main] ?? 0));

const failedText = ({ totals }) => (totals.failed == null ? '' : int(totals.failed));

