// A text area for SQL over the same text in colours, with line numbers and marks under what is wrong.

import { h } from '../../dom.js';
import { coloured } from './colours.js';

const LEAST_LINES = 11;
const LARGEST_COLOURED = 60000;

/** `el` is its element. */
export class Editor {
  /**
   * @param {Object} acts
   * @param {function(string)} acts.onInput after a change by hand
   * @param {function()} acts.onRun Ctrl Enter
   */
  constructor({ onInput, onRun }) {
    this.onRun = onRun;
    this.findings = [];
    this.frame = 0;
    this.area = h('textarea', {
      'aria-label': 'SQL',
      spellcheck: 'false',
      autocapitalize: 'off',
      autocomplete: 'off',
      wrap: 'off',
      oninput: () => {
        this.findings = [];
        this.paintSoon();
        onInput(this.area.value);
      },
      onscroll: () => this.follow(),
      onkeydown: (event) => this.key(event),
    });
    this.back = h('pre', { 'aria-hidden': 'true' });
    this.gutter = h('ol', { 'aria-hidden': 'true' });
    this.el = h('div.editor', {}, this.gutter, h('div.edbox', {}, this.back, this.area));
  }

  destroy() {
    cancelAnimationFrame(this.frame);
  }

  get value() {
    return this.area.value;
  }

  set value(sql) {
    this.area.value = sql;
    this.findings = [];
    this.paintSoon();
  }

  /** Marks these places; see api/preview.Finding. */
  mark(findings) {
    this.findings = findings;
    this.area.setAttribute('aria-invalid', String(findings.length > 0));
    this.paintSoon();
  }

  /** Selects what a finding is about, and goes there. */
  goTo(finding) {
    const start = placeOf(this.value, finding);
    this.area.focus();
    this.area.setSelectionRange(start, endOf(this.value, start, finding));
    const line = parseFloat(getComputedStyle(this.area).lineHeight);
    this.area.scrollTop = Math.max(0, (finding.line - 4) * line);
  }

  /** Puts a text where the cursor is. */
  insert(words) {
    this.area.focus();
    this.area.setRangeText(words, this.area.selectionStart, this.area.selectionEnd, 'end');
    this.area.dispatchEvent(new Event('input'));
  }

  key(event) {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.onRun();
    }
  }

  paintSoon() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    const sql = this.value;
    const nodes = sql.length > LARGEST_COLOURED ? [document.createTextNode(sql)] : coloured(sql);
    this.back.replaceChildren(...nodes, '\n ');
    this.paintGutter(sql.split('\n').length);
    for (const finding of this.findings) {
      const start = placeOf(sql, finding);
      underline(this.back, start, endOf(sql, start, finding));
    }
    this.follow();
  }

  paintGutter(lines) {
    const bad = new Set(this.findings.map((finding) => finding.line));
    const shown = Math.max(lines, LEAST_LINES);
    const items = Array.from({ length: shown }, (_, index) => {
      const number = index + 1;
      return h(bad.has(number) ? 'li.bad' : 'li', {}, number <= lines ? number : '\u00a0');
    });
    this.gutter.replaceChildren(...items);
  }

  follow() {
    this.back.scrollTop = this.area.scrollTop;
    this.back.scrollLeft = this.area.scrollLeft;
    this.gutter.scrollTop = this.area.scrollTop;
  }
}

/**
 * Where a finding is in the text. Its column counts characters, and the browser's strings count halves of some.
 * @param {string} sql
 * @param {{line: number, column: number}} finding
 */
export function placeOf(sql, { line, column }) {
  const rows = sql.split('\n');
  const before = rows.slice(0, line - 1).reduce((sum, row) => sum + row.length + 1, 0);
  const within = [...(rows[line - 1] ?? '')].slice(0, column - 1).join('').length;
  return Math.min(before + within, sql.length);
}

function endOf(sql, start, { length }) {
  const row = sql.slice(start).split('\n', 1)[0];
  return start + [...row].slice(0, length).join('').length;
}

// Every text node between the two places gets its own mark: a mark that covers half of a word's span cannot be made.
function underline(element, start, end) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const parts = [];
  let at = 0;
  for (let node = walker.nextNode(); node && at < end; node = walker.nextNode()) {
    const next = at + node.length;
    if (next > start) {
      parts.push([node, Math.max(0, start - at), Math.min(node.length, end - at)]);
    }
    at = next;
  }
  for (const [node, from, to] of parts) {
    const range = document.createRange();
    range.setStart(node, from);
    range.setEnd(node, to);
    range.surroundContents(h('mark', {}));
  }
}
