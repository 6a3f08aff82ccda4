// Rows of an answer as a table: exact texts, numbers with a bar below that compares them within their column.

import { h } from '../../dom.js';
import { int } from '../../format.js';
import { nodes } from '../../json.js';

const LONGEST_CELL = 300;
const DIGITS = /^-?\d+$/;

// Whole names: lists, structs and maps of numbers, as 'BIGINT[]', are texts.
const NUMBER = /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|VARINT|BIGNUM|FLOAT|DOUBLE|REAL|DECIMAL(\([\d, ]+\))?)$/;

/** Whether a column has numbers. */
export const isNumber = (type) => NUMBER.test(type);

/** Whether a column has times. */
export const isTime = (type) => /^(TIMESTAMP[^[]*|DATE)$/.test(type);

// Cells are texts of the server's, in UTC whatever the zone of the page; those of times with a zone say theirs.
const isUtc = (type) => type.startsWith('TIMESTAMP') && !type.endsWith('WITH TIME ZONE');

/**
 * @param {Array<{name: string, type: string}>} columns
 * @param {Array<Array<*>>} rows
 * @param {boolean[]} [early] whether a row's window was still open
 */
export function rowsTable(columns, rows, early = []) {
  const most = columns.map(({ type }, place) => (isNumber(type) ? largest(rows, place) : null));
  const heads = columns.map(({ name, type }) => {
    const zone = isUtc(type) && h('span.note', {}, ' UTC');
    return h(isNumber(type) ? 'th.num' : 'th', { scope: 'col' }, nodes(name), h('span.ty', {}, nodes(type)), zone);
  });
  const lines = rows.map((row, index) =>
    h(early[index] ? 'tr.early' : 'tr', { title: early[index] ? 'its window was still open' : null },
      row.map((value, place) => cell(value, columns[place].type, most[place]))),
  );
  const table = h('table.res', {}, h('thead', {}, h('tr', {}, heads)), h('tbody', {}, lines));
  return h('div.scroll', { tabindex: '0', role: 'group', 'aria-label': 'Rows' }, table);
}

function largest(rows, place) {
  const values = rows.map((row) => Number(row[place] ?? 0)).filter(Number.isFinite);
  return values.some((value) => value < 0) ? 0 : values.reduce((a, b) => Math.max(a, b), 0);
}

function cell(value, type, most) {
  if (value === null) {
    return h(isNumber(type) ? 'td.num.dim' : 'td.dim', {}, 'NULL');
  }
  if (!isNumber(type)) {
    return h('td', {}, textOf(String(value)));
  }
  const words = h('span', {}, numberOf(value));
  return most ? h('td.num.inbar', {}, h('i', { '--f': Math.max(0, Number(value) / most || 0) }), words) : h('td.num', {}, words);
}

/** With all its digits: integers with thousands apart, others as they came. */
export function numberOf(value) {
  const digits = String(value);
  return DIGITS.test(digits) ? int(digits) : digits;
}

function textOf(words) {
  const characters = [...words];
  if (characters.length <= LONGEST_CELL) {
    return nodes(words);
  }
  const more = h('span.ty', {}, `${int(characters.length)} characters`);
  return [...nodes(`${characters.slice(0, LONGEST_CELL).join('')}\u2026`), more];
}
