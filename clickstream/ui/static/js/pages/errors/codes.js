// The statuses with what they mean: totals of clicks.

import { attr, command, h, provenNumber, provesButton, text } from '../../dom.js';
import { NONE, int, percent, two } from '../../format.js';
import { TEXTURES, areaSample } from '../../marks.js';
import { Spark } from '../../spark.js';
import { SteadyTable } from '../../steadytable.js';
import { knownUntil, ratesOf } from '../known.js';
import { missingWords } from '../notices.js';
import { colourOf } from './slots.js';

const MINUTE = 60000;
const FEW = 0.001;

/** `el` is its element; `destroy` it when it goes. */
export class Codes {
  /**
   * @param {Object} page see Page
   * @param {Slots} slots
   */
  constructor(page, slots) {
    this.page = page;
    this.slots = slots;
    this.sparks = new Map();
    this.state = null;
    this.at = null;
    this.rates = {}; // by status, as the chart draws them
    this.missing = '';
    this.source = h('p.note.below', {});
    this.table = new SteadyTable({
      label: 'Status codes',
      columns: this.columns(),
      key: (row) => row.status,
      sort: null,
    });
    this.table.el.classList.add('codes');
    this.errorsNote = h('span', {});
    this.hits = h('span', {});
    this.note = h('span.note', {}, this.errorsNote, this.hits, ' clicks in the time shown');
    const proves = provesButton('Errors', () => this.prove('error_clicks', this.all, this.page.state.filters));
    const header = h('header', {}, h('h2', {}, 'Status codes'), this.note, proves);
    this.el = h('section.sec', {}, header, this.table.el, this.source);
  }

  columns() {
    const number = (value) => (value == null ? NONE : int(value));
    return [
      { key: 'status', title: 'status', paint: (cell, row) => this.paintStatus(cell, row) },
      { key: 'name', title: 'definition', text: (row) => row.name || NONE },
      {
        key: 'cursor',
        title: 'at the cursor',
        number: true,
        value: (row) => this.atCursor(row),
        text: (row) => number(this.atCursor(row)),
        note: 'per minute',
      },
      { key: 'last_minute', title: 'last minute', number: true, paint: (cell, row) => this.paintLast(cell, row) },
      {
        key: 'peak',
        title: 'peak',
        number: true,
        value: peakOf,
        paint: (cell, row) => this.paintPeak(cell, row),
        note: 'the most in a whole minute',
      },
      { key: 'total', title: 'in all', number: true, paint: (cell, row) => this.paintTotal(cell, row) },
      {
        key: 'share',
        title: 'of hits',
        number: true,
        value: (row) => row.total,
        text: (row) => this.share(row),
        note: 'the share of all clicks in the time shown',
      },
      {
        key: 'spark',
        title: 'per minute, own scale',
        cls: 'wide',
        sorts: false,
        paint: (cell, row) => this.paintSpark(cell, row),
      },
      {
        key: 'alerts',
        title: 'alerts',
        number: true,
        cls: 'bad',
        text: (row) => (row.alerts ? int(row.alerts) : ''),
        note: 'in the time shown: see the log below',
      },
    ];
  }

  destroy() {
    for (const spark of this.sparks.values()) {
      spark.destroy();
    }
  }

  /**
   * @param {Object} state of the panel
   * @param {number|null} at the bucket under the cursor
   */
  paint(state, at) {
    this.state = state;
    this.at = at;
    const time = { ...state, known: knownUntil(state, this.page.state.down) };
    const rates = Object.entries(state.series).map(([status, counts]) => [status, ratesOf(counts, time, MINUTE)]);
    this.rates = Object.fromEntries(rates);
    const statuses = new Set(state.codes.map((row) => row.status));
    for (const [status, spark] of this.sparks) {
      if (!statuses.has(status)) {
        spark.destroy();
        this.sparks.delete(status);
      }
    }
    this.table.set(state.codes);
    this.all = int(state.errors);
    text(this.errorsNote, `${this.all} errors among `);
    const prove = () => this.prove('clicks', int(state.hits), this.page.state.filters);
    provenNumber(this.hits, int(state.hits), 'Clicks in the time shown', prove);
    this.paintSource(state.codes_topic);
  }

  /** The cursor is over another bucket. */
  paintCursor(at) {
    if (this.state) {
      this.paint(this.state, at);
    }
  }

  paintSource(topic) {
    const words = missingWords(topic);
    const kind = words ? words[1] : '';
    if (kind !== this.missing) {
      this.missing = kind;
      const why = `There is no topic ${topic.name}: these are the definitions of HTTP. This makes it: `;
      this.source.replaceChildren(...(words ? [why, command(words[1])] : []));
    }
  }

  atCursor({ status }) {
    return this.rates[status]?.[this.at] ?? null;
  }

  share({ total }) {
    const share = this.state.hits ? total / this.state.hits : 0;
    return share < FEW ? `${two(share * 100)}\u202f%` : percent(share);
  }

  paintStatus(cell, row) {
    const isError = row.status in this.state.series;
    if (cell.textContent !== row.status) {
      const pick = (event) => this.page.setFilter('status', row.status, event.altKey);
      const title = `Only ${row.status}\nAlt-click leaves it out`;
      cell.replaceChildren(h('button.codekey', { type: 'button', title, onclick: pick }, areaSample(''), row.status));
    }
    const slot = this.slots.slot(row.status);
    const key = cell.firstElementChild;
    key.style.setProperty('--k', isError ? `var(${colourOf(slot)})` : 'transparent');
    attr(key.querySelector('.sample path'), 'd', isError ? TEXTURES[slot] : '');
    cell.parentElement.classList.toggle('quiet', !isError);
  }

  paintTotal(cell, row) {
    this.paintCount(cell, row, row.total, 'in all', {});
  }

  paintLast(cell, row) {
    this.paintCount(cell, row, row.last_minute, 'in the last minute', { from: this.state.to - MINUTE });
  }

  paintPeak(cell, row) {
    const peak = peakOf(row);
    const from = this.state.minutes[row.per_minute.indexOf(peak)];
    // Of less than two minutes there may be none that is whole.
    if (peak == null || from < this.state.from || from + MINUTE > this.state.to) {
      text(cell, NONE);
      return;
    }
    this.paintCount(cell, row, peak, 'at its peak', { from, to: from + MINUTE });
  }

  // Of this status, whatever others the filters choose; `time` is another one than what is shown.
  paintCount(cell, row, number, words, time) {
    const others = this.page.state.filters.filter(([dimension]) => dimension !== 'status');
    const filters = [...others, ['status', '=', row.status]];
    const label = `${row.status} ${words}`;
    provenNumber(cell, int(number), label, () => this.prove('clicks', int(number), filters, { ...time, label }));
  }

  prove(key, value, filters, { label = null, ...time } = {}) {
    if (this.state) {
      this.page.prove(key, value, { from: this.state.from, to: this.state.to, ...time, filters }, label);
    }
  }

  paintSpark(cell, row) {
    let spark = this.sparks.get(row.status);
    if (!spark) {
      spark = new Spark('.row');
      this.sparks.set(row.status, spark);
      cell.replaceChildren(spark.el);
    }
    const isError = row.status in this.state.series;
    spark.set(row.per_minute, { color: isError ? colourOf(this.slots.slot(row.status)) : '--ink-3' });
  }
}

function peakOf({ per_minute: values }) {
  const known = values.filter((value) => value != null);
  return known.length ? Math.max(...known) : null;
}
