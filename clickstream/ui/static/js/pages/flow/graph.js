// The graph on wide screens: built when the files or the width change, painted when numbers do.

import { attr, h, onResize, rem, s, text } from '../../dom.js';
import { int } from '../../format.js';
import { hms } from '../../time.js';
import { layout } from './layout.js';
import { delayWords, fileWords, flowWords, glyph, nextWords, per, short, unreadWords, width } from './words.js';

const EDGE = 3; // px that an edge is given at a node, however wide it gets
const CHARACTER = 6.7; // px, about
const ROW = 30;
const HEADS = ['source topics', 'views', 'statements', 'result topics'];

/** `el` is its element. */
export class FlowGraph {
  /**
   * @param {Object} page
   * @param {function(string, string)} page.onStatement called with the ids of the file and the statement
   * @param {function(string, string): string} page.address see Page.address
   */
  constructor({ onStatement, address }) {
    this.onStatement = onStatement;
    this.address = address;
    this.svg = s('svg', { role: 'group', 'aria-label': 'Source topics, views, statements and result topics' });
    this.el = h('div.flow', {}, this.svg);
    this.state = null;
    this.built = '';
    this.paints = [];
    this.destroy = onResize(this.el, () => this.paint(this.state));
  }

  /** @param {Object|null} state of the panel */
  paint(state) {
    this.state = state;
    const room = this.el.clientWidth;
    if (!state || !room) {
      return;
    }
    const wanted = `${state.rev} ${room} ${rem()}`;
    if (wanted !== this.built) {
      this.built = wanted;
      this.build(room);
    }
    const files = new Map(state.files.map((file) => [file.id, file]));
    for (const one of this.paints) {
      one(files);
    }
  }

  build(room) {
    this.unit = rem() / 16;
    this.paints = [];
    this.svg.replaceChildren();
    this.measure(room);
    this.heads();
    let top = 42 * this.unit;
    for (const file of this.state.files) {
      top = this.file(file, top);
    }
    attr(this.svg, 'viewBox', `0 0 ${this.wide} ${top}`);
    attr(this.svg, 'width', room);
    attr(this.svg, 'height', (top * room) / this.wide);
  }

  measure(room) {
    const f = this.unit;
    const views = this.state.files.some((file) => file.views.length);
    const [source, view, least, result, out] = [150, views ? 112 : 0, 214, 186, 64].map((px) => px * f);
    this.table = room < 940 * f ? 0 : Math.min(300 * f, Math.max(186 * f, room * 0.2));
    this.wide = Math.max(room, source + view + least + result + out + (views ? 68 : 40) * f + this.table);
    const gaps = views ? 2 : 1;
    const left = this.wide - this.table - source - view - result - out - 12 * f;
    // Words of statements get what the edges do not need.
    const statement = Math.max(least, Math.min(360 * f, left - gaps * 72 * f));
    const free = (left - statement) / gaps;
    const second = source + free;
    const third = views ? second + view + free : second;
    this.columns = [
      [0, source],
      [second, view],
      [third, statement],
      [third + statement + out, result],
    ];
    this.cells = {
      until: this.wide - this.table + 58 * f,
      next: this.wide - this.table + 74 * f,
      late: this.wide,
    };
  }

  heads() {
    const y = 16 * this.unit;
    for (const [rank, words] of HEADS.entries()) {
      if (this.columns[rank][1]) {
        this.put(this.svg, this.columns[rank][0], y, words, 'fh');
      }
    }
    if (this.table) {
      this.put(this.svg, this.cells.until, y, 'final until', 'fh', 'end');
      this.put(this.svg, this.cells.next, y, 'next row in', 'fh');
      this.put(this.svg, this.cells.late, y, 'late', 'fh', 'end');
    }
    this.svg.append(s('path', { d: `M0 ${24 * this.unit + 0.5}H${this.wide}`, class: 'frule2' }));
  }

  put(into, x, y, words, cls, anchor = null) {
    const el = s('text', { x, y, class: cls, 'text-anchor': anchor }, words);
    into.append(el);
    return el;
  }

  // One file below the other; returns where the next one begins.
  file(file, top) {
    const f = this.unit;
    const name = short(file.name, 60);
    this.put(this.svg, 0, top - 2 * f, name, 'ffile');
    const beside = this.put(this.svg, (name.length * 6.4 + 24) * f, top - 2 * f, '', 'ffile');
    const y = top + 30 * f;
    const drawn = layout(this.nodes(file), edgesOf(file), this.columns);
    const group = s('g', { transform: `translate(0 ${y})` });
    this.svg.append(group);
    for (const edge of drawn.edges) {
      edge.el = s('path', { d: edge.path, class: edge.reference ? 'fedge ref' : 'fedge' });
      group.append(edge.el);
    }
    for (const node of drawn.nodes.values()) {
      node.el = this.node(file, node);
      group.append(node.el);
      this.light(drawn, node);
    }
    this.labels(group, file, drawn);
    this.paints.push((files) => {
      const now = files.get(file.id);
      const words = fileWords(now);
      text(beside, short(words, (this.wide / f - name.length * 6.4) / 6.2));
      attr(beside, 'class', now.running && words ? 'ffile late' : 'ffile');
      this.paintEdges(drawn, now);
    });
    return y + drawn.height + 14 * f;
  }

  nodes(file) {
    const f = this.unit;
    const sourceHeight = (one) => (one.reference ? 46 : one.unread ? 86 : 70) * f;
    const results = new Map(file.statements.map((one) => [one.topic, one]));
    return [
      ...file.sources.map((one) => ({ id: `t:${one.topic}`, rank: 0, h: sourceHeight(one), kind: 'source', one })),
      ...file.views.map((one) => ({ id: `v:${one.name}`, rank: 1, h: 40 * f, kind: 'view', one })),
      ...file.statements.map((one) => ({ id: one.id, rank: 2, h: ROW * f, kind: 'statement', one })),
      ...[...results.values()].map((one) => ({ id: `r:${one.topic}`, rank: 3, h: ROW * f, kind: 'result', one })),
    ];
  }

  node(file, node) {
    const place = { transform: `translate(${node.x} ${node.y})` };
    const hit = s('rect', { x: -2, y: (-ROW / 2 + 2) * this.unit, width: node.w + 2, height: (ROW - 3) * this.unit, class: 'fhit' });
    if (node.kind === 'view') {
      const line = s('path', { d: `M0 0H${node.w}`, class: 'fvl' });
      return s('g', { ...place, class: 'fnode view' }, this.name(node, node.one.name, 0, -8, 'fview'), line);
    }
    if (node.kind === 'statement') {
      return this.statement(file, node, place, hit);
    }
    const el = s('a', { ...place, class: `fnode ${node.kind}` }, hit);
    this.paints.push(() => attr(el, 'href', this.address('topics', node.one.topic)));
    if (node.kind === 'result') {
      el.append(this.name(node, node.one.topic, 8, 4, 'fname'));
    } else {
      this.source(file, node, el);
    }
    return el;
  }

  name(node, words, x, y, cls) {
    const f = this.unit;
    const shown = short(words, (node.w / f + 26) / CHARACTER);
    return s('text', { x: x * f, y: y * f, class: cls }, shown, s('title', {}, words));
  }

  source(file, node, el) {
    const f = this.unit;
    const { topic, reference, partitions } = node.one;
    const most = Math.min(partitions, 24);
    const each = node.w / most;
    const cuts = Array.from({ length: most }, (_, at) => `M${at * each} 0H${(at + 1) * each - (at < most - 1 ? 2 : 0)}`);
    el.append(this.name(node, topic, 0, -8, 'fname'));
    el.append(s('path', { d: cuts.join(''), class: reference ? 'flog ref' : 'flog' }));
    const lines = [17, 32, 47].map((y) => this.put(el, 0, y * f, '', 'fr'));
    attr(lines[2], 'class', 'fr dead');
    this.paints.push((files) => {
      const now = files.get(file.id).sources.find((one) => one.topic === topic);
      const words = [flowWords(now), delayWords(now), unreadWords(now)];
      lines.forEach((line, index) => text(line, words[index]));
    });
  }

  statement(file, node, place, hit) {
    const f = this.unit;
    const show = () => this.onStatement(file.id, node.id);
    const keys = (event) => {
      if (event.key === 'Enter' || event.key === ' ') {
        event.preventDefault();
        show();
      }
    };
    const sign = glyph(node.one.kind);
    attr(sign, 'class', 'fglyph');
    attr(sign, 'transform', `translate(${6 * f} ${-6 * f}) scale(${f})`);
    return s(
      'g',
      { ...place, class: 'fnode st', tabindex: '0', role: 'button', onclick: show, onkeydown: keys },
      hit,
      sign,
      this.name({ w: node.w - 44 * f }, node.one.words, 36, 4, 'fop'),
    );
  }

  // Pointing at a node lights its whole way, and pales the rest.
  light(drawn, node) {
    const on = () => {
      const way = new Set([node]);
      follow(drawn, node, 'in', way);
      follow(drawn, node, 'out', way);
      this.svg.classList.add('focus');
      for (const one of [...drawn.edges, ...drawn.nodes.values()]) {
        one.el.classList.toggle('lit', way.has(one));
      }
    };
    const off = () => {
      this.svg.classList.remove('focus');
      for (const one of [...drawn.edges, ...drawn.nodes.values()]) {
        one.el.classList.remove('lit');
      }
    };
    node.el.addEventListener('pointerenter', on);
    node.el.addEventListener('pointerleave', off);
    node.el.addEventListener('focus', on);
    node.el.addEventListener('blur', off);
  }

  // What stands at a result: its rate on the edge, and its row of the table.
  labels(group, file, drawn) {
    const f = this.unit;
    for (const node of [...drawn.nodes.values()].filter((one) => one.kind === 'result')) {
      const y = node.y + 4 * f;
      const label = this.put(group, node.x - 32 * f, y, '', 'flab', 'middle');
      const row = this.table ? this.row(group, node, y) : null;
      this.paints.push((files) => {
        const now = files.get(file.id).statements.find((one) => one.topic === node.one.topic);
        text(label, per(now.rate));
        row?.(now);
      });
    }
  }

  row(group, node, y) {
    const f = this.unit;
    const bar = { x: this.cells.next, y: node.y - 2 * f, height: 4 * f };
    const back = s('rect', { ...bar, width: 34 * f, class: 'fback' });
    const done = s('rect', { ...bar, width: 0, class: 'fbar' });
    group.append(s('path', { d: `M${this.columns[3][0]} ${node.y + (ROW / 2) * f}H${this.wide}`, class: 'frule' }), back, done);
    const until = this.put(group, this.cells.until, y, '', 'fcell', 'end');
    const next = this.put(group, this.cells.next, y, '', 'fr');
    const late = this.put(group, this.cells.late, y, '', 'fcell late', 'end');
    return (now) => {
      const windows = now.next_ms != null;
      text(until, now.final == null ? '\u2013' : hms(now.final));
      text(next, nextWords(now));
      attr(next, 'x', this.cells.next + (windows ? 40 * f : 0));
      attr(back, 'visibility', windows ? 'visible' : 'hidden');
      attr(done, 'width', windows ? (1 - now.next_ms / now.every_ms) * 34 * f : 0);
      text(late, now.late ? int(now.late) : '');
    };
  }

  paintEdges(drawn, file) {
    const rates = new Map(file.sources.map((one) => [`t:${one.topic}`, one.reference ? 0 : one.rate]));
    for (const view of file.views) {
      rates.set(`v:${view.name}`, view.inputs.reduce((sum, id) => sum + (rates.get(id) ?? 0), 0));
    }
    const results = new Map(file.statements.map((one) => [one.id, one.rate]));
    for (const edge of drawn.edges) {
      if (!edge.reference) {
        attr(edge.el, 'stroke-width', width(rates.get(edge.from) ?? results.get(edge.from)).toFixed(1));
      }
    }
  }
}

function edgesOf(file) {
  const references = new Set(file.sources.filter((one) => one.reference).map((one) => `t:${one.topic}`));
  const into = (id) => (from) => ({ from, to: id, weight: EDGE, reference: references.has(from) });
  return [
    ...file.views.flatMap((one) => one.inputs.map(into(`v:${one.name}`))),
    ...file.statements.flatMap((one) => one.inputs.map(into(one.id))),
    ...file.statements.map((one) => ({ from: one.id, to: `r:${one.topic}`, weight: EDGE, reference: false })),
  ];
}

function follow(drawn, node, way, found) {
  for (const edge of node[way]) {
    const next = drawn.nodes.get(way === 'in' ? edge.from : edge.to);
    found.add(edge);
    if (!found.has(next)) {
      found.add(next);
      follow(drawn, next, way, found);
    }
  }
}
