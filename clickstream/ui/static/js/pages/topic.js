// One topic: what comes in, its records, its partitions, who reads it, and its settings.

import { attr, h, text } from '../dom.js';
import { NONE, ago, bytes, int, rate } from '../format.js';
import { errorNotice, lineNotice, setupNotice } from '../notice.js';
import { Spark, padded } from '../spark.js';
import { definitionsFoot, definitionsOf } from '../table.js';
import { hms } from '../time.js';
import { LAST_NOTE, PARTITIONS_NOTE, RATE_NOTE, RECORDS_NOTE, SIZE_NOTE } from './measured.js';
import { ExportMenu } from './topic/export.js';
import { Inspector } from './topic/inspector.js';
import { Partitions } from './topic/partitions.js';
import { Readers } from './topic/readers.js';
import { Records } from './topic/records.js';
import { Settings } from './topic/settings.js';

export const meta = { timed: false, remembered: true, pausable: false };

/** See Page for the interface. */
export function create(root, page) {
  const topic = new Topic(root, page);
  return { update: () => topic.update(), destroy: () => topic.destroy() };
}

class Topic {
  constructor(root, page) {
    this.page = page;
    this.name = page.arg;
    this.noticed = '';
    this.crumb = h('a.crumb', {}, 'Topics');
    page.heading.replaceChildren(
      this.crumb,
      h('span.crumb', {}, '\u2002/\u2002'),
      h('span.topicname', { title: this.name }, this.name),
    );
    document.title = `${this.name} \u00b7 clickstream`;
    this.notices = h('div.notices', {});
    this.figures = Object.fromEntries(FIGURES.map(({ key, title, note }) => [key, figure(title, note)]));
    this.spark = new Spark('.kvspark');
    this.inspector = new Inspector(page, this.name, (path) => this.records.toggleColumn(path));
    this.records = new Records(page, this.name, (row) => this.inspector.show(row));
    this.partitions = new Partitions();
    this.readers = new Readers(page);
    this.settings = new Settings();
    this.exports = new ExportMenu(page, this.name, () => this.records.question());
    page.tools.replaceChildren(this.records.fields.el, this.exports.el);
    const past = h('div.kv.past', {}, h('span', {}, 'messages/s, last 10 min'), this.spark.el);
    const figures = h('div.kvs', {}, Object.values(this.figures).map(({ el }) => el), past);
    this.overview = h('section.sec.plain.t-kv', {}, figures);
    root.append(
      this.notices,
      this.overview,
      this.records.el,
      this.inspector.el,
      this.partitions.el,
      this.readers.el,
      this.settings.el,
      definitionsFoot([FIGURES, this.partitions.table.columns, this.readers.table.columns.slice(1)].map(definitionsOf).join(' ')),
    );
  }

  update() {
    attr(this.crumb, 'href', this.page.address('topics'));
    this.page.open('topic', 'topic', { topic: this.name, ...this.page.instant() }, {
      state: (state) => this.take(state),
      error: (words) => this.fail(words),
    });
    this.askSettings();
    this.records.update();
    this.inspector.update();
  }

  destroy() {
    this.records.destroy();
    this.inspector.destroy();
    this.partitions.destroy();
    this.readers.destroy();
    this.spark.destroy();
  }

  // They are not remembered: at a past instant they are those of now, and say so. They are asked for once.
  askSettings() {
    this.settings.setNow(this.page.isPast);
    if (this.page.isPast && !this.settings.isKnown) {
      this.page.open('settings', 'topic', { topic: this.name }, { state: (state) => this.takeSettings(state) });
    } else {
      this.page.close('settings');
    }
  }

  takeSettings(state) {
    this.settings.paint(state);
    if (this.settings.isKnown) {
      this.page.close('settings');
    }
  }

  take(state) {
    this.paintNotice(state);
    this.records.where.setPartitions(state.partitions.map((one) => one.partition));
    this.show(Boolean(state.topic));
    this.paintFigures(state);
    this.partitions.paint(state);
    this.readers.paint(state);
    this.settings.paint(state);
  }

  fail(words) {
    this.notice(`error ${words}`, () => errorNotice(words));
    this.show(false);
  }

  // What was shown before is of another moment.
  show(on) {
    for (const one of [this.overview, this.partitions.el, this.readers.el]) {
      one.hidden = !on;
    }
  }

  paintNotice({ at, there, problem, command }) {
    if (there === false && this.page.isPast) {
      this.notice('missing then', () => lineNotice(`There was no topic ${this.name} yet, or no more.`));
    } else if (there === false) {
      const steps = [{ ok: false, words: 'Create and fill it:', command: `bin/${command}` }];
      this.notice('missing', () => setupNotice(`There is no topic ${this.name}`, steps));
    } else if (there == null) {
      this.notice(`looking ${problem}`, () => lineNotice(problem || 'Looking for the topic\u2026'));
    } else if (problem) {
      const words = `As of ${hms(at)}. ${problem}`;
      this.notice(words, () => lineNotice(words));
    } else {
      this.notice('', () => null);
    }
  }

  notice(signature, make) {
    if (signature !== this.noticed) {
      this.noticed = signature;
      this.notices.replaceChildren(...[make()].filter(Boolean));
    }
  }

  paintFigures({ at, topic, bytes_per_s: bytesIn, no_size: why }) {
    const { figures } = this;
    if (!topic) {
      return;
    }
    const now = this.page.isPast ? at : this.page.now();
    const age = topic.last_write == null ? null : Math.max(0, now - topic.last_write);
    set(figures.rate, topic.rate == null ? NONE : rate(topic.rate));
    set(figures.bytes, ...(bytesIn == null ? [NONE] : bytes(bytesIn)));
    set(figures.records, topic.records == null ? NONE : (topic.about ? '~' : '') + int(topic.records));
    set(figures.size, ...(topic.size == null ? [NONE] : bytes(topic.size)));
    set(figures.last, age == null ? NONE : ago(age));
    set(figures.partitions, int(topic.partitions), `\u00d7\u202f${topic.replication}`);
    figures.size.el.title = why || SIZE_NOTE;
    figures.bytes.el.title = why || BYTES_NOTE;
    this.spark.set(padded(topic.history, BUCKETS), { step: true, color: '--water-line' });
  }
}

const BUCKETS = 120; // ten minutes

const BYTES_NOTE = 'how fast its files on the disk grow, so after compression';

const FIGURES = [
  { key: 'rate', title: 'messages/s in', note: RATE_NOTE },
  { key: 'bytes', title: 'bytes/s in', note: BYTES_NOTE },
  { key: 'records', title: 'records', note: RECORDS_NOTE },
  { key: 'size', title: 'on disk', note: SIZE_NOTE },
  { key: 'last', title: 'last write', note: LAST_NOTE },
  { key: 'partitions', title: 'partitions', note: PARTITIONS_NOTE },
];

function figure(label, title) {
  const value = h('b', {});
  const unit = h('span', {});
  return { el: h('div.kv', { title }, h('span', {}, label), h('div', {}, value, unit)), value, unit };
}

function set({ value, unit }, words, unitWords = '') {
  text(value, words);
  text(unit, unitWords);
}
