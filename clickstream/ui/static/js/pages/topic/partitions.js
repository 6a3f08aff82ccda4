// The partitions of a topic: where they begin and end, what comes in, and who leads them.

import { h, text } from '../../dom.js';
import { NONE, bytesText, int } from '../../format.js';
import { Spark } from '../../spark.js';
import { SteadyTable } from '../../steadytable.js';

/** `el` is its section. */
export class Partitions {
  constructor() {
    this.sparks = new Map();
    this.note = h('span.note', {});
    this.table = new SteadyTable({
      label: 'Partitions',
      columns: this.columns(),
      key: (row) => String(row.partition),
      sort: { key: 'partition', down: false },
    });
    this.table.el.classList.add('fixed-first');
    this.el = h('section.sec.t-part', {}, h('header', {}, h('h2', {}, 'Partitions'), this.note), this.table.el);
  }

  columns() {
    const offset = (key) => (row) => (row[key] == null ? NONE : int(row[key]));
    return [
      { key: 'partition', title: 'no.' },
      { key: 'low', title: 'begin', number: true, text: offset('low'), note: 'the offset of the oldest record that is kept' },
      { key: 'high', title: 'end', number: true, text: offset('high'), note: 'the offset that the next record will have' },
      { key: 'size', title: 'size', number: true, text: (row) => (row.size == null ? NONE : bytesText(row.size)) },
      { key: 'rate', title: 'messages/s', cls: 'wide', paint: (cell, row) => this.paintRate(cell, row) },
      { key: 'leader', title: 'leader', text: (row) => (row.leader == null ? 'none' : String(row.leader)) },
      { key: 'isr', title: 'in sync', value: (row) => row.isr.length, paint: paintReplicas, note: 'brokers that have all of it, of those that keep it' },
    ];
  }

  paint({ partitions }) {
    this.table.set(partitions);
    text(this.note, leaderWords(partitions));
  }

  paintRate(cell, row) {
    let spark = this.sparks.get(row.partition);
    if (!spark) {
      spark = new Spark('.row');
      this.sparks.set(row.partition, spark);
      cell.replaceChildren(spark.el);
    }
    cell.title = row.rate == null ? '' : `${int(row.rate)}/s`;
    spark.set(row.history, { color: '--water-line', dot: false });
  }

  destroy() {
    for (const spark of this.sparks.values()) {
      spark.destroy();
    }
  }
}

function paintReplicas(cell, { isr, replicas }) {
  const behind = isr.length < replicas.length;
  text(cell, `${isr.length} of ${replicas.length}`);
  cell.classList.toggle('bad', behind);
  cell.title = behind ? `brokers ${replicas.filter((one) => !isr.includes(one)).join(', ')} are behind` : '';
}

function leaderWords(partitions) {
  const without = partitions.filter((one) => one.leader == null).length;
  const behind = partitions.filter((one) => one.isr.length < one.replicas.length).length;
  if (without) {
    return `${without} without a leader: they can be neither read nor written`;
  }
  if (behind) {
    return `${behind} with replicas that are behind`;
  }
  const leaders = new Set(partitions.map((one) => one.leader));
  return leaders.size === 1 ? `leader ${[...leaders][0]} has all, in sync` : 'all in sync';
}
