// Dead letters: what could not be read, why, and (with control) sending it again once it is repaired. At a past instant
// those that had come by then.

import { h, text } from '../dom.js';
import { NONE, count, int } from '../format.js';
import { put } from '../json.js';
import { errorNotice, lineNotice, setupNotice } from '../notice.js';
import { SteadyTable } from '../steadytable.js';
import { definitionsFoot, definitionsOf } from '../table.js';
import { day, dayTime, hms, moment } from '../time.js';
import { Letter } from './dead/letter.js';
import { Resting } from './resting.js';
import { intoView } from './topic/inspector.js';

export const meta = { timed: false, pausable: true };

const BYTES_NOTE = 'of the whole value, of which a letter may have kept only the beginning';
const DEFINITIONS =
  'Records in all: between the beginning and the end of the topic, letters and the marks of those that were sent again. ' +
  'The number beside the page in the rail is of the last 5 minutes.';

const STAGES = {
  connecting: 'Connecting\u2026',
  'catching up': 'Reading the last letters\u2026',
};

/** See Page for the interface. */
export function create(root, page) {
  const dead = new Dead(root, page);
  return { update: () => dead.update(), destroy: () => dead.destroy() };
}

class Dead {
  constructor(root, page) {
    this.page = page;
    this.noticed = '';
    this.resting = new Resting();
    this.to = null; // the instant that the state is of
    this.notices = h('div.notices', {});
    this.name = h('h2', {}, '');
    this.note = h('span.note', {});
    this.search = h('input.field', {
      type: 'search',
      placeholder: 'Filter by reason or origin',
      'aria-label': 'Filter dead letters by reason, part or origin',
      value: page.get('filter', ''),
      oninput: () => this.narrow(),
    });
    page.tools.replaceChildren(this.search);
    this.table = new SteadyTable({
      label: 'Dead letters',
      columns: this.columns(),
      key: (row) => `${row.partition}:${row.offset}`,
      sort: { key: 'time', down: true },
      onPick: (row) => this.pick(row),
    });
    this.table.body.addEventListener('keydown', (event) => this.key(event));
    this.letter = new Letter(page);
    root.append(
      this.notices,
      h('section.sec.plain.d-list', {}, h('header', {}, this.name, this.note), this.table.el),
      this.letter.el,
      definitionsFoot(`${definitionsOf(this.table.columns)} ${DEFINITIONS}`),
    );
  }

  columns() {
    return [
      { key: 'time', title: 'time', cls: 'dim', text: (row) => this.time(row.time) },
      { key: 'reason', title: 'why', paint: paintReason },
      { key: 'part', title: 'who could not read it', cls: 'dim', paint: (cell, row) => put(cell, row.part) },
      { key: 'origin', title: 'topic, partition, offset', paint: (cell, row) => put(cell, shortOrigin(row.origin)) },
      { key: 'bytes', title: 'bytes', number: true, text: (row) => (row.bytes == null ? NONE : int(row.bytes)), note: BYTES_NOTE },
    ];
  }

  update() {
    const { to } = this.page.state;
    this.resting.at(to, () => this.ask(to));
    this.paint();
    this.letter.update();
  }

  ask(to) {
    this.page.open('dead', 'dead', to == null ? {} : { at: to }, {
      state: (state) => this.take(state, to),
      error: (words) => this.notice(`error ${words}`, () => errorNotice(words)),
    });
  }

  destroy() {
    this.resting.destroy();
    this.letter.destroy();
  }

  take(state, to) {
    const looksBack = to != null && this.to != null && state.topic.stage === 'catching up';
    if (looksBack && this.state?.rows.length) {
      return; // the letters of one past instant stay until those of the next are found
    }
    this.state = state;
    this.to = to;
    this.paint();
    this.letter.setRetried(state.rows);
  }

  narrow() {
    this.page.set('filter', this.search.value || null);
    this.paint();
  }

  paint() {
    if (!this.state) {
      return;
    }
    const { topic, rows, records } = this.state;
    const wanted = this.search.value.trim().toLowerCase();
    const fits = (row) => `${row.reason}\n${row.part}\n${row.origin}`.toLowerCase().includes(wanted);
    const shown = wanted ? rows.filter(fits) : rows;
    text(this.name, topic.name);
    this.table.set(shown);
    this.table.pick(this.page.get('letter'));
    this.table.el.hidden = !rows.length;
    const then = this.to == null ? '' : `, as of ${moment(this.to, this.page.now())}`;
    text(this.note, `${noteWords(rows, shown, records)}${rows.length ? then : ''}`);
    this.paintNotice(topic, rows, shown);
  }

  paintNotice({ name, stage, words, command }, rows, shown) {
    if (stage === 'missing') {
      const steps = [{ ok: true, words: 'So nothing was set aside yet. A part that meets such a record creates it:', command: null }];
      this.notice('missing', () => setupNotice(`There is no topic ${name}`, [...steps, { ok: false, words: 'or:', command: `bin/${command}` }]));
    } else if (STAGES[stage]) {
      this.notice(stage, () => lineNotice(STAGES[stage]));
    } else if (stage !== 'live') {
      this.notice(words, () => lineNotice(words));
    } else if (rows.length && !shown.length) {
      this.notice(`nothing ${this.search.value}`, () => lineNotice(`None of the last letters has \u201c${this.search.value}\u201d in it.`));
    } else if (words) {
      this.notice(words, () => lineNotice(words)); // of a past instant, not all could be looked at
    } else if (!rows.length) {
      const none = this.to == null ? 'everything that came could be read' : `none had come by ${moment(this.to, this.page.now())}`;
      this.notice(none, () => lineNotice(`No dead letters: ${none}.`));
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

  time(at) {
    if (at == null) {
      return NONE;
    }
    return day(at) === day(this.page.now()) ? hms(at) : dayTime(at).slice(0, 19);
  }

  pick(row) {
    const key = `${row.partition}:${row.offset}`;
    this.page.set('letter', key);
    this.table.pick(key);
    this.letter.update();
    intoView(this.letter.el);
  }

  key(event) {
    const ways = { ArrowDown: 'next', j: 'next', ArrowUp: 'previous', k: 'previous' };
    const to = ways[event.key] && event.target.closest('tr')?.[`${ways[event.key]}ElementSibling`];
    if (to) {
      to.focus();
      to.click();
      event.preventDefault();
    }
  }
}

function paintReason(cell, row) {
  const words = `${row.reason} ${row.retried}`;
  if (cell.dataset.words !== words) {
    cell.dataset.words = words;
    const reason = h('span', {});
    put(reason, row.reason);
    cell.replaceChildren(...(row.retried ? [h('span.tag', {}, 'sent again'), ' '] : []), reason);
    cell.title = row.reason;
  }
}

const shortOrigin = (words) => words.replace(/ partition (\d+) offset (\d+)$/, ', $1, $2');

function noteWords(rows, shown, records) {
  if (!rows.length) {
    return '';
  }
  const all = records == null ? '' : `, ${count(records, 'record', 'records')} in all`;
  const some = shown.length < rows.length ? `${int(shown.length)} of the` : 'the';
  return `${some} last ${int(rows.length)}${all}, newest first`;
}
