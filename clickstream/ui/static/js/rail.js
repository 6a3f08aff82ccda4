// The rail: pages with a live number each; below them the connection, the broker, the mode, zone, theme and keys.

import { attr, h, icon, s, text } from './dom.js';
import { duration, int, rate } from './format.js';
import { PAGES } from './pages/index.js';
import { isUtc, setUtc, zoneName } from './time.js';

const THEMES = { auto: ['auto', 'light'], light: ['sun', 'dark'], dark: ['moon', 'auto'] };
const THEME_WORDS = { auto: 'as the system', light: 'light', dark: 'dark' };
const QUIET_MS = 30000;

/** `el` is its element. */
export class Rail {
  /** @param {{address: function(string): string, help: function()}} app address of a page; shows the keys */
  constructor(app) {
    this.app = app;
    this.links = new Map();
    this.connection = h('span.state', {});
    this.behind = h('span.dim', {});
    this.broker = h('span.dim', {});
    this.mode = h('span.dim', {});
    this.zone = h('button', { type: 'button', onclick: () => setUtc(!isUtc()) }, 'UTC');
    this.theme = h('button', { type: 'button', onclick: nextTheme });
    this.el = h('nav.rail', { 'aria-label': 'Pages' }, this.brand(), this.nav(), this.foot());
    this.paintTheme();
    this.paintZone();
  }

  brand() {
    const path = s('path', {
      d: 'M4 1.5v17M4 3.5h12M4 7.5h7M4 11.5h10M4 15.5h5',
      fill: 'none',
      stroke: 'currentColor',
      'stroke-width': 2,
    });
    const mark = s('svg', { viewBox: '0 0 20 20', width: 20, height: 20, 'aria-hidden': 'true' }, path);
    this.home = h('a.brand', {}, mark, 'clickstream');
    return this.home;
  }

  nav() {
    const shown = PAGES.filter((entry) => !entry.within);
    return h('div.nav', {}, h('ul', {}, shown.map((entry) => this.link(entry))));
  }

  link({ id, title, lead }) {
    const number = h('span.count', {});
    const link = h('a', {}, title, number);
    this.links.set(id, { link, number });
    return h(lead ? 'li.lead' : 'li', {}, link);
  }

  foot() {
    const keys = h(
      'button.opt2',
      { type: 'button', title: 'Keyboard (?)', 'aria-label': 'Keyboard shortcuts', onclick: () => this.app.help() },
      icon('keys'),
    );
    return h(
      'div.foot',
      {},
      h('div.row', {}, this.connection, h('span.opt', {}, this.behind)),
      h('div.row.opt', {}, this.broker),
      h('div.row.opt', {}, this.mode),
      h('div.tools', {}, this.theme, keys, this.zone),
    );
  }

  /** Marks the page that is shown, and lets the links keep range, time and filters. */
  setPage(id) {
    attr(this.home, 'href', this.app.address('overview'));
    for (const [one, { link }] of this.links) {
      attr(link, 'href', this.app.address(one));
      if (one === id) {
        attr(link, 'aria-current', 'page');
        link.scrollIntoView({ block: 'nearest', inline: 'nearest' });
      } else {
        link.removeAttribute('aria-current');
      }
    }
  }

  /**
   * Paints what is live.
   * @param {Object|null} frame the frame's state, see panels/frame.py
   * @param {{numbers: Object, hello: Object|null, down: Object|null, paused: boolean, past: boolean, now: number}} at
   *   `numbers`: those beside the pages, of the moment that is shown
   */
  paint(frame, { numbers, hello, down, paused, past, now }) {
    for (const [id, { number }] of this.links) {
      const found = numbers[id];
      text(number, found ? words(found) : '');
      number.title = found?.words ?? '';
      number.classList.toggle('bad', Boolean(found?.bad));
    }
    const [stage, cls] = connectionWords(down, paused, past);
    text(this.connection, stage);
    this.connection.className = cls;
    text(this.behind, behindWords(frame, down, now));
    text(this.broker, hello?.address ?? '\u00a0');
    text(this.mode, hello?.control ? 'Control is on' : 'Read-only');
    this.mode.className = hello?.control ? 'mode-control' : 'dim';
  }

  paintTheme() {
    const { wanted } = window.theme;
    const [name] = THEMES[wanted] ?? THEMES.auto;
    this.theme.replaceChildren(icon(name));
    attr(this.theme, 'title', `Theme: ${THEME_WORDS[wanted] ?? THEME_WORDS.auto} (t)`);
    attr(this.theme, 'aria-label', `Theme: ${THEME_WORDS[wanted] ?? THEME_WORDS.auto}`);
  }

  paintZone() {
    attr(this.zone, 'aria-pressed', isUtc());
    attr(this.zone, 'class', 'zone');
    attr(this.zone, 'title', `Times are ${zoneName()}; UTC on or off (u)`);
  }
}

/** The next of system, light, dark. */
export function nextTheme() {
  window.theme.wanted = (THEMES[window.theme.wanted] ?? THEMES.auto)[1];
}

function words({ n, unit = '' }) {
  return (unit ? rate(n) : int(n)) + unit;
}

function connectionWords(down, paused, past) {
  if (down) {
    return down.alert ? [down.short, 'state away'] : [down.short, 'state wait'];
  }
  if (paused) {
    return ['Paused', 'state wait'];
  }
  return past ? ['Past', 'state wait'] : ['Live', 'state'];
}

function behindWords(frame, down, now) {
  if (down) {
    return down.since ? duration(now - down.since) : '';
  }
  if (!frame?.newest) {
    return '';
  }
  const age = Math.max(0, now - frame.newest);
  if (age > QUIET_MS) {
    return `quiet for ${duration(age)}`;
  }
  return `${(age / 1000).toFixed(1)}\u202fs behind`;
}
