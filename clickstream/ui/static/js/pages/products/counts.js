// The proof of the count: how far the topic goes, how far the counter is, and whether what it has passed is counted.

import { command, h, text } from '../../dom.js';
import { NONE, ago, count, int } from '../../format.js';
import { hms } from '../../time.js';
import { missingWords } from '../notices.js';

const FACTS = [
  ['end', 'topic ends at'],
  ['passed', 'counter is at'],
  ['behind', 'behind'],
  ['counted', 'counted up to there'],
  ['rest', 'passed, but not counted'],
  ['tally', 'newest tally'],
  ['acknowledged', 'acknowledged to producers'],
  ['members', 'counters'],
];
const NOTES = {
  passed: 'Offsets that the saved counts go up to, over all partitions',
  counted: 'Events in the saved counts: of the same moment as the line above',
  rest: 'Deleted before they could be counted, or without a name: the dead letters have those',
  acknowledged: 'By the producers that run, since they were started',
};

/** `el` is its element. */
export class Counts {
  constructor() {
    this.values = new Map(FACTS.map(([key]) => [key, h('dd', {}, NONE)]));
    this.kind = '';
    this.below = h('p.note.below', {});
    this.note = h('span.note', {});
    const rows = FACTS.map(([key, words]) => h('div', { title: NOTES[key], 'data-k': key }, h('dt', {}, words), this.values.get(key)));
    const header = h('header', {}, h('h2', {}, 'The tally'), this.note);
    this.el = h('section.sec.p-count', {}, header, h('dl.facts', {}, rows), this.below);
  }

  /**
   * @param {Object} state of the panel
   * @param {number} now epoch ms
   */
  paint({ tally, proof, ran, tallies, count_words: why }, now) {
    const { end, passed, behind, counted, partitions, topic } = proof;
    const number = (value) => (value == null ? NONE : int(value));
    const rest = passed == null ? null : passed - counted;
    const words = {
      end: number(end),
      passed: number(passed),
      behind: behind == null ? NONE : count(behind, 'event', 'events'),
      counted: number(counted),
      rest: number(rest),
      tally: tally?.at == null ? NONE : `${hms(tally.at)}, ${ago(now - tally.at)}`,
      acknowledged: ran.producers ? int(ran.acknowledged) : 'no producer runs',
      members: ran.counters ? `${int(ran.counters)}, for ${count(partitions, 'partition', 'partitions')}` : 'none runs',
    };
    for (const [key, dd] of this.values) {
      text(dd, words[key]);
    }
    this.values.get('rest').classList.toggle('bad', rest > 0);
    text(this.note, topic);
    this.note.title = tally ? `counted by the group ${tally.group}` : '';
    this.paintBelow(tallies, why);
  }

  paintBelow(topic, why) {
    const words = missingWords(topic);
    const kind = words ? words[1] : why;
    if (kind !== this.kind) {
      this.kind = kind;
      this.below.replaceChildren(...(words ? [words[0], command(words[1])] : [why]));
    }
  }
}
