// The tab's one WebSocket. It keeps what is open, asks for it again after every reconnect, and hands the latest state
// to the panels once per animation frame: nothing is painted in onmessage, so a burst costs one painting.

import { headers, refusalOf } from './api.js';
import { takeToken } from './route.js';

const BEAT_MS = 15000;
const STALE_MS = 5000;
const CALM_MS = 60000;
const LEAST_WAIT_MS = 500;
const MOST_WAIT_MS = 30000;
// The first wait is drawn from up to 4 s, not from half a second: all tabs lose a restarted server in the same instant.
const FIRST_WAIT_MS = 4000;
const BUSY = 1013;
const FULL = 'It has as many tabs open as it takes.';
const UNAUTHORIZED = 401;
const NOT_FOUND = 404;
const NO_SOCKETS = 'It answers, but opens no WebSocket: a proxy in front of it must pass them on.';
// The server heard nothing from this tab: it was frozen, or the machine slept. The server itself is well.
const SILENT = 4001;
const FEED_ROWS = 1000;

/**
 * How long to wait before the next try, with full jitter: anything between half a second and a bound that doubles.
 * @param {number} tries how many have failed in a row
 * @param {boolean} busy the server refused because it has enough tabs: the bound is doubled
 * @param {number} random in [0, 1)
 * @returns {number} ms
 */
export function waitBefore(tries, busy, random) {
  const bound = Math.min(MOST_WAIT_MS, FIRST_WAIT_MS * 2 ** tries * (busy ? 2 : 1));
  return LEAST_WAIT_MS + random * (bound - LEAST_WAIT_MS);
}

/**
 * What the connection is at: 'connecting' (never connected yet), 'live', 'stale' (connected, but nothing came for 5 s),
 * 'away' (closed; the next try is at `retryAt`), 'refused' (as away, as the tab has not the right token: `words` are
 * the server's).
 * @typedef {{stage: string, since: number, retryAt: number|null, words: string}} Status  epoch ms of this browser
 */

/** One connection for all panels of a tab. */
export class Live {
  /**
   * @param {string} url of the WebSocket
   * @param {{onStatus?: function(Status), onHello?: function(Object)}} listeners
   */
  constructor(url, { onStatus, onHello } = {}) {
    this.url = url;
    this.onStatus = onStatus;
    this.onHello = onHello;
    /** @type {Status} */
    this.status = { stage: 'connecting', since: Date.now(), retryAt: null, words: '' };
    this.hello = null;
    this.paused = false;
    this.panels = new Map();
    this.byWire = new Map();
    this.asked = 0;
    this.skew = 0;
    this.tries = 0;
    this.beats = 0;
    this.frame = 0;
    this.connectedAt = 0;
    this.heardAt = 0;
    this.farewell = '';
    this.socket = null;
    document.addEventListener('visibilitychange', () => this.tellVisibility());
    addEventListener('online', () => this.reconnectNow());
    setInterval(() => this.beat(), BEAT_MS);
    setInterval(() => this.watch(), 1000);
    this.connect();
  }

  /** The server's clock, epoch ms: as hello and beats tell it. States may have taken their time since theirs. */
  now() {
    return Date.now() + this.skew;
  }

  /**
   * Opens a panel, or changes the one of this id. The latest state comes to the handler in the next animation frame,
   * again after `repaint`, and then whenever there is a newer one.
   * @param {string} id of the caller's choice
   * @param {string} panel its name at the server
   * @param {Object} params
   * @param {function(*, number)|Object<string, function>} handler gets states (or news of a feed), and the server's
   *   time of them; or `{state, feed, error}`, one function for each kind of message
   */
  open(id, panel, params, handler) {
    const question = JSON.stringify([panel, params]);
    const handlers = typeof handler === 'function' ? { state: handler, feed: handler } : handler;
    const old = this.panels.get(id);
    if (old?.question === question) {
      old.handlers = handlers;
      old.fresh = old.state != null;
      this.schedule();
      return;
    }
    this.close(id);
    // Each question has its own id on the wire: an answer to the one before may still be under way.
    this.asked += 1;
    const wire = `${id}~${this.asked}`;
    const wanted = JSON.stringify({ open: wire, panel, params });
    this.panels.set(id, { id, wire, question, wanted, handlers, state: null, fresh: false, feed: null, problem: null });
    this.byWire.set(wire, id);
    this.send(wanted);
    this.heardAt = Date.now();
  }

  /** Closes a panel; what is not open is ignored. */
  close(id) {
    const panel = this.panels.get(id);
    if (panel) {
      this.panels.delete(id);
      this.byWire.delete(panel.wire);
      this.send(JSON.stringify({ close: panel.wire }));
    }
  }

  /** While paused, data go on arriving; the handlers get the newest of it afterwards. */
  pause(on) {
    this.paused = on;
    this.schedule();
  }

  /** Has every panel painted again from the state that it has: after a change of theme, zone or size. */
  repaint() {
    for (const panel of this.panels.values()) {
      panel.fresh = panel.state != null;
    }
    this.schedule(true);
  }

  connect() {
    clearTimeout(this.timer);
    const token = takeToken();
    const socket = new WebSocket(this.url, ['clickstream', ...(token ? [`token.${token}`] : [])]);
    this.socket?.close(); // one that is still trying
    this.socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.welcome();
    };
    socket.onmessage = (event) => this.take(JSON.parse(event.data));
    socket.onclose = (event) => {
      if (this.socket === socket) {
        this.lose(event, opened);
      }
    };
  }

  welcome() {
    this.connectedAt = Date.now();
    this.heardAt = Date.now();
    this.farewell = '';
    for (const panel of this.panels.values()) {
      this.send(panel.wanted);
    }
    if (document.hidden) {
      this.send(JSON.stringify({ hidden: true }));
    }
    this.say('live');
  }

  async lose(event, opened) {
    if (opened && Date.now() - this.connectedAt > CALM_MS) {
      this.tries = 0;
    }
    this.connectedAt = 0;
    const since = this.isLost ? this.status.since : Date.now();
    const lost = this.socket;
    // A refused handshake looks like a dead server (both are 1006); plain HTTP tells them apart.
    const answer = opened ? null : await answerAt(this.url);
    if (this.socket !== lost) {
      return; // somebody did not want to wait
    }
    if (answer?.status === UNAUTHORIZED) {
      this.retryIn(MOST_WAIT_MS * (1 + Math.random()), 'refused', since, answer.words);
      return;
    }
    const busy = event.code === BUSY;
    const wasAsleep = event.code === SILENT && !this.tries && !document.hidden;
    const wait = wasAsleep ? Math.random() * LEAST_WAIT_MS : waitBefore(this.tries, busy, Math.random());
    this.tries += 1;
    this.retryIn(wait, 'away', since, busy ? FULL : answer?.words ?? this.farewell);
  }

  retryIn(ms, stage, since, words) {
    this.timer = setTimeout(() => this.connect(), ms);
    this.say(stage, { since, retryAt: Date.now() + ms, words });
  }

  /** Whether it waits for its next try to connect. */
  get isLost() {
    return this.status.stage === 'away' || this.status.stage === 'refused';
  }

  reconnectNow() {
    if (this.isLost) {
      this.connect();
    }
  }

  take(message) {
    this.heardAt = Date.now();
    if (message.hello) {
      this.hello = message.hello;
      this.skew = message.hello.now - Date.now();
      this.onHello?.(message.hello);
    } else if (message.beat != null) {
      this.skew = (message.now ?? this.now()) - Date.now(); // an older server's have no time
    } else if (message.bye) {
      this.farewell = `It said goodbye: ${message.bye}.`;
    } else if (message.id != null) {
      this.store(message);
    }
    if (this.status.stage === 'stale') {
      this.say('live');
    }
  }

  store(message) {
    const panel = this.panels.get(this.byWire.get(message.id));
    if (!panel) {
      return;
    }
    if (message.error != null) {
      panel.problem = message.error;
    } else if (message.feed) {
      panel.feed = panel.feed ? joined(panel.feed, message.feed) : message.feed;
      panel.now = message.now;
    } else {
      panel.state = message.state;
      panel.now = message.now;
      panel.fresh = true;
    }
    this.schedule();
  }

  schedule(forced = false) {
    this.forced ||= forced;
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.deliver();
    });
  }

  deliver() {
    const forced = this.forced;
    this.forced = false;
    for (const panel of [...this.panels.values()]) {
      const { state, feed, error } = panel.handlers;
      if (panel.problem != null) {
        error?.(panel.problem);
        panel.problem = null;
      }
      if (this.paused && !forced && panel.painted) {
        continue;
      }
      if (panel.fresh) {
        panel.fresh = false;
        panel.painted = true;
        state?.(panel.state, panel.now);
      }
      if (panel.feed && !this.paused) {
        const rows = panel.feed;
        panel.feed = null;
        feed?.(rows, panel.now);
      }
    }
  }

  beat() {
    this.beats += 1;
    this.send(JSON.stringify({ beat: this.beats }));
  }

  // Once a second: whether anything came of late. A hidden tab gets nothing but beats, and that is right so.
  watch() {
    if (document.hidden || !this.connectedAt || !this.panels.size) {
      this.heardAt = Math.max(this.heardAt, this.connectedAt);
      return;
    }
    if (this.status.stage === 'live' && Date.now() - this.heardAt > STALE_MS) {
      this.say('stale', { since: this.heardAt });
    }
    if (this.tries && Date.now() - this.connectedAt > CALM_MS) {
      this.tries = 0;
    }
  }

  // A tab that somebody looks at again does not wait: its tries while it was hidden may have left it a long wait.
  tellVisibility() {
    if (!document.hidden) {
      this.reconnectNow();
    }
    this.heardAt = Date.now();
    this.send(JSON.stringify({ hidden: document.hidden }));
  }

  send(words) {
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(words);
    }
  }

  say(stage, { since = Date.now(), retryAt = null, words = '' } = {}) {
    this.status = { stage, since, retryAt, words };
    this.onStatus?.(this.status);
  }
}

// Feeds are not states: rows that were not handed over yet are kept, up to a bound; what falls out is counted.
function joined(old, next) {
  if (next.anew) {
    return next;
  }
  const rows = [...old.rows, ...next.rows];
  const over = Math.max(0, rows.length - FEED_ROWS);
  return { ...next, rows: rows.slice(over), skipped: old.skipped + next.skipped + over, anew: old.anew };
}

// What plain HTTP is answered at the socket's address, for which the same token is needed; null: nothing. A server that
// is well has no file there; what else is answered may come from a proxy in front of one that is down.
async function answerAt(url) {
  try {
    const answer = await fetch(url.replace(/^ws/, 'http'), { headers: headers(), signal: AbortSignal.timeout(3000) });
    const words = answer.status === NOT_FOUND ? NO_SOCKETS : await refusalOf(answer);
    return { status: answer.status, words };
  } catch {
    return null;
  }
}
