// Lanes: one for each of some users, with a bar for each session. The server gives a user a lane, and keeps it there
// until no session of that user is in view.

import { prepared } from '../../canvas.js';
import { h, onResize, provesButton, rem, text } from '../../dom.js';
import { int } from '../../format.js';
import { drawLanes } from './lanesdraw.js';

const LEAST = 22;
const MOST = 40;
const LANE_REM = 1.3125;
const WIDE_PX = 1600;

/** How many lanes there is room for. */
export function laneCount() {
  const fitting = Math.floor((innerHeight * 0.5) / (LANE_REM * rem()));
  return innerWidth < WIDE_PX ? LEAST : Math.max(LEAST, Math.min(MOST, fitting));
}

/** `el` is its element; `destroy` it when it goes. */
export class Lanes {
  /**
   * @param {function(string)} onPick a user's id
   * @param {function(string, string)} onProve a number's key and value
   */
  constructor(onPick, onProve) {
    this.onPick = onPick;
    this.note = h('span.note', {});
    this.names = h('ol.lanenames', { 'aria-label': 'Users with lanes' });
    this.canvas = h('canvas', { 'aria-hidden': 'true' });
    const box = h('div.lanebox', {}, this.canvas);
    this.lanes = h('div.lanes', {}, this.names, box);
    const proves = provesButton('Open sessions', () => onProve('open_sessions', int(this.last?.state.open ?? 0)));
    const header = h('header', {}, h('h2', {}, 'Sessions as they happen'), this.note, proves, legend());
    this.el = h('section.sec.plain.s-lanes', {}, header, this.lanes);
    this.buttons = [];
    this.last = null;
    this.destroy = onResize(box, () => this.draw());
  }

  /**
   * @param {Object} state of the panel
   * @param {{threshold: number, live: boolean}} how
   */
  paint(state, how) {
    this.last = { state, how };
    this.lanes.style.setProperty('--lanes', state.lanes.length);
    this.paintNames(state.lanes, how.threshold);
    const shown = state.lanes.filter(Boolean).length;
    const some = state.users > shown ? `; the ${int(shown)} that come and go most` : '';
    text(this.note, `${int(state.open)} open, ${int(state.users)} users${some}`);
    this.draw();
  }

  paintNames(lanes, threshold) {
    while (this.buttons.length < lanes.length) {
      this.addName();
    }
    for (const [index, button] of this.buttons.entries()) {
      const lane = lanes[index];
      button.parentElement.hidden = index >= lanes.length;
      button.dataset.user = lane?.user ?? '';
      button.disabled = !lane;
      text(button, lane ? lane.name : '\u00a0');
      button.title = lane ? `Only ${lane.name}` : '';
      button.classList.toggle('over', Boolean(lane?.sessions.some((one) => one.bytes > threshold)));
    }
  }

  addName() {
    const button = h('button', { type: 'button', onclick: () => this.onPick(button.dataset.user) });
    this.buttons.push(button);
    this.names.append(h('li', {}, button));
  }

  draw() {
    const on = this.last && prepared(this.canvas);
    if (on) {
      drawLanes(on, this.last.state, this.last.how);
    }
  }
}

function legend() {
  return h(
    'div.right.legend',
    {},
    h('span.lg.open', {}, 'open'),
    h('span.lg.closed', {}, 'closed'),
    h('span.lg.ghost', {}, 'ends then, if no click comes'),
    h('span.lg.merge', {}, 'grown together'),
  );
}
