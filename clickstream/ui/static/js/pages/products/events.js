// Events per second by name, and different users per minute, with one cursor through both.

import { TimeChart, partAtFinal } from '../../chart.js';
import { h, provesButton, text } from '../../dom.js';
import { NONE, int, rate } from '../../format.js';
import { MARKS, markSample } from '../../marks.js';
import { hms } from '../../time.js';
import { gapsOf, knownOf, knownUntil, lastFinalOf, ratesOf, toEnd } from '../known.js';
import { SLOTS, colourOf, slotOf } from './names.js';

const SECOND = 1000;
const MINUTE = 60000;

/** `el` is its element; `destroy` it when it goes. */
export class Events {
  /**
   * @param {function(number, number)} onZoom a time was dragged
   * @param {function(string, string, Object)} onProve see Page.prove
   */
  constructor(onZoom, onProve) {
    this.onProve = onProve;
    this.read = h('div.right.read.keys', {});
    this.usersRead = h('span.note.read', {});
    const label = 'Events per second by name; left and right move the cursor, the readings are above';
    this.host = h('div.plot.h-prod', { role: 'img', 'aria-label': label, tabindex: '0' });
    this.sub = h('div.plot.h-sub', {});
    this.data = null;
    this.keys = new Map();
    const onHover = () => this.paintRead();
    this.chart = new TimeChart(this.host, {
      series: SLOTS.flatMap((slot) => [
        { key: `c${slot}`, stroke: colourOf(slot), width: 1.5, mark: MARKS[slot] },
        { key: `o${slot}`, stroke: colourOf(slot), width: 1.5, dash: [3, 3] },
      ]),
      lines: 4,
      floor: 4,
      format: rate,
      top: 16,
      finalLabel: true,
      onHover,
      onZoom,
    });
    this.small = new TimeChart(this.sub, {
      series: [
        { key: 'closed', stroke: '--ink-3', fill: '--sunk', width: 1.25 },
        { key: 'open', stroke: '--ink-3', width: 1.25, dash: [3, 3] },
      ],
      lines: 1,
      floor: 4,
      format: int,
      top: 16,
      onHover,
      onZoom,
    });
    const subhead = h('div.subhead', {}, h('span', {}, 'Users per minute'), this.usersRead, provesButton('Users per minute', () => this.prove()));
    const header = h('header', {}, h('h2', {}, 'Events per second'), this.read);
    this.el = h('section.sec.plain.p-chart', {}, header, this.host, subhead, this.sub);
  }

  destroy() {
    this.chart.destroy();
    this.small.destroy();
  }

  /**
   * @param {Object} state of the panel
   * @param {{anew: boolean, down: Object|null}} how
   */
  paint(state, { anew, down }) {
    const { times, bucket, to, final, names, series } = state;
    const xs = [...times, times.at(-1) + bucket];
    const known = knownUntil(state, down);
    const openFrom = Number.isFinite(known) ? known : final;
    const perSecond = (counts) => ratesOf(counts, { times, bucket, to, known }, SECOND);
    const bySlot = slotted(state);
    const values = {};
    for (const slot of SLOTS) {
      [values[`c${slot}`], values[`o${slot}`]] = partAtFinal(xs, toEnd(perSecond(bySlot[slot])), openFrom);
    }
    const gaps = gapsOf(state, xs[0], xs.at(-1), down);
    const view = { from: xs[0], to: xs.at(-1), openFrom: Number.isFinite(known) ? null : final, gaps, blank: !names.length };
    const rates = Object.fromEntries(names.map((name) => [name, perSecond(series[name])]));
    const users = knownOf(state.users, { times: state.minutes, bucket: MINUTE, known });
    this.data = { ...state, rates, users, lastFinal: lastFinalOf(times, bucket, openFrom) };
    this.chart.set(xs, values, view, anew);
    this.paintUsers(this.data, view, { openFrom, anew });
    this.paintRead();
  }

  paintUsers({ minutes, users }, view, { openFrom, anew }) {
    const xs = [...minutes, minutes.at(-1) + MINUTE];
    const [closed, open] = partAtFinal(xs, toEnd(users), openFrom);
    const bare = { ...view, gaps: view.gaps.map(([from, to]) => [from, to]) };
    this.small.set(xs, { closed, open }, bare, anew);
  }

  // At the cursor, of whichever chart it is in; else of the last final bucket.
  paintRead() {
    if (!this.data) {
      return;
    }
    const { times, rates, names, lastFinal, minutes, users } = this.data;
    const at = Math.min(this.chart.hover ?? lastFinal, times.length - 1);
    this.paintKeys(names);
    text(this.at, at >= 0 ? hms(times[at]) : '');
    for (const name of names) {
      const value = rates[name][at];
      text(this.keys.get(name), value == null ? NONE : rate(value));
    }
    const minute = this.small.hover ?? minutes.findLastIndex((start) => start <= (times[at] ?? 0));
    this.minute = Math.min(minute, minutes.length - 1);
    text(this.usersRead, users[this.minute] == null ? NONE : int(users[this.minute]));
  }

  // Of the minute that is read.
  prove() {
    const from = this.data?.minutes[this.minute];
    if (from) {
      this.onProve('event_users', this.usersRead.textContent, { from, to: from + MINUTE }, 'Users per minute');
    }
  }

  paintKeys(names) {
    const kind = names.join('\n');
    if (kind === this.named) {
      return;
    }
    this.named = kind;
    this.at = h('b', {});
    this.keys = new Map(names.map((name) => [name, h('b', {})]));
    const key = (name) => {
      const slot = slotOf(name, names);
      return h('span.key.drawn', { '--k': `var(${colourOf(slot)})` }, markSample(MARKS[slot]), name, this.keys.get(name));
    };
    this.read.replaceChildren(h('span', {}, this.at), ...names.map(key));
  }
}

// Names that share a colour are one line.
function slotted({ names, series, times }) {
  const found = SLOTS.map(() => null);
  for (const name of names) {
    const slot = slotOf(name, names);
    const values = series[name];
    found[slot] = found[slot] ? found[slot].map((value, index) => sum(value, values[index])) : values;
  }
  return found.map((values) => values ?? times.map(() => null));
}

const sum = (a, b) => (a == null || b == null ? null : a + b);
