// Rows of an answer as a chart: over time where they have one, else bars.

import { TimeChart } from '../../chart.js';
import { h } from '../../dom.js';
import { figures, int } from '../../format.js';
import { nodes } from '../../json.js';
import { DASHES, dashSample } from '../../marks.js';
import { dayTime } from '../../time.js';
import { isNumber, isTime, numberOf } from './table.js';

const MAX_SERIES = 5;
const MAX_BARS = 50;
const NARROW = /^U?(TINYINT|SMALLINT|INTEGER)$/;
const COLOURS = ['--cat-1', '--cat-2', '--cat-3', '--cat-4', '--cat-5'];

/** `el` is its element; `destroy` it when it goes. */
export class AnswerChart {
  /** @param {{columns: Array<{name: string, type: string}>, rows: Array<Array<*>>}} answer */
  constructor({ columns, rows }) {
    this.chart = null;
    const time = columns.findIndex(({ type }) => isTime(type));
    if (!columns.some(({ type }) => isNumber(type))) {
      this.el = h('p.note', {}, 'A chart needs a column of numbers.');
    } else if (time >= 0 && rows.some((row) => row[time] !== null)) {
      this.el = this.overTime(seriesOf(columns, rows, time));
    } else {
      this.el = bars(columns, rows);
    }
  }

  /** After a change of the zone, which it tells a time in; its axis is drawn again with all others. */
  paintReading() {
    this.read?.(this.chart.hover);
  }

  destroy() {
    this.chart?.destroy();
  }

  overTime({ xs, series, left, bucket }) {
    const host = h('div.plot.q-plot', { tabindex: '0', role: 'img', 'aria-label': 'The rows over time' });
    const reading = h('span.note', { 'aria-live': 'off' });
    this.read = (index) => {
      const at = index ?? xs.length - 2;
      const words = series.map(({ name, values }) => `${name} = ${values[at] == null ? '\u2013' : numberOf(values[at])}`);
      reading.replaceChildren(...nodes(`${dayTime(xs[at])}: ${words.join(', ')}`));
    };
    const shown = series.map((_, place) => ({
      key: place,
      stroke: COLOURS[place],
      width: 1.5,
      dash: DASHES[place],
    }));
    this.chart = new TimeChart(host, { series: shown, format: short, lines: 4, onHover: this.read });
    this.chart.set(xs, series.map(({ values }) => values), { from: xs[0], to: xs[0] + span(xs, bucket) });
    this.read(null);
    const keys = series.map(({ name }, place) =>
      h('span.key.drawn.note', { '--k': `var(${COLOURS[place]})` }, dashSample(DASHES[place]), nodes(name)),
    );
    const missing = left ? h('p.note', {}, nodes(left)) : null;
    return h('div', {}, h('div.q-keys', {}, keys, reading), host, missing);
  }
}

const short = (value) => (Number.isInteger(value) ? int(value) : figures(value));
const span = (xs, bucket) => Math.max(xs.at(-1) - xs[0], bucket);

/** Epoch ms of a time as DuckDB writes it; times without a zone are UTC. */
export function timeOf(words) {
  const [, date, clock, zone] = /^(\d{4}-\d\d-\d\d)(?: (\d\d:\d\d:\d\d(?:\.\d{1,3})?)\d*)?([+-]\d\d(?::\d\d)?)?$/.exec(words) ?? [];
  if (!date) {
    return NaN;
  }
  const offset = zone ? (zone.includes(':') ? zone : `${zone}:00`) : 'Z';
  return Date.parse(`${date}T${clock ?? '00:00:00'}${offset}`);
}

// Which columns tell rows apart, and which number is drawn: by all texts, and by as many of the first numbers as it takes.
// Numbers that are narrower than a count, as a status is, are no counts where wider ones follow.
function labelsAndNumber(columns, rows, isText, time = []) {
  const texts = places(columns, isText);
  const numbers = places(columns, ({ type }) => isNumber(type));
  const wide = numbers.findIndex((place) => !NARROW.test(columns[place].type));
  const least = Math.min(Math.max(wide, texts.length ? 0 : 1), numbers.length - 1);
  const choices = numbers.map((number, keys) => ({ labels: [...texts, ...numbers.slice(0, keys)], number })).slice(least);
  return choices.find(({ labels }) => areApart(rows, [...time, ...labels])) ?? choices[0];
}

const isLabel = ({ type }) => !isNumber(type) && !isTime(type);
const places = (columns, fits) => columns.flatMap((column, place) => (fits(column) ? [place] : []));
const keyOf = (row, labels) => JSON.stringify(labels.map((place) => row[place]));
const areApart = (rows, labels) => new Set(rows.map((row) => keyOf(row, labels))).size === rows.length;
const nameOf = (row, labels, longest) => labels.map((place) => String(row[place] ?? 'NULL')).join(' \u00b7 ').slice(0, longest);
const namesOf = (columns, of) => of.map((place) => columns[place].name).join(', ');

// Several rows of one time are lines by what tells them apart; else each column of numbers is a line.
function seriesOf(columns, rows, time) {
  const known = rows
    .map((row) => [timeOf(String(row[time])), row])
    .filter(([at]) => Number.isFinite(at))
    .sort(([a], [b]) => a - b);
  const times = [...new Set(known.map(([at]) => at))];
  const { labels, number } = labelsAndNumber(columns, known.map(([, row]) => row), isLabel, [time]);
  const grouped = times.length < known.length && labels.length > 0;
  const series = grouped ? byLabel(known, labels, number) : byColumn(columns, known);
  const drawn = grouped ? [...labels, number] : places(columns, ({ type }) => isNumber(type));
  const left = words({
    drawn: grouped ? `${columns[number].name} by ${namesOf(columns, labels)}.` : '',
    untimed: rows.length - known.length,
    more: series.length - MAX_SERIES,
    grouped,
    over: grouped ? known.length - series.reduce((sum, { at }) => sum + at.size, 0) : known.length - times.length,
    same: namesOf(columns, [time, ...(grouped ? labels : [])]),
    others: namesOf(columns, places(columns, ({ type }) => !isTime(type)).filter((place) => !drawn.includes(place))),
  });
  const bucket = apart(times);
  const xs = withGaps(times, bucket);
  const lines = series.slice(0, MAX_SERIES).map(({ name, at }) => {
    const values = xs.map((one) => at.get(one) ?? null);
    values[values.length - 1] = values.at(-2) ?? null;
    return { name, values };
  });
  return { xs, series: lines, left, bucket };
}

function words({ drawn, untimed, more, grouped, over, same, others }) {
  const parts = [drawn];
  if (untimed > 0) {
    parts.push(`${int(untimed)} rows have no time that can be drawn.`);
  }
  if (more > 0) {
    parts.push(`${int(more)} more ${grouped ? 'values' : 'columns'} are in the table.`);
  }
  if (over > 0) {
    parts.push(`Of rows with the same ${same} only the last is drawn: ${int(over)} more in the table.`);
  }
  if (others) {
    parts.push(`Not drawn: ${others}.`);
  }
  return parts.filter(Boolean).join(' ');
}

function byColumn(columns, known) {
  return columns
    .map(({ name, type }, place) => ({ name, type, place }))
    .filter(({ type }) => isNumber(type))
    .map(({ name, place }) => ({ name, at: new Map(known.map(([at, row]) => [at, valueOf(row[place])])) }));
}

function byLabel(known, labels, number) {
  const found = new Map();
  for (const [at, row] of known) {
    const key = keyOf(row, labels);
    const one = found.get(key) ?? found.set(key, { name: nameOf(row, labels, 60), at: new Map(), sum: 0 }).get(key);
    one.at.set(at, valueOf(row[number]));
    one.sum += Number(row[number]) || 0;
  }
  return [...found.values()].sort((a, b) => b.sum - a.sum);
}

function valueOf(value) {
  const found = value === null ? NaN : Number(value);
  return Number.isFinite(found) ? found : null;
}

/** The shortest time between two rows: as long as each is drawn. */
function apart(times) {
  const steps = times.slice(1).map((at, index) => at - times[index]);
  return steps.length ? steps.reduce((a, b) => Math.min(a, b)) : 60000;
}

// Where a row is missing, nothing is drawn: no step goes on over it.
function withGaps(times, bucket) {
  const xs = [];
  for (const [index, at] of times.entries()) {
    xs.push(at);
    const next = times[index + 1] ?? Infinity;
    if (at + bucket < next) {
      xs.push(at + bucket);
    }
  }
  return xs;
}

function bars(columns, rows) {
  const { labels, number } = labelsAndNumber(columns, rows, ({ type }) => !isNumber(type));
  const shown = rows.slice(0, MAX_BARS);
  const most = shown.reduce((top, row) => Math.max(top, Number(row[number]) || 0), 0) || 1;
  const lines = shown.map((row, index) => {
    const name = labels.length ? nameOf(row, labels, 80) : String(index + 1);
    const share = Math.max(0, (Number(row[number]) || 0) / most);
    const value = row[number] === null ? 'NULL' : numberOf(row[number]);
    return h('div', {}, h('span', { title: name }, nodes(name)), h('span.hb', {}, h('i', { '--f': share })), h('b', {}, value));
  });
  const more = rows.length - shown.length;
  const others = namesOf(columns, places(columns, () => true).filter((place) => place !== number && !labels.includes(place)));
  const drawn = [columns[number].name, labels.length && ` by ${namesOf(columns, labels)}`, others && `. Not drawn: ${others}`];
  const note = more > 0 ? h('p.note', {}, `${int(more)} more rows are in the table.`) : null;
  return h('div', {}, h('p.note', {}, nodes(`${drawn.filter(Boolean).join('')}.`)), h('div.hbars', {}, lines), note);
}
