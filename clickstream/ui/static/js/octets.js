// Bytes of records: text where they are one, else hex, with what can be copied. See inspect/shown.py for what comes.

import { h } from './dom.js';
import { count } from './format.js';
import { nodes, put, unquoted } from './json.js';

const ROW = 16;
const NARROW_ROW = 8;
const READS_AS_JSON = /^(?:true|false|null|-?\d[\d.eE+-]*|["{[][^]*)?$/;

/** A mark for what is no text: null (a missing key, a tombstone) or an empty text. */
export const mark = (words, title) => h('span.tag.nul', { title }, words);

const avroMark = (schema) =>
  h('span.tag', { title: `looks like Avro of a schema registry, schema ${schema}` }, `Avro ${schema}`);

/**
 * Puts the beginning of a key or a value into a cell.
 * @param {HTMLElement} cell
 * @param {Object|null} preview see inspect/shown.Preview
 * @param {string} none what null means here: 'no key', 'tombstone'
 */
export function putPreview(cell, preview, none) {
  if (preview == null) {
    cell.replaceChildren(mark('null', none));
  } else if (preview.text === '') {
    cell.replaceChildren(mark('""', 'empty: no bytes'));
  } else if (preview.text != null) {
    cell.replaceChildren(...nodes(preview.text + (preview.cut ? '\u2026' : '')));
  } else {
    const words = spaced(preview.hex) + (preview.cut ? '\u2026' : '');
    const bytes = h('code.bin', { title: count(preview.length, 'byte', 'bytes') }, words);
    cell.replaceChildren(...(preview.avro ? [avroMark(preview.avro), ' ', bytes] : [bytes]));
  }
}

/**
 * Puts a field's raw JSON into a cell: texts without their quotes, unless they would read as something else then.
 * @param {HTMLElement} cell
 * @param {string|null} raw null: there is no such field
 */
export function putField(cell, raw) {
  cell.classList.toggle('dim', raw == null);
  if (raw == null) {
    cell.replaceChildren('\u2013');
    cell.title = 'no such field';
  } else if (raw === 'null') {
    cell.replaceChildren(mark('null', 'null'));
  } else {
    put(cell, raw.startsWith('"') ? readable(raw) : raw);
  }
}

function readable(raw) {
  const words = unquoted(raw);
  return READS_AS_JSON.test(words) ? raw : words;
}

/** '00 ff 1b' of '00ff1b'. */
export const spaced = (hex) => hex.replace(/..(?=.)/g, '$& ');

/**
 * Rows of a hex dump as text: number, bytes, and what is ASCII.
 * @param {string} hex
 * @param {number} start the number of the first byte
 * @param {function(number): boolean} [isBad] whether a byte is to be marked
 * @returns {Node[]}
 */
export function dump(hex, start = 0, isBad = () => false) {
  const size = innerWidth < 768 ? NARROW_ROW : ROW;
  const made = [];
  for (let at = 0; at < hex.length / 2; at += size) {
    const row = hex.slice(at * 2, (at + size) * 2).match(/../g);
    const bad = row.map((_, index) => isBad(start + at + index));
    made.push(h('span.z', {}, `${(start + at).toString(16).padStart(4, '0')}  `));
    if (bad.some(Boolean)) {
      made.push(...row.flatMap((byte, index) => [bad[index] ? h('span.badb', {}, byte) : byte, ' ']));
      made.push('   '.repeat(size - row.length), ' ');
      made.push(...row.map((byte, index) => (bad[index] ? h('span.badb', {}, ascii(byte)) : ascii(byte))), '\n');
    } else {
      made.push(`${row.join(' ').padEnd(size * 3)} ${row.map(ascii).join('')}\n`);
    }
  }
  return made;
}

function ascii(byte) {
  const code = parseInt(byte, 16);
  return code >= 32 && code < 127 ? String.fromCharCode(code) : '\u00b7';
}

/** Hex of a text's UTF-8. */
export const hexOf = (words) =>
  Array.from(new TextEncoder().encode(words), (byte) => byte.toString(16).padStart(2, '0')).join('');
