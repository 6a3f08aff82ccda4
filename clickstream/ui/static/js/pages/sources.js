// Sources: every part that reports, how busy it is; and with control, what it is to do.

import { post } from '../api.js';
import { h, icon } from '../dom.js';
import { setupNotice } from '../notice.js';
import { PAST_NOTE } from '../page.js';
import { definitionsFoot, definitionsOf } from '../table.js';
import { Notices } from './notices.js';
import { Collected } from './sources/collected.js';
import { Done, Inject } from './sources/control.js';
import { Requests } from './sources/requests.js';
import { SourcesTable } from './sources/table.js';

export const meta = { timed: false, remembered: true, pausable: true };

/** See Page for the interface. */
export function create(root, page) {
  const sources = new Sources(root, page);
  return { update: () => sources.update(), destroy: () => sources.destroy() };
}

class Sources {
  constructor(root, page) {
    this.root = root;
    this.page = page;
    this.state = null;
    this.of = null; // the past instant that the state is of
    this.mode = '';
    const own = {
      now: () => (this.isPast && this.state ? this.state.at : page.now()),
      ask: (part, action, value) => this.ask(part, action, value),
      address: (id, arg) => page.address(id, arg),
    };
    this.notices = new Notices();
    this.line = h('div.modeline', {});
    this.table = new SourcesTable(own);
    this.inject = new Inject(own);
    this.done = new Done();
    this.collected = new Collected(own.now);
    this.requests = new Requests();
    this.section = h('section.sec.plain', {}, this.table.el);
    root.append(this.line, this.notices.el, this.section, this.collected.el, this.requests.el, this.inject.el, this.done.el);
    root.append(definitionsFoot([this.table.table, this.collected.table].map(({ columns }) => definitionsOf(columns)).join(' ')));
    root.setAttribute('aria-busy', 'true');
  }

  update() {
    const instant = this.page.instant();
    this.page.open('sources', 'sources', instant, {
      state: (state) => this.take(state, instant.at ?? null),
      error: (words) => this.fail(words),
    });
    this.page.open('collected', 'collected', this.page.instant(), { state: (state) => this.takeCollected(state) });
    this.paint();
  }

  destroy() {
    this.table.destroy();
    this.collected.destroy();
  }

  // While parts of a past instant stand here, nothing can be asked of them, also after the way back to the present.
  get isPast() {
    return this.page.isPast || this.of != null;
  }

  take(state, of) {
    this.state = state;
    this.of = of;
    this.root.setAttribute('aria-busy', 'false');
    this.paint();
  }

  // What was shown before is of another moment.
  fail(words) {
    this.state = null;
    this.of = null;
    this.root.setAttribute('aria-busy', 'false');
    for (const one of [this.section, this.collected.el, this.requests.el, this.inject.el, this.done.el]) {
      one.hidden = true;
    }
    this.notices.error(words);
    this.paintMode();
  }

  takeCollected(state) {
    this.collected.set(state);
    this.requests.set(state);
  }

  async ask(part, action, value) {
    try {
      const answer = await post('/api/control', { part: part.id, action, value });
      if (!answer.done) {
        this.done.refuse(part, action, answer.words, answer.at);
      }
    } catch (problem) {
      this.done.refuse(part, action, problem.message, this.page.now());
    }
    this.paint();
  }

  paint() {
    const { state } = this;
    this.paintMode();
    if (!state) {
      return;
    }
    const { parts, topic } = state;
    this.section.hidden = !parts.length;
    if (parts.length) {
      this.notices.show('');
    } else if (topic.stage === 'live' || topic.stage === 'missing') {
      this.notices.show('empty', () => setupNotice('Nothing reports', STEPS));
    } else {
      this.notices.line(topic.words || `Reading ${topic.name}\u2026`);
    }
    const locked = this.isPast ? PAST_NOTE : '';
    this.table.set(parts, locked);
    this.inject.el.hidden = false;
    this.inject.paint(parts, locked);
    this.done.paint(parts);
  }

  paintMode() {
    const on = Boolean(this.page.hello?.control);
    const past = on && this.isPast;
    const mode = `${on} ${past} ${this.state?.control_topic}`;
    if (mode === this.mode) {
      return;
    }
    this.mode = mode;
    this.root.classList.toggle('control', on);
    this.line.classList.toggle('on', on && !past);
    this.line.replaceChildren(...(past ? PAST() : on ? controlWords(this.state?.control_topic) : READ_ONLY()));
  }
}

const controlWords = (topic) => [
  icon('sliders'),
  h('b', {}, 'Control is on.'),
  h('span', {}, `What you do here changes running parts, for everybody. Commands go through ${topic ?? 'a topic'}.`),
];

const PAST = () => [icon('lock'), h('b', {}, 'Control is locked.'), h('span', {}, `${PAST_NOTE}.`)];

const READ_ONLY = () => [
  icon('lock'),
  h('b', {}, 'Read-only.'),
  h('span', {}, 'To pause generators, set their rates or have them send odd records: '),
  h('code', {}, 'bin/clickstream ui --allow-control'),
  h('span', {}, 'and the same switch at the generators.'),
];

const STEPS = [
  { ok: false, words: 'No part reports. Make up some clicks:', command: 'bin/clickstream generate web' },
  { ok: false, words: 'and compute tables of them:', command: 'bin/clickstream tables run clickstream' },
];
