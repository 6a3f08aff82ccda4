// The tables that can be asked, each with its columns once it is opened.

import { h } from '../../dom.js';
import { get } from '../../api.js';
import { ask } from './ask.js';

const SAMPLE = 1000;
const PLAIN_NAME = /^[a-z_][a-z0-9_]*$/i;

/** A name as it stands in a query. */
export const quoted = (name) => (PLAIN_NAME.test(name) ? name : `"${name.replaceAll('"', '""')}"`);

/** `el` is its element; `destroy` it when it goes. */
export class Tree {
  /** @param {function(string)} onPick a column was clicked */
  constructor(onPick) {
    this.onPick = onPick;
    this.gone = new AbortController();
    this.shown = '';
    this.list = h('div', {});
    this.el = h('section.sec.plain.q-tree', {}, h('header', {}, h('h2', {}, 'Tables')), this.list);
  }

  destroy() {
    this.gone.abort();
  }

  /** Shows what there is at the server. */
  async showAll() {
    if (this.shown === 'all') {
      return;
    }
    this.shown = 'all';
    this.list.replaceChildren(h('p.note', {}, 'Looking for tables\u2026'));
    try {
      const { history, topics } = await get('/api/ask/tables');
      if (this.shown !== 'all') {
        return;
      }
      this.list.replaceChildren(
        ...(history.length ? [h('h3', {}, 'History'), this.names(history)] : []),
        h('h3', {}, 'Topics: their last records'),
        topics.length ? this.names(topics) : h('p.note', {}, 'There are no topics.'),
      );
    } catch (problem) {
      this.shown = '';
      const again = h('button.btn', { type: 'button', onclick: () => this.showAll() }, 'Try again');
      this.list.replaceChildren(h('p.note', {}, problem.message), again);
    }
  }

  /**
   * Shows the tables of a text instead.
   * @param {Array<{name: string, columns: Array<{name: string, type: string}>, result: boolean}>} tables
   */
  showOnly(tables) {
    const signature = JSON.stringify(tables);
    if (signature === this.shown) {
      return;
    }
    this.shown = signature;
    const items = tables.map((table) => this.item(table.name, async () => table.columns, table.result ? 'result' : ''));
    this.list.replaceChildren(
      h('h3', {}, 'In this text'),
      items.length ? h('ul.tree', {}, items) : h('p.note', {}, 'CREATE TABLE makes tables.'),
    );
  }

  names(names) {
    return h('ul.tree', {}, names.map((name) => this.item(name, () => this.columnsOf(name))));
  }

  item(name, load, note = '') {
    const columns = h('ul', { hidden: true });
    let isAsked = false;
    const toggle = async () => {
      const open = button.getAttribute('aria-expanded') !== 'true';
      button.setAttribute('aria-expanded', String(open));
      columns.hidden = !open;
      if (open && !isAsked) {
        isAsked = true;
        isAsked = await this.fill(columns, load);
      }
    };
    const label = note ? [name, h('span.ty', {}, note)] : name;
    const button = h('button', { type: 'button', 'aria-expanded': 'false', title: name, onclick: toggle }, label);
    return h('li', {}, button, columns);
  }

  // Whether they came; what failed is asked for again when it is opened again.
  async fill(element, load) {
    element.replaceChildren(h('li.note', {}, 'Reading\u2026'));
    try {
      const columns = await load();
      const items = columns.map(({ name, type }) => {
        const pick = () => this.onPick(quoted(name));
        return h('li', {}, h('button', { type: 'button', title: name, onclick: pick }, name), h('span', {}, type));
      });
      element.replaceChildren(...items);
      return true;
    } catch (problem) {
      if (problem.name !== 'AbortError') {
        element.replaceChildren(h('li.note', {}, problem.message));
      }
      return false;
    }
  }

  async columnsOf(name) {
    const sql = `SELECT column_name, column_type FROM (DESCRIBE ${quoted(name)})`;
    const { answer } = await ask('/api/ask/query', { sql, records: SAMPLE }, this.gone.signal);
    return answer.rows.map(([column, type]) => ({ name: column, type }));
  }
}
