// The line below the head that is always there: what is wrong, else the alerts; to the right the watermark, which is
// also the clock that can be dragged back. A screen reader is told only when its meaning changes, every 10 s at most.

import { attr, h, icon, text } from './dom.js';
import { count, duration, int } from './format.js';
import { hm, hms, moment } from './time.js';

const SPEAK_EVERY_MS = 10000;
const MS_PER_PX = 3000;
const NARROW_PX = 768;
const BACK_NOTE =
  'The watermark: windows that end before it are closed. What is younger is still open, and drawn dashed. Click, or ' +
  'drag to the left, to go back in time.';

/** `el` is its element, `said` the live region beside it. */
export class Strip {
  /** @param {Object} app `place`, `head`, `isInstant`, `pastNumbers`, `go`, `live`, `rewind`, `address` */
  constructor(app) {
    this.app = app;
    this.what = h('div.what', {});
    this.final = h('span', {});
    this.behind = h('span.dim.t', {});
    this.until = h('button.until', { type: 'button' }, this.final, this.behind);
    this.retry = h('button.link', { type: 'button', onclick: () => app.live.reconnectNow() }, 'Try now');
    this.said = h('div.vh', { role: 'status' });
    this.el = h('div.strip', {}, this.what, this.until, this.retry);
    this.signature = '';
    this.spokenAt = -Infinity;
    this.dragsClock();
  }

  // The clock goes back as far as it is dragged to the left; a click opens the slider instead.
  dragsClock() {
    let start = null;
    let dragged = false;
    this.until.addEventListener('pointerdown', (event) => {
      start = { x: event.clientX, at: this.app.place.to ?? this.app.live.now() };
      dragged = false;
      this.until.setPointerCapture(event.pointerId);
    });
    this.until.addEventListener('pointermove', (event) => {
      if (!start || (!dragged && Math.abs(event.clientX - start.x) < 4)) {
        return;
      }
      dragged = true;
      this.app.rewind.to(start.at + (event.clientX - start.x) * MS_PER_PX);
    });
    this.until.addEventListener('lostpointercapture', () => {
      start = null;
    });
    this.until.addEventListener('click', () => {
      if (!dragged) {
        this.app.rewind.toggle();
      }
      dragged = false;
    });
  }

  /**
   * Paints it; call it every second.
   * @param {Object|null} frame see panels/frame.py
   * @param {Object|null} down see App.down
   */
  paint(frame, down) {
    const now = this.app.live.now();
    const shown = down ? this.downWords(down, now) : this.usual(frame, now);
    this.el.className = `strip${shown.cls ? ` ${shown.cls}` : ''}`;
    this.retry.hidden = !(down && down.retryAt);
    this.fill(shown.parts);
    this.paintFinal(frame, down, now);
    this.speak(shown.meaning);
  }

  // The nodes are made when the kind of message changes; otherwise their texts are changed in place.
  fill(parts) {
    const signature = parts.map((part) => part.kind).join();
    if (signature !== this.signature) {
      this.signature = signature;
      this.what.replaceChildren(...parts.map((part) => make(part)));
    }
    for (const [index, part] of parts.entries()) {
      if (part.words != null) {
        text(this.what.children[index], part.words);
      }
      if (part.href) {
        this.what.children[index].setAttribute('href', part.href);
      }
    }
  }

  downWords(down, now) {
    const since = down.since ? ` since ${hms(down.since)}, for ${duration(now - down.since)}.` : '';
    const stands = down.stands ? ' Everything here stands as of then.' : '';
    return {
      cls: down.alert ? 'down' : 'warned',
      meaning: down.words,
      parts: [
        { kind: 'b', words: down.words },
        { kind: 't', words: `${since} ${down.why ?? ''}${stands}` },
      ],
    };
  }

  usual(frame, now) {
    if (this.app.isInstant) {
      return this.pastWords(frame, now);
    }
    const behind = frame?.behind;
    if (behind && !frame.alerts?.open.length) {
      const words = `It still reads ${behind.topic}: what is younger is not, or not wholly, counted yet.`;
      return {
        cls: 'warned',
        meaning: 'The history is behind',
        parts: [
          { kind: 'b', words: `The history is ${lateness(behind, now)} behind.` },
          { kind: 't', words },
        ],
      };
    }
    return frame ? this.alertWords(frame) : { cls: '', meaning: '', parts: [{ kind: 't', words: 'Connecting\u2026' }] };
  }

  pastWords(frame, now) {
    const { to } = this.app.place;
    const narrow = innerWidth < NARROW_PX;
    const asked = `As of ${moment(to, now)}`;
    const found = this.rememberedWords(frame, now, narrow);
    const help = narrow ? '' : ' The address can be sent. Esc goes live again.';
    return {
      cls: 'warned past',
      meaning: `Past instant ${moment(to, now)}${found && `. ${found}`}`,
      parts: [
        { kind: 'b', words: found || asked },
        { kind: 't', words: `${found && `${asked}, `}${duration(now - to)} ago.${help}` },
      ],
    };
  }

  // Pages about topics and parts show the last moment before that the server remembers.
  rememberedWords(frame, now, narrow) {
    const found = this.app.pastNumbers;
    if (!found || !this.app.head.meta?.remembered) {
      return '';
    }
    if (found.at != null) {
      return `Remembered at ${hms(found.at)}`;
    }
    const begins = narrow ? 'Remembered from' : 'What is remembered begins at';
    return frame?.remembers ? `${begins} ${moment(frame.remembers, now)}` : '';
  }

  alertWords({ alerts, empty }) {
    if (empty) {
      return plain('No alerts: there is nothing to count yet');
    }
    if (!alerts) {
      return plain('Alerts are not computed: clickstream tables run clickstream');
    }
    const [first] = alerts.open;
    if (!first) {
      const { last } = alerts;
      return plain(
        last
          ? `No alert now. ${int(alerts.earlier)} in the last hour, the last ended at ${hm(last)}.`
          : 'No alert in the last hour',
      );
    }
    const narrow = innerWidth < NARROW_PX;
    const more = alerts.open.length - 1 + alerts.earlier;
    const limit = first.limit == null ? '' : `, over the limit of ${int(first.limit)}`;
    return {
      cls: 'on',
      meaning: `Alert: ${first.status} ${first.name}`,
      parts: [
        { kind: 'flag' },
        { kind: 'b', words: narrow ? first.status : `${first.status} ${first.name}` },
        {
          kind: 't',
          words: narrow
            ? `${int(first.now)} in the last minute`
            : `${count(first.now, 'time', 'times')} in a minute${limit} since ${hm(first.from)}`,
        },
        ...(this.app.hasPage('errors') ? [{ kind: 'link', words: 'Errors', href: this.app.address('errors') }] : []),
        { kind: 'more', words: more ? `${int(more)} more in the last hour` : '' },
      ],
    };
  }

  paintFinal(frame, down, now) {
    const left = down?.retryAt ? Math.max(0, down.retryAt - Date.now()) : null;
    const final = frame?.final;
    if (left != null) {
      text(this.final, left < 500 ? 'Trying\u2026' : `Next try in ${duration(left)}`);
      text(this.behind, '');
    } else if (frame?.behind) {
      const { until } = frame.behind;
      text(this.final, until ? `Read until ${moment(until, now)}` : 'Reading back');
      text(this.behind, until ? `${duration(Math.max(0, now - until))} behind` : '');
    } else {
      text(this.final, final ? `Final until ${moment(final, now)}` : '');
      text(this.behind, final ? `${duration(Math.max(0, now - final))} behind` : '');
    }
    this.until.hidden = left == null && !final && !frame?.behind;
    this.until.disabled = left != null;
    attr(this.until, 'title', BACK_NOTE);
  }

  speak(meaning) {
    const now = Date.now();
    if (meaning !== this.said.textContent && now - this.spokenAt >= SPEAK_EVERY_MS) {
      this.spokenAt = now;
      text(this.said, meaning);
    }
  }
}

const lateness = ({ until }, now) => (until ? duration(Math.max(0, now - until)) : 'far');
const plain = (words) => ({ cls: '', meaning: words.replace(/\d+.*/, ''), parts: [{ kind: 't', words }] });

function make({ kind }) {
  switch (kind) {
    case 'flag': {
      const flag = icon('flag');
      flag.classList.add('flag');
      return flag;
    }
    case 'b':
      return h('b', {});
    case 'link':
      return h('a.wide-only', {});
    case 'more':
      return h('span.more.wide-only', {});
    default:
      return h('span.t', {});
  }
}
