// The figures of the Overview: what each is called and how it is written. What it means is in numbers.js.

import { bytes, bytesText, int, percent, two } from '../../format.js';
import { numberOf } from '../../numbers.js';

/**
 * @typedef {Object} Metric
 * @property {string} key in the state's `figures` and `series`, and in NUMBERS
 * @property {string} label of the figure
 * @property {string} definition
 * @property {{label: string, definition: string}} whole the same where it sums up a dragged time
 * @property {string} window of time that it is of, and `ms` the same
 * @property {string} chart title of the chart
 * @property {function(number): [string, string]} figure number and unit
 * @property {function(number): string} reading in the head of the chart, and of the value axis
 * @property {boolean} rate whether an open bucket is divided by the time that has passed of it
 */

const SECOND = 1000;

const plainNumber = (value) => [int(value), ''];
const perSecond = ([number, unit]) => [number, `${unit}/s`];

const DRAWN = [
  {
    key: 'visitors',
    window: '5\u202fmin',
    ms: 300 * SECOND,
    chart: 'Visitors of the 5 min before',
    figure: plainNumber,
    reading: int,
    rate: false,
  },
  {
    key: 'hits',
    window: '60\u202fs',
    ms: 60 * SECOND,
    chart: 'Hits per minute',
    figure: plainNumber,
    reading: int,
    rate: true,
  },
  {
    key: 'bytes',
    window: '60\u202fs',
    ms: 60 * SECOND,
    chart: 'Bandwidth, bytes per second',
    figure: (value) => perSecond(bytes(value)),
    reading: (value) => `${bytesText(value)}/s`,
    rate: true,
  },
  {
    key: 'errors',
    window: '60\u202fs',
    ms: 60 * SECOND,
    chart: 'Errors, % of hits',
    figure: (value) => [two(value * 100), '%'],
    reading: percent,
    rate: false,
  },
  {
    key: 'active',
    window: '30\u202fs',
    ms: 30 * SECOND,
    chart: 'Active sessions',
    figure: plainNumber,
    reading: int,
    rate: false,
  },
];

/** @type {Metric[]} */
export const METRICS = DRAWN.map((metric) => ({
  ...named(metric.key, false),
  whole: named(metric.key, true),
  ...metric,
}));

function named(key, whole) {
  const { label, definition } = numberOf(key, whole);
  return { label, definition };
}

/** The metric of that key; hits, if there is none. */
export const metricOf = (key) => METRICS.find((metric) => metric.key === key) ?? METRICS[1];
