// The records of the question that is on the page, as a file: of all that fit, not only of those that are shown.

import { headers, refusalOf } from '../../api.js';
import { h, icon, text } from '../../dom.js';
import { query } from './search.js';

const FORMATS = [
  ['jsonl', {}, 'JSON lines', 'exact digits and order'],
  ['csv', {}, 'CSV', 'for spreadsheets: no cell is a formula'],
  ['csv', { raw: '1' }, 'CSV, as it is', 'for programs: formulas stay formulas'],
  ['exact', {}, 'Bytes', 'JSON lines with base64'],
];
const LIMIT = 'At most 1,000,000 records or 256 MB; a last line says so if there are more.';
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** `el` is its element. */
export class ExportMenu {
  /**
   * @param {Object} page see Page
   * @param {string} topic
   * @param {function(): Object} question the present one, as parameters of api/questions.py
   */
  constructor(page, topic, question) {
    this.page = page;
    this.topic = topic;
    this.question = question;
    this.said = h('p.note', { role: 'status' });
    const items = FORMATS.map(([form, more, title, note]) => {
      const start = () => this.start({ format: form, ...more });
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
    this.el.addEventListener('focusout', (event) => {
      if (event.relatedTarget && !this.el.contains(event.relatedTarget)) {
        this.el.open = false;
      }
    });
  }

  async start(format) {
    const address = `/api/topics/${encodeURIComponent(this.topic)}/export?${query({ ...this.question(), ...format })}`;
    text(this.said, '');
    try {
      await download(address, `${this.topic}.${format.format === 'csv' ? 'csv' : 'jsonl'}`);
    } catch (problem) {
      text(this.said, problem.message);
    }
  }
}

/**
 * Downloads a file of the server. A link brings no token: where one is needed, the file goes through the page.
 * @param {string} address
 * @param {string} name of the file
 */
export async function download(address, name) {
  if (LOOPBACK.test(location.hostname)) {
    click(address, name);
    return;
  }
  const answer = await fetch(address, { headers: headers() });
  if (!answer.ok) {
    throw new Error(await refusalOf(answer));
  }
  const url = URL.createObjectURL(await answer.blob());
  click(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

function click(href, name) {
  const link = h('a', { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}
