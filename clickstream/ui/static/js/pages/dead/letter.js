// One dead letter: why it could not be read, its bytes with the bad one marked, and the form that repairs it.

import { get, post } from '../../api.js';
import { copy, h, icon, text } from '../../dom.js';
import { count, int } from '../../format.js';
import { nodes } from '../../json.js';
import { dump, hexOf, mark } from '../../octets.js';
import { PAST_NOTE } from '../../page.js';
import { dayTime } from '../../time.js';

const BEFORE = 96;
const SHOWN = 1024;
const READ_ONLY = 'Read-only: start with --allow-control';

/** `el` is its section. */
export class Letter {
  /** @param {Object} page see Page */
  constructor(page) {
    this.page = page;
    this.asked = null;
    this.letter = null;
    this.time = h('span', {});
    this.later = h('p.note', {}, 'It came after the instant that is shown.');
    this.turn = 0;
    this.body = h('div.inspector', {}, h('p.note', {}, 'Choose a letter.'));
    this.el = h('section.sec.plain.d-side', {}, h('header', {}, h('h2', {}, 'Letter')), this.body);
  }

  /** The letter of the address, if it has one; its time in the zone of the page. */
  update() {
    if (this.letter) {
      text(this.time, timeWords(this.letter));
      this.later.hidden = !(this.letter.time > (this.page.state.to ?? Infinity));
    }
    const place = this.page.get('letter');
    const found = /^(\d+):(\d+)$/.exec(place ?? '');
    if (found && place !== this.asked) {
      this.load(place, `/api/dead-letters/${found[1]}/${found[2]}`);
    }
    this.form?.paint();
  }

  /** Which letters were sent again meanwhile: the one that is shown is asked for anew then. */
  setRetried(rows) {
    const now = rows.find((row) => `${row.partition}:${row.offset}` === this.asked);
    if (now?.retried && this.letter && !this.letter.retried && !this.form?.sent) {
      this.asked = null;
      this.update();
    }
    this.form?.paint();
  }

  async load(place, path) {
    this.asked = place;
    this.turn += 1;
    const mine = this.turn;
    try {
      const letter = await get(path);
      if (mine === this.turn) {
        this.paint(letter, path);
      }
    } catch (problem) {
      if (mine === this.turn) {
        this.asked = null; // the next look at it asks again
        this.letter = null;
        this.form = null;
        this.body.replaceChildren(h('p.note.bad', { role: 'alert' }, problem.message));
      }
    }
  }

  paint(letter, path) {
    this.letter = letter;
    this.form = new Repair(letter, path, this.page);
    const facts = [
      ['came from', letter.origin],
      ['could not be read by', letter.part],
      ['set aside', this.time],
      ['length', lengthWords(letter)],
      ['key', shortWords(letter.key)],
      ...letter.headers.map(([name, part]) => [`header ${name}`, shortWords(part)]),
    ];
    this.body.replaceChildren(
      this.later,
      h('p.reason', {}, nodes(letter.reason)),
      h('dl.facts', {}, facts.map(([name, words]) => h('div', {}, h('dt', {}, nodes(name)), h('dd', {}, words)))),
      h('h3', {}, 'Bytes'),
      bytesOf(letter),
      this.form.el,
    );
    this.update();
  }

  destroy() {
    this.turn += 1;
  }
}

// The repaired text and the button that sends it; where that cannot be, beside it why.
class Repair {
  constructor(letter, path, page) {
    this.letter = letter;
    this.path = path;
    this.page = page;
    this.sending = false;
    this.sent = false;
    const whole = letter.value?.text != null && isWhole(letter.value);
    this.original = whole ? letter.value.text : '';
    this.editor = h('textarea.repairtext', {
      rows: 6,
      spellcheck: 'false',
      'aria-label': 'The repaired value',
      placeholder: whole ? '' : 'The repaired value as text; without one, the bytes above are sent',
    });
    this.editor.value = this.original;
    // What the browser makes of the text (line ends, for one) is no change of it.
    this.shown = this.editor.value;
    this.send = h('button.btn', { type: 'button', onclick: () => this.retry() }, 'Send again');
    this.said = h('span.note', { role: 'status' });
    this.note = h('span.note', {});
    this.el = h('div.repairbox', {}, this.editor, h('div.repair', {}, this.send, this.note, this.said));
  }

  paint() {
    const { hello, state } = this.page;
    const why = state.to != null ? PAST_NOTE : this.letter.refusal || (hello?.control ? '' : READ_ONLY);
    text(this.note, why || `to ${this.letter.origin_topic}, with its key and headers`);
    this.send.disabled = Boolean(why) || this.sending;
    this.send.title = why;
    this.editor.hidden = Boolean(why);
  }

  async retry() {
    this.sending = true;
    this.paint();
    text(this.said, 'Sending\u2026');
    const changed = this.editor.value !== this.shown;
    try {
      const { topic } = await post(`${this.path}/retry`, changed ? { value: this.editor.value } : {});
      this.sent = true;
      this.letter = { ...this.letter, refusal: 'It was sent again already.' };
      text(this.said, `Sent to ${topic}, and acknowledged.`);
    } catch (problem) {
      text(this.said, problem.message);
    } finally {
      this.sending = false;
      this.paint();
    }
  }
}

const timeWords = ({ time }) => (time == null ? 'at an unknown time' : dayTime(time));

function lengthWords({ length, value }) {
  const here = value?.length ?? 0;
  return `${count(length, 'byte', 'bytes')}, ${here === length ? 'all kept' : `${int(here)} kept`}`;
}

function shortWords(part) {
  if (part == null) {
    return mark('null', 'none');
  }
  if (part.text == null) {
    return `${part.hex.slice(0, 64)}${part.hex.length > 64 ? '\u2026' : ''}`;
  }
  return part.text === '' ? mark('""', 'empty') : nodes(part.text.slice(0, 200));
}

// Of a long value a part came.
const isWhole = ({ start, next }) => start === 0 && next == null;

// The bytes around the bad one, and all of a short value.
function bytesOf({ value, bad }) {
  if (value == null) {
    return h('p.isnull', {}, mark('null', 'no value'), h('span.note', {}, ' no value: a tombstone'));
  }
  const hex = value.hex ?? hexOf(value.text);
  const first = Math.max(0, Math.floor(((bad ?? 0) - BEFORE) / 16) * 16);
  const piece = hex.slice((first - value.start) * 2, (first - value.start + SHOWN) * 2);
  const rest = value.length - first - piece.length / 2;
  const pre = h('pre.json.hex', { tabindex: '0', 'aria-label': 'Bytes of the value' });
  pre.append(...(first ? [h('span.z', {}, `${int(first)} bytes before\n`)] : []));
  pre.append(...dump(piece, first, (at) => at === bad));
  pre.append(...(rest > 0 ? [h('span.z', {}, `${int(rest)} bytes more`)] : []));
  if (!value.length) {
    pre.append(mark('""', 'empty: no bytes'));
  }
  return h('div.part', {}, pre, isWhole(value) ? copyTools(value) : null);
}

function copyTools(value) {
  const said = h('span.note', { role: 'status' });
  const act = async () => {
    try {
      await copy(value.text ?? value.base64);
      text(said, 'Copied.');
    } catch (problem) {
      text(said, `Not copied: ${problem.message}`);
    }
  };
  const words = value.text == null ? 'Copy base64' : 'Copy text';
  return h('div.acts', {}, h('button.btn', { type: 'button', onclick: act }, icon('copy'), words), said);
}
