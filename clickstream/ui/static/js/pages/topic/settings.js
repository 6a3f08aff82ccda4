// The settings of a topic; those that are not Kafka's defaults are marked.

import { h, text } from '../../dom.js';
import { bytesText, int, kept } from '../../format.js';

const USUAL = [
  'cleanup.policy',
  'retention.ms',
  'retention.bytes',
  'compression.type',
  'max.message.bytes',
  'min.insync.replicas',
  'segment.bytes',
];

const ORIGINS = { topic: 'set on the topic', broker: 'set by the broker' };

/** `el` is its section. */
export class Settings {
  constructor() {
    this.all = false;
    this.settings = null;
    this.list = h('dl.facts', {});
    this.note = h('span.note', {});
    this.more = h('button.link', { type: 'button', onclick: () => this.toggle() }, 'all settings');
    const head = h(
      'header',
      {},
      h('h2', {}, 'Configuration'),
      this.note,
      h('span.right', {}, this.more),
    );
    this.el = h('section.sec.t-cfg', {}, head, this.list);
  }

  /** Whether they are those of now, beside what is of a past instant. */
  setNow(now) {
    text(this.note, now ? 'as of now: it is not remembered; marked: not the default' : 'marked: not the default');
  }

  get isKnown() {
    return this.settings != null;
  }

  toggle() {
    this.all = !this.all;
    this.more.textContent = this.all ? 'the usual ones' : 'all settings';
    this.show();
  }

  paint({ settings }) {
    const signature = JSON.stringify(settings);
    if (settings && signature !== this.signature) {
      this.signature = signature;
      this.settings = settings;
      this.show();
    }
  }

  show() {
    const shown = (this.settings ?? []).filter((one) => this.all || one.source || USUAL.includes(one.name));
    this.list.replaceChildren(...shown.map((one) => setting(one)));
  }
}

function setting({ name, value, default: usual, source }) {
  const meaning = meaningOf(name, value);
  const note = [
    meaning && h('span.dim', {}, ` ${meaning}`),
    ORIGINS[source] && h('span.dim', {}, `, ${ORIGINS[source]}`),
    source && usual != null && usual !== value && h('span.dim', {}, `, default ${meaningOf(name, usual) || grouped(name, usual)}`),
  ];
  return h(source ? 'div.set' : 'div', {}, h('dt', {}, name), h('dd', {}, grouped(name, value), note));
}

const isNumber = (name, value) => /^-?\d+$/.test(value) && !/version/.test(name);

const grouped = (name, value) => (isNumber(name, value) ? int(value) : value || '(empty)');

function meaningOf(name, value) {
  if (!isNumber(name, value)) {
    return '';
  }
  if (value === '-1') {
    return 'no limit';
  }
  const number = Number(value);
  if (number > 1e15) {
    return 'no limit';
  }
  if (name.endsWith('.ms')) {
    return kept(number);
  }
  return name.endsWith('.bytes') ? bytesText(number) : '';
}
