// How large sessions are, as dots on a logarithmic scale, and the line over which they are large: it can be dragged,
// and moved by keys.

import { canvasFont, prepared } from '../../canvas.js';
import { attr, css, h, onResize, provesButton, text } from '../../dom.js';
import { bytesText, int } from '../../format.js';

const LEAST = 2000;
const MOST = 4000000;
const AXIS_PX = 24;
const LABELS = [2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6];
const FACTORS = {
  ArrowRight: 1.1,
  ArrowUp: 1.1,
  ArrowLeft: 1 / 1.1,
  ArrowDown: 1 / 1.1,
  PageUp: 2,
  PageDown: 0.5,
};

/** A threshold of two digits within the scale: the server counts sizes by two digits, so it is exact. */
export function nice(octets) {
  const bounded = Math.min(MOST, Math.max(LEAST, octets));
  const power = 10 ** (Math.floor(Math.log10(bounded)) - 1);
  return Math.round(bounded / power) * power;
}

const share = (octets) => Math.log(Math.min(MOST, Math.max(octets, LEAST)) / LEAST) / Math.log(MOST / LEAST);
const octetsAt = (part) => LEAST * (MOST / LEAST) ** Math.min(1, Math.max(0, part));
const short = (octets) => bytesText(octets).replace(/\.0+(?=\D)/, '');

/** `el` is its element; `destroy` it when it goes. */
export class Threshold {
  /**
   * @param {function(number, boolean)} onMove bytes, and whether that is the end of the movement
   * @param {number} usual bytes
   * @param {function(string, string)} onProve a number's key and value
   */
  constructor(onMove, usual, onProve) {
    this.onProve = onProve;
    this.onMove = onMove;
    this.usual = usual;
    this.value = usual;
    this.last = null;
    this.note = h('span.note', {});
    this.label = h('span.knoblabel', {});
    this.knob = this.slider();
    this.canvas = h('canvas', { 'aria-hidden': 'true' });
    this.box = h('div.thresh', {}, this.canvas, this.knob);
    this.below = h('p.note.below', {});
    this.el = h('section.sec.s-th', {}, this.header(), this.box, this.below);
    this.listen();
    this.destroy = onResize(this.box, () => this.draw());
  }

  header() {
    const back = { type: 'button', onclick: () => this.onMove(this.usual, true) };
    const right = h('div.right', {}, h('button.link', back, `Back to ${short(this.usual)}`));
    const proves = provesButton('High-bandwidth sessions', () => this.onProve('large_sessions', this.over));
    return h('header', {}, h('h2', {}, 'Bytes per session'), this.note, proves, right);
  }

  slider() {
    const props = {
      role: 'slider',
      tabindex: '0',
      'aria-label': 'High-bandwidth threshold',
      'aria-valuemin': LEAST,
      'aria-valuemax': MOST,
    };
    return h('div.knob', props, h('span.knobline'), h('span.grip'), this.label);
  }

  listen() {
    let dragged = false;
    const move = (event, done) => {
      const { left, width } = this.box.getBoundingClientRect();
      this.onMove(octetsAt((event.clientX - left) / width), done);
    };
    this.box.addEventListener('pointerdown', (event) => {
      dragged = true;
      this.box.setPointerCapture(event.pointerId);
      this.knob.focus({ preventScroll: true });
      move(event, false);
      event.preventDefault();
    });
    this.box.addEventListener('pointermove', (event) => dragged && move(event, false));
    for (const end of ['pointerup', 'pointercancel']) {
      this.box.addEventListener(end, (event) => {
        if (dragged) {
          dragged = false;
          move(event, true);
        }
      });
    }
    this.knob.addEventListener('keydown', (event) => this.key(event));
  }

  key(event) {
    const factor = FACTORS[event.key];
    if (event.key === 'Home') {
      this.onMove(this.usual, true);
    } else if (factor) {
      this.onMove(moved(this.value, factor), true);
    } else {
      return;
    }
    event.preventDefault();
  }

  /**
   * @param {Object} state of the panel
   * @param {{threshold: number}} how
   * @param {string} words which time that is
   */
  paint(state, { threshold }, words) {
    this.value = threshold;
    this.last = state;
    const all = state.sizes.reduce((sum, [, closed, open]) => sum + closed + open, 0);
    const over = state.sizes
      .filter(([octets]) => octets > threshold)
      .reduce((sum, [, closed, open]) => sum + closed + open, 0);
    const sampled = state.total > state.seen ? `; of ${int(state.total)} the ${int(state.seen)} with the last clicks` : '';
    this.over = int(over);
    text(this.note, `${this.over} of ${int(all)} over ${short(threshold)}${sampled}`);
    const scale = 'The scale is logarithmic, and begins at 2\u202fkB.';
    text(this.below, `Drag the line, or use the arrow keys. Each dot is a session of ${words}, blue while it is open. ${scale}`);
    attr(this.knob, 'aria-valuenow', threshold);
    attr(this.knob, 'aria-valuetext', short(threshold));
    text(this.label, short(threshold));
    this.draw();
  }

  draw() {
    const on = this.last && prepared(this.canvas);
    if (!on) {
      return;
    }
    const { width, unit } = on;
    const left = share(this.value) * width;
    this.knob.style.transform = `translateX(${left}px)`;
    this.knob.classList.toggle('flip', left > width - 90 * unit);
    drawOver(on, left);
    drawDots(on, this.last.sizes, this.value);
    drawAxis(on);
  }
}

// Of two digits 10 % may be less than one: at least that.
function moved(value, factor) {
  const next = nice(value * factor);
  if (next !== value) {
    return next;
  }
  const step = 10 ** (Math.floor(Math.log10(value)) - 1);
  return value + (factor > 1 ? step : -step);
}

function drawOver({ g, width, height, unit }, left) {
  g.fillStyle = css('--alert-tint');
  g.globalAlpha = 0.45;
  g.fillRect(left, 0, width - left, height - AXIS_PX * unit);
  g.globalAlpha = 1;
}

// Sessions of about the same size are piled up; where there are too many for the height, their dots overlap.
function drawDots({ g, width, height, unit }, sizes, threshold) {
  const radius = (width < 500 ? 1.6 : 2.1) * unit;
  const across = radius * 2 + 0.6;
  const base = height - AXIS_PX * unit - 4;
  const piles = new Map();
  for (const [octets, closed, open] of sizes) {
    const column = Math.round((share(octets) * width) / across);
    const pile = piles.get(column) ?? [];
    const over = octets > threshold;
    pile.push([closed, over ? '--alert-line' : '--ghost'], [open, over ? '--alert-line' : '--water-line']);
    piles.set(column, pile);
  }
  const highest = Math.max(1, ...[...piles.values()].map((pile) => pile.reduce((sum, [number]) => sum + number, 0)));
  const up = Math.min(across, (base - 8) / highest);
  for (const [column, pile] of piles) {
    let number = 0;
    for (const [dots, colour] of pile) {
      g.fillStyle = css(colour);
      for (let dot = 0; dot < dots; dot += 1) {
        g.beginPath();
        g.arc(Math.max(radius, column * across), base - number * up, radius, 0, 7);
        g.fill();
        number += 1;
      }
    }
  }
}

function drawAxis({ g, width, height, unit }) {
  const base = height - AXIS_PX * unit;
  g.fillStyle = css('--ghost');
  g.fillRect(0, base, width, 1);
  g.font = canvasFont(12);
  g.textBaseline = 'top';
  g.fillStyle = css('--ink-3');
  for (const octets of LABELS) {
    const at = share(octets) * width;
    g.fillRect(Math.round(at), base, 1, 4);
    if (width > 600 || [1e4, 1e5, 1e6].includes(octets)) {
      g.textAlign = at < 14 ? 'left' : 'center';
      g.fillText(short(octets), at, base + 6);
    }
  }
}
