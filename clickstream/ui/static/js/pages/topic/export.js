// The records of the question that is on the page, as a file: of all that fit, not only of those that are shown.

import { answerOf, headers } from '../../api.js';
import { h, icon, text } from '../../dom.js';
import { query } from './search.js';

const FORMATS = [
  ['jsonl', {}, 'JSON lines', 'exact digits and order'],
  ['csv', {}, 'CSV', 'for spreadsheets: no cell is a formula'],
  ['csv', { raw: '1' }, 'CSV, as it is', 'for programs: formulas stay formulas'],
  ['exact', {}, 'Bytes', 'JSON lines with base64'],
];
const LIMIT = 'At most 1,000,000 records or 256 MB; a last line says so if there are more.';

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
    const name = `${this.topic}.${format.format === 'csv' ? 'csv' : 'jsonl'}`;
    text(this.said, 'Asking\u2026');
    try {
      if (await isOpen(address)) {
        click(address, name);
      } else {
        await download(address, name);
      }
      text(this.said, '');
    } catch (problem) {
      text(this.said, problem.message);
    }
  }
}

// Whether a link will do. It goes to the disk as it comes, but brings no token, and what is refused it says to nobody.
async function isOpen(address) {
  const answer = await fetch(address, { method: 'HEAD' }).catch(() => null);
  return Boolean(answer?.ok);
}

/**
 * Downloads a file of the server through the page, with the token; rejects with an Error that says why in words.
 * @param {string} address
 * @param {string} name of the file
 */
export async function download(address, name) {
  const answer = await answerOf(address, { headers: headers() });
  const whole = await answer.blob().catch(() => {
    throw new Error('The download broke off. Try it again.');
  });
  const url = URL.createObjectURL(whole);
  click(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

function click(href, name) {
  const link = h('a', { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}
