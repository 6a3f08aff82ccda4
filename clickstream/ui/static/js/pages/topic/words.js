// What is said beneath the records of a topic: how a search goes and what it found, or how the live list stands.

import { count, int } from '../../format.js';

/** Why a search ended, by its `end`. */
export const ENDS = {
  complete: 'That is all there is.',
  time: 'It took too long and was ended: go on from there.',
  records: 'It has read two million records and was ended: go on from there.',
  stopped: 'Stopped.',
  limit: '',
};

const STAGES = {
  connecting: () => 'Connecting\u2026',
  'catching up': () => 'Reading the last records\u2026',
  missing: (words) => words,
  away: (words) => words,
  refused: (words) => words,
};

/** @param {?Object} progress of a search, null before the first */
export function progressWords(progress) {
  const { read, found, total } = progress ?? {};
  return read == null ? 'Searching\u2026' : `Searching: ${int(read)} of ${int(total)} read, ${int(found)} found`;
}

/**
 * @param {Object} answer of a search
 * @param {Object} shown
 * @param {?string} shown.then the past instant that was asked for
 * @param {number} shown.shown rows
 * @param {boolean} shown.isFiltered
 * @param {string} shown.at where the search began
 */
export function foundWords(answer, { then, shown, isFiltered, at }) {
  const asOf = then == null ? '' : `As of ${then}: `;
  if (asOf && !shown && answer.end === 'complete') {
    return `${asOf}${nothingWords(isFiltered, at)}`;
  }
  return `${asOf}${count(shown, 'record', 'records')}, ${int(answer.progress.read)} read. ${ENDS[answer.end] ?? ''}`;
}

// Why there is nothing at a past instant.
function nothingWords(isFiltered, at) {
  if (isFiltered) {
    return 'nothing that had come fits.';
  }
  return at === 'newest' || at === 'oldest' ? 'nothing had come.' : 'nothing from there on had come.';
}

/** @param {Object} list see Records.state */
export function liveWords(list) {
  const { stage, words, waiting, shown } = list;
  const skipped = list.skipped ? `, ${int(list.skipped)} not shown` : '';
  if (STAGES[stage]) {
    return STAGES[stage](words);
  }
  if (list.stopped || list.held) {
    const why = list.stopped ? 'Paused' : 'Held while you point';
    return `${why}, ${int(waiting)} newer${skipped}`;
  }
  if (!shown) {
    return emptyWords(list);
  }
  return `Live, ${list.isSorted ? 'sorted' : 'newest first'}${skipped || ', all shown'}`;
}

/** The same without what changes all the time: what a screen reader is told. */
export function liveMeaning(list) {
  const { stage, words, stopped, shown } = list;
  if (stage == null) {
    return ''; // the server has not said anything yet
  }
  if (STAGES[stage]) {
    return STAGES[stage](words);
  }
  if (stopped) {
    return 'Paused';
  }
  return shown ? 'Live' : emptyWords(list);
}

const emptyWords = ({ isFiltered }) =>
  isFiltered
    ? 'Nothing fits among the last records; what comes is looked at.'
    : 'No records yet. Waiting for the first.';
