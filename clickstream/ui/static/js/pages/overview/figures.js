// The row of figures: each is a button that makes it the one of the big chart, and has another one that proves it.

import { attr, h, provesButton, text } from '../../dom.js';
import { NONE, change, points, span } from '../../format.js';
import { Spark } from '../../spark.js';
import { hms } from '../../time.js';
import { METRICS } from './metrics.js';

const WORSE_BY = 0.003;
const HOUR = 3600000;

/** `el` is its element; `destroy` it when it goes. */
export class Figures {
  /**
   * @param {function(string)} onPick the key of the metric for the chart
   * @param {function(Object)} onProve the metric whose proof is wanted
   */
  constructor(onPick, onProve) {
    this.figures = METRICS.map((metric) => figure(metric, onPick, onProve));
    this.el = h('div.figures', {}, this.figures.map(({ box }) => box));
  }

  destroy() {
    for (const { spark } of this.figures) {
      spark.destroy();
    }
  }

  /**
   * @param {Object|null} state of the Overview; null is not known yet
   * @param {{metric: string, whole: boolean, range: number, down: Object|null}} how
   */
  paint(state, { metric, whole, range, down }) {
    for (const one of this.figures) {
      attr(one.button, 'aria-pressed', one.metric.key === metric);
      const { label, definition } = whole ? one.metric.whole : one.metric;
      text(one.label, label);
      attr(one.button, 'title', definition);
      text(one.window, windowWords(one.metric, whole));
      paintValue(one, state?.figures[one.metric.key], Boolean(state?.setup));
      paintChange(one, state, { range, down });
      const found = state?.setup ? null : state?.figures[one.metric.key];
      const color = one.metric.key === metric ? '--water-line' : '--ink-3';
      one.spark.set(found?.spark ?? [], { color, mean: found?.before });
    }
  }

  /** The value of a metric as it stands there. */
  words(key) {
    const { number, unit } = this.figures.find(({ metric }) => metric.key === key);
    return [number.textContent, unit.textContent].filter(Boolean).join('\u202f');
  }
}

function figure(metric, onPick, onProve) {
  const label = h('span', {}, metric.label);
  const window = h('small', {}, metric.window);
  const number = h('span.value', {}, NONE);
  const unit = h('small', {}, '');
  const changed = h('b', {}, NONE);
  const against = h('span', {}, '');
  const spark = new Spark();
  const button = h(
    'button.fig',
    { type: 'button', title: metric.definition, 'aria-pressed': false, onclick: () => onPick(metric.key) },
    h('div.l', {}, label, window),
    h('div.n', {}, number, unit),
    h('div.c', {}, changed, against),
    spark.el,
  );
  const box = h('div.figbox', {}, button, provesButton(metric.label, () => onProve(metric)));
  return { metric, box, button, label, window, number, unit, changed, against, spark };
}

function windowWords({ key, window }, whole) {
  if (!whole) {
    return window;
  }
  return key === 'visitors' ? 'in all' : 'mean';
}

function paintValue({ metric, number, unit }, found, empty) {
  const known = empty ? 0 : found?.value;
  const [words, units] = known == null ? [NONE, ''] : metric.figure(known);
  text(number, empty ? '0' : words);
  text(unit, units);
}

function paintChange({ metric, changed, against }, state, { range, down }) {
  const found = state?.figures[metric.key];
  const value = difference(metric, found);
  text(changed, metric.key === 'errors' ? points(value && value * 100) : change(value));
  changed.classList.toggle('worse', metric.key === 'errors' && value > WORSE_BY);
  text(against, againstWords(state, range, down));
}

// Of the mean of the range against the one before it; shares in points. Of fewer than 10 events nothing is said.
function difference({ key }, found) {
  if (!found || found.few || found.mean == null || found.before == null) {
    return null;
  }
  if (key === 'errors') {
    return found.mean - found.before;
  }
  return found.before > 0 ? found.mean / found.before - 1 : null;
}

function againstWords(state, range, down) {
  if (!state) {
    return 'connecting';
  }
  if (state.setup) {
    return 'nothing counted';
  }
  if (down?.stands) {
    return `as of ${hms(down.since)}`;
  }
  return `on the ${range === HOUR ? 'hour' : span(range)} before`;
}
