// What came of a question: rows, a chart of them, findings, or what went wrong. One at a time.

import { h, segments, text } from '../../dom.js';
import { THIN, count, int } from '../../format.js';
import { nodes } from '../../json.js';
import { moment } from '../../time.js';
import { AnswerChart } from './chart.js';
import { ExportMenu } from './export.js';
import { findingsList } from './findings.js';
import { rowsTable } from './table.js';

const FORMS = [
  ['table', 'Table'],
  ['chart', 'Chart'],
];

/** `el` is its element; `destroy` it when it goes. */
export class Results {
  /**
   * @param {Object} acts
   * @param {function(string)} acts.onForm table or chart was chosen
   * @param {function(Object)} acts.onFinding the place of a finding was clicked
   * @param {function(): {sql: string, records: number, to: number|null}} acts.question the one whose rows are shown
   */
  constructor({ onForm, onFinding, question }) {
    this.onFinding = onFinding;
    this.form = 'table';
    this.answer = null;
    this.about = null; // what the note says of what is shown
    this.chart = null;
    this.title = h('h2', {}, 'Result');
    this.note = h('span.note', {});
    this.said = h('span.vh', { role: 'status' }); // what a screen reader is told: no numbers that run
    this.forms = segments('How the rows are shown', FORMS, onForm);
    this.export = new ExportMenu(question);
    this.tools = h('div.right', { hidden: true }, this.forms.el, this.export.el);
    this.out = h('div.out', {});
    this.el = h('section.sec.q-out', {}, h('header', {}, this.title, this.note, this.said, this.tools), this.out);
  }

  destroy() {
    this.chart?.destroy();
  }

  /** Nothing was asked yet. */
  nothing(words) {
    this.show('Result', '', h('p.note', {}, words));
  }

  /** What is being done; the rows of before stay, dimmed. */
  progress({ doing, done, total }) {
    const far = total ? ` ${int((100 * done) / total)}${THIN}%` : done ? ` ${int(done)}` : '';
    text(this.note, `${doing}${far}\u2026`);
    text(this.said, `${doing}\u2026`);
    this.el.setAttribute('aria-busy', 'true');
  }

  /** It went wrong; `words` may have several lines, with a caret under a place. */
  failed(words) {
    this.show('No answer', '', h('pre.q-failed', { role: 'alert', tabindex: '0' }, nodes(words)));
    this.title.className = 'bad';
  }

  /** It was given up. */
  stopped() {
    this.show('Stopped', '', h('p.note', {}, 'The question was given up, here and at the server.'));
  }

  /** Findings of a text; without any, `words`. */
  findings(findings, words) {
    if (findings.length) {
      const list = findingsList(findings, this.onFinding);
      this.show(count(findings.length, 'problem', 'problems'), 'as clickstream tables check says it', list);
      this.title.className = 'bad';
    } else {
      this.show('No problems', '', h('p.note', {}, words));
    }
  }

  /** Rows of a query; see api/query.Answer. */
  rows(answer) {
    this.show('Result', '');
    this.answer = answer;
    this.about = () => aboutRows(answer);
    this.tools.hidden = !answer.rows.length;
    this.paintNote();
    text(this.said, this.about());
    this.paintRows();
  }

  /** What a file would write; see api/preview.Answer. */
  preview(answer) {
    const troubles = answer.troubles.map((words) => h('p.q-trouble', {}, nodes(words)));
    this.show('Preview', '', troubles, answer.results.map(resultOf));
    this.about = () => aboutPreview(answer);
    this.paintNote();
    text(this.said, this.about());
  }

  /** After a change of the zone, which they tell times in. */
  paintTimes() {
    this.paintNote();
    this.chart?.paintReading();
  }

  paintNote() {
    if (this.about && !this.el.hasAttribute('aria-busy')) {
      text(this.note, this.about());
    }
  }

  /** @param {string} form table or chart */
  setForm(form) {
    this.forms.set(form);
    if (form !== this.form) {
      this.form = form;
      if (this.answer) {
        this.paintRows();
      }
    }
  }

  paintRows() {
    this.chart?.destroy();
    this.chart = null;
    const { columns, rows } = this.answer;
    if (!rows.length) {
      this.out.replaceChildren(h('p.note', {}, 'No row fits.'));
    } else if (this.form === 'chart') {
      this.chart = new AnswerChart(this.answer);
      this.out.replaceChildren(this.chart.el);
    } else {
      this.out.replaceChildren(rowsTable(columns, rows));
    }
  }

  show(title, note, ...content) {
    this.chart?.destroy();
    this.chart = null;
    this.answer = null;
    this.about = null;
    this.tools.hidden = true;
    this.el.removeAttribute('aria-busy');
    this.title.className = '';
    text(this.title, title);
    text(this.note, note);
    text(this.said, title);
    this.out.replaceChildren(...content.flat());
  }
}

function aboutRows({ rows, cut, tables, seconds, newest, to }) {
  const time = seconds < 1 ? `${Math.round(seconds * 1000)}${THIN}ms` : `${seconds.toFixed(1)}${THIN}s`;
  const shown = cut ? `the first ${int(rows.length)} rows` : count(rows.length, 'row', 'rows');
  const from = tables.length ? `, from ${tables.map((name) => reach(name, newest[name])).join(', ')}` : '';
  return `${then(to)}${shown} in ${time}${from}`;
}

function reach(name, newest) {
  if (!newest) {
    return name;
  }
  return `${name} (the newest ${int(newest.rows)}, from ${moment(newest.since, Date.now())})`;
}

const then = (to) => (to == null ? '' : `As of ${moment(to, Date.now())}: `);

function aboutPreview({ records, whole, to }) {
  const read = Object.entries(records).map(([name, number]) => `${count(number, 'record', 'records')} of ${name}`);
  const over = then(to) ? `${then(to)}over` : 'Over';
  return `${over} ${whole ? '' : 'the last '}${read.join(', ')}. No topic was written.`;
}

function resultOf({ name, columns, rows, early, known, late, dropped }) {
  const parts = [rows.length < known ? `the newest ${int(rows.length)} of ${int(known)} rows` : count(known, 'row', 'rows')];
  if (late) {
    parts.push(`${count(late, 'row', 'rows')} came too late`);
  }
  if (dropped) {
    parts.push(`${count(dropped, 'row', 'rows')} without a key`);
  }
  const body = rows.length ? rowsTable(columns, rows, early) : h('p.note', {}, 'It would write nothing.');
  return h('div.q-result', {}, h('h3', {}, nodes(name), h('span.note', {}, parts.join('; '))), body);
}
