// A small line of the recent past, on a canvas: own scale from 0, the last point marked, the mean of the period before
// as a dotted hair.

import { css, h, onResize, rem } from './dom.js';

/**
 * @typedef {Object} SparkOptions
 * @property {string} [color] CSS variable of the line
 * @property {string} [fill] CSS variable of the area below
 * @property {number|null} [mean] of the period before
 * @property {number} [max] the scale reaches at least so far: for rows that are compared
 * @property {boolean} [dot] false: the last point is not marked
 * @property {boolean} [step] as steps, for counts of a span of time
 */

/** `el` is the canvas; call `destroy` when it goes. */
export class Spark {
  constructor(cls = '') {
    this.el = h(`canvas${cls}`, { 'aria-hidden': 'true' });
    this.values = [];
    /** @type {SparkOptions} */
    this.options = {};
    this.destroy = onResize(this.el, () => this.draw());
  }

  /**
   * Draws these values, oldest first; null is a gap.
   * @param {Array<number|null>} values
   * @param {SparkOptions} [options]
   */
  set(values, options = {}) {
    this.values = values;
    this.options = options;
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.el;
    if (!width || !height) {
      return;
    }
    const g = context(this.el, width, height);
    if (this.values.length < 2) {
      return;
    }
    const scale = this.scale(width, height);
    if (this.options.step) {
      drawSteps(g, this.values, scale, this.options);
    } else {
      drawLine(g, this.values, scale, this.options);
    }
  }

  scale(width, height) {
    const unit = rem() / 16;
    const { max = 0, mean, dot, step } = this.options;
    const known = this.values.filter((value) => value != null);
    const top = Math.max(max, mean ?? 0, 1e-9, ...known);
    const radius = dot === false || step ? 0 : 2.25 * unit;
    const last = this.values.length - 1;
    return {
      width,
      height,
      unit,
      radius,
      x: (index) => (index / last) * (width - radius - 1) + 0.5,
      y: (value) => height - 1.5 - (value / top) * (height - 4 - radius),
    };
  }
}

/** The past begins when somebody first looked: what was before is not known. The scale stays that of so many values. */
export const padded = (values, number) => [...Array(Math.max(0, number - values.length)).fill(null), ...values];

function context(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  const [w, hgt] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== hgt) {
    canvas.width = w;
    canvas.height = hgt;
  }
  const g = canvas.getContext('2d');
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  return g;
}

function drawSteps(g, values, { width, height, unit, y }, { color = '--ink-3', fill = '--water-wash' }) {
  const one = width / values.length;
  g.fillStyle = css(fill);
  for (const [index, value] of values.entries()) {
    if (value) {
      g.fillRect(index * one, y(value), one + 0.3, height - 1 - y(value));
    }
  }
  baseline(g, width, height);
  g.beginPath();
  for (const [index, value] of values.entries()) {
    const at = value ? y(value) : height - 0.5;
    g.lineTo(index * one, at);
    g.lineTo((index + 1) * one, at);
  }
  stroke(g, color, 1.1 * unit);
}

function drawLine(g, values, scale, { color = '--ink-3', fill, mean }) {
  if (fill) {
    area(g, values, scale, fill);
  }
  baseline(g, scale.width, scale.height);
  if (mean != null) {
    hair(g, scale, mean);
  }
  g.beginPath();
  let pen = false;
  for (const [index, value] of values.entries()) {
    if (value != null) {
      const move = pen ? 'lineTo' : 'moveTo';
      g[move](scale.x(index), scale.y(value));
    }
    pen = value != null;
  }
  stroke(g, color, 1.25 * scale.unit);
  const last = values.at(-1);
  if (scale.radius && last != null) {
    g.beginPath();
    g.arc(scale.x(values.length - 1), scale.y(last), scale.radius, 0, 7);
    g.fillStyle = css('--water-line');
    g.fill();
  }
}

function area(g, values, { x, y, height }, fill) {
  const known = [...values.entries()].filter(([, value]) => value != null);
  g.beginPath();
  g.moveTo(x(known[0]?.[0] ?? 0), height);
  for (const [index, value] of known) {
    g.lineTo(x(index), y(value));
  }
  g.lineTo(x(known.at(-1)?.[0] ?? 0), height);
  g.fillStyle = css(fill);
  g.fill();
}

function hair(g, { width, y }, mean) {
  const at = Math.round(y(mean)) + 0.5;
  g.setLineDash([2, 3]);
  g.beginPath();
  g.moveTo(0, at);
  g.lineTo(width, at);
  stroke(g, '--ghost', 1);
  g.setLineDash([]);
}

function baseline(g, width, height) {
  g.fillStyle = css('--rule-2');
  g.fillRect(0, height - 1, width, 1);
}

function stroke(g, color, width) {
  g.strokeStyle = css(color);
  g.lineWidth = width;
  g.lineJoin = 'round';
  g.stroke();
}
