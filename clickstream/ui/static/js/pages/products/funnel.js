// The funnel: users who do the chosen steps in order and within the window; steps and window are in the address.

import { attr, h, provenNumber, provesButton, text } from '../../dom.js';
import { NONE, duration, int, percent } from '../../format.js';
import { NUMBERS } from '../../numbers.js';
import { decode } from '../../route.js';
import { ALL_USUAL, colourOf, slotOf, titleOf } from './names.js';

const STEPS = ['productview', 'addtobasket', 'purchase'];
const ADDED = 'addtobasket';
const MOST_STEPS = 8;
const MINUTES = [1, 5, 10, 30, 60];
const WINDOW = 10;

/** Steps from the address: names, encoded, with commas between. */
export function readSteps(value) {
  const names = (value ?? '').split(',').filter(Boolean).map(decode);
  const steps = [...new Set(names)].slice(0, MOST_STEPS);
  return steps.length ? steps : STEPS;
}

function writeSteps(steps) {
  return steps.join() === STEPS.join() ? null : steps.map(encodeURIComponent).join(',');
}

/** `el` is its element. */
export class Funnel {
  /** @param {Object} page see Page */
  constructor(page) {
    this.page = page;
    this.names = ALL_USUAL;
    this.state = null;
    this.drawn = '';
    this.parts = [];
    this.note = h('span.note', {});
    this.list = h('ol.funnel', {});
    this.add = h('select.field', { 'aria-label': 'Add a step', onchange: () => this.addStep() });
    this.window = h(
      'select.field',
      { 'aria-label': 'Window from the first step to the last', onchange: () => this.setWindow() },
      MINUTES.map((minutes) => h('option', { value: String(minutes) }, `within ${minutes}\u202fmin`)),
    );
    this.problem = h('p.note.bad', { role: 'status' });
    const proves = provesButton('Users of the funnel', () => this.proveUsers());
    const header = h('header', {}, h('h2', {}, 'Funnel'), this.note, proves);
    const tools = h('div.funneltools', {}, this.add, this.window);
    this.el = h('section.sec.p-funnel', {}, header, this.list, tools, this.problem);
  }

  get steps() {
    return readSteps(this.page.get('steps'));
  }

  get minutes() {
    const asked = Number(this.page.get('window', WINDOW));
    return MINUTES.includes(asked) ? asked : WINDOW;
  }

  /** Asks the server, after a change of the time or of the steps. */
  update({ range, to }) {
    const params = { range, to, steps: this.steps, window: this.minutes * 60000 };
    this.page.open('funnel', 'funnel', params, {
      state: (state) => this.take(state),
      error: (words) => text(this.problem, words),
    });
    this.paint();
  }

  take(state) {
    this.state = state;
    text(this.problem, '');
    this.paint();
  }

  /** Which names there are to choose from. */
  setNames(names) {
    this.names = names.length ? names : ALL_USUAL;
    this.paintTools();
  }

  paint() {
    this.paintTools();
    const { steps } = this;
    const found = this.state?.steps.map((step) => step.name).join('\n') === steps.join('\n') ? this.state : null;
    this.lay(steps);
    const first = found?.steps[0]?.users ?? 0;
    for (const [index, part] of this.parts.entries()) {
      paintStep(part, found, index, first);
      this.paintProofs(part, found, index);
    }
    text(this.note, found ? `of ${int(found.users)} users in the time shown` : '');
  }

  paintProofs({ name, users, note }, found, index) {
    const step = found?.steps[index];
    if (!step) {
      text(users, NONE);
      text(note, '');
      return;
    }
    provenNumber(users, int(step.users), titleOf(name), () => this.proveSteps());
    const removed = name === ADDED && found.removed?.conversion != null ? found.removed : null;
    const words = noteWords(found.steps, index, removed);
    if (removed) {
      provenNumber(note, words, 'Taken out again', () => this.prove([ADDED, removed.name], [removed]));
    } else {
      text(note, words);
    }
  }

  /** Shows how many get to each step, and how that comes about. */
  proveSteps() {
    if (this.state) {
      this.prove(this.state.steps.map((step) => step.name), this.state.steps);
    }
  }

  proveUsers() {
    if (this.state) {
      const { from, to, users } = this.state;
      this.page.prove('event_users', int(users), { from, to });
    }
  }

  // `found`: the steps that the page shows.
  prove(steps, found) {
    const { from, to, window } = this.state;
    const value = NUMBERS.funnel.format(found.map(({ users, median_ms: half, p90_ms: slow }) => [users, half, slow]));
    this.page.prove('funnel', value, { from, to, steps, window });
  }

  // The rows are built again only when the steps have changed.
  lay(steps) {
    const kind = steps.join('\n');
    if (kind === this.drawn) {
      return;
    }
    this.drawn = kind;
    this.parts = steps.map((name) => this.step(name, steps));
    this.list.replaceChildren(...this.parts.map((part) => part.el));
  }

  step(name, steps) {
    const [users, share, note, took] = [h('b', {}), h('span', {}), h('span', {}), h('div.fl.s', {})];
    const [bar, out] = [h('span.fbar'), h('span.fout')];
    const index = steps.indexOf(name);
    const move = (way, words) =>
      h('button.link', { type: 'button', 'aria-label': `${words}: ${name}`, title: words, onclick: () => this.move(index, way) }, way < 0 ? '\u2191' : '\u2193');
    const drop = () => this.set(steps.filter((one) => one !== name));
    const tools = h(
      'span.fsteps',
      {},
      index > 0 && move(-1, 'Earlier'),
      index < steps.length - 1 && move(1, 'Later'),
      steps.length > 1 && h('button.link', { type: 'button', 'aria-label': `Without ${name}`, title: 'Without this step', onclick: drop }, '\u00d7'),
    );
    const colour = `var(${colourOf(slotOf(name, [...new Set([...this.names, ...steps])]))})`;
    const el = h(
      'li',
      { 'data-step': name },
      h('div.fl', {}, h('span', { title: name }, titleOf(name), tools), users),
      h('div.ft', { '--k': colour }, bar, out),
      h('div.fl.s', {}, share, note),
      index > 0 && took,
    );
    return { el, name, users, share, note, took, bar, out };
  }

  paintTools() {
    const { steps } = this;
    const free = this.names.filter((name) => !steps.includes(name));
    const kind = free.join('\n');
    if (this.add.dataset.kind !== kind) {
      this.add.dataset.kind = kind;
      const options = free.map((name) => h('option', { value: name }, titleOf(name)));
      this.add.replaceChildren(h('option', { value: '' }, 'Add a step\u2026'), ...options);
    }
    this.add.disabled = !free.length || steps.length >= MOST_STEPS;
    this.window.value = String(this.minutes);
  }

  set(steps) {
    this.page.set('steps', writeSteps(steps));
  }

  addStep() {
    if (this.add.value) {
      this.set([...this.steps, this.add.value]);
    }
  }

  move(index, way) {
    const steps = [...this.steps];
    const [name] = steps.splice(index, 1);
    steps.splice(index + way, 0, name);
    this.set(steps);
  }

  setWindow() {
    const minutes = Number(this.window.value);
    this.page.set('window', minutes === WINDOW ? null : minutes);
  }
}

function paintStep({ name, share, took, bar, out }, found, index, first) {
  const step = found?.steps[index];
  const part = step && first ? step.users / first : 0;
  bar.style.transform = `scaleX(${part})`;
  text(share, step ? shareWords(step, found.steps, index) : '\u00a0');
  text(took, step?.median_ms == null ? '\u00a0' : tookWords(step));
  const removed = name === ADDED ? found?.removed : null;
  const back = removed && first ? Math.min(part, removed.users / first) : 0;
  attr(out, 'data-on', back > 0);
  out.style.left = `${(part - back) * 100}%`;
  out.style.width = `${back * 100}%`;
}

function shareWords({ conversion, overall }, steps, index) {
  if (index === 0) {
    return 'begin';
  }
  if (conversion == null) {
    return NONE;
  }
  const before = titleOf(steps[index - 1].name).toLowerCase();
  const all = index > 1 && overall != null ? `, ${percent(overall)} of all` : '';
  return `${percent(conversion)} of \u201c${before}\u201d${all}`;
}

function tookWords({ median_ms: median, p90_ms: slow }) {
  return `half of them within ${duration(median)}, 90\u202f% within ${duration(slow)}`;
}

function noteWords(steps, index, removed) {
  if (removed) {
    return `${percent(removed.conversion)} take something out again`;
  }
  const next = steps[index + 1];
  if (index === 0 && next?.conversion != null) {
    return `${percent(1 - next.conversion)} go no further`;
  }
  return '';
}
