// One record, to the byte: its times, key, value and headers. Of what is long, 64 kB at a time are fetched and drawn.

import { get } from '../../api.js';
import { copy, h, icon, segments, text } from '../../dom.js';
import { bytesText, count, int } from '../../format.js';
import { Printer, looksLikeJson, nodes } from '../../json.js';
import { dump, mark } from '../../octets.js';
import { dayTime } from '../../time.js';
import { download } from './export.js';

// Drawn in one task; a quarter of what is fetched at a time.
const STEP_CHARACTERS = 16384;
const WHOLE = 1048576;

/** `el` is its section. */
export class Inspector {
  /**
   * @param {Object} page see Page
   * @param {string} topic
   * @param {function(string)} onField a field was clicked: its path
   */
  constructor(page, topic, onField) {
    this.page = page;
    this.topic = topic;
    this.onField = onField;
    this.asked = null;
    this.record = null;
    this.time = h('dd', {});
    this.turn = 0;
    this.body = h('div.inspector', {}, h('p.note', {}, 'Choose a record: click it, or go to it with the arrow keys.'));
    this.el = h('section.sec.t-insp', {}, h('header', {}, h('h2', {}, 'Record')), this.body);
  }

  /** The record of the address, if it has one; its time in the zone of the page. */
  update() {
    if (this.record) {
      text(this.time, timeWords(this.record));
    }
    const place = this.page.get('rec');
    const found = /^(\d+):(\d+)$/.exec(place ?? '');
    if (found && place !== this.asked) {
      this.load(found[1], found[2]);
    }
  }

  /** Shows a row's record, and keeps it in the address. */
  show(row) {
    this.page.set('rec', `${row.partition}:${row.offset}`);
    this.update();
    intoView(this.el);
  }

  async load(partition, offset) {
    this.asked = `${partition}:${offset}`;
    this.turn += 1;
    const mine = this.turn;
    const path = `/api/topics/${encodeURIComponent(this.topic)}/${partition}/${offset}`;
    try {
      const record = await get(path);
      if (mine === this.turn) {
        this.paint(record, path);
      }
    } catch (problem) {
      if (mine === this.turn) {
        this.asked = null; // the next look at it asks again
        this.record = null;
        this.body.replaceChildren(h('p.note.bad', { role: 'alert' }, problem.message));
      }
    }
  }

  paint(record, path) {
    this.record = record;
    text(this.time, timeWords(record));
    const headers = record.headers.length
      ? record.headers.flatMap(([name, part], index) => [
          h('h4', {}, nodes(name)),
          this.part(part, path, `header${index}`, 'null'),
        ])
      : [h('p.note', {}, 'None')];
    this.body.replaceChildren(
      h(
        'div.isec.top',
        {},
        h('b', {}, `Offset ${int(record.offset)}`),
        h('span', {}, `partition ${record.partition}`),
        h('span.dim', {}, bytesText(record.size)),
      ),
      h(
        'dl.facts',
        {},
        h('div', {}, h('dt', {}, 'record time'), this.time),
        h('div', {}, h('dt', {}, 'size'), h('dd', {}, count(record.size, 'byte', 'bytes'))),
      ),
      h('h3', {}, 'Key'),
      this.part(record.key, path, 'key', 'no key', record.key_avro),
      h('h3', {}, 'Value'),
      this.part(record.value, path, 'value', 'a tombstone: the key is deleted', record.value_avro),
      h('h3', {}, 'Headers'),
      ...headers,
    );
  }

  part(part, path, name, none, avro) {
    if (part == null) {
      return h('p.isnull', {}, mark('null', none), h('span.note', {}, ` ${none}`));
    }
    const view = new PartView(part, path, name, this.onField).el;
    return avro == null ? view : this.avro(view, path, name, avro);
  }

  // What was read as JSON, or by choice its bytes, which are fetched then.
  avro(view, path, name, { schema, name: type, words }) {
    if (type == null) {
      const said = `Looks like Avro of a schema registry, schema ${schema}: ${words}.`;
      return h('div.avro', {}, h('p.note', {}, said), view);
    }
    const place = h('div', {}, view);
    const said = h('span.note', { role: 'status' });
    const choice = segments('Shown as', [['', 'Read'], ['1', 'Bytes']], async (raw) => {
      try {
        const bytes = raw && (await get(path, { part: name, raw }));
        place.replaceChildren(raw ? new PartView(bytes, path, name, this.onField, { raw }).el : view);
        choice.set(raw);
      } catch (problem) {
        text(said, problem.message);
      }
    });
    choice.set('');
    const about = h('span.note', {}, `Avro, schema ${schema}: `, h('code', {}, type));
    return h('div.avro', {}, h('div.acts', {}, about, choice.el, said), place);
  }

  destroy() {
    this.turn += 1;
  }
}

// A key, a value or a header: drawn step by step, with what can be done with it.
class PartView {
  /** `more`: parameters of what is fetched of it. */
  constructor(part, path, name, onField, more = {}) {
    this.path = path;
    this.name = name;
    this.parameters = more;
    this.onField = onField;
    this.first = part;
    this.isText = part.text != null;
    this.pre = h('pre.json', { tabindex: '0', 'aria-label': name });
    this.more = h('button.btn', { type: 'button', onclick: () => this.fetchMore() });
    this.said = h('span.note', { role: 'status' });
    this.formatted = this.isText && looksLikeJson(part.text);
    this.el = h('div.part', {}, this.tools(), this.pre, h('div.acts', {}, this.more, this.said));
    this.restart();
  }

  tools() {
    const parts = [h('span.note', {}, this.about())];
    if (this.formatted) {
      const choice = segments('Layout', [['1', 'Formatted'], ['', 'As written']], (value) => {
        this.formatted = value === '1';
        choice.set(value);
        this.restart();
      });
      choice.set('1');
      parts.push(choice.el);
    }
    const words = this.isText ? 'Copy' : 'Copy base64';
    parts.push(h('button.btn', { type: 'button', onclick: () => this.copy() }, icon('copy'), words));
    parts.push(h('button.btn', { type: 'button', onclick: () => this.save() }, icon('down'), 'Download'));
    return h('div.acts', {}, parts);
  }

  about() {
    const { length, number } = this.first;
    const kind = this.isText ? '' : ', no text: hex';
    return `${count(length, 'byte', 'bytes')}${kind}${number ? `, as a number ${number}` : ''}`;
  }

  restart() {
    this.drawing = (this.drawing ?? 0) + 1;
    this.pre.replaceChildren();
    this.printer = this.isText && this.formatted ? new Printer(this.pre, this.onField) : null;
    if (this.isText && this.first.length === 0) {
      this.pre.append(mark('""', 'empty: no bytes'));
    }
    this.draw(this.first);
  }

  // In steps, so that no task is long: a frame is painted between them.
  async draw(part) {
    const mine = this.drawing;
    this.next = part.next;
    const words = part.text ?? part.hex;
    let at = 0;
    while (at < words.length && mine === this.drawing) {
      const end = this.isText ? cutAt(words, at + STEP_CHARACTERS) : at + STEP_CHARACTERS;
      this.step(words.slice(at, end), part.start + at / 2);
      at = end;
      if (at < words.length) {
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
    }
    this.paintMore();
  }

  // Each step has a block of its own: one long line would be laid out anew, from its beginning, with every step.
  step(words, start) {
    const piece = h('div.piece', {});
    this.pre.append(piece);
    if (!this.isText) {
      this.pre.classList.add('hex');
      piece.append(...dump(words, start));
    } else if (this.printer) {
      this.printer.element = piece;
      this.printer.write(words);
    } else {
      piece.append(...nodes(words));
    }
  }

  paintMore() {
    this.more.hidden = this.next == null;
    text(this.more, `More: ${bytesText(this.next ?? 0)} of ${bytesText(this.first.length)} shown`);
  }

  async fetchMore() {
    this.more.disabled = true;
    try {
      await this.draw(await this.piece(this.next));
    } catch (problem) {
      text(this.said, problem.message);
    } finally {
      this.more.disabled = false;
    }
  }

  piece(start, length) {
    return get(this.path, { part: this.name, start, ...(length ? { length } : {}), ...this.parameters });
  }

  async copy() {
    try {
      await copy(await this.everything());
      text(this.said, 'Copied.');
    } catch (problem) {
      text(this.said, `Not copied: ${problem.message}`);
    }
  }

  // Exactly what was written, or base64; what was not fetched yet is fetched.
  async everything() {
    if (this.first.next == null) {
      return this.first.text ?? this.first.base64;
    }
    const whole = await this.piece(0, WHOLE);
    if (whole.next != null) {
      throw new Error('it is too long to be copied; download it.');
    }
    return whole.text ?? whole.base64;
  }

  async save() {
    const file = this.path.split('/').slice(3).map(decodeURIComponent).join('-');
    try {
      await download(`${this.path}/${this.name}`, `${file}-${this.name}`);
    } catch (problem) {
      text(this.said, problem.message);
    }
  }
}

// Behind a line end, if there is one nearby: a block begins a new line.
function cutAt(words, end) {
  const line = words.lastIndexOf('\n', end) + 1;
  const cut = line > end - STEP_CHARACTERS / 2 ? line : end;
  const splits = /[\ud800-\udbff]/.test(words[cut - 1] ?? '');
  return splits ? cut + 1 : cut;
}

function timeWords({ time, time_by: by }) {
  if (time == null) {
    return 'none';
  }
  return `${dayTime(time)}${by ? `, made by the ${by}` : ''}`;
}

/** Where columns stand below each other, what was chosen would else be out of sight. */
export function intoView(element) {
  if (innerWidth < 1024) {
    element.scrollIntoView({ block: 'start' });
  }
}
