// The time machine: a slider over the recent past. What it is set to is in the address; Esc goes live again.

import { h, text } from './dom.js';
import { duration } from './format.js';
import { hm, moment } from './time.js';

const MINUTE = 60000;
const EVERY_MS = 150;
const LIVE_WITHIN_MS = 2000;

/** `el` is its element, hidden until it is asked for. */
export class Rewind {
  /** @param {Object} app `place`, `isInstant`, `go`, `live` */
  constructor(app) {
    this.app = app;
    this.timer = null;
    this.slider = h('input', {
      type: 'range',
      min: '0',
      max: '0',
      step: '1000',
      'aria-label': 'Moment that is shown',
      oninput: () => this.to(this.base + Number(this.slider.value)),
    });
    this.first = h('span.dim', {});
    this.shown = h('output', {});
    this.el = h(
      'div.rewind',
      { hidden: true, role: 'group', 'aria-label': 'Back in time' },
      this.first,
      this.slider,
      this.shown,
      this.button('\u2212 1 min', () => this.step(-MINUTE), 'A minute back (,)'),
      this.button('+ 1 min', () => this.step(MINUTE), 'A minute on (.)'),
      this.button('Live', () => this.app.go({ to: null, from: null }), 'Live again (Esc)'),
    );
  }

  button(words, act, title) {
    return h('button.btn', { type: 'button', title, onclick: act }, words);
  }

  toggle() {
    this.el.hidden = !this.el.hidden;
    this.paint();
    if (!this.el.hidden) {
      this.slider.focus();
    }
  }

  /**
   * Shows that moment (epoch ms), within the history; the present is live. At most a few times a second.
   */
  to(at) {
    const now = this.app.live.now();
    this.wanted = at > now - LIVE_WITHIN_MS ? null : Math.round(Math.max(at, now - this.reach()) / 1000) * 1000;
    this.el.hidden = false;
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.app.go({ to: this.wanted, from: null }, { replace: true });
    }, EVERY_MS);
  }

  /** A step that is still to come is none: something else was chosen since. */
  forget() {
    clearTimeout(this.timer);
    this.timer = null;
  }

  step(ms) {
    this.to((this.app.place.to ?? this.app.live.now()) + ms);
  }

  reach() {
    return (this.app.live.hello?.history_minutes ?? 60) * MINUTE;
  }

  /** Call it every second, and after every change. */
  paint() {
    const { to } = this.app.place;
    const { isInstant } = this.app;
    if (isInstant) {
      this.el.hidden = false;
    }
    if (this.el.hidden) {
      return;
    }
    const now = this.app.live.now();
    const shown = isInstant ? to : now;
    if (!this.slider.matches(':active')) {
      this.base = now - this.reach();
      this.slider.max = String(this.reach());
      this.slider.value = String(shown - this.base);
    }
    text(this.first, hm(this.base));
    const words = isInstant ? moment(shown, now) : 'now';
    text(this.shown, words);
    this.slider.setAttribute('aria-valuetext', isInstant ? `${words}, ${duration(now - shown)} ago` : 'now, live');
  }
}
