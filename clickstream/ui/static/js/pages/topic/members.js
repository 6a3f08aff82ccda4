// Who is in a consumer group: each member's client and host, its id, and which partitions of the topic it has.

import { attr, h, text } from '../../dom.js';
import { put } from '../../json.js';
import { SteadyTable } from '../../steadytable.js';

const ID_CHARACTERS = 8;

/**
 * Who reads each partition.
 * @param {Object} reader see inspect/lags.ReaderLag
 * @returns {Map<number, {id: string, name: string}>|null} null: it is in no group, or its members are unknown
 */
export function ownersOf({ members }) {
  const owners = (members ?? []).flatMap(({ id, client, partitions }) =>
    partitions.map((number) => [number, { id, name: `${client} ${shortId(id, client)}` }]),
  );
  return members && new Map(owners);
}

const PARTITIONS_NOTE = 'of this topic; it may read others as well';

/** `el` is its element, hidden as long as there is no group to tell of. */
export class Members {
  constructor() {
    this.whole = new Set(); // ids that are shown in full
    this.name = h('h3', {});
    this.none = h('p.note', {});
    this.table = new SteadyTable({
      label: 'Members',
      columns: this.columns(),
      key: (row) => row.id,
      sort: { key: 'client', down: false },
    });
    this.el = h('div.members', { hidden: true }, this.name, this.none, this.table.el);
  }

  columns() {
    return [
      { key: 'client', title: 'client id', paint: (cell, row) => put(cell, row.client) },
      { key: 'host', title: 'host', paint: (cell, row) => put(cell, row.host) },
      { key: 'id', title: 'member id', cls: 'mid', paint: (cell, row) => this.paintId(cell, row) },
      { key: 'partitions', title: 'partitions', cls: 'which', value: (row) => row.partitions.length, text: spans, note: PARTITIONS_NOTE },
    ];
  }

  /** @param {Object} [reader] see inspect/lags.ReaderLag */
  paint(reader) {
    const members = reader?.members;
    this.el.hidden = !members;
    if (!members) {
      return;
    }
    if (reader.name !== this.of) {
      this.of = reader.name;
      this.whole.clear();
      this.table.orderAnew();
    }
    put(this.name, `${reader.name}, its members`);
    text(this.none, members.length ? '' : `No members: the group is ${reader.state ?? 'of an unknown state'}. Who assigns partitions to itself is in no group.`);
    this.none.hidden = members.length > 0;
    this.table.el.hidden = !members.length;
    this.table.set(members);
  }

  paintId(cell, { id, client }) {
    if (!cell.firstChild) {
      cell.append(h('code', {}), ' ', h('button.link', { type: 'button' }));
    }
    const [code, button] = cell.children;
    const isWhole = this.whole.has(id);
    const short = shortId(id, client);
    put(code, isWhole ? id : short);
    button.hidden = short === id;
    button.onclick = () => {
      this.whole[isWhole ? 'delete' : 'add'](id);
      this.paintId(cell, { id, client });
    };
    text(button, isWhole ? 'short' : 'in full');
    attr(button, 'aria-expanded', isWhole);
    attr(button, 'aria-label', `Member id of ${client} ${short}: ${isWhole ? 'short' : 'in full'}`);
  }
}

// Ids are 'CLIENT-UUID', or a UUID: what tells members of one client apart is the beginning of the UUID.
function shortId(id, client) {
  const own = id.startsWith(`${client}-`) ? id.slice(client.length + 1) : id;
  return own.length > ID_CHARACTERS ? `${own.slice(0, ID_CHARACTERS)}\u2026` : own;
}

// '0-3, 7' of ascending numbers.
function spans({ partitions }) {
  const found = [];
  for (const number of partitions) {
    if (number === found.at(-1)?.[1] + 1) {
      found.at(-1)[1] = number;
    } else {
      found.push([number, number]);
    }
  }
  return found.map(([first, last]) => (first === last ? first : `${first}\u2013${last}`)).join(', ') || 'none';
}
