// The drawing of lanes: bars with a tick for each click, what is open, what has grown together, and the time below.

import { canvasFont } from '../../canvas.js';
import { css } from '../../dom.js';
import { axisLabel, labelStep, splits } from '../../time.js';

const AXIS_PX = 26;
const BAR_PX = 13;
const AHEAD_MS = 34000;
const LEAST_STEP_MS = 60000;
const JOINED_SAID_MS = 45000;
const JOINED = 'a late click joined them';

/**
 * Draws everything.
 * @param {{g: CanvasRenderingContext2D, width: number, height: number, unit: number}} on
 * @param {Object} state of the panel
 * @param {{threshold: number, live: boolean}} how
 */
export function drawLanes(on, state, { threshold, live }) {
  const { from, to } = state;
  const end = to + Math.max(AHEAD_MS, (to - from) / 15);
  const base = on.height - AXIS_PX * on.unit;
  const row = base / Math.max(1, state.lanes.length);
  const view = { ...on, from, to, end, base, row, x: (at) => ((at - from) / (end - from)) * on.width };
  const step = Math.max(LEAST_STEP_MS, labelStep(from, end, on.width, 64 * on.unit));
  drawGround(view, step);
  for (const [index, lane] of state.lanes.entries()) {
    drawLane(view, index, lane, state, threshold);
  }
  drawMoments(view, state.final);
  drawAxis(view, step, live);
}

function drawGround({ g, width, x, base, to, from, end }, step) {
  g.fillStyle = css('--sunk');
  g.fillRect(x(to), 0, width - x(to), base);
  g.fillStyle = css('--rule');
  for (const at of splits(from, end, step)) {
    g.fillRect(Math.round(x(at)), 0, 1, base);
  }
}

function drawLane(view, index, lane, state, threshold) {
  const { g, row, unit, width } = view;
  const bar = Math.min(BAR_PX * unit, row - 6 * unit);
  const y = index * row + (row - bar) / 2;
  g.fillStyle = css('--rule');
  g.fillRect(0, Math.round((index + 1) * row) - 0.5, width, 0.5);
  for (const session of lane?.sessions ?? []) {
    drawSession(view, session, { y, bar, gap: state.gap, over: session.bytes > threshold });
  }
}

function drawSession(view, session, { y, bar, gap, over }) {
  const { g, x } = view;
  const line = css(over ? '--alert-line' : '--water-line');
  const left = Math.max(-4, x(session.start));
  const right = Math.max(x(session.last), left + 3);
  if (session.open) {
    drawGhost(g, right, y, x(session.last + gap) - right, bar, line);
  }
  g.fillStyle = css(over ? '--alert-tint' : '--water-tint');
  g.globalAlpha = session.open ? 1 : 0.62;
  g.fillRect(left, y, right - left, bar);
  g.globalAlpha = 1;
  for (const bridge of session.bridges) {
    drawBridge(g, x(bridge.start), x(bridge.end), y, bar);
  }
  g.fillStyle = line;
  g.globalAlpha = session.open ? 0.9 : 0.5;
  for (const at of session.clicks) {
    g.fillRect(Math.round(x(at)), y, 1, bar);
  }
  g.globalAlpha = 1;
  g.fillRect(Math.round(left), y, 1.5, bar);
  if (!session.open) {
    g.fillRect(Math.round(right) - 1, y, 1.5, bar);
  }
  if (session.bridges.some(({ at }) => at <= view.to && view.to - at < JOINED_SAID_MS)) {
    sayJoined(g, left, y, bar);
  }
}

function drawGhost(g, left, y, width, bar, line) {
  if (width <= 1) {
    return;
  }
  g.strokeStyle = line;
  g.lineWidth = 1;
  g.globalAlpha = 0.75;
  g.setLineDash([2, 3]);
  g.strokeRect(Math.round(left) + 0.5, Math.round(y) + 0.5, Math.round(width), bar - 1);
  g.setLineDash([]);
  g.globalAlpha = 1;
}

function drawBridge(g, left, right, y, bar) {
  g.save();
  g.beginPath();
  g.rect(left, y, right - left, bar);
  g.clip();
  g.fillStyle = css('--warn-tint');
  g.fillRect(left, y, right - left, bar);
  g.strokeStyle = css('--warn-line');
  g.lineWidth = 1;
  g.beginPath();
  for (let at = left - bar; at < right; at += 4) {
    g.moveTo(at, y + bar);
    g.lineTo(at + bar, y);
  }
  g.stroke();
  g.restore();
}

function sayJoined(g, left, y, bar) {
  g.font = canvasFont(12);
  const width = g.measureText(JOINED).width;
  const right = left - 6;
  if (right <= width) {
    return;
  }
  g.fillStyle = css('--paper');
  g.globalAlpha = 0.85;
  g.fillRect(right - width - 2, y - 1, width + 4, bar + 2);
  g.globalAlpha = 1;
  g.fillStyle = css('--warn');
  g.textAlign = 'right';
  g.textBaseline = 'middle';
  g.fillText(JOINED, right, y + bar / 2);
}

// The watermark dotted, the moment that is shown as a line.
function drawMoments({ g, x, base, to, from }, final) {
  g.fillStyle = css('--ink-3');
  g.fillRect(Math.round(x(to)), 0, 1, base);
  if (final == null || final <= from) {
    return;
  }
  const at = Math.round(x(final)) + 0.5;
  g.strokeStyle = css('--ink-3');
  g.lineWidth = 1;
  g.setLineDash([2, 3]);
  g.beginPath();
  g.moveTo(at, 0);
  g.lineTo(at, base);
  g.stroke();
  g.setLineDash([]);
}

function drawAxis({ g, width, x, base, from, to, end, unit }, step, live) {
  g.fillStyle = css('--ghost');
  g.fillRect(0, base, width, 1);
  g.fillRect(0, base + 3.5 * unit, width, 1);
  for (const [index, at] of splits(from, end, step).entries()) {
    if (index % 2 === 0) {
      g.fillRect(x(at), base, x(at + step) - x(at), 3.5 * unit);
    }
  }
  g.font = canvasFont(12);
  g.textBaseline = 'top';
  g.textAlign = 'center';
  g.fillStyle = css('--ink-3');
  const edge = 22 * unit;
  for (const at of splits(from, end, step)) {
    const middle = x(at);
    const isFree = middle > edge && middle < width - edge && Math.abs(middle - x(to)) > 46 * unit;
    if (isFree) {
      g.fillText(axisLabel(at, step), middle, base + 8 * unit);
    }
  }
  if (live) {
    g.fillStyle = css('--ink');
    g.fillText('now', x(to), base + 8 * unit);
  }
}
