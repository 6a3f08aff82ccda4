// The users with the most clicks: their clicks and pages by minute, address and city.

import { command, h, provenNumber, provesButton, text } from '../../dom.js';
import { NONE, count, int } from '../../format.js';
import { Spark } from '../../spark.js';
import { SteadyTable } from '../../steadytable.js';
import { missingWords } from '../notices.js';

const MINUTE = 60000;

/** `el` is its element; `destroy` it when it goes. */
export class Users {
  /**
   * @param {Object} page see Page
   * @param {function(string, string, Object=)} onProve a number's key, value, and what it is of
   */
  constructor(page, onProve) {
    this.page = page;
    this.onProve = onProve;
    this.sparks = new Map();
    this.most = 1;
    this.last = -1;
    this.missing = '';
    this.note = h('span.note', {});
    this.people = h('p.note.below', {});
    this.table = new SteadyTable({
      label: 'Users per minute',
      columns: this.columns(),
      key: (row) => row.user,
      sort: { key: 'clicks', down: true },
    });
    const proves = provesButton('Users', () => onProve('session_users', this.number));
    const header = h('header', {}, h('h2', {}, 'Users per minute'), this.note, proves);
    this.el = h('section.sec.s-users', {}, header, this.table.el, this.people);
  }

  columns() {
    const last = (values) => values[this.last] ?? null;
    const number = (value) => (value == null ? NONE : int(value));
    return [
      { key: 'name', title: 'user', paint: (cell, row) => this.paintUser(cell, row) },
      { key: 'ip', title: 'address', cls: 'opt dim', text: addressText },
      { key: 'city', title: 'city', cls: 'opt', text: (row) => row.city ?? NONE },
      { key: 'clicks', title: 'clicks', number: true, paint: (cell, row) => this.paintCount(cell, row, row.clicks, 'clicks', {}) },
      {
        key: 'spark',
        title: 'clicks per minute, one scale',
        cls: 'wide',
        sorts: false,
        paint: (cell, row) => this.paintSpark(cell, row),
      },
      {
        key: 'last',
        title: 'last minute',
        number: true,
        value: (row) => last(row.events),
        paint: (cell, row) => this.paintLast(cell, row, last(row.events)),
        note: 'the last whole minute, as in events_per_min',
      },
      {
        key: 'pages',
        title: 'pages',
        number: true,
        cls: 'opt',
        value: (row) => last(row.pages),
        text: (row) => number(last(row.pages)),
        note: 'of the last whole minute: clicks on what has html in its address',
      },
    ];
  }

  destroy() {
    for (const spark of this.sparks.values()) {
      spark.destroy();
    }
  }

  /**
   * @param {Object} state of the panel
   * @param {string} words which time that is
   */
  paint({ activity, active_users: users, minutes, from, to, people }, words) {
    this.from = from;
    this.most = Math.max(1, ...activity.flatMap((row) => row.events));
    // The last minute that is whole.
    this.last = minutes.findLastIndex((at) => at + MINUTE <= to);
    this.minute = minutes[this.last];
    this.forget(activity);
    this.table.set(activity);
    const some = users > activity.length ? `, the ${int(activity.length)} with the most clicks` : '';
    this.number = int(users);
    text(this.note, `${count(users, 'user', 'users')} in ${words}${some}`);
    this.paintPeople(people);
  }

  paintPeople(people) {
    const words = missingWords(people);
    const kind = words ? words.join(' ') : '';
    if (kind !== this.missing) {
      this.missing = kind;
      this.people.replaceChildren(...(words ? [`Names and cities are not known: ${words[0]}`, command(words[1])] : []));
    }
  }

  paintUser(cell, row) {
    if (cell.dataset.user !== row.user || cell.textContent !== row.name) {
      cell.dataset.user = row.user;
      const pick = () => this.page.setFilter('user', cell.dataset.user);
      cell.replaceChildren(h('button.pick', { type: 'button', title: `Only ${row.name}`, onclick: pick }, row.name));
    }
  }

  // `time` is another one than what is shown.
  paintCount(cell, { user, name }, number, words, time) {
    const of = { user, title: `${name}: ${words}`, ...time };
    provenNumber(cell, int(number), `${name}, ${words}`, () => this.onProve('clicks', int(number), of));
  }

  paintLast(cell, row, number) {
    if (number == null) {
      text(cell, NONE);
      return;
    }
    // The first minute has what is in the time shown.
    const time = { from: Math.max(this.minute, this.from), to: this.minute + MINUTE };
    this.paintCount(cell, row, number, 'clicks of the last minute', time);
  }

  paintSpark(cell, row) {
    let spark = this.sparks.get(row.user);
    if (!spark) {
      spark = new Spark('.row');
      this.sparks.set(row.user, spark);
      cell.replaceChildren(spark.el);
    }
    spark.set(row.events, { color: '--water-line', step: true, max: this.most });
  }

  forget(rows) {
    const wanted = new Set(rows.map((row) => row.user));
    for (const [user, spark] of this.sparks) {
      if (!wanted.has(user)) {
        spark.destroy();
        this.sparks.delete(user);
      }
    }
  }
}

function addressText({ ip, ips }) {
  if (!ip) {
    return NONE;
  }
  return ips > 1 ? `${ip} and ${int(ips - 1)} more` : ip;
}
