// Errors per minute as a stack of statuses, and above it a lane for each status with alerts.

import { canvasFont, prepared } from '../../canvas.js';
import { TimeChart } from '../../chart.js';
import { css, h, onResize, text } from '../../dom.js';
import { NONE, int } from '../../format.js';
import { TEXTURES } from '../../marks.js';
import { moment } from '../../time.js';
import { gapsOf, knownUntil, lastFinalOf, ratesOf, toEnd } from '../known.js';
import { OTHER, colourOf } from './slots.js';

const MINUTE = 60000;
const NAME_PX = 28;
const SLOTS = [0, 1, 2, 3, 4, OTHER];

/** `el` is its element; `destroy` it when it goes. */
export class Stack {
  /** @param {{onZoom: function(number, number), onHover: function(number|null)}} on */
  constructor({ onZoom, onHover }) {
    this.note = h('span.note', {});
    this.at = h('b', {});
    this.when = h('span', {});
    this.total = h('b.value', {});
    this.canvas = h('canvas', { 'aria-hidden': 'true' });
    this.lanes = h('div.alertlanes', {}, this.canvas);
    const label = 'Errors per minute by status; the table beneath has the figures at the cursor';
    this.host = h('div.plot.h-err', { role: 'img', 'aria-label': label, tabindex: '0' });
    const read = h('div.right.read', {}, h('span', {}, this.when, this.at), h('span', {}, this.total));
    const header = h('header', {}, h('h2', {}, 'Errors per minute, by status'), this.note, read);
    this.el = h('section.sec.plain', {}, header, this.lanes, this.host);
    this.data = null;
    this.alerts = [];
    this.chart = new TimeChart(this.host, {
      series: SLOTS.map((slot) => ({
        key: `k${slot}`,
        stroke: '--paper',
        fill: colourOf(slot),
        texture: TEXTURES[slot],
        width: 0.75,
      })),
      lines: 3,
      floor: 6,
      format: int,
      top: 14,
      finalLabel: true,
      onZoom,
      onHover: (index) => {
        this.paintRead();
        onHover(index);
      },
    });
    this.unfit = onResize(this.lanes, () => this.drawLanes());
  }

  /** The bucket under the cursor, or the last final one. */
  get hover() {
    if (!this.data) {
      return null;
    }
    return Math.min(this.chart.hover ?? this.data.lastFinal, this.data.times.length - 1);
  }

  destroy() {
    this.unfit();
    this.chart.destroy();
  }

  /**
   * @param {Object} state of the panel
   * @param {Slots} slots
   * @param {{anew: boolean, down: Object|null, filtered: boolean}} how
   */
  paint(state, slots, { anew, down, filtered }) {
    const { times, bucket, to, final } = state;
    const xs = [...times, times.at(-1) + bucket];
    const known = knownUntil(state, down);
    const values = stacked(state, slots, known);
    const openFrom = Number.isFinite(known) ? known : final;
    const gaps = gapsOf(state, xs[0], xs.at(-1), down);
    this.data = { times, to, sums: values.k0, lastFinal: lastFinalOf(times, bucket, openFrom), passed: (to - times.at(-1)) / bucket };
    this.view = { from: xs[0], to: xs.at(-1), openFrom: Number.isFinite(known) ? null : final, gaps, blank: state.newest == null };
    this.chart.set(xs, values, this.view, anew);
    this.alerts = state.alerts;
    text(this.note, noteOf(state, filtered));
    this.paintRead();
    this.drawLanes();
  }

  paintRead() {
    if (!this.data) {
      return;
    }
    const at = this.hover;
    const known = at != null && at >= 0;
    text(this.when, this.chart.hover == null && known ? 'last final ' : '');
    text(this.at, known ? moment(this.data.times[at], this.data.to) : '');
    text(this.total, known && this.data.sums[at] != null ? int(this.data.sums[at]) : NONE);
  }

  drawLanes() {
    const statuses = [...new Set(this.alerts.map((alert) => alert.status))].sort();
    this.lanes.hidden = !statuses.length;
    this.lanes.style.setProperty('--lanes', statuses.length);
    const on = statuses.length && this.view ? prepared(this.canvas) : null;
    if (on) {
      drawAlertLanes(on, this.view, statuses, this.alerts);
    }
  }
}

// Sums from the last slot up: each area is drawn over the one before, so that its own part stays visible.
function stacked({ times, series, bucket, to }, slots, known) {
  const own = SLOTS.map(() => times.map(() => 0));
  const unknown = times.map(() => false);
  for (const [status, values] of Object.entries(series)) {
    const slot = slots.slot(status);
    for (const [index, value] of values.entries()) {
      own[slot][index] += value ?? 0;
      unknown[index] ||= value == null;
    }
  }
  const found = {};
  let above = times.map(() => 0);
  for (const slot of [...SLOTS].reverse()) {
    above = above.map((sum, index) => sum + own[slot][index]);
    const counts = above.map((sum, index) => (unknown[index] ? null : sum));
    found[`k${slot}`] = toEnd(ratesOf(counts, { times, bucket, to, known }, MINUTE));
  }
  return found;
}

function noteOf({ alerts, limit }, filtered) {
  if (!alerts.length) {
    return '';
  }
  const what = filtered ? '; of all clicks, whatever the filters' : '';
  return `bars above: more than ${limit} within a minute${what}`;
}

function drawAlertLanes({ g, width, height, unit }, { from, to }, statuses, alerts) {
  const x = (at) => ((at - from) / (to - from)) * width;
  const row = height / statuses.length;
  g.font = canvasFont(12);
  g.textBaseline = 'middle';
  for (const [index, status] of statuses.entries()) {
    const y = (index + 0.5) * row;
    const edge = NAME_PX * unit;
    g.fillStyle = css('--ink-3');
    g.textAlign = 'left';
    g.fillText(status, 0, y);
    g.fillStyle = css('--rule');
    g.fillRect(edge, Math.round(y), width - edge, 1);
    const own = alerts.filter((alert) => alert.status === status);
    for (const [place, alert] of own.entries()) {
      const next = place + 1 < own.length ? x(own[place + 1].from) : Infinity;
      drawAlert(g, { left: Math.max(edge, x(alert.from)), right: x(alert.to), next, y, width, unit }, alert.peak);
    }
  }
}

function drawAlert(g, { left, right: end, next, y, width, unit }, peak) {
  const right = Math.min(width, Math.max(end, left + 4 * unit));
  g.fillStyle = css('--alert-line');
  g.fillRect(left, y - 2.5 * unit, right - left, 5 * unit);
  const words = `peak ${int(peak)}/min`;
  const room = g.measureText(words).width;
  const behind = right + 6 * unit + room < Math.min(width, next - 6 * unit);
  const before = left - 6 * unit - room > NAME_PX * unit;
  if (!behind && !before) {
    return;
  }
  const at = behind ? right + 6 * unit : left - 6 * unit - room;
  g.fillStyle = css('--paper');
  g.fillRect(at - 2 * unit, y - 7 * unit, room + 4 * unit, 14 * unit);
  g.fillStyle = css('--alert');
  g.textAlign = 'left';
  g.fillText(words, at, y + 0.5 * unit);
}
