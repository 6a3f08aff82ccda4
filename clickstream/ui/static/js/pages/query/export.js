// The rows of a question as a file. The question is asked again, with room for more rows than a page shows.

import { h, icon, text } from '../../dom.js';
import { exported } from './ask.js';

const FORMATS = [
  ['jsonl', 'JSON lines', 'exact digits'],
  ['csv', 'CSV', 'for spreadsheets: no cell is a formula'],
];
const LIMIT = 'The query runs again: at most 100,000 rows or 64 MB; a last line says so if there are more.';

/** `el` is its element. */
export class ExportMenu {
  /** @param {function(): {sql: string, records: number, to: number|null}} question the one whose rows are shown */
  constructor(question) {
    this.question = question;
    this.said = h('p.note', { role: 'status' });
    const items = FORMATS.map(([format, title, note]) => {
      const start = () => this.start(format);
      return h('li', {}, h('button', { type: 'button', onclick: start }, title, h('span.note', {}, note)));
    });
    const float = h('div.float', {}, h('ul', {}, items), h('p.note', {}, LIMIT), this.said);
    this.el = h('details.menu', {}, h('summary.btn', {}, icon('down'), 'Export'), float);
    this.el.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') {
        this.el.open = false;
        event.stopPropagation();
      }
    });
  }

  async start(format) {
    text(this.said, 'Asking\u2026');
    try {
      save(await exported({ ...this.question(), format }), `query.${format}`);
      text(this.said, '');
    } catch (problem) {
      text(this.said, problem.message);
    }
  }
}

function save(blob, name) {
  const href = URL.createObjectURL(blob);
  const link = h('a', { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
}
