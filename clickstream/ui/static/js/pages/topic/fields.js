// The menu of a record's fields: each can be a column.

import { h, text } from '../../dom.js';
import { nodes } from '../../json.js';

/** `el` is its element. */
export class Fields {
  /** @param {function(string)} onToggle gets a field's path */
  constructor(onToggle) {
    this.onToggle = onToggle;
    this.label = h('summary.btn', {}, 'Fields');
    this.list = h('ul', {});
    this.el = h('details.menu', {}, this.label, h('div.float', {}, this.list));
    this.el.hidden = true;
    this.el.addEventListener('keydown', (event) => this.key(event));
    this.el.addEventListener('focusout', (event) => this.closeUnless(event.relatedTarget));
  }

  /**
   * @param {string[]} known paths that were seen
   * @param {string[]} chosen those that are columns
   */
  set(known, chosen) {
    const all = [...new Set([...known, ...chosen])];
    const signature = JSON.stringify([all, chosen]);
    if (signature === this.signature) {
      return;
    }
    this.signature = signature;
    this.el.hidden = !all.length;
    text(this.label, `Fields: ${chosen.length} of ${all.length}`);
    this.list.replaceChildren(...all.map((path) => this.choice(path, chosen.includes(path))));
  }

  choice(path, checked) {
    const box = h('input', { type: 'checkbox', checked, onchange: () => this.onToggle(path) });
    return h('li', {}, h('label.check', {}, box, h('span', {}, nodes(path))));
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
