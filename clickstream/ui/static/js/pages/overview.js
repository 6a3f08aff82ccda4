// The Overview: who is here, what they do, what breaks. One panel of the server gives all of it.

import { h, text } from '../dom.js';
import { span } from '../format.js';
import { errorNotice, lineNotice, setupNotice } from '../notice.js';
import { Figures } from './overview/figures.js';
import { Lists } from './overview/lists.js';
import { METRICS, metricOf } from './overview/metrics.js';
import { Traffic } from './overview/traffic.js';

export const meta = { filterable: true };

/** See Page for the interface. */
export function create(root, page) {
  const overview = new Overview(root, page);
  return {
    update: () => overview.update(),
    destroy: () => overview.destroy(),
    downChanged: () => overview.paintFigures(),
    prove: () => overview.prove(metricOf(page.get('metric'))),
  };
}

class Overview {
  constructor(root, page) {
    this.root = root;
    this.page = page;
    this.state = null;
    this.answered = '';
    this.painted = '';
    this.noticed = '';
    this.notices = h('div.notices', {});
    this.figures = new Figures(
      (key) => page.set('metric', key === 'hits' ? null : key),
      (metric) => this.prove(metric),
    );
    this.traffic = new Traffic((from, to) => page.setTime(from, to));
    this.lists = new Lists(page);
    this.definitions = h('p.defs', {});
    root.append(this.notices, this.figures.el, this.traffic.el, ...this.lists.els, this.definitions);
    root.setAttribute('aria-busy', 'true');
  }

  update() {
    const params = this.params();
    const asked = JSON.stringify(params);
    this.page.open('overview', 'overview', params, {
      state: (state) => this.take(state, asked),
      error: (words) => this.notice(`error ${words}`, () => errorNotice(words)),
    });
    this.paint();
  }

  // A dragged time is summed up as a whole; otherwise the figures are of the last moments before the instant.
  params() {
    const params = this.page.params();
    return this.page.state.from ? { ...params, whole: true } : params;
  }

  destroy() {
    this.figures.destroy();
    this.traffic.destroy();
    this.lists.destroy();
  }

  take(state, asked) {
    this.state = state;
    this.answered = asked;
    this.root.setAttribute('aria-busy', 'false');
    this.paint();
    this.paintNotice(state, this.page.state.filters);
  }

  // Of the newest state, which may be the answer to the question before.
  paint() {
    this.paintFigures();
    const { state } = this;
    if (!state) {
      return;
    }
    this.root.classList.toggle('is-empty', Boolean(state.setup));
    const question = `${this.answered} ${this.page.get('metric')}`;
    const anew = question !== this.painted;
    this.painted = question;
    const { filters, to, down } = this.page.state;
    this.traffic.paint(state, {
      metric: metricOf(this.page.get('metric')).key,
      filtered: filters.length > 0,
      down,
      anew,
      past: to != null,
      now: this.page.now(),
    });
    this.lists.paint(state, anew);
  }

  paintFigures() {
    const { from, to, range, down } = this.page.state;
    text(this.definitions, definitions(Boolean(from)));
    this.figures.paint(this.state, {
      metric: metricOf(this.page.get('metric')).key,
      whole: Boolean(from),
      range: from ? to - from : range,
      down,
    });
  }

  paintNotice(state, filters) {
    if (state.setup) {
      this.notice(`setup ${JSON.stringify(state.setup)}`, () => setupNotice(state.setup.title, state.setup.steps));
    } else if (filters.length && state.hits === 0) {
      const words = `No click fits these filters in ${span(this.page.params().range)}. Kafka answers.`;
      const action = { words: 'Drop all filters', act: () => this.page.app.go({ filters: [] }) };
      this.notice('filtered', () => lineNotice(words, action));
    } else {
      this.notice('', null);
    }
  }

  notice(kind, make) {
    if (kind !== this.noticed) {
      this.noticed = kind;
      this.notices.replaceChildren(...(make ? [make()] : []));
    }
  }

  prove(metric) {
    if (!this.state) {
      return;
    }
    const { from: dragged, filters } = this.page.state;
    const { from: begin, to, bucket } = this.state;
    const of = dragged ? { from: begin, to, filters, whole: true, bucket } : { from: to - metric.ms, to, filters };
    this.page.prove(metric.key, this.figures.words(metric.key), of);
  }
}

function definitions(whole) {
  const each = METRICS.map((metric) => (whole ? metric.whole : metric));
  return `${each.map(({ label, definition }) => `${label}: ${definition}`).join(' ')} The tick under a bar is the period before.`;
}
