// The order of a list of records: newest first over partitions, or by a column.

import { unquoted } from '../../json.js';

const COLUMNS = {
  offset: (row) => BigInt(row.offset),
  partition: (row) => row.partition,
  time: (row) => row.time,
  key: (row) => row.key?.text ?? row.key?.hex ?? null,
  value: (row) => row.value?.text ?? row.value?.hex ?? null,
  size: (row) => (row.value == null ? null : row.size),
};

/** The columns whose first click sorts from the largest down. */
export const NUMBERS = new Set(['offset', 'partition', 'time', 'size']);

/**
 * By timestamp, the newest first, without changing the order of offsets within a partition: also where clocks disagree.
 * As search.py does it: of the newest records of all partitions that are left, the one with the latest time comes next.
 * @param {Object[]} rows of any order
 */
export function newestFirst(rows) {
  const parts = new Map();
  for (const row of rows) {
    const part = parts.get(row.partition) ?? [];
    part.push(row);
    parts.set(row.partition, part);
  }
  const left = [...parts.values()].map((part) => part.sort(byOffset));
  const found = [];
  while (left.length) {
    const next = left.reduce((one, other) => (isNewer(other.at(-1), one.at(-1)) ? other : one));
    found.push(next.pop());
    if (!next.length) {
      left.splice(left.indexOf(next), 1);
    }
  }
  return found;
}

/**
 * By a column; rows that are equal in it stay in the order in which they come, what is not known stands last.
 * @param {Object[]} rows
 * @param {{key: string, down: boolean}} sort `key` as in COLUMNS, or `f:` and the path of a field
 * @param {string[]} fields paths of the rows' cells
 */
export function byColumn(rows, { key, down }, fields) {
  const at = key.startsWith('f:') ? fields.indexOf(key.slice(2)) : -1;
  const value = at < 0 ? COLUMNS[key] ?? (() => null) : (row) => fieldValue(row.cells[at]);
  return rows
    .map((row) => ({ row, value: value(row) }))
    .sort((a, b) => compare(a.value, b.value, down ? -1 : 1))
    .map(({ row }) => row);
}

// Raw JSON as what it sorts by: numbers exactly, also beyond 2^53.
function fieldValue(raw) {
  if (raw == null || raw === 'null') {
    return null;
  }
  if (/^-?\d+$/.test(raw)) {
    return BigInt(raw);
  }
  return /^-?\d/.test(raw) ? Number(raw) : unquoted(raw);
}

// Numbers before texts, what is not known behind both.
function compare(a, b, way) {
  const kinds = kind(a) - kind(b);
  if (kinds || a == null) {
    return kinds;
  }
  if (typeof a === 'string') {
    return way * a.localeCompare(b, 'en', { numeric: true });
  }
  return a < b ? -way : Number(a > b) * way;
}

const kind = (value) => (value == null ? 2 : Number(typeof value === 'string'));

const byOffset = (a, b) => (BigInt(a.offset) < BigInt(b.offset) ? -1 : 1);

function isNewer(a, b) {
  const [one, other] = [a.time ?? -1, b.time ?? -1];
  return one === other ? a.partition > b.partition : one > other;
}
