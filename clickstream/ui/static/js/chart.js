// uPlot, dressed: labels inside the plot, one cursor for all charts, the end that is still open dashed, gaps hatched.
// Times are epoch ms everywhere here; the axis takes its labels from time.js, never from uPlot's zones.

import { css, onResize, rem } from './dom.js';
import { axisLabel, labelStep, splits } from './time.js';
import { drawFinal, drawGaps, drawMarks, drawScale, drawSeriesMarks, drawValues, textured } from './chartdraw.js';

const SHRINK_BELOW = 0.6;
const SHRINK_AFTER_MS = 30000;
const NICE = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];
const MOVES = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
const stepped = uPlot.paths.stepped({ align: 1 });
const living = new Set();

/** After a change of theme or zone. */
export function redrawAll() {
  for (const chart of living) {
    // With its axes: their labels are kept otherwise, in the zone of before.
    chart.plot?.redraw(true, true);
  }
}

/** How many charts live: a page that is left must leave none. */
export const livingCharts = () => living.size;

/**
 * @typedef {Object} Series
 * @property {string} key of the values in `set`
 * @property {string} stroke CSS variable
 * @property {string} [fill] CSS variable
 * @property {number} [width]
 * @property {number[]} [dash]
 * @property {string} [texture] path of TEXTURES that is drawn over the fill
 * @property {string} [mark] path of MARKS that stands on the line here and there
 *
 * @typedef {Object} View
 * @property {number} from epoch ms, the left end
 * @property {number} to epoch ms, the right end
 * @property {number|null} [openFrom] what is younger is not final
 * @property {Array<[number, number, string?]>} [gaps] no data from, to, and why
 * @property {Array<[number, string]>} [marks] triangles: when, and words
 * @property {boolean} [blank] no labels: there is nothing to measure
 */

/** A chart over time. `destroy` it when it goes. */
export class TimeChart {
  /**
   * @param {HTMLElement} host
   * @param {Object} options
   * @param {Series[]} options.series
   * @param {function(number): string} options.format of the value axis
   * @param {number} [options.lines] of the value axis
   * @param {number} [options.floor] the value axis reaches at least so far
   * @param {number} [options.top] px above the plot
   * @param {boolean} [options.axis] false: no time axis
   * @param {boolean} [options.finalLabel] the line between final and open has its word
   * @param {function(number|null)} [options.onHover] the index of the bucket under the cursor
   * @param {function(number, number)} [options.onZoom] a time was dragged; epoch ms
   */
  constructor(host, options) {
    this.host = host;
    this.options = { lines: 3, floor: 1e-9, top: 14, axis: true, ...options };
    /** @type {View} */
    this.view = { from: 0, to: 1, blank: true };
    this.top = 0;
    this.lowSince = null;
    this.hover = null;
    this.keyed = false; // the cursor was moved by keys: then Escape takes it away, and nothing else
    this.data = [[0, 1], ...options.series.map(() => [null, null])];
    living.add(this);
    host.classList.add('plot');
    this.unfit = onResize(host, () => this.fit());
    host.addEventListener('keydown', (event) => this.key(event));
  }

  destroy() {
    living.delete(this);
    this.unfit();
    this.plot?.destroy();
    this.plot = null;
  }

  /**
   * Shows these values.
   * @param {number[]} xs beginnings of the buckets and the end of the last, epoch ms
   * @param {Object<string, Array<number|null>>} values by the key of the series; as many as `xs`
   * @param {View} view
   * @param {boolean} [anew] another question (range, filter, metric): the value axis is set anew
   */
  set(xs, values, view, anew = false) {
    const { series } = this.options;
    this.data = [xs, ...series.map(({ key }) => values[key])];
    if (anew || this.view.to - this.view.from !== view.to - view.from) {
      this.top = 0;
    }
    this.view = view;
    this.reach(Math.max(0, ...this.data.slice(1).flat().filter((value) => value != null)));
    if (!this.plot) {
      this.fit();
      return;
    }
    this.plot.setData(this.data, false);
    this.plot.setScale('x', { min: view.from, max: view.to });
  }

  // The value axis grows at once and shrinks only after half a minute well below: it must not twitch.
  reach(most) {
    const { lines, floor } = this.options;
    const wanted = niceTop(Math.max(most, floor), lines);
    const now = Date.now();
    if (!this.top || wanted > this.top) {
      this.top = wanted;
      this.lowSince = null;
    } else if (wanted >= this.top * SHRINK_BELOW) {
      this.lowSince = null;
    } else if (now - (this.lowSince ??= now) > SHRINK_AFTER_MS) {
      this.top = wanted;
      this.lowSince = null;
    }
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (!width || !height) {
      return;
    }
    if (!this.plot) {
      this.plot = new uPlot(this.plotOptions(width, height), this.data, this.host);
    } else if (Math.abs(this.plot.width - width) > 0.5 || Math.abs(this.plot.height - height) > 0.5) {
      this.plot.setSize({ width, height });
    }
  }

  plotOptions(width, height) {
    const unit = rem() / 16;
    return {
      width,
      height,
      padding: [this.options.top * unit, 0, 0, 0],
      legend: { show: false },
      pxAlign: 1,
      cursor: this.cursorOptions(),
      scales: {
        x: { time: false, range: () => [this.view.from, this.view.to] },
        y: { range: () => [0, this.top || 1] },
      },
      axes: [this.timeAxis(unit), this.valueAxis()],
      series: [{}, ...this.options.series.map((series) => seriesOptions(series, unit))],
      hooks: {
        drawClear: [(plot) => drawGaps(plot, this.view)],
        draw: [(plot) => this.drawOver(plot)],
        setCursor: [(plot) => this.moved(plot)],
        setSelect: [(plot) => this.selected(plot)],
      },
    };
  }

  cursorOptions() {
    return {
      x: true,
      y: false,
      points: { show: false },
      drag: { x: Boolean(this.options.onZoom), y: false, setScale: false },
      sync: { key: 'time', setSeries: false, scales: ['x', null] },
    };
  }

  timeAxis(unit) {
    return {
      show: this.options.axis,
      size: 25 * unit,
      gap: 7 * unit,
      font: font(12),
      stroke: () => css('--ink-3'),
      grid: { show: false },
      ticks: { show: false },
      border: { show: false },
      splits: () => this.times(),
      values: (_plot, times) => times.map((at) => axisLabel(at, this.step)),
    };
  }

  valueAxis() {
    return {
      show: true,
      size: 0,
      gap: 0,
      stroke: 'transparent',
      ticks: { show: false },
      grid: { show: true, stroke: () => css('--rule'), width: 1 },
      splits: () => this.levels(),
      values: (_plot, levels) => levels.map(() => ''),
    };
  }

  // Labels that would be cut at an end are left out.
  times() {
    const width = this.plot ? this.plot.bbox.width / (devicePixelRatio || 1) : this.host.clientWidth;
    const { from, to } = this.view;
    const unit = rem() / 16;
    this.step = labelStep(from, to, width, 84 * unit);
    const edge = 17 * unit * (this.step < 60000 ? 1.5 : 1);
    const px = width / (to - from);
    return splits(from, to, this.step).filter((at) => (at - from) * px > edge && (to - at) * px > edge);
  }

  levels() {
    const { lines } = this.options;
    return Array.from({ length: lines }, (_, index) => ((this.top || 1) * (index + 1)) / lines);
  }

  drawOver(plot) {
    if (!this.view.blank) {
      drawValues(plot, this.levels(), this.options.format);
    }
    if (this.options.axis && this.view.from) {
      drawScale(plot, this.view, this.step);
    }
    drawSeriesMarks(plot, this.options.series);
    drawFinal(plot, this.view, this.options.finalLabel);
    drawMarks(plot, this.view.marks ?? []);
  }

  moved(plot) {
    const index = plot.cursor.left >= 0 ? this.bucketAt(plot) : null;
    if (index !== this.hover) {
      this.hover = index;
      this.options.onHover?.(index);
    }
  }

  // The bucket that is drawn under the cursor, which begins before it: uPlot's posToIdx has the nearest beginning, and that
  // is the next bucket's in the right half of each. Whole ms: a synced cursor is placed with an error of rounding.
  // Of raw rows buckets are narrower than a pixel, with gaps between them: of those, the nearest.
  bucketAt(plot) {
    const xs = this.data[0];
    const pixel = plot.posToVal(1, 'x') - plot.posToVal(0, 'x');
    const near = plot.posToIdx(plot.cursor.left);
    const thin = [near, near - 1].find((index) => xs[index + 1] - xs[index] < pixel);
    if (thin !== undefined) {
      return clamped(thin, xs);
    }
    const at = Math.round(plot.posToVal(plot.cursor.left, 'x'));
    return clamped(xs.findLastIndex((x) => x <= at), xs);
  }

  selected(plot) {
    const { left, width } = plot.select;
    if (width > 4) {
      this.options.onZoom?.(plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x'));
    }
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  }

  key(event) {
    if (!this.plot) {
      return;
    }
    if (event.key === 'Escape' && this.keyed) {
      this.keyed = false;
      this.plot.setCursor({ left: -10, top: -10 }, true, true);
      event.stopPropagation();
      return;
    }
    const move = MOVES[event.key];
    if (!move) {
      return;
    }
    this.keyed = true;
    const xs = this.data[0];
    const index = clamped((this.hover ?? xs.length - 1) + move, xs);
    const middle = Math.floor((xs[index] + xs[index + 1]) / 2);
    this.plot.setCursor({ left: this.plot.valToPos(middle, 'x'), top: 1 }, true, true);
    event.preventDefault();
  }
}

// The last of `xs` is an end, and no bucket.
const clamped = (index, xs) => Math.min(xs.length - 2, Math.max(0, index));

function seriesOptions({ stroke, fill, texture, width = 1.5, dash }, unit) {
  return {
    stroke: () => css(stroke),
    fill: fill ? () => textured(css(fill), texture) : undefined,
    width: width * (unit > 1 ? 0.7 + unit * 0.3 : 1),
    dash,
    paths: stepped,
    points: { show: false },
    spanGaps: false,
    pxAlign: 1,
  };
}

/** A round maximum of which the n-ths are round as well. */
export function niceTop(most, lines) {
  const raw = most / lines;
  const power = 10 ** Math.floor(Math.log10(raw));
  return NICE.find((factor) => factor * power >= raw * 0.999) * power * lines;
}

/** The canvas font at `px` of a root of 16 px. */
export function font(px) {
  return `400 ${Math.round(((px * rem()) / 16) * 10) / 10}px "Source Sans 3", system-ui, sans-serif`;
}

/**
 * Parts values at the watermark into two series that touch: what is final, and what is still open.
 * @param {number[]} xs beginnings of buckets, and the end of the last
 * @param {Array<number|null>} values
 * @param {number} openFrom epoch ms
 * @returns {[Array<number|null>, Array<number|null>]} closed and open
 */
export function partAtFinal(xs, values, openFrom) {
  const bucket = xs[1] - xs[0];
  const closed = values.map((value, index) => (xs[index] <= openFrom ? value : null));
  const open = values.map((value, index) => (xs[index] + bucket <= openFrom ? null : value));
  return [closed, open];
}
