// The records of a topic: as they come, newest first, or from a place on; at a past instant only what had come by then.
// What is shown is in the address.

import { h, icon, text } from '../../dom.js';
import { members, unquoted } from '../../json.js';
import { decode } from '../../route.js';
import { sortOf, sortWords } from '../../table.js';
import { moment, zone } from '../../time.js';
import { Resting } from '../resting.js';
import { Fields, MOST_FIELDS } from './fields.js';
import { Rows, keyOf } from './rows.js';
import { search } from './search.js';
import { Where } from './where.js';
import { ENDS, foundWords, liveMeaning, liveWords, progressWords } from './words.js';

const TYPING_MS = 400;
const PAGE_ROWS = 100;
const MOST_WAITING = 1000;
const USUAL_COLUMNS = 4;

/** `el` is its section; `fields` the menu of columns, for the head of the page. */
export class Records {
  /**
   * @param {Object} page see Page
   * @param {string} topic
   * @param {function(Object)} onPick shows a row's record
   */
  constructor(page, topic, onPick) {
    this.page = page;
    this.topic = topic;
    this.onPick = onPick;
    this.skipped = 0; // records that came and are never shown
    this.waiting = []; // rows that came while the list was held
    this.held = false;
    this.searching = null;
    this.gaveUp = false; // before anything was found
    this.resting = new Resting();
    this.answer = null;
    this.known = new Set(); // fields that were seen
    this.rows = new Rows((row) => this.pick(row), () => page.now(), (sort) => this.set('sort', sortWords(sort)));
    this.fields = new Fields((path) => this.toggleColumn(path));
    this.make();
    this.listen();
  }

  make() {
    const { page } = this;
    this.where = new Where(page, (name, value) => this.set(name, value), (words) => text(this.problem, words));
    this.key = h('input.field.key', {
      type: 'search',
      placeholder: 'Key',
      'aria-label': 'Only records with this key',
      spellcheck: 'false',
      value: page.get('key', ''),
      onchange: () => this.set('key', this.key.value || null),
    });
    this.filter = h('input.field.grow', {
      type: 'search',
      placeholder: 'Text, or status >= 400',
      'aria-label': 'Filter records',
      title: FILTER_HELP,
      spellcheck: 'false',
      value: page.get('filter', ''),
      oninput: () => this.typed(),
    });
    this.hold = h('button.btn.hold', { type: 'button', onclick: () => this.follow(this.stopped) });
    this.info = h('span.note.infoline', {});
    this.said = h('span.vh', { role: 'status' });
    this.more = h('button.link', { type: 'button', onclick: () => this.goOn() }, 'Search further back');
    this.cancel = h('button.link', { type: 'button', onclick: () => this.stopSearch() }, 'Stop searching');
    this.unsort = h('button.link', { type: 'button', onclick: () => this.set('sort', null) });
    this.problem = h('p.note.bad', { role: 'alert' });
    const head = h('header', {}, h('h2', {}, 'Records'), ...this.where.els, this.key);
    head.append(this.filter, this.hold);
    const foot = h('div.under', {}, this.info, this.said, h('span.acts', {}, this.unsort, this.more, this.cancel));
    this.el = h('section.sec.t-tail', {}, head, this.problem, this.rows.el, foot);
  }

  listen() {
    const { el } = this.rows;
    el.addEventListener('pointerenter', () => this.setHeld(true));
    el.addEventListener('pointerleave', () => this.setHeld(false));
    el.addEventListener('focusin', () => this.setHeld(true));
    el.addEventListener('focusout', () => this.setHeld(el.matches(':hover')));
  }

  /** The choices in the address. */
  get at() {
    return this.where.at;
  }

  get columns() {
    const given = this.page.get('cols');
    return given == null ? this.usual ?? [] : given.split(',').map(decode).filter(Boolean);
  }

  get stopped() {
    return this.page.get('stop') === '1';
  }

  /** Whether the newest are shown, and come first. */
  get isNewest() {
    return this.at === 'newest';
  }

  /** Whether what comes is shown: at a past instant nothing comes any more. */
  get isLive() {
    return this.isNewest && this.page.state.to == null;
  }

  /** What is asked for, as parameters of api/questions.py. */
  question() {
    const filter = this.page.get('filter');
    return {
      from: this.at,
      to: this.page.state.to,
      filter,
      zone: this.where.isLocal || filter?.includes('$time') ? zone() : null, // the server has another one
      partition: this.page.get('part'),
      key: this.page.get('key'),
    };
  }

  update() {
    this.paintControls();
    this.rows.paintTimes();
    const columns = this.columns;
    this.sortRows();
    const { to, ...others } = this.question();
    const asked = JSON.stringify([others, columns]);
    const isSame = asked === this.asked;
    if (isSame && to === this.to) {
      if (this.isLive && !this.stopped) {
        this.leaveSearch();
      }
      this.paintInfo();
      return;
    }
    // Rows of one past instant stay until those of the next are found.
    if (!isSame || to == null || this.to == null) {
      this.rows.setColumns(columns);
    }
    this.asked = asked;
    this.to = to;
    this.resting.at(to, () => this.restart());
  }

  // By a column of those that are there; a link may name another.
  sortRows() {
    const sort = sortOf(this.page.get('sort'));
    if (JSON.stringify(sort) !== JSON.stringify(this.rows.sort)) {
      this.rows.setSort(sort);
      this.paintInfo();
    }
  }

  restart() {
    this.leaveSearch();
    this.waiting = [];
    this.skipped = 0;
    text(this.problem, '');
    if (this.isLive) {
      this.rows.clear(true);
      this.openTail();
    } else {
      this.page.close('tail');
      this.run();
    }
    this.paintInfo();
  }

  openTail() {
    const { filter, zone: times, partition, key } = this.question();
    const params = { topic: this.topic, filter: filter ?? '', zone: times, columns: this.columns };
    if (partition != null) {
      params.partition = Number(partition);
    }
    if (key != null) {
      params.key = key;
    }
    this.page.open('tail', 'tail', params, {
      feed: (feed) => this.take(feed),
      error: (words) => text(this.problem, words),
    });
  }

  take(feed) {
    this.stage = feed.stage;
    this.words = feed.words;
    if (feed.anew) {
      this.leaveSearch();
      this.rows.clear();
      this.waiting = [];
      this.skipped = 0;
    }
    this.skipped += feed.skipped;
    this.learn(feed.rows);
    if (this.held || this.stopped) {
      const waiting = [...this.waiting, ...feed.rows];
      this.waiting = waiting.slice(-MOST_WAITING);
      this.skipped += waiting.length - this.waiting.length;
      if (!this.rows.count && feed.rows.length) {
        this.show(); // there is nothing yet that could be moved
      }
    } else {
      this.rows.add(feed.rows);
    }
    this.paintInfo();
  }

  setHeld(held) {
    this.held = held;
    if (!held && !this.stopped) {
      this.show();
    }
    this.paintInfo();
  }

  follow(on) {
    this.set('stop', on ? null : '1');
    if (on) {
      this.show();
    }
    this.paintControls();
    this.paintInfo();
  }

  show() {
    const rows = this.waiting;
    this.waiting = [];
    this.rows.add(rows);
  }

  // Which fields there are; the first records choose the columns, unless the address does.
  learn(rows) {
    const before = this.known.size;
    for (const { value } of rows.slice(-20)) {
      for (const path of value?.text ? members(value.text).keys() : []) {
        if (this.known.size < MOST_FIELDS) {
          this.known.add(path);
        }
      }
    }
    const grew = this.known.size > before;
    if (grew) {
      this.fields.set(this.known, this.columns);
    }
    if (grew && this.usual == null) {
      this.usual = usualColumns(rows.at(-1));
      if (this.page.get('cols') == null && this.usual.length) {
        this.update();
      }
    }
  }

  /** Shows a field as a column, or no longer. */
  toggleColumn(path) {
    const { columns } = this;
    const next = columns.includes(path) ? columns.filter((one) => one !== path) : [...columns, path];
    this.set('cols', next.map(encodeURIComponent).join(','));
  }

  set(name, value) {
    this.page.set(name, value);
    this.update();
  }

  typed() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.set('filter', this.filter.value.trim() || null), TYPING_MS);
  }

  async run(places = null) {
    const mine = new AbortController();
    this.searching = mine;
    this.gaveUp = false;
    this.progress = null;
    const isFirst = places == null;
    text(this.problem, '');
    this.paintInfo();
    const params = { ...this.question(), column: this.columns, limit: String(PAGE_ROWS), places };
    try {
      const answer = await search(this.topic, params, mine.signal, (progress) => {
        this.progress = progress;
        this.paintInfo();
      });
      if (this.searching === mine) {
        this.answer = answer;
        if (isFirst) {
          this.rows.clear(this.isNewest);
        }
        this.learn(answer.rows);
      }
      if (this.searching === mine) { // they may have chosen other columns, and asked again
        this.rows.append(answer.rows);
      }
    } catch (problem) {
      if (this.searching === mine && problem.name !== 'AbortError') {
        text(this.problem, problem.message);
        if (isFirst) {
          this.asked = null; // the next look at it asks again
          this.rows.clear(this.isNewest);
        }
      }
    } finally {
      if (this.searching === mine) {
        this.searching = null;
      }
      this.paintInfo();
    }
  }

  // In the live list: what was there before. After a search: what comes behind its last record.
  goOn() {
    if (this.isLive && !this.answer) {
      this.set('stop', '1');
      this.run(this.oldest());
    } else if (this.answer?.places) {
      this.run(this.answer.places);
    }
  }

  // The places before the rows that are shown, as a search backwards goes on from them.
  oldest() {
    const places = new Map();
    for (const { row } of this.rows.rows.values()) {
      const before = places.get(row.partition);
      if (before == null || BigInt(row.offset) < BigInt(before)) {
        places.set(row.partition, row.offset);
      }
    }
    const whole = this.where.partitions === places.size || this.page.get('part') != null;
    return whole ? [...places].map((pair) => pair.join(':')).join(',') : null;
  }

  giveUp() {
    this.searching?.abort();
    this.searching = null;
    this.paintInfo();
  }

  // What it said is no longer true of the list: that goes on, or begins again.
  leaveSearch() {
    this.giveUp();
    this.answer = null;
  }

  // Rows of another question or instant do not stand for this one.
  stopSearch() {
    if (!this.isLive && !this.answer) {
      this.gaveUp = true;
      this.rows.clear(this.isNewest);
    }
    this.giveUp();
  }

  pick(row) {
    this.rows.pick(keyOf(row));
    this.onPick(row);
  }

  paintControls() {
    this.where.paint();
    this.hold.hidden = !this.isLive;
    this.hold.replaceChildren(icon(this.stopped ? 'play' : 'pause'), this.stopped ? 'Follow' : 'Pause');
    this.fields.set(this.known, this.columns);
  }

  paintInfo() {
    const [words, meaning] = this.infoWords();
    text(this.info, words);
    text(this.said, meaning);
    this.cancel.hidden = !this.searching;
    const more = this.answer ? this.answer.places != null : this.isLive && this.stage === 'live';
    this.more.hidden = Boolean(this.searching) || !more;
    text(this.more, this.isNewest && !(this.isLive && this.answer) ? 'Search further back' : 'Go on');
    this.unsort.hidden = !this.rows.sort;
    text(this.unsort, this.isNewest ? 'Newest first' : 'In order');
  }

  // What is written, and what of it a screen reader is told: no numbers that run.
  infoWords() {
    if (this.searching) {
      return [progressWords(this.progress), progressWords(null)];
    }
    const isFiltered = Boolean(this.page.get('filter') || this.page.get('key') || this.page.get('part'));
    if (this.isLive && !this.answer) {
      const list = { ...this.state(), isFiltered };
      return [liveWords(list), liveMeaning(list)];
    }
    const words = this.answer ? this.answerWords(isFiltered) : this.gaveUp ? ENDS.stopped : '';
    return [words, words];
  }

  answerWords(isFiltered) {
    const then = this.to == null ? null : moment(this.to, this.page.now());
    return foundWords(this.answer, { then, shown: this.rows.count, isFiltered, at: this.at });
  }

  // Of the live list.
  state() {
    const { stage, words, skipped, held, stopped, rows } = this;
    const waiting = this.waiting.length;
    return { stage, words, skipped, held, stopped, waiting, shown: rows.count, isSorted: Boolean(rows.sort) };
  }

  destroy() {
    clearTimeout(this.typing);
    this.resting.destroy();
    this.giveUp();
  }
}

const FILTER_HELP = `A text, or comparisons joined by "and":
status >= 400 and agent ~ curl
=  !=  <  <=  >  >=  ~ (contains)  !~
$key  $value  $size  $time  $partition  $offset  $tombstone  $header.NAME
$time >= 2026-03-25T19:05 is in the zone of this page
"in quotes" is one text`;

// The first fields that say something: no key again, no times, nothing nested.
function usualColumns(row) {
  const key = row?.key?.text;
  const found = [];
  for (const [path, raw] of row?.value?.text ? members(row.value.text) : []) {
    const dull = raw === 'null' || /[{[]/.test(raw[0]) || path.includes('.') || /time|date/i.test(path);
    if (!dull && unquoted(raw) !== key && found.length < USUAL_COLUMNS) {
      found.push(path);
    }
  }
  return found;
}
