// What is said in the flow, on wide and on narrow screens.

import { s } from '../../dom.js';
import { NONE, THIN, duration, int, one, rate } from '../../format.js';

const GLYPHS = {
  tumble: 'M.5 2.5h6v7h-6zM8.5 2.5h6v7h-6zM16.5 2.5h6v7h-6z',
  hop: 'M.5 1.5h13v3h-13zM5 5h13v3H5zM9.5 8.5h13v3h-13z',
  session: 'M.5 2.5h9v7h-9zM13.5 2.5h3v7h-3zM20.5 2.5h2v7h-2z',
  each: 'M.5 6h21M17.5 2.5L22 6l-4.5 3.5',
  top: 'M.5 2h22M.5 6h14M.5 10h7',
};
const WIDEST = 7;

/** The sign of a statement's windows: side by side, overlapping, uneven, or none. */
export const glyph = (kind) => s('path', { d: GLYPHS[kind] ?? GLYPHS.each });

/** Records per second, minute or hour: what gives a number of two digits. */
export function per(value) {
  if (value == null) {
    return NONE;
  }
  if (value >= 0.95 || value === 0) {
    return `${rate(value)}/s`;
  }
  return value * 60 >= 0.95 ? `${rate(value * 60)}/min` : `${rate(value * 3600)}/h`;
}

/** The width of an edge in px. */
export const width = (value) => Math.max(1, Math.min(WIDEST, 1 + 1.9 * Math.log10(1 + (value ?? 0))));

/** A short time in s: '0.4 s', '12 s', '4 min 03 s'. */
export const brief = (seconds) => (seconds < 9.95 ? `${one(seconds)}${THIN}s` : duration(seconds * 1000));

/** How fast a source is, and how far behind its reader. */
export function flowWords(source) {
  if (source.reference) {
    return source.records == null ? 'reference' : `reference, ${int(source.records)} records`;
  }
  return [per(source.rate), lagWords(source)].filter(Boolean).join(', ');
}

function lagWords({ lag, lag_s: seconds }) {
  if (lag == null) {
    return '';
  }
  if (!lag) {
    return 'all read';
  }
  return `${int(lag)} behind${seconds == null ? '' : `, ${brief(seconds)}`}`;
}

/** How far a table's watermark is behind the clock. */
export function delayWords({ reference, delay_ms: delay }) {
  return reference || delay == null ? '' : `final ${brief(delay / 1000)} ago`;
}

/** What went to the dead letters. */
export const unreadWords = ({ unread }) => (unread ? `${int(unread)} could not be read` : '');

/** When the next row of a statement comes. */
export function nextWords({ kind, next_ms: next, gap_ms: gap }) {
  if (kind === 'session') {
    return `${duration(gap)} quiet`;
  }
  if (next == null) {
    return kind === 'each' || kind === 'top' ? 'at once' : '';
  }
  return `${Math.ceil(next / 1000)}${THIN}s`;
}

/** All that holds a file's results back now, and what is only worth knowing. */
export function holdsOf(file) {
  const all = file.sources.flatMap((source) => source.holds);
  const seen = new Map(all.map((hold) => [hold.words, hold]));
  return [...seen.values()].sort((a, b) => b.held - a.held);
}

/** What stands beside a file's name. */
export function fileWords(file) {
  if (!file.running) {
    return 'it does not run';
  }
  if (file.trouble) {
    return file.trouble;
  }
  return holdsOf(file).filter((hold) => hold.held).map((hold) => hold.words).join('; ');
}

/** At most so many characters. */
export const short = (words, most) => (words.length > most ? `${words.slice(0, Math.max(1, most - 1))}\u2026` : words);
