// The menu of a record's fields: each can be a column.

import { h, text } from '../../dom.js';
import { int } from '../../format.js';
import { nodes } from '../../json.js';

/** So many are listed; as many as the server tells apart (MAX_FIELDS): where there are more, their names are data. */
export const MOST_FIELDS = 1000;

/** `el` is its element. */
export class Fields {
  /** @param {function(string)} onToggle gets a field's path */
  constructor(onToggle) {
    this.onToggle = onToggle;
    this.label = h('summary.btn', {}, 'Fields');
    this.boxes = new Map(); // by path
    this.list = h('ul', {});
    this.note = h('p.note', {}, FULL_WORDS);
    this.el = h('details.menu', {}, this.label, h('div.float', {}, this.note, this.list));
    this.el.hidden = true;
    this.el.addEventListener('keydown', (event) => this.key(event));
    this.el.addEventListener('focusout', (event) => this.closeUnless(event.relatedTarget));
  }

  /**
   * @param {Set<string>} known paths that were seen
   * @param {string[]} chosen those that are columns
   */
  set(known, chosen) {
    for (const path of [...known, ...chosen]) {
      if (!this.boxes.has(path)) {
        this.add(path);
      }
    }
    for (const [path, box] of this.boxes) {
      box.checked = chosen.includes(path);
    }
    const isFull = known.size >= MOST_FIELDS;
    this.el.hidden = !this.boxes.size;
    this.note.hidden = !isFull;
    text(this.label, `Fields: ${chosen.length} of ${int(this.boxes.size)}${isFull ? ' or more' : ''}`);
  }

  add(path) {
    const box = h('input', { type: 'checkbox', onchange: () => this.onToggle(path) });
    this.boxes.set(path, box);
    this.list.append(h('li', {}, h('label.check', {}, box, h('span', {}, nodes(path)))));
  }

  key(event) {
    if (event.key === 'Escape') {
      this.el.open = false;
      this.label.focus();
      event.stopPropagation();
    }
  }

  closeUnless(target) {
    if (target && !this.el.contains(target)) {
      this.el.open = false;
    }
  }
}

const FULL_WORDS = `Only the first ${int(MOST_FIELDS)} names are listed. In a record, a click on any name makes it a column.`;
