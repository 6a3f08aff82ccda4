// All topics: what is in them, what comes in, and how far the slowest reader is behind.

import { attr, h, text } from '../dom.js';
import { NONE, ago, bytes, bytesText, count, int, kept, rate } from '../format.js';
import { errorNotice, lineNotice, setupNotice } from '../notice.js';
import { Spark, padded } from '../spark.js';
import { SteadyTable } from '../steadytable.js';
import { definitionsFoot, definitionsOf, sortOf, sortWords } from '../table.js';
import { hms } from '../time.js';
import { LAST_NOTE, RATE_NOTE, RECORDS_NOTE, SIZE_NOTE } from './measured.js';

export const meta = { timed: false, remembered: true, pausable: true };

const BUCKETS = 120; // ten minutes
const SPARK = 3; // the column
const QUIET_RATE = 0.005;
const QUIET_MS = 60000;

/** See Page for the interface. */
export function create(root, page) {
  const topics = new Topics(root, page);
  return { update: () => topics.update(), destroy: () => topics.destroy() };
}

class Topics {
  constructor(root, page) {
    this.page = page;
    this.sparks = new Map();
    this.state = null;
    this.noticed = '';
    this.search = h('input.field', {
      type: 'search',
      placeholder: 'Filter by name',
      'aria-label': 'Filter topics by name',
      value: page.get('name', ''),
      oninput: () => this.narrow(),
    });
    this.internal = h('input', { type: 'checkbox', onchange: () => this.setInternal() });
    this.internalWords = h('span', {}, 'Internal');
    page.tools.replaceChildren(this.search, h('label.check', {}, this.internal, this.internalWords));
    this.notices = h('div.notices', {});
    this.table = new SteadyTable({
      label: 'Topics',
      columns: this.columns(),
      key: (topic) => topic.name,
      sort: sortOf(page.get('sort')) ?? { key: 'rate', down: true },
      onSort: (sort) => page.set('sort', sortWords(sort)),
    });
    this.table.el.classList.add('topics', 'fixed-first');
    this.table.heads[SPARK].append(h('span.wide-only', {}, ', own scale'));
    this.table.el.addEventListener('click', (event) => this.follow(event));
    this.sum = h('p.note.sum', {});
    const foot = definitionsFoot(definitionsOf(this.table.columns));
    root.append(this.notices, h('section.sec.plain', {}, this.table.el, this.sum), foot);
  }

  columns() {
    return [
      { key: 'name', title: 'topic', paint: (cell, topic) => this.paintName(cell, topic) },
      { key: 'kind', title: 'kind', cls: 'opt dim' },
      { key: 'rate', title: 'messages/s in', number: true, paint: paintRate, note: RATE_NOTE },
      { key: 'spark', title: '10 min', cls: 'wide', sorts: false, paint: (cell, topic) => this.paintSpark(cell, topic) },
      { key: 'records', title: 'records', number: true, text: recordsText, note: RECORDS_NOTE },
      { key: 'size', title: 'size', number: true, cls: 'opt', paint: (cell, topic) => paintSize(cell, topic, this.state), note: SIZE_NOTE },
      { key: 'partitions', title: 'partitions', number: true, cls: 'opt', text: (topic) => int(topic.partitions) },
      { key: 'replication', title: 'replicas', number: true, cls: 'opt', text: (topic) => int(topic.replication), note: REPLICAS_NOTE },
      { key: 'last_write', title: 'last write', number: true, paint: (cell, topic) => this.paintLast(cell, topic), note: LAST_NOTE },
      { key: 'lag', title: 'lag', number: true, paint: paintLag, note: 'records that the reader furthest behind has still to read' },
      { key: 'kept', title: 'kept', cls: 'opt dim', value: keptMs, text: keptText, note: 'by the retention and the compaction of the topic' },
    ];
  }

  update() {
    this.internal.checked = this.page.get('internal') === '1';
    this.page.open('topics', 'topics', this.page.instant(), {
      state: (state) => this.take(state),
      error: (words) => this.fail(words),
    });
    this.paint();
  }

  destroy() {
    for (const spark of this.sparks.values()) {
      spark.destroy();
    }
  }

  take(state) {
    this.state = state;
    this.paint();
  }

  // What was shown before is of another moment.
  fail(words) {
    this.state = null;
    this.table.set([]);
    text(this.sum, '');
    this.noticed = words;
    this.notices.replaceChildren(errorNotice(words));
  }

  setInternal() {
    this.page.set('internal', this.internal.checked ? '1' : null);
    this.paint();
  }

  narrow() {
    this.page.set('name', this.search.value || null);
    this.paint();
  }

  paint() {
    if (!this.state) {
      return;
    }
    const { topics } = this.state;
    const own = topics.filter((topic) => !topic.internal);
    text(this.internalWords, `Internal, ${topics.length - own.length}`);
    const wanted = this.search.value.trim().toLowerCase();
    const listed = this.internal.checked ? topics : own;
    const shown = listed.filter((topic) => topic.name.toLowerCase().includes(wanted));
    this.forgetSparks(shown);
    this.table.set(shown);
    this.paintNotices(listed, shown);
    text(this.sum, this.sumWords(shown));
  }

  paintNotices(listed, shown) {
    const { at, problem } = this.state;
    const found = [];
    if (!at) {
      found.push(lineNotice(problem || 'Looking for topics\u2026'));
    } else if (problem) {
      found.push(lineNotice(`As of ${hms(at)}. ${problem}`));
    }
    if (at && !listed.length) {
      found.push(setupNotice('No topics yet', [{ ok: false, words: 'Create the declared ones:', command: 'bin/clickstream topics create' }]));
    } else if (at && !shown.length) {
      found.push(lineNotice(`No topic has \u201c${this.search.value}\u201d in its name.`));
    }
    const words = found.map((one) => one.textContent).join();
    if (words !== this.noticed) {
      this.noticed = words;
      this.notices.replaceChildren(...found);
    }
  }

  sumWords(shown) {
    if (!shown.length) {
      return '';
    }
    const records = shown.reduce((sum, topic) => sum + (topic.records ?? 0), 0);
    const sizes = shown.map((topic) => topic.size).filter((size) => size != null);
    const size = sizes.length ? `, ${bytesText(sizes.reduce((sum, one) => sum + one, 0))} on disk` : '';
    const about = shown.some((topic) => topic.about) ? ' ~ is about: compaction leaves offsets without records.' : '';
    const why = this.state.no_size ? ` ${this.state.no_size}` : '';
    return `${count(shown.length, 'topic', 'topics')}, ${int(records)} records${size}. Lag is of the reader that is furthest behind.${about}${why}`;
  }

  follow(event) {
    const row = event.target.closest('tbody tr');
    if (row && !event.target.closest('a') && !getSelection().toString()) {
      row.querySelector('a').click();
    }
  }

  paintName(cell, { name }) {
    if (!cell.firstChild) {
      cell.append(h('a', { title: name }, name));
    }
    attr(cell.firstChild, 'href', this.page.address('topics', name));
  }

  paintSpark(cell, topic) {
    let spark = this.sparks.get(topic.name);
    if (!spark) {
      spark = new Spark('.row');
      this.sparks.set(topic.name, spark);
    }
    if (cell.firstChild !== spark.el) {
      cell.replaceChildren(spark.el);
    }
    const dead = topic.kind === 'dead letters';
    const signature = topic.history.join();
    if (spark.signature !== signature) {
      spark.signature = signature;
      spark.set(padded(topic.history, BUCKETS), {
        step: true,
        color: dead ? '--alert-line' : '--water-line',
        fill: dead ? '--alert-tint' : '--water-wash',
      });
    }
  }

  forgetSparks(shown) {
    const names = new Set(shown.map((topic) => topic.name));
    for (const [name, spark] of this.sparks) {
      if (!names.has(name)) {
        spark.destroy();
        this.sparks.delete(name);
      }
    }
  }

  paintLast(cell, { last_write: at }) {
    const now = this.page.isPast ? this.state.at : this.page.now();
    const age = at == null ? null : Math.max(0, now - at);
    text(cell, age == null ? NONE : ago(age));
    cell.classList.toggle('dim', age == null || age > QUIET_MS);
  }
}

const REPLICAS_NOTE = 'replication factor: how many copies of each partition there are';

function paintRate(cell, topic) {
  const quiet = topic.rate == null || topic.rate < QUIET_RATE;
  text(cell, topic.rate == null ? NONE : quiet ? '0' : rate(topic.rate));
  cell.classList.toggle('dim', quiet);
}

const recordsText = (topic) => (topic.records == null ? NONE : (topic.about ? '~' : '') + int(topic.records));

function paintSize(cell, topic, state) {
  if (topic.size == null) {
    text(cell, NONE);
    cell.title = state.no_size;
    return;
  }
  const [value, unit] = bytes(topic.size);
  const words = `${value} ${unit}`;
  if (cell.dataset.words !== words) {
    cell.dataset.words = words;
    cell.replaceChildren(value, h('span.u', {}, unit));
  }
}

function paintLag(cell, topic) {
  text(cell, topic.lag == null ? '' : int(topic.lag));
  cell.title = topic.reader ?? '';
}

function keptMs(topic) {
  if (topic.policy === 'compact' || topic.retention_ms === -1) {
    return Number.MAX_SAFE_INTEGER;
  }
  return topic.retention_ms ?? null;
}

function keptText(topic) {
  if (topic.policy == null) {
    return '';
  }
  const time = topic.retention_ms === -1 ? 'for good' : kept(topic.retention_ms);
  if (topic.policy === 'compact') {
    return 'latest per key';
  }
  return topic.policy.includes('compact') ? `latest per key, ${time}` : time;
}
