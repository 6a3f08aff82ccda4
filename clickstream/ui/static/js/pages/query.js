// Questions in SQL: one SELECT over the history and topics, and streaming SQL that is tried before it runs. At a past
// instant both are about what had come by then.

import { h, segments, text } from '../dom.js';
import { int } from '../format.js';
import { ask, check } from './query/ask.js';
import { Editor } from './query/editor.js';
import { Results } from './query/results.js';
import { ASK, CHECK } from './query/samples.js';
import { Tree } from './query/tree.js';
import { Resting } from './resting.js';

export const meta = { timed: false, pausable: false };

const MODES = [
  ['ask', 'Ask'],
  ['check', 'Try streaming SQL'],
];
const RECORDS = [1000, 10000, 100000];
const CHECK_AFTER_MS = 300;
const KEEP_AFTER_MS = 500;
const LONGEST_IN_ADDRESS = 30000;
const WORDS = {
  ask: { run: 'Run', note: 'One SELECT: it only reads' },
  check: { run: 'Preview', note: 'A preview writes no topic' },
};

/** See Page for the interface. */
export function create(root, page) {
  const query = new Query(root, page);
  return { update: () => query.update(), destroy: () => query.destroy() };
}

class Query {
  constructor(root, page) {
    this.page = page;
    this.root = root;
    this.mode = null;
    this.kept = null; // the text that is in the address
    this.asked = { sql: '', records: RECORDS[1], to: null };
    this.isAsked = false; // a question or a preview, of which another instant is another one
    this.resting = new Resting();
    this.running = null;
    this.checking = null;
    this.timers = {};
    this.editor = new Editor({ onInput: () => this.edited(), onRun: () => this.run() });
    this.tree = new Tree((words) => this.editor.insert(words));
    this.results = new Results({
      onForm: (form) => page.set('view', form === 'chart' ? form : null),
      onFinding: (finding) => this.editor.goTo(finding),
      question: () => this.asked,
    });
    this.modes = segments('What is asked', MODES, (mode) => this.choose(mode));
    this.note = h('span.note', {});
    this.records = this.recordsChoice();
    this.runWords = h('span', {});
    const click = () => (this.running ? this.running.abort() : this.run());
    this.button = h('button.btn.main', { type: 'button', onclick: click }, this.runWords, h('kbd', {}, 'Ctrl Enter'));
    const right = h('div.right', {}, this.note, this.records, this.button);
    const asking = h('section.sec.plain', {}, h('header', {}, this.modes.el, right), this.editor.el);
    root.append(this.tree.el, h('div.q-main', {}, asking, this.results.el));
  }

  recordsChoice() {
    const choices = RECORDS.map((number) => h('option', { value: String(number) }, `last ${int(number)} records`));
    const choose = (event) => this.page.set('records', Number(event.target.value) === RECORDS[1] ? null : event.target.value);
    return h('select', { 'aria-label': 'How many records of each topic', onchange: choose }, choices);
  }

  destroy() {
    clearTimeout(this.timers.check);
    clearTimeout(this.timers.keep);
    this.resting.destroy();
    this.running?.abort();
    this.checking?.abort();
    this.editor.destroy();
    this.tree.destroy();
    this.results.destroy();
  }

  /** The address changed, perhaps by ourselves. */
  update() {
    const records = Number(this.page.get('records'));
    this.records.value = String(RECORDS.includes(records) ? records : RECORDS[1]);
    this.results.setForm(this.page.get('view') === 'chart' ? 'chart' : 'table');
    this.results.paintTimes();
    const mode = this.page.get('mode') === 'check' ? 'check' : 'ask';
    const sql = this.page.get('sql') ?? '';
    const { to } = this.page.state;
    const isMoved = to !== this.to;
    this.to = to;
    if (mode !== this.mode || sql !== this.kept) {
      this.resting.at(to, () => this.show(mode, sql));
    } else if (isMoved) {
      this.resting.at(to, () => this.askAgain());
    }
  }

  // What was asked, not what stands in the editor by now; unless it was asked about this instant already.
  askAgain() {
    if (this.isAsked && this.asked.to !== this.page.state.to) {
      this.run(this.asked.sql);
    }
  }

  /** Puts another text into the editor. */
  show(mode, sql) {
    this.stop();
    this.isAsked = false;
    this.mode = mode;
    this.kept = sql;
    this.root.dataset.mode = mode;
    this.modes.set(mode);
    text(this.note, WORDS[mode].note);
    this.paintButton();
    this.editor.value = sql || (mode === 'ask' ? ASK : CHECK);
    if (mode === 'ask') {
      this.tree.showAll();
      this.run();
    } else {
      this.check();
    }
  }

  choose(mode) {
    if (mode !== this.mode) {
      const next = { ...this.page.app.place.own };
      delete next.sql;
      delete next.mode;
      this.page.app.go({ own: mode === 'check' ? { ...next, mode } : next });
    }
  }

  edited() {
    clearTimeout(this.timers.keep);
    this.timers.keep = setTimeout(() => this.keep(), KEEP_AFTER_MS);
    if (this.mode === 'check') {
      clearTimeout(this.timers.check);
      this.timers.check = setTimeout(() => this.check(), CHECK_AFTER_MS);
    }
  }

  /** The text goes to the address, where a long one has no room. */
  keep() {
    clearTimeout(this.timers.keep);
    const sql = this.editor.value;
    const sample = sql === (this.mode === 'ask' ? ASK : CHECK);
    this.kept = sample || sql.length > LONGEST_IN_ADDRESS ? '' : sql;
    this.page.set('sql', this.kept || null);
  }

  stop() {
    clearTimeout(this.timers.keep);
    clearTimeout(this.timers.check);
    this.running?.abort();
    this.checking?.abort();
    this.running = null;
  }

  paintButton() {
    text(this.runWords, this.running ? 'Stop' : WORDS[this.mode].run);
    this.button.classList.toggle('stops', Boolean(this.running));
  }

  async run(sql = this.editor.value) {
    this.running?.abort();
    this.checking?.abort();
    clearTimeout(this.timers.check);
    const mine = new AbortController();
    this.running = mine;
    this.isAsked = true;
    this.keep();
    this.asked = { sql, records: Number(this.records.value), to: this.page.state.to };
    this.paintButton();
    this.results.progress({ doing: 'asking', done: 0, total: 0 });
    const path = this.mode === 'ask' ? '/api/ask/query' : '/api/ask/preview';
    const progress = (far) => this.running === mine && this.results.progress(far);
    try {
      const found = await ask(path, this.asked, mine.signal, progress);
      if (this.running === mine) {
        this.took(found);
      }
    } catch (problem) {
      if (this.running === mine) {
        this.broke(problem);
      }
    }
    if (this.running === mine) {
      this.running = null;
      this.paintButton();
      this.root.setAttribute('aria-busy', 'false');
    }
  }

  took({ answer, check: found }) {
    if (found) {
      this.paintCheck(found);
    } else if (this.mode === 'ask') {
      this.results.rows(answer);
    } else {
      this.results.preview(answer);
    }
  }

  broke(problem) {
    this.root.setAttribute('aria-busy', 'false');
    if (problem.name === 'AbortError') {
      this.results.stopped();
    } else {
      this.results.failed(problem instanceof TypeError ? 'The server does not answer.' : problem.message);
    }
  }

  async check() {
    this.checking?.abort();
    const mine = new AbortController();
    this.checking = mine;
    try {
      const found = await check(this.editor.value, mine.signal);
      if (this.checking === mine && !this.running) {
        this.paintCheck(found);
      }
    } catch (problem) {
      if (problem.name !== 'AbortError' && this.checking === mine && !this.running) {
        this.broke(problem);
      }
    }
  }

  paintCheck({ findings, tables }) {
    this.root.setAttribute('aria-busy', 'false');
    this.isAsked = false;
    this.editor.mark(findings);
    this.results.findings(findings, 'tables run would take this. Preview shows what it would write.');
    this.tree.showOnly(tables);
  }
}
