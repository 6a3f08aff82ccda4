// The alerts of the time shown, the newest first.

import { command, h, text } from '../../dom.js';
import { duration, int } from '../../format.js';
import { Table } from '../../table.js';
import { hms } from '../../time.js';
import { missingWords } from '../notices.js';

/** `el` is its element. */
export class AlertLog {
  constructor() {
    this.note = h('span.note', {});
    this.below = h('p.note.below', {});
    this.kind = '';
    this.table = new Table({
      label: 'Alerts',
      columns: [
        { key: 'from', title: 'from', number: false, text: (row) => hms(row.from) },
        { key: 'status', title: 'status' },
        { key: 'name', title: 'definition', cls: 'opt' },
        { key: 'peak', title: 'peak per minute', number: true, text: (row) => int(row.peak) },
        { key: 'lasted', title: 'lasted', number: true, value: lasted, text: (row) => duration(lasted(row)) },
        { key: 'open', title: 'state', paint: paintOpen },
      ],
      key: (row) => `${row.status} ${row.from}`,
      sort: { key: 'from', down: true },
    });
    const header = h('header', {}, h('h2', {}, 'Alerts'), this.note);
    this.el = h('section.sec.e-log', {}, header, this.table.el, this.below);
  }

  paint({ alerts, limit, alerts_topic: topic }) {
    text(this.note, `more than ${int(limit)} of one status within a minute, looked at every 20\u202fs`);
    this.table.set(alerts);
    this.table.el.hidden = !alerts.length;
    const words = missingWords(topic);
    const kind = words ? words[1] : `${topic.stage} ${alerts.length > 0}`;
    if (kind !== this.kind) {
      this.kind = kind;
      this.below.replaceChildren(...(words ? [words[0], command(words[1])] : [this.words(topic, alerts)]));
    }
  }

  words({ name, stage, words }, alerts) {
    if (stage === 'live') {
      return alerts.length ? '' : 'No alert in this time.';
    }
    return words || `Reading ${name}\u2026`;
  }
}

const lasted = ({ from, to }) => to - from;

function paintOpen(cell, { open, now }) {
  text(cell, open ? `going on, ${int(now)} now` : 'over');
  cell.className = open ? 'bad' : 'dim';
}
