// The frame: rail, head, strip, the page between, and the footer with the time zone. It wires them to the one socket
// and to the address, which says what is shown.

import { livingCharts, redrawAll } from './chart.js';
import { forgetColours, h, text } from './dom.js';
import { Head } from './head.js';
import { keysDialog, listenToKeys } from './keys.js';
import { Live } from './live.js';
import { errorNotice } from './notice.js';
import { Page } from './page.js';
import { PAGES, entryOf } from './pages/index.js';
import { Proof } from './proof.js';
import { Rail } from './rail.js';
import { Rewind } from './rewind.js';
import { RANGE, fittingRange, read, takeToken, write } from './route.js';
import { Strip } from './strip.js';
import { hms, zoneName } from './time.js';

const SLOW_START_MS = 3000;
// So long it is waited until the history has read back, to show a range that fits it.
const FITS_WITHIN_MS = 2000;

class App {
  constructor() {
    takeToken();
    this.place = read(location.hash);
    this.paused = false;
    this.usual = null;
    this.frame = null;
    this.pastNumbers = null; // what is beside each page at the instant that is shown
    this.turn = 0;
    this.wasLost = false;
    this.hasFailed = false; // a page could not be loaded, since the document was
    const onStatus = () => this.statusChanged();
    this.live = new Live(socketUrl(), { onStatus, onHello: () => this.paintFrame() });
    this.rail = new Rail(this);
    this.head = new Head(this);
    this.rewind = new Rewind(this);
    this.strip = new Strip(this);
    this.proof = new Proof(this);
    this.keys = keysDialog();
    this.main = h('main', { id: 'main', tabindex: '-1' });
    this.zone = h('p.zone-line', {});
    this.el = document.getElementById('app');
    this.el.classList.toggle('kiosk', new URLSearchParams(location.search).has('kiosk'));
    this.el.append(this.rail.el, this.main);
    document.body.append(this.keys, this.proof.el);
    this.listen();
    this.live.open('frame', 'frame', {}, { state: (state) => this.takeFrame(state), error: () => this.settleRange(RANGE) });
    this.openPage();
  }

  takeFrame(state) {
    this.frame = state;
    this.paintFrame();
    this.framedAt ??= performance.now();
    if (state.holds != null) {
      this.settleRange(fittingRange(state.holds));
    } else if (performance.now() - this.framedAt > FITS_WITHIN_MS) {
      this.settleRange(RANGE);
    }
  }

  // Once: it does not change under the reader's hands, however much comes.
  settleRange(range) {
    if (this.usual == null) {
      this.usual = range;
      this.changed();
    }
  }

  /** The range that is shown, ms: the one in the address, else one that fits what there was at first. */
  get range() {
    return this.place.range ?? this.usual ?? RANGE;
  }

  /** Whether it is known already which range that is. */
  get knowsRange() {
    return this.place.range != null || this.place.from != null || this.usual != null || !this.hasRange;
  }

  /** Whether the page is about a range of time. */
  get hasRange() {
    return this.head.meta?.timed !== false;
  }

  /** Whether the page shows a past instant or a dragged time. */
  get isPast() {
    return this.place.to != null;
  }

  /** Whether it shows how all was at an instant: a page without ranges does so at the end of a dragged time. */
  get isInstant() {
    return this.isPast && !(this.place.from && this.hasRange);
  }

  listen() {
    addEventListener('hashchange', () => this.arrive());
    addEventListener('theme', () => this.themeChanged());
    addEventListener('zone', () => this.zoneChanged());
    listenToKeys(this);
    // Its address is not of a page: followed, it would lead to the first one.
    document.querySelector('.skip').addEventListener('click', (event) => {
      event.preventDefault();
      this.main.focus();
    });
    // The countdown of a lost connection, and how old things are, go on without any message.
    setInterval(() => document.hidden || this.paintFrame(), 1000);
  }

  /** Shows the list of keys. */
  help() {
    this.keys.showModal();
  }

  /** Whether there is such a page. */
  hasPage(id) {
    return PAGES.some((entry) => entry.id === id);
  }

  /**
   * The address of another page, with the same time and filters.
   * @param {string} id
   * @param {string} [arg] what follows its name: the topic of '#/topics/clickstream'
   */
  address(id, arg = '') {
    return write({ ...this.place, page: id, arg, own: {} });
  }

  /**
   * Shows something else of the page: the change goes to the address.
   * @param {Object} change members of Place
   * @param {{replace?: boolean}} [how] replace: no step for the browser's Back
   */
  go(change, { replace = false } = {}) {
    if ('to' in change) {
      this.rewind.forget();
    }
    const next = { ...this.place, ...change };
    if (next.filters.length && (next.range ?? this.range) > 3600000) {
      next.range = 3600000;
    }
    const hash = write(next);
    if (hash !== write(this.place)) {
      history[replace ? 'replaceState' : 'pushState'](null, '', hash);
      this.arrive();
    }
  }

  pause(on) {
    this.paused = on;
    this.live.pause(on);
    this.changed();
  }

  /**
   * Why there is nothing new; null if all is well. `since` is by the server's clock, `retryAt` by this browser's.
   * @returns {{words: string, short: string, since: number|null, why?: string, alert: boolean, stands: boolean,
   *   retryAt?: number}|null}
   */
  down() {
    const { stage, retryAt, words } = this.live.status;
    const since = this.live.status.since + this.live.skew;
    if (stage === 'away') {
      const away = { words: 'The dashboard\u2019s server does not answer', short: 'Server away', alert: false };
      return { ...away, since, why: words, stands: this.frame != null, retryAt };
    }
    if (stage === 'refused') {
      const refused = { words: 'Not allowed to look', short: 'Not allowed', alert: false };
      return { ...refused, since, why: words, stands: this.frame != null, retryAt };
    }
    if (stage === 'stale') {
      const stale = { words: 'The server is connected, but sends nothing', short: 'Stale', alert: false };
      return { ...stale, since, stands: true };
    }
    if (stage === 'connecting' && this.live.now() - since > SLOW_START_MS) {
      return { words: 'Connecting to the server', short: 'Connecting', since, alert: false, stands: false };
    }
    const kafka = this.frame?.kafka;
    if (kafka && !kafka.ok) {
      const where = this.live.hello ? ` at ${this.live.hello.address}` : '';
      const away = { words: `Kafka${where} does not answer`, short: 'Kafka away', alert: true };
      return { ...away, since: kafka.since, why: '', stands: true };
    }
    return null;
  }

  statusChanged() {
    const isBack = this.wasLost && this.live.status.stage === 'live';
    this.wasLost = this.live.isLost;
    this.paintFrame();
    if (isBack && !this.shown) {
      this.openPage(); // it could not be loaded meanwhile
    }
  }

  arrive() {
    takeToken();
    if (this.live.status.stage === 'refused') {
      this.live.reconnectNow(); // the token may have come with the address
    }
    const before = this.place;
    this.place = read(location.hash);
    if (this.place.page === before.page && this.place.arg === before.arg && this.shown) {
      this.changed();
    } else {
      this.openPage();
    }
  }

  async openPage() {
    this.turn += 1;
    const mine = this.turn;
    const entry = entryOf(this.place);
    this.leavePage();
    this.rail.setPage(entry.within ?? entry.id);
    document.title = `${entry.title} \u00b7 clickstream`;
    let module;
    try {
      [module] = await Promise.all([entry.load(), ...entry.styles.map(loadStyle)]);
    } catch (problem) {
      this.failPage(mine, `${entry.title} could not be loaded: ${problem.message}`);
      return;
    }
    if (mine === this.turn) {
      this.enter(entry, module);
    }
  }

  // Browsers keep an import that failed: what failed while the server was away is there after a reload only.
  failPage(turn, words) {
    const again = this.hasFailed && this.live.status.stage === 'live';
    this.hasFailed = true;
    if (turn !== this.turn) {
      return; // another page was opened meanwhile
    }
    if (again) {
      location.reload();
    } else {
      this.main.replaceChildren(errorNotice(words));
    }
  }

  enter(entry, module) {
    const meta = module.meta ?? {};
    const root = h(`div.sheet.p-${entry.id}`, {});
    this.head.setPage(entry, meta);
    this.strip.el.hidden = meta.strip === false;
    if (this.head.pause.hidden) {
      // There is nothing to go on with either.
      this.paused = false;
      this.live.pause(false);
    }
    this.main.replaceChildren(
      this.head.el,
      this.strip.el,
      this.strip.said,
      this.rewind.el,
      root,
      h('footer.foot-line', {}, this.zone),
    );
    this.page = new Page(this, { heading: this.head.heading, tools: this.head.tools, arg: this.place.arg });
    this.shown = module.create(root, this.page);
    this.changed();
  }

  leavePage() {
    this.shown?.destroy();
    this.page?.leave();
    this.shown = null;
    this.page = null;
  }

  changed() {
    this.head.paint();
    this.askNumbers();
    const entry = entryOf(this.place);
    this.rail.setPage(entry.within ?? entry.id);
    this.paintFrame();
    this.shown?.update();
  }

  askNumbers() {
    if (this.isPast) {
      this.live.open('numbers', 'numbers', { at: this.place.to }, {
        state: (state) => this.takeNumbers(state),
        error: () => this.takeNumbers(null),
      });
    } else {
      this.pastNumbers = null;
      this.live.close('numbers');
    }
  }

  takeNumbers(state) {
    this.pastNumbers = state;
    this.paintFrame();
  }

  paintFrame() {
    const down = this.down();
    const now = this.live.now();
    this.el.classList.toggle('stale', Boolean(down));
    const past = this.isPast;
    const numbers = (past ? this.pastNumbers : this.frame)?.numbers ?? {};
    this.rail.paint(this.frame, { numbers, hello: this.live.hello, down, paused: this.paused, past, now });
    this.strip.paint(this.frame, down);
    this.rewind.paint();
    text(this.zone, `Times on this page are ${zoneName(now)}.${past ? '' : ` It is ${hms(now)}.`}`);
    this.shown?.downChanged?.(down);
  }

  themeChanged() {
    forgetColours();
    this.rail.paintTheme();
    redrawAll();
    this.live.repaint();
  }

  zoneChanged() {
    this.rail.paintZone();
    redrawAll();
    this.changed();
    this.live.repaint();
  }
}

function socketUrl() {
  const url = new URL('live', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.search = '';
  url.hash = '';
  return url.href;
}

const styles = new Map();

// A page's style sheet must be there before the page is: nothing may jump.
function loadStyle(name) {
  if (!styles.has(name)) {
    const href = `css/pages/${name}`;
    const link = h('link', { rel: 'stylesheet', href });
    const loaded = new Promise((resolve, reject) => {
      link.onload = resolve;
      link.onerror = () => {
        styles.delete(name); // the next page that needs it tries again
        link.remove();
        reject(new Error(`no ${href}`));
      };
    });
    document.head.append(link);
    styles.set(name, loaded);
  }
  return styles.get(name);
}

export const app = new App();

// For tests in a browser: what must not grow.
window.clickstream = { livingCharts, app };
