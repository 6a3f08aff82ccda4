// The big chart of the chosen figure with the errors per minute below it, one cursor through both.

import { TimeChart, partAtFinal } from '../../chart.js';
import { h, text } from '../../dom.js';
import { NONE, ago, int } from '../../format.js';
import { hm, moment } from '../../time.js';
import { gapsOf, knownOf, knownUntil, lastFinalOf, ratesOf, toEnd } from '../known.js';
import { metricOf } from './metrics.js';

const QUIET_MS = 30000;

/** `el` is its element; `destroy` it when it goes. */
export class Traffic {
  /** @param {function(number, number)} onZoom a time was dragged */
  constructor(onZoom) {
    this.title = h('h2', {}, metricOf('hits').chart);
    this.note = h('span.note', {});
    this.read = h('div.right.read', {});
    this.errorsRead = h('span.note.read', {});
    const label = 'The chosen figure over time; left and right move the cursor, the reading is above';
    this.main = h('div.plot.h-main', { tabindex: '0', role: 'img', 'aria-label': label });
    this.sub = h('div.plot.h-sub', {});
    this.metric = metricOf('hits');
    this.big = this.chart(this.main, '--water-line', '--water-wash', {
      lines: 4,
      floor: 4,
      format: (value) => this.metric.reading(value),
      finalLabel: true,
      axis: false,
      before: true,
      onZoom,
    });
    this.small = this.chart(this.sub, '--alert-line', '--alert-tint', { lines: 1, floor: 20, format: int, onZoom });
    this.el = h('section.sec.plain.traffic', {}, this.header(), this.main, this.subhead(), this.sub);
    this.parts = this.readParts();
    this.data = null;
  }

  header() {
    const before = h('span.key.thin.note', { '--k': 'var(--ghost)' }, 'the period before');
    const open = h('span.key.dash.note', { '--k': 'var(--water-line)' }, 'still open');
    return h('header', {}, this.title, before, open, this.note, this.read);
  }

  subhead() {
    return h('div.subhead', {}, h('span', {}, 'Errors per minute'), this.errorsRead);
  }

  readParts() {
    const [when, at, value, before] = [h('span', {}, NONE), h('b', {}), h('b.value', {}), h('b.value', {}, NONE)];
    this.read.replaceChildren(
      h('span', {}, when, at),
      h('span', {}, value),
      h('span.dim.wide-only', {}, 'before ', before),
    );
    return { when, at, value, before };
  }

  chart(host, stroke, fill, { before = false, ...options }) {
    const series = [
      ...(before ? [{ key: 'before', stroke: '--ghost', width: 1 }] : []),
      { key: 'closed', stroke, fill, width: before ? 1.5 : 1.25 },
      { key: 'open', stroke, width: before ? 1.5 : 1.25, dash: [3, 3] },
    ];
    return new TimeChart(host, { series, top: 16, onHover: (index) => this.paintRead(index), ...options });
  }

  destroy() {
    this.big.destroy();
    this.small.destroy();
  }

  /**
   * @param {Object} state of the Overview
   * @param {{metric: string, filtered: boolean, down: Object|null, anew: boolean, past: boolean, now: number}} how
   */
  paint(state, { metric, filtered, down, anew, past, now }) {
    this.metric = metricOf(metric);
    this.now = now;
    text(this.title, this.metric.chart);
    const known = knownUntil(state, down);
    const axis = axisOf(state, known);
    const { xs, times } = axis;
    const series = state.series[this.metric.key];
    const errors = state.series.errors_per_min;
    const values = prepared(series?.values, axis, this.metric.rate);
    const before = padded(series?.before, xs.length);
    const errorValues = prepared(errors?.values, axis, true);
    const lastFinal = state.setup ? -1 : lastFinalOf(times, axis.bucket, axis.openFrom);
    this.data = { xs, values, before, errors: errorValues, lastFinal };
    const view = viewOf(state, axis, down);
    const [closed, open] = partAtFinal(xs, values, axis.openFrom ?? Infinity);
    const [errorsClosed, errorsOpen] = partAtFinal(xs, errorValues, axis.openFrom ?? Infinity);
    this.big.set(xs, { before, closed, open }, view, anew);
    // Alerts are of all clicks: with a filter on they would be marks of something that is not drawn.
    const marks = filtered || state.setup ? [] : marksOf(state, view);
    const bare = { ...view, marks, gaps: view.gaps.map(([from, to]) => [from, to]) };
    this.small.set(xs, { closed: errorsClosed, open: errorsOpen }, bare, anew);
    text(this.note, noteOf(state, past, now));
    this.paintRead(this.big.hover);
  }

  // At the cursor; else of the last final bucket.
  paintRead(hover) {
    if (!this.data || !this.parts) {
      return;
    }
    const { xs, values, before, errors, lastFinal } = this.data;
    const at = Math.min(hover ?? lastFinal, xs.length - 2);
    const words = (value) => (value == null ? NONE : this.metric.reading(value));
    const known = at >= 0;
    text(this.parts.when, hover == null && known ? 'last final ' : '');
    text(this.parts.at, known ? moment(xs[at], this.now) : '');
    text(this.parts.value, words(values[at]));
    text(this.parts.before, words(before[at]));
    text(this.errorsRead, errors[at] == null ? NONE : int(errors[at]));
  }
}

// Beginnings of the buckets and the end of the last; what is known until when.
function axisOf({ from, to, bucket, final }, known) {
  const count = Math.max(1, Math.ceil((to - from) / bucket));
  const xs = Array.from({ length: count + 1 }, (_, index) => from + index * bucket);
  return { xs, times: xs.slice(0, -1), bucket, to, known, openFrom: Number.isFinite(known) ? known : final };
}

function prepared(values, axis, isRate) {
  const found = padded(values, axis.times.length);
  return toEnd(isRate ? ratesOf(found, axis, axis.bucket) : knownOf(found, axis));
}

function viewOf(state, { xs, openFrom, known }, down) {
  const [from, to] = [xs[0], xs.at(-1)];
  const gaps = state.setup ? [] : gapsOf(state, from, to, down);
  return { from, to, openFrom: Number.isFinite(known) ? null : openFrom, gaps, blank: Boolean(state.setup) };
}

function marksOf(state, { from, to, gaps }) {
  const known = gaps.at(-1)?.[1] === to ? gaps.at(-1)[0] : to;
  return (state.alerts ?? [])
    .filter((alert) => alert.from > from && alert.from < known)
    .map((alert) => [alert.from, String(alert.status)]);
}

function padded(values, length) {
  const found = values ? values.slice(0, length) : [];
  while (found.length < length) {
    found.push(values && found.length ? found.at(-1) : null);
  }
  return found;
}

function noteOf({ covered_from: covered, from, newest, setup }, past, now) {
  if (setup) {
    return '';
  }
  if (covered != null && covered > from) {
    return `The history reaches back to ${moment(covered, now)}`;
  }
  if (!past && newest != null && now - newest > QUIET_MS) {
    return `Quiet: the last click came at ${hm(newest)}, ${ago(now - newest)}`;
  }
  return '';
}
