/* The page tag: it tells a collector what visitors of a page do. docs/collector.md says what, and how to install it.

   tag.js beside it is this file, minified by bin/build-tag. It must never harm its page: no entry point throws, no
   event is prevented, nothing listens to `unload`, no layout is forced, and blocked storage only means that it forgets.

   The life of an event: note() describes it, admit() gives it to a visitor and puts it in `queue`, flush() makes a
   batch of it, which is in `flying` until it is answered. What was not taken goes back to `queue`, and, where storing
   is allowed, to localStorage: from there the next page that reaches the collector sends it, with the same id. */

(() => {
  let warned;
  const warn = (...words) => {
    if (!warned) console.warn("clickstream:", ...words);
    warned = true;
  };
  const guarded = (work) => (...given) => {
    try {
      return work(...given);
    } catch (problem) {
      warn(problem);
    }
  };
  guarded(tag)();

  function tag() {
    const MINUTE = 60_000;
    const HOUR = 60 * MINUTE;
    const DAY = 24 * HOUR;
    const SESSION_ENDS_AFTER = 30 * MINUTE;
    const IDLE_AFTER = 30_000; // ms without input
    const ASLEEP_AFTER = MINUTE; // ms between two looks at the clock: the machine slept
    const BATCH_DELAY = 500;
    const BATCH_BYTES = 15_000;
    const IN_FLIGHT_BYTES = 60_000; // browsers let a page have 64 KiB of keepalive requests and beacons under way
    const ANSWER_WITHIN = 20_000;
    const SETTLES_WITHIN = 500; // ms, until all tabs see the same storage: under load, not at once
    const MAX_TRIES = 8;
    const MAX_STORED = 200; // events, and bytes: of all tabs together
    const MAX_STORED_BYTES = 100_000;
    const MAX_WAITING = 1_000; // events in memory
    const MAX_TEXT = 4_096; // of an address; the collector refuses longer ones

    // The visitor, for sites of this origin that have no record yet; it has all of a record, as that once was.
    const VISITOR = "clickstream.visitor";
    const OPTED_OUT = "clickstream.opted-out";
    const NO_CONSENT = "clickstream.no-consent";
    const WAIT = "clickstream.wait"; // epoch ms: the collector asked not to be asked before
    const LEASE = "clickstream.lease";
    const QUEUE = "clickstream.queue."; // + one name for each page that is loaded

    const FILE =
      /\.(7z|apk|csv|dmg|(doc|ppt|xls)x?|epub|exe|iso|mp[34]|msi|od[st]|pdf|pkg|rar|t?gz|txt|zip)$/i;

    const api = (window.clickstream = window.clickstream || {});
    const script = document.currentScript || document.querySelector("[data-collector]");
    // A second copy of the tag on the page would count everything twice.
    if (!script || api.loaded) return;
    api.loaded = true;

    const options = script.dataset;
    const cookieless = "cookieless" in options;
    const record = `${VISITOR}.${options.site || ""}`; // as it is now, at this site: a stream is of one
    const endpoint = new URL(options.collector || "e", options.collector ? location.href : script.src);
    if (endpoint.pathname === "/") endpoint.pathname = "/e";

    /** Whether it is within the next `ms`: a time further ahead is of a clock that was set back since. */
    const near = (time, ms) => (time -= Date.now()) > 0 && time < ms;
    const later = (work, ms) => setTimeout(guarded(work), ms);
    /** A function that has `work` done once, in a while, however often it is called until then. */
    const soon = (work, ms) => {
      let pending;
      return () => {
        pending = pending || later(() => {
          pending = 0;
          work();
        }, ms);
      };
    };
    // On the way down to their targets, all events of the page pass its window.
    const listen = (names, work) => {
      for (const name of names.split(" ")) addEventListener(name, guarded(work), { capture: true, passive: true });
    };
    // It may be missing, blocked or full: then the result is undefined.
    const stored = (work) => {
      try {
        return work(localStorage);
      } catch {}
    };
    const keep = (name, text) =>
      stored((storage) => [text ? storage.setItem(name, text) : storage.removeItem(name)]);
    const read = (name) => stored((storage) => storage.getItem(name));
    const bytes = (text) => new TextEncoder().encode(text).length;
    // Not randomUUID: pages on plain http do not have it.
    const newId = () =>
      crypto.getRandomValues(new Uint32Array(4)).reduce((id, part) => id + part.toString(36).padStart(7, "0"), "");
    const here = () => ("hash" in options ? location.href : location.href.split("#")[0]).slice(0, MAX_TEXT);

    /* --- whether anything may be told, and of whom */

    let consented = "consent" in options ? undefined : true; // undefined: nobody asked the visitor yet
    let optedOut = false;
    let drafts = []; // events that wait for consent
    let me = {}; // visitor, session, when it was last seen, its next sequence, when the collector was last reached
    let kept = false; // `me` is in storage
    let streamEnds = 0; // epoch ms: then a cookieless page counts in another one; audit/auditor.py knows how long

    const refused = () =>
      optedOut ||
      consented === false ||
      navigator.globalPrivacyControl ||
      /^(1|yes)$/.test(navigator.doNotTrack || window.doNotTrack) ||
      read(OPTED_OUT) ||
      read(NO_CONSENT);

    // No event without consent is in the queue, so that there is nothing else to ask before it is stored.
    const mayStore = () => !cookieless && !refused() && stored((storage) => [storage.length]);

    function forget() {
      drafts = [];
      queue = [];
      unsure = [];
      flying.clear();
      me = {};
      view = {};
      saved = kept = streamEnds = 0;
      stored((storage) => {
        for (const name of Object.keys(storage)) {
          if (/^clickstream.[lqvw]/.test(name)) storage.removeItem(name); // what they decided stays
        }
      });
    }

    /** What says whose an event is: the visitor, or only the page when cookieless. */
    function identity(now) {
      if (cookieless) {
        if (!near(streamEnds, 2 * HOUR)) {
          me = { stream: newId(), sequence: 0 };
          streamEnds = Date.now() + HOUR;
        }
        return { cookieless, stream: me.stream, sequence: me.sequence++ };
      }
      const found = stored(() => JSON.parse(read(record) || read(VISITOR)));
      // Another tab may be further, or where storage is full, this one is.
      if (found?.visitor?.length <= 64 && (found.visitor !== me.visitor || found.sequence >= me.sequence)) me = found;
      else if (kept && !found) me = {}; // somebody cleared it
      if (!me.visitor) {
        me.visitor = newId();
        keep(VISITOR, JSON.stringify(me));
      }
      const ended = !(Math.abs(now - me.seen) < SESSION_ENDS_AFTER);
      if (ended) me.session = newId();
      me.seen = now;
      me.reached = reached = Math.max(reached, me.reached || 0);
      const sequence = me.sequence || 0;
      me.sequence = sequence + 1;
      // Where storage is full, what is there already can still be written again.
      kept = keep(record, JSON.stringify(me)) || (!read(record) && keep(VISITOR, JSON.stringify(me)));
      const { visitor, session } = me;
      return { visitor, session, new_session: ended || undefined, stream: visitor, sequence };
    }

    /** Heed what the visitor said; other tabs, and pages that come back, find it in the storage. */
    function decide(name, no) {
      keep(name, no && 1);
      if (refused()) return forget();
      if (consented) drafts.splice(0).forEach(admit);
      begin();
    }

    function consent(given) {
      consented = !!given;
      decide(NO_CONSENT, !given);
    }

    function optOut(out = true) {
      optedOut = out;
      decide(OPTED_OUT, out);
    }

    /* --- events */

    let view = {}; // the page view: id, url, referrer
    let viewport; // [width, height], as soon as a frame was drawn

    function note(event, properties, id = newId(), url) {
      if (refused()) return;
      // Its task may have changed the address, and nobody was told of that yet.
      if (!url) arrive();
      const draft = {
        id,
        event,
        url: url || here(),
        source: "tag",
        site: options.site || undefined,
        page: view.id,
        referrer: view.referrer || undefined,
        time: Date.now(),
        language: navigator.language,
        screen: [screen.width, screen.height],
        webdriver: navigator.webdriver || undefined,
        properties,
      };
      // As text: what the page does with its properties later changes nothing.
      const made = { text: JSON.stringify(draft), time: draft.time, born: performance.now(), tries: 0 };
      if (consented) admit(made);
      else if (drafts.length < MAX_STORED) drafts.push(made);
    }

    function admit(made) {
      const whose = JSON.stringify(identity(made.time)).slice(1, -1);
      made.text = `${made.text.slice(0, -1)},${whose}`;
      made.size = bytes(made.text) + 60; // with what sealed() and sending add
      queue.push(made);
      if (queue.length > MAX_WAITING) queue.shift();
      if (away || document.hidden) {
        // Listeners that come after ours may tell something while the page is left.
        flush();
        save();
      } else {
        if (failures) save();
        timer = timer || later(flush, BATCH_DELAY);
      }
    }

    function show(properties, referrer = view.url || document.referrer) {
      if (refused()) return;
      tellEngagement();
      view = { id: newId(), url: here(), referrer: referrer.slice(0, MAX_TEXT) };
      depth = 0;
      look(true);
      measure();
      note("pageview", properties, view.id, view.url);
    }

    function arrive() {
      if (!("noPageviews" in options) && here() !== view.url) show();
    }

    function track(event, properties) {
      if (event === "pageview") show(properties);
      else note(String(event), properties);
    }

    /* --- sending */

    let queue = [];
    let flying = new Set(); // batches under way
    let unsure = []; // events that may not arrive as the page is left: the next one sends them (again)
    let timer; // of the next flush
    let failures = 0; // in a row
    let pausedUntil = 0; // epoch ms
    let asked = false; // the collector asked for this pause
    let reached = 0; // epoch ms: when the collector last took something
    let refusedSize; // of the smallest event that the browser did not take of the page that is left
    let away = false; // the page is being left, frozen, or in the back/forward cache
    let saved; // something is under `key`
    let unsaved; // what there was no room for
    let key = QUEUE + newId();

    /** Whether what the browser takes from a page that is left arrives, as far as can be told. */
    const reachable = () => !failures && navigator.onLine !== false && Date.now() - reached < MINUTE;

    function flush() {
      clearTimeout(timer);
      timer = 0;
      // The visitor may have opted out in another tab since.
      if (refused()) return forget();
      const wait = pausedUntil - Date.now();
      queue = queue.filter((event) => event.tries < MAX_TRIES && Date.now() - event.time < DAY);
      if (away) {
        // What cannot be stored is tried a last time, unless the collector asked not to.
        if (wait > 0 && (asked || mayStore())) return;
        refusedSize = BATCH_BYTES;
        while (queue.length) handOver(nextBatch());
      } else if (wait > 0) timer = later(flush, wait);
      else while (queue.length && (document.hidden || !flying.size)) fly(nextBatch()).catch(warn);
      if (saved) save();
    }

    function nextBatch() {
      const batch = [];
      let size = 2;
      do {
        const event = queue.shift();
        // Counted before it is sent: what kills its page is not sent for ever. Offline, nothing leaves the machine.
        if (navigator.onLine !== false) event.tries++;
        size += event.size;
        batch.push(event);
      } while (queue.length && size + queue[0].size < BATCH_BYTES);
      return batch;
    }

    const bodyOf = (batch) => `[${batch.map((event) => `${sealed(event)},"sent":${sentAt(event)}}`)}]`;

    /** The event without its end; from here on it says how large the window was. */
    function sealed(event) {
      if (viewport && !event.sealed) event.text += `,"viewport":[${viewport}]`;
      event.sealed = true;
      return event.text;
    }

    /** By the clock that `time` is of, which may have been set back since; monotonic clocks may stop while asleep. */
    const sentAt = (event) => Math.max(Date.now(), Math.round(event.time + (performance.now() - event.born || 0)));

    /** The answer; undefined when there is none. */
    async function post(body, keepalive) {
      try {
        // A text needs no preflight.
        const signal = AbortSignal.timeout?.(ANSWER_WITHIN);
        return await fetch(endpoint, { method: "POST", body, keepalive, credentials: "omit", priority: "low", signal });
      } catch {}
    }

    async function fly(batch) {
      const body = bodyOf(batch);
      batch.bytes = bytes(body);
      const keepalive = [...flying].reduce((sum, other) => sum + other.bytes, batch.bytes) < IN_FLIGHT_BYTES;
      const began = performance.now();
      flying.add(batch);
      batch.sure = keepalive && reachable();
      let answer = await post(body, keepalive);
      // What fails at once may not have fitted beside what other scripts have under way.
      if (!answer && keepalive && performance.now() - began < 100 && !refused()) {
        batch.sure = false; // the browser ends this one with its page
        save();
        answer = await post(body);
      }
      settle(batch, answer);
    }

    /** To the browser, as the page is left. That a fetch does not fit beside what other scripts have under way is told
        in a task that a page which is gone never runs; of a beacon it is told at once. Halves may fit; where none
        of its events is smaller than one that did not, a batch is not halved, so that of a thousand few are tried. */
    function handOver(batch) {
      const body = bodyOf(batch);
      const taken = navigator.sendBeacon?.(endpoint, body);
      if (!taken && batch[1] && batch.some((event) => event.size < refusedSize)) {
        handOver(batch.splice(0, batch.length >> 1));
        return handOver(batch);
      }
      if (!taken) refusedSize = Math.min(refusedSize, batch[0].size);
      // Where nothing may be stored: for the page itself, which may come back.
      if (!taken || !reachable()) unsure.push(...batch);
      if (!taken && !mayStore()) post(body, !navigator.sendBeacon);
    }

    function settle(batch, answer) {
      if (!flying.delete(batch)) return; // forgotten meanwhile, or the next page has it
      const ok = answer?.ok;
      const status = answer?.status;
      if (ok || /^4(?!08|25|29)/.test(status)) {
        failures = 0;
        if (!asked) pausedUntil = 0;
        if (ok) {
          reached = Date.now();
          if (mayStore() && stored((storage) => left(storage)[0])) alone(adopt);
        }
      } else {
        queue.unshift(...batch);
        pause(answer?.headers.get("Retry-After"));
      }
      // What is refused will never be taken. The collector keeps only what it could read.
      if (!ok) warn(`${endpoint}:`, status || "connect-src?");
      save();
      if (queue.length && !away) flush();
    }

    function pause(retryAfter) {
      const now = Date.now();
      const wanted = retryAfter * 1000 || Date.parse(retryAfter) - now; // seconds, or a date
      // Of batches that were under way together, only the first one counts.
      if (now >= pausedUntil) {
        failures++;
        asked = false;
      }
      asked = asked || wanted > 0;
      const own = Math.min(500 * 4 ** failures, HOUR) * (0.5 + Math.random() / 2);
      pausedUntil = Math.max(pausedUntil, Math.ceil(now + Math.min(Math.max(own, wanted || 0), DAY)));
      // The next page heeds it, too.
      if (asked && mayStore()) keep(WAIT, pausedUntil);
    }

    /* --- what is kept for the next page. An entry is a line with the time (epoch ms) until which its page looks after
       it, 0 when that was left, and a line for each event: tries, time, JSON without its end. */

    const left = (storage) => Object.keys(storage).filter((name) => name.startsWith(QUEUE) && name !== key);

    function save() {
      if (!mayStore()) return;
      unsaved = [...[...flying].filter((batch) => !batch.sure).flat(), ...unsure, ...queue];
      if (unsaved[0] || saved) {
        saved = stored((storage) => {
          storage.removeItem(key);
          // A timer of a hidden page may be a minute late.
          const head = away ? 0 : Math.max(Date.now(), pausedUntil) + 2 * MINUTE;
          const others = left(storage).map((name) => name + read(name)).join();
          let room = MAX_STORED_BYTES - bytes(others + key + head);
          let count = MAX_STORED + 1 - others.split("\n").length;
          let text = "";
          // The latest ones, when there is no room for all.
          while (unsaved[0]) {
            const event = unsaved[unsaved.length - 1];
            const line = `\n${event.tries} ${event.time} ${sealed(event)}`;
            room -= bytes(line);
            if (room < 0 || --count < 0) break;
            text = line + text;
            unsaved.pop();
          }
          if (text) storage.setItem(key, head + text);
          return text;
        });
      }
    }

    /** Take over what pages left that are gone. */
    function adopt() {
      stored((storage) => {
        for (const name of left(storage)) {
          const [until, ...lines] = storage.getItem(name).split("\n");
          if (near(until, 2 * DAY)) continue;
          storage.removeItem(name);
          for (const line of lines) {
            const [, tries, time, text] = /^(\d+) (\d+) (\{[^]+)/.exec(line) || [];
            if (text) queue.push({ tries: +tries, time: +time, text, size: bytes(text) + 60, sealed: true });
          }
        }
      });
      save();
      flush();
    }

    /** Call `work` while no other tab does. Tabs are processes: what one took out of the storage, another sees a moment
        after it has the lock. */
    function alone(work) {
      const settled = (done) => later(() => {
        done(); // whatever comes of the work: the lock is given back when this task ends
        work();
      }, SETTLES_WITHIN);
      if (navigator.locks) return navigator.locks.request(LEASE, () => new Promise(settled)).catch(warn);
      // Pages on plain http have no locks.
      const mine = newId();
      const now = Date.now();
      stored((storage) => {
        if (near(parseInt(read(LEASE)), MINUTE)) return;
        keep(LEASE, `${now + 5_000} ${mine}`);
        later(() => {
          if (!read(LEASE).endsWith(mine)) return;
          work();
          keep(LEASE);
        }, SETTLES_WITHIN);
      });
    }

    /* --- how long the page is looked at, and how far down */

    let active = 0; // ms that were not told yet
    let counting; // since when, by the monotonic clock; undefined: the page is not looked at
    let input = 0; // when there was some
    let depth = 0; // the lowest that was seen, in % of the page

    function look(isInput) {
      const now = performance.now();
      if (counting !== undefined && now - counting < ASLEEP_AFTER) {
        active += Math.max(0, Math.min(now, input + IDLE_AFTER) - counting);
      }
      if (isInput) input = now;
      counting = !document.hidden && document.hasFocus() ? now : undefined;
      if (counting !== undefined && now < input + IDLE_AFTER) lookAgain();
    }
    const lookAgain = soon(look, 5_000);

    function tellEngagement() {
      look();
      if (active < 100 || !view.id || "noEngagement" in options) return;
      note("engagement", { engaged_ms: Math.round(active), scroll_percent: depth }, newId(), view.url);
      active = 0;
    }

    const measure = guarded(() => {
      const page = document.documentElement;
      const measured = (_, observer) => {
        // Called once, when the layout of the next frame is done: nothing that is read here makes another one.
        observer.disconnect();
        viewport = [innerWidth, innerHeight];
        depth = Math.max(depth, Math.min(100, Math.round((100 * (scrollY + innerHeight)) / page.scrollHeight)));
      };
      new ResizeObserver(measured).observe(page);
    });

    /* --- what the page's visitor does */

    /** Where a link or a form leads, without a login. Of data:, mailto: and the like, which are what the page or its
        visitor wrote, only the scheme. */
    function leadsTo(href) {
      const to = new URL(href, document.baseURI);
      const { protocol } = to;
      if (!/^http/.test(protocol)) return { href: protocol, host: location.host };
      to.username = to.password = "";
      return to;
    }

    function clicked(event) {
      if (event.button > 1) return; // the menu
      const link = event.composedPath().find((node) => node.matches?.(":any-link"));
      if (!link) return;
      const to = leadsTo(link.getAttribute("href"));
      const properties = { link: to.href.slice(0, MAX_TEXT) };
      if (link.hasAttribute("download") || FILE.test(to.pathname)) {
        "noDownloads" in options || note("download", properties);
      } else if (to.host !== location.host) {
        "noLinks" in options || note("outbound", properties);
      }
    }

    function submitted({ target }) {
      const said = (name) => target.getAttribute(name) || undefined;
      const to = leadsTo(said("action") || location.href);
      note("submit", { form: said("id") || said("name"), action: to.href.split(/[?#]/)[0] });
    }

    // Routers often call replaceState and then pushState: one view, for where the task leaves the page.
    const navigated = soon(arrive, 0);

    function watchAddress() {
      if ("onnavigatesuccess" in (window.navigation || {})) {
        return navigation.addEventListener("navigatesuccess", navigated);
      }
      for (const name of ["pushState", "replaceState"]) {
        const original = history[name];
        history[name] = function () {
          const result = original.apply(this, arguments);
          navigated();
          return result;
        };
      }
      listen("popstate hashchange", navigated);
    }

    function leave(gone) {
      away = away || gone;
      tellEngagement();
      flush();
      save();
    }

    function comeBack() {
      if (!away) return;
      away = false;
      if (saved) {
        // Another page may have it by now; it is taken over again like anybody's. What found no room is ours.
        queue = unsaved;
        flying.forEach((batch) => batch.sure || flying.delete(batch));
        saved = false;
        key = QUEUE + newId();
      } else queue.push(...unsure);
      unsure = [];
      flush();
    }

    let started;
    function begin() {
      if (refused()) return;
      if (!started) start();
      // Who has agreed again is somebody new, and on this page.
      arrive();
    }

    function start() {
      started = true;
      const until = read(WAIT);
      asked = near(until, DAY);
      if (asked) pausedUntil = +until;
      listen("click auxclick", clicked);
      "noForms" in options || listen("submit", submitted);
      if (!("noEngagement" in options)) {
        listen("focus blur", () => look());
        listen("pointerdown pointermove keydown wheel", () => look(true));
        listen("scroll", soon(measure, 200)); // which scripts do, too: that is nobody's input
      }
      // Browsers leave some of these out, depending on how the page is left.
      listen("visibilitychange", () => {
        if (document.hidden) return leave();
        comeBack();
        look(true);
      });
      listen("freeze pagehide", () => leave(true));
      listen("resume", comeBack);
      listen("pageshow", (event) => {
        if (!event.persisted) return;
        comeBack();
        "noPageviews" in options || show(undefined, view.referrer);
      });
      listen("online", () => {
        if (!asked) pausedUntil = 0;
        flush();
      });
      "noPageviews" in options || watchAddress();
    }

    /* --- what pages call */

    const actions = { track, consent, optOut };
    let waiting = [...(api.q || [])]; // calls from before the tag was there, or the page was shown
    const call = guarded(([name, ...given]) => (waiting ? waiting.push([name, ...given]) : actions[name](...given)));
    for (const name in actions) api[name] = (...given) => call([name, ...given]);
    api.q = { push: (...calls) => calls.forEach(call) };

    const load = () => {
      if (refused() || cookieless) forget(); // from a time before that
      begin();
      const calls = waiting;
      waiting = undefined;
      calls.forEach(call);
    };
    // Nobody has seen a page that is prerendered.
    if (document.prerendering) listen("prerenderingchange", load);
    else load();
  }
})();
