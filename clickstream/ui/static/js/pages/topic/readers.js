// Who reads a topic, and how far they are behind: in records, in seconds, and whether that grows.

import { attr, h, text } from '../../dom.js';
import { NONE, duration, int } from '../../format.js';
import { put } from '../../json.js';
import { Spark } from '../../spark.js';
import { SteadyTable } from '../../steadytable.js';
import { Members, ownersOf } from './members.js';

const MOST_BARS = 24;
const ARROWS = { growing: '\u2197 growing', shrinking: '\u2198 shrinking', steady: '\u2192 steady' };

/** `el` is its section. A click on a group shows its partitions, and who is in it. */
export class Readers {
  /** @param {Object} page see Page */
  constructor(page) {
    this.page = page;
    this.sparks = new Map();
    this.table = new SteadyTable({
      label: 'Consumer groups',
      columns: this.columns(),
      key: (row) => row.name,
      sort: { key: 'lag', down: true },
      onPick: (row) => this.pick(row),
    });
    this.table.el.classList.add('readers', 'fixed-first');
    this.partsName = h('h3', {});
    this.parts = new SteadyTable({
      label: 'Lag by partition',
      columns: this.partColumns(),
      key: (row) => String(row.partition),
      sort: { key: 'lag', down: true },
    });
    this.below = h('div.lagparts', {}, this.partsName, this.parts.el);
    this.members = new Members();
    this.nobody = h('p.note', {}, 'Looking for them\u2026');
    this.notes = h('ul.lagnotes', {});
    this.el = h(
      'section.sec.t-grp',
      {},
      h('header', {}, h('h2', {}, 'Consumer groups')),
      this.table.el,
      this.nobody,
      this.notes,
      this.below,
      this.members.el,
    );
  }

  columns() {
    return [
      { key: 'name', title: 'group', paint: paintName, note: 'click one for its partitions and members' },
      { key: 'state', title: 'state', cls: 'dim', text: stateWords },
      { key: 'members', title: 'members', number: true, value: (row) => row.members?.length, text: membersText },
      { key: 'lag', title: 'lag', number: true, text: (row) => (row.lag == null ? NONE : int(row.lag)), note: LAG_NOTE },
      { key: 'seconds', title: 'behind', number: true, text: secondsWords, note: SECONDS_NOTE },
      { key: 'trend', title: 'trend', paint: paintTrend, note: 'whether the lag has grown of late' },
      { key: 'bars', title: 'by partition', sorts: false, paint: paintBars },
      { key: 'spark', title: '5 min', cls: 'wide', sorts: false, paint: (cell, row) => this.paintSpark(cell, row) },
    ];
  }

  paint({ readers, reader_problem: problem }) {
    if (readers == null) {
      text(this.nobody, problem || 'Looking for them\u2026');
      return;
    }
    this.table.set(readers);
    this.table.el.hidden = !readers.length;
    text(this.nobody, problem || (readers.length ? '' : 'Nobody reads this topic in a group.'));
    this.nobody.hidden = !this.nobody.textContent;
    this.list = readers;
    this.paintNotes(readers);
    this.paintParts();
  }

  // A second click hides them.
  pick({ name }) {
    this.page.set('group', this.page.get('group') === name ? null : name);
    this.parts.orderAnew();
    this.paintParts();
  }

  paintParts() {
    const name = this.page.get('group');
    const found = this.list.find((one) => one.name === name);
    this.table.pick(found ? name : null);
    this.below.hidden = !found;
    this.members.paint(found);
    if (found) {
      this.owners = ownersOf(found);
      this.parts.el.classList.toggle('ungrouped', !this.owners);
      put(this.partsName, `${name}, by partition`);
      this.parts.set(found.partitions);
    }
  }

  paintNotes(readers) {
    const words = readers.flatMap((reader) => [
      ...(reader.problem ? [`${reader.name}: ${reader.problem}`] : []),
      ...reader.partitions.filter((one) => one.note).map((one) => `${reader.name}, partition ${one.partition}: ${one.note}`),
    ]);
    if (words.join() !== this.noted) {
      this.noted = words.join();
      this.notes.replaceChildren(...words.slice(0, 20).map((one) => h('li.note.warn', {}, one)));
    }
  }

  partColumns() {
    const number = (key) => (row) => (row[key] == null ? NONE : int(row[key]));
    const owner = (row) => this.owners?.get(row.partition);
    return [
      { key: 'partition', title: 'no.', number: true, text: number('partition') },
      { key: 'next', title: 'reads next', number: true, text: number('next') },
      { key: 'end', title: 'end', number: true, text: number('end') },
      { key: 'lag', title: 'lag', number: true, text: number('lag') },
      { key: 'seconds', title: 'behind', number: true, text: secondsWords, note: SECONDS_NOTE },
      { key: 'member', title: 'read by', cls: 'member', value: (row) => owner(row)?.name, paint: (cell, row) => paintOwner(cell, owner(row)) },
    ];
  }

  paintSpark(cell, row) {
    let spark = this.sparks.get(row.name);
    if (!spark) {
      spark = new Spark('.row');
      this.sparks.set(row.name, spark);
    }
    if (cell.firstChild !== spark.el) {
      cell.replaceChildren(spark.el);
    }
    spark.set(row.history, { color: '--ink-3', dot: false });
  }

  destroy() {
    for (const spark of this.sparks.values()) {
      spark.destroy();
    }
  }
}

const LAG_NOTE = 'records from the offset that is committed, or stored with the results of a part, to the end';
const SECONDS_NOTE = 'how long the record has waited that is read next';

function paintName(cell, row) {
  put(cell, row.name);
  cell.title = row.stored
    ? `${row.name}: a part of clickstream, by the offsets in its stored results`
    : `${row.name}: by what it has committed`;
}

function paintOwner(cell, owner) {
  put(cell, owner?.name ?? 'no member');
  cell.title = owner?.id ?? '';
  cell.classList.toggle('warn', !owner);
}

const membersText = ({ members }) => (members == null ? NONE : int(members.length));

const stateWords = (row) => `${row.state ?? ''}${row.stored ? ', stored' : ''}`;

function secondsWords({ seconds }) {
  if (seconds == null) {
    return NONE;
  }
  return seconds < 1 ? 'now' : duration(seconds * 1000);
}

function paintTrend(cell, { trend }) {
  text(cell, ARROWS[trend] ?? '');
  cell.classList.toggle('warn', trend === 'growing');
}

function paintBars(cell, { partitions }) {
  // Those that it never touched have no lag.
  const shown = partitions.filter(({ next, lag }) => next != null || lag != null).slice(0, MOST_BARS);
  let bars = cell.firstChild;
  if (bars?.childElementCount !== shown.length) {
    bars = h('span.lagbars', {}, shown.map(() => h('i', {})));
    cell.replaceChildren(bars);
  }
  const most = Math.max(1, ...shown.map((one) => one.lag ?? 0));
  for (const [index, one] of shown.entries()) {
    const share = (one.lag ?? 0) / most;
    bars.children[index].style.setProperty('transform', `scaleY(${Math.max(0.06, share).toFixed(3)})`);
  }
  attr(cell, 'title', shown.map((one) => `${one.partition}: ${one.lag == null ? NONE : int(one.lag)}`).join(', '));
}
