// The last requests to collectors, and what came of each step: why an event is not there.

import { attr, h, text } from '../../dom.js';
import { count } from '../../format.js';
import { put } from '../../json.js';
import { lineNotice } from '../../notice.js';
import { Table } from '../../table.js';
import { hms } from '../../time.js';

/** `el` is its element, hidden as long as no collector runs. */
export class Requests {
  constructor() {
    this.picked = null;
    this.title = h('h3', {});
    this.row = null; // the one that was picked, which may be no more in the table
    this.note = h('span.note', {});
    this.table = new Table({ label: 'Last requests', columns: COLUMNS, key: keyOf, onPick: (row) => this.pick(row) });
    this.table.el.classList.add('requests');
    this.steps = h('div.steps', { 'aria-live': 'polite' });
    this.none = h('div', {});
    this.el = h(
      'section.sec.plain',
      { hidden: true },
      h('header', {}, h('h2', {}, 'Last requests'), this.note),
      this.none,
      this.table.el,
      this.steps,
    );
  }

  /** @param {{collects: boolean, requests: Object[]|null}} state as the panel `collected` has it */
  set({ collects, requests }) {
    this.el.hidden = !collects && !requests;
    const rows = numbered(requests ?? []);
    this.table.el.hidden = !rows.length;
    this.none.hidden = Boolean(rows.length);
    if (!rows.length && !this.none.firstChild) {
      this.none.append(lineNotice('Nothing to explain yet. What becomes of each request is kept by: bin/clickstream collect --explain'));
    }
    text(this.note, rows.length ? `the newest ${rows.length}; pick one to see each step` : '');
    this.table.set(rows);
    this.table.pick(this.picked);
    this.paintTitle();
  }

  pick(row) {
    this.row = row;
    this.picked = keyOf(row);
    this.table.pick(this.picked);
    this.paintTitle();
    this.steps.replaceChildren(
      this.title,
      list(row.steps ?? []),
      ...(row.events ?? []).flatMap((event, number) => [h('h4', {}, title(event, number)), list(event.steps ?? [])]),
    );
  }

  paintTitle() {
    if (this.row) {
      text(this.title, `${this.row.endpoint} at ${hms(this.row.received_at)}, answered ${this.row.status}`);
    }
  }
}

const COLUMNS = [
  { key: 'received_at', title: 'time', sorts: false, cls: 'dim', text: (row) => hms(row.received_at) },
  { key: 'endpoint', title: 'request', sorts: false, paint: (cell, row) => put(cell, row.endpoint ?? '') },
  { key: 'address', title: 'from', sorts: false, cls: 'dim', paint: (cell, row) => put(cell, row.address ?? '') },
  { key: 'status', title: 'answer', sorts: false, number: true, paint: paintStatus },
  { key: 'became', title: 'what came of it', sorts: false, paint: (cell, row) => put(cell, became(row)) },
];

// Several requests of a millisecond: the later ones of them get a number.
function numbered(requests) {
  const seen = new Map();
  return requests.map((row) => {
    const key = `${row.received_at} ${row.endpoint}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
    return { ...row, number: seen.get(key) };
  });
}

const keyOf = (row) => `${row.received_at} ${row.endpoint} ${row.number}`;

function paintStatus(cell, { status }) {
  text(cell, status);
  attr(cell, 'class', status >= 500 ? 'num bad' : status >= 400 ? 'num warn' : 'num');
}

const GOOD = new Set(['passed', 'read', 'no', 'found', 'unknown', 'as told', 'continued', 'none']);

/** In one line: what is worth saying of its steps. */
export function became({ steps = [], events = [], more_events: more = 0 }) {
  const said = steps.filter((step) => !GOOD.has(step.verdict)).map(words);
  const shown = events.slice(0, 2).map((event, number) => {
    const notable = (event.steps ?? []).filter((step) => !GOOD.has(step.verdict)).map(words);
    return `${title(event, number)}: ${notable.join(', ') || 'taken'}`;
  });
  const rest = events.length + more - shown.length;
  return [...said, ...shown, ...(rest > 0 ? [`and ${count(rest, 'other', 'others')}`] : [])].join('; ') || 'nothing to store';
}

const title = (event, number) => (event.event ? `${event.event} of ${event.site}` : `event ${event.index ?? number}`);

const words = ({ step, verdict, detail }) => `${step} ${verdict}${detail ? ` (${detail})` : ''}`;

function list(steps) {
  return h('dl.steps', {}, steps.flatMap(({ step, verdict, detail }) => [h('dt', {}, step), said(verdict, detail)]));
}

function said(verdict, detail) {
  const cell = h('dd', {});
  put(cell, detail ? `${verdict}: ${detail}` : verdict);
  return cell;
}
