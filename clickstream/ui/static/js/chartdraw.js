// What a time chart draws itself, below and above uPlot's lines: on the canvas, in device pixels.

import { css, rem } from './dom.js';
import { offset } from './time.js';

const BOX = 8; // of the paths in marks.js
const MARKS_APART = 110;
const patterns = new Map();
const unit = () => ((devicePixelRatio || 1) * rem()) / 16;
const setFont = (g, px) => {
  g.font = `400 ${px * unit()}px "Source Sans 3", system-ui, sans-serif`;
};

function drawing(plot, draw) {
  const g = plot.ctx;
  g.save();
  // uPlot leaves the dashes of its last series behind.
  g.setLineDash([]);
  draw(g, plot.bbox, unit(), (at) => plot.valToPos(at, 'x', true));
  g.restore();
}

/** No data: hatched in ochre, with the reason. */
export function drawGaps(plot, view) {
  drawing(plot, (g, box, px, x) => {
    g.beginPath();
    g.rect(box.left, box.top - 14 * px, box.width, box.height + 14 * px);
    g.clip();
    for (const [from, to, words] of view.gaps ?? []) {
      const [left, right] = [x(from), x(to)];
      hatch(g, left, right, box, px);
      if (words) {
        label(g, words, left, right, box, px);
      }
    }
  });
}

function hatch(g, left, right, { top, height }, px) {
  g.save();
  g.beginPath();
  g.rect(left, top, right - left, height);
  g.clip();
  g.fillStyle = css('--warn-tint');
  g.globalAlpha = 0.55;
  g.fillRect(left, top, right - left, height);
  g.strokeStyle = css('--warn-line');
  g.globalAlpha = 0.45;
  g.lineWidth = px;
  g.beginPath();
  for (let at = left - height; at < right; at += 8 * px) {
    g.moveTo(at, top + height);
    g.lineTo(at + height, top);
  }
  g.stroke();
  g.restore();
}

function label(g, words, left, right, { top, left: edge }, px) {
  setFont(g, 12);
  g.fillStyle = css('--warn');
  g.textBaseline = 'top';
  const width = g.measureText(words).width;
  const inside = right - left > width + 12 * px || left - width < edge;
  g.textAlign = inside ? 'left' : 'right';
  g.fillText(words, Math.max(inside ? left + 6 * px : left - 6 * px, edge), top + 4 * px);
}

/** Labels of the value axis: inside, above their lines, with a halo. */
export function drawValues(plot, levels, format) {
  drawing(plot, (g, box, px) => {
    setFont(g, 12);
    g.textBaseline = 'bottom';
    g.textAlign = 'left';
    g.lineWidth = 4 * px;
    g.lineJoin = 'round';
    for (const level of levels) {
      const y = plot.valToPos(level, 'y', true) - px;
      const words = format(level);
      g.strokeStyle = css('--paper');
      g.globalAlpha = 0.7;
      g.strokeText(words, box.left + px, y);
      g.globalAlpha = 1;
      g.fillStyle = css('--ink-3');
      g.fillText(words, box.left + px, y);
    }
  });
}

/** The time scale as on the edge of a sea chart: one stretch filled, the next one open. */
export function drawScale(plot, view, step) {
  drawing(plot, (g, box, px, x) => {
    const y = box.top + box.height;
    const [left, right] = [x(view.from), x(view.to)];
    const height = 3.5 * px;
    const hair = Math.max(1, px * 0.75);
    g.fillStyle = css('--ghost');
    g.fillRect(left, y, right - left, hair);
    g.fillRect(left, y + height, right - left, hair);
    const shift = offset(view.from);
    for (let k = Math.floor((view.from + shift) / step); k * step - shift < view.to; k += 1) {
      if (k % 2 === 0) {
        const begin = Math.max(left, x(k * step - shift));
        const end = Math.min(right, x((k + 1) * step - shift));
        g.fillRect(begin, y, end - begin, height);
      }
    }
  });
}

/** The dotted line between what is final and what is still open. */
export function drawFinal(plot, { from, to, openFrom }, labelled) {
  if (!openFrom || openFrom <= from || openFrom >= to) {
    return;
  }
  drawing(plot, (g, box, px, x) => {
    const at = Math.round(x(openFrom)) + 0.5;
    g.strokeStyle = css('--ink-3');
    g.globalAlpha = 0.8;
    g.lineWidth = px;
    g.setLineDash([2 * px, 3 * px]);
    g.beginPath();
    g.moveTo(at, box.top - 10 * px);
    g.lineTo(at, box.top + box.height);
    g.stroke();
    g.globalAlpha = 1;
    if (labelled) {
      setFont(g, 12);
      g.fillStyle = css('--ink-3');
      g.textAlign = 'right';
      g.textBaseline = 'top';
      g.fillText('final', at - 4 * px, box.top - 13 * px);
    }
  });
}

/** Marks on lines, which say whose they are without their colours; they stay where they are as time goes on. */
export function drawSeriesMarks(plot, series) {
  const xs = plot.data[0];
  const bucket = xs[1] - xs[0];
  drawing(plot, (g, box, px, x) => {
    const every = Math.ceil((MARKS_APART * px) / (x(bucket) - x(0)));
    for (const [index, { mark, stroke }] of series.entries()) {
      const own = mark && { path: new Path2D(mark), colour: css(stroke), first: Math.floor((index * every) / series.length) };
      for (let at = 0; own && at < xs.length - 1; at += 1) {
        const value = plot.data[index + 1][at];
        if (value != null && (xs[at] / bucket) % every === own.first) {
          drawSeriesMark(g, own, x(xs[at] + bucket / 2), plot.valToPos(value, 'y', true), px);
        }
      }
    }
  });
}

function drawSeriesMark(g, { path, colour }, x, y, px) {
  g.save();
  g.translate(x - 4 * px, y - 4 * px);
  g.scale(px, px);
  g.lineWidth = 2;
  g.strokeStyle = css('--paper');
  g.stroke(path);
  g.fillStyle = colour;
  g.fill(path);
  g.restore();
}

/** The fill of an area: its colour, with the texture in the colour of the paper. */
export function textured(colour, texture) {
  if (!texture) {
    return colour;
  }
  const size = Math.round(BOX * unit());
  const key = [colour, css('--paper'), texture, size].join();
  const found = patterns.get(key) ?? pattern(colour, texture, size);
  patterns.set(key, found);
  return found;
}

function pattern(colour, texture, size) {
  const tile = document.createElement('canvas');
  tile.width = size;
  tile.height = size;
  const g = tile.getContext('2d');
  g.fillStyle = colour;
  g.fillRect(0, 0, size, size);
  g.scale(size / BOX, size / BOX);
  g.strokeStyle = css('--paper');
  g.stroke(new Path2D(texture));
  return g.createPattern(tile, 'repeat');
}

/** Alerts: a triangle at the beginning, and its code where there is room. */
export function drawMarks(plot, marks) {
  drawing(plot, (g, box, px, x) => {
    setFont(g, 12);
    g.textAlign = 'left';
    g.textBaseline = 'top';
    const sorted = [...marks].sort((a, b) => a[0] - b[0]);
    let end = -Infinity;
    for (const [index, [at, words]] of sorted.entries()) {
      const middle = x(at);
      triangle(g, middle, box.top, px);
      const next = index + 1 < sorted.length ? x(sorted[index + 1][0]) - 6 * px : Infinity;
      end = Math.max(markLabel(g, words, middle, end, next, box, px), middle + 5 * px);
    }
  });
}

function triangle(g, x, top, px) {
  g.fillStyle = css('--alert-line');
  g.beginPath();
  g.moveTo(x - 4 * px, top - 9 * px);
  g.lineTo(x + 4 * px, top - 9 * px);
  g.lineTo(x, top - 2 * px);
  g.closePath();
  g.fill();
}

function markLabel(g, words, x, end, next, box, px) {
  const width = g.measureText(words).width;
  const fits = x + 8 * px + width < box.left + box.width;
  const left = fits ? x + 7 * px : x - 7 * px - width;
  if (left <= end + 6 * px || left + width >= next) {
    return end;
  }
  g.fillStyle = css('--alert');
  g.fillText(words, left, box.top - 14 * px);
  return left + width;
}
