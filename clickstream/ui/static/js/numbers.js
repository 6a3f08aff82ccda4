// What the numbers of the pages mean, and the query over the history that gives each. How the server counts them again
// from the topic is in ui/numbers.py; here is whether it can, and else why not.

import { bytes, bytesText, duration, int, rate, two } from './format.js';

/**
 * What a number is of: [from, to) in epoch ms; `filters` of clicks; what it is about besides.
 * @typedef {Object} Of
 * @property {number} from
 * @property {number} to
 * @property {Array<[string, string, string]>} [filters]
 * @property {number} [threshold] bytes
 * @property {string} [event] name of a product event
 * @property {string[]} [steps] of a funnel
 * @property {number} [window] ms, of a funnel
 * @property {string} [dimension] of a list: whose values they are
 * @property {number} [rows] of a list: how many values are told one by one
 * @property {function(string): string} [name] of a list: how a value is shown
 * @property {boolean} [whole] it sums up a dragged time
 * @property {number} [bucket] ms, of the chart of a dragged time
 *
 * @typedef {Object} Number
 * @property {string} label
 * @property {string} definition
 * @property {function(Of): string} query
 * @property {function(*): string} [format] of what the server says
 * @property {string} [figure] its name at /api/recount
 * @property {string} [why] it cannot be counted again
 * @property {string[]} [of] members of Of that the server needs to know, besides the range and filters
 * @property {Object} [whole] what is different of it where it sums up a dragged time
 */

const VISITOR = 'A visitor is a user id, else an address.';
const ERROR = 'An error is a click with a status of 400 or more.';
const SESSION =
  'A session: the clicks of one user of which none is more than 30 s after the one before, in event time, as in the ' +
  'table click_user_sessions; clicks of nobody belong to none.';
const OWN_FILTER = 'A list is counted without the value that is chosen in it.';
const FEW_S = 'Event time; the last 5 s are left out, as they may still change.';
const GAP_MS = 30000;
const LOOK_BACK_MS = 900000;

const text = (value) => `'${value.replaceAll("'", "''")}'`;
const within = ({ from, to }) => [`epoch_ms(time) >= ${from}`, `epoch_ms(time) < ${to}`];
const joined = (conditions) => conditions.join('\n  AND ');

function clicksOf({ filters = [], ...of }) {
  const included = filters.filter(([, sign]) => sign === '=');
  const excluded = filters.filter(([, sign]) => sign !== '=');
  const values = (dimension) => included.filter(([name]) => name === dimension).map(([, , value]) => text(value));
  const dimensions = [...new Set(included.map(([name]) => name))];
  return [
    ...within(of),
    ...dimensions.map((dimension) => `"${dimension}" IN (${values(dimension).join(', ')})`),
    ...excluded.map(([dimension, , value]) => `"${dimension}" IS DISTINCT FROM ${text(value)}`),
  ];
}

const ofClicks = (select, ...more) => (of) => `SELECT ${select}\nFROM clicks\nWHERE ${joined([...clicksOf(of), ...more])}`;
const ofEvents = (select) => (of) =>
  `SELECT ${select(of)}\nFROM events\nWHERE ${joined([...within(of), ...(of.event == null ? [] : [`name = ${text(of.event)}`])])}`;
const byValue = (count, ...more) => (of) =>
  `${ofClicks(`"${of.dimension}", ${count}`, ...more)(of)}\nGROUP BY 1\nORDER BY 2 DESC, 1`;
const perSecond = ([number, unit]) => `${number}\u202f${unit}/s`;
const seconds = ({ from, to }) => (to - from) / 1000;

// The clicks of users, each with whether it begins a session.
const begins = (of) =>
  'SELECT "user", time, bytes, coalesce(time - lag(time) OVER (PARTITION BY "user" ORDER BY time) > ' +
  `INTERVAL ${GAP_MS / 1000} SECOND, true)::int AS begins\n  FROM clicks\n  WHERE ` +
  `${joined([...clicksOf(of), '"user" IS NOT NULL'])}`;

function largeSessions(of) {
  const number = 'sum(begins) OVER (PARTITION BY "user" ORDER BY time ROWS UNBOUNDED PRECEDING) AS number';
  const clicks = begins({ ...of, from: of.from - LOOK_BACK_MS });
  const sessions = `SELECT max(time) AS last, sum(bytes) AS bytes\n  FROM (SELECT *, ${number} FROM (${clicks}))\n  GROUP BY "user", number`;
  return `SELECT count(*)\nFROM (${sessions})\nWHERE epoch_ms(last) >= ${of.from} AND bytes > ${of.threshold}`;
}

function funnel(of) {
  const { steps, window } = of;
  const step = (name) => `(SELECT "user", t FROM own WHERE name = ${text(name)})`;
  const joins = steps
    .slice(1)
    .map((name, at) => `\n  ASOF LEFT JOIN ${step(name)} AS s${at + 1} ON s0."user" = s${at + 1}."user" AND s${at + 1}.t >= s${at}.t`);
  const reached = steps.map((_, at) => `count(DISTINCT s0."user") FILTER (WHERE s${at}.t <= s0.t + ${window})`);
  return (
    `WITH own AS (\n  SELECT "user", name, epoch_ms(time) AS t FROM events\n  WHERE ${joined([...within(of), '"user" IS NOT NULL'])}\n)\n` +
    `SELECT ${reached.join(',\n  ')}\nFROM ${step(steps[0])} AS s0${joins.join('')}`
  );
}

// Buckets without a click count, too; the last one ends with the time.
function meanActive(of) {
  const { from, to, bucket } = of;
  const end = `least(start + ${bucket}, ${to})`;
  const clicks = `SELECT "user", epoch_ms(time) AS t FROM clicks\n  WHERE ${joined(clicksOf({ ...of, from: from - GAP_MS }))}`;
  return (
    `SELECT avg(users)\nFROM (\n  SELECT count(DISTINCT "user") AS users\n  FROM range(${from}, ${to}, ${bucket}) AS buckets(start)\n` +
    `  LEFT JOIN (\n  ${clicks}\n  ) ON t >= ${end} - ${GAP_MS}\n  AND t < ${end}\n  GROUP BY start\n)`
  );
}

const took = (median, slow) => (median == null ? '' : ` (${duration(median)}, ${duration(slow)})`);
const funnelText = (steps) => steps.map(([users, median, slow]) => int(users) + took(median, slow)).join(', ');

/** @type {Object<string, Number>} */
export const NUMBERS = {
  visitors: {
    label: 'Visitors now',
    definition: `How many different visitors clicked in the last 5 minutes of event time. ${VISITOR}`,
    query: ofClicks('count(DISTINCT visitor)'),
    format: int,
    figure: 'visitors',
    whole: { label: 'Visitors', definition: `How many different visitors clicked in the time shown. ${VISITOR}` },
  },
  hits: {
    label: 'Hits per minute',
    definition: 'Clicks in the last 60 seconds of event time.',
    query: (of) => ofClicks(`count(*) * 60 / ${seconds(of)}`)(of),
    format: int,
    figure: 'hits',
    whole: { definition: 'Clicks in the time shown, per minute of it.' },
  },
  bytes: {
    label: 'Bandwidth',
    definition: 'Bytes that were sent, per second: the mean of the last 60 seconds of event time.',
    query: (of) => ofClicks(`sum(bytes) / ${seconds(of)}`)(of),
    format: (value) => perSecond(bytes(value)),
    figure: 'bytes',
    whole: { definition: 'Bytes that were sent, per second: the mean of the time shown.' },
  },
  errors: {
    label: 'Error rate',
    definition: 'The share of clicks with a status of 400 or above in the last 60 seconds of event time.',
    query: ofClicks('count(*) FILTER (WHERE status >= 400) / count(*)'),
    format: (value) => `${two(value * 100)}\u202f%`,
    figure: 'errors',
    whole: { definition: 'The share of clicks with a status of 400 or above in the time shown.' },
  },
  active: {
    label: 'Active sessions',
    definition: 'How many users have clicked in the last 30 seconds of event time: their session is open.',
    query: ofClicks('count(DISTINCT "user")'),
    format: int,
    figure: 'users',
    whole: {
      definition:
        'How many users had clicked in the 30 seconds of event time before: the mean of the time shown, counted ' +
        'where each bucket of the chart ends.',
      query: meanActive,
      figure: null,
      why: 'It is not counted again: it is the mean of many counts.',
    },
  },
  sessions: {
    label: 'Sessions',
    definition: `Sessions with a click in the time shown. ${SESSION} With filters, only the clicks that fit count.`,
    query: (of) => `SELECT sum(begins)\nFROM (${begins(of)})`,
    format: int,
    figure: 'sessions',
  },
  open_sessions: {
    label: 'Open sessions',
    definition:
      'Sessions that may go on: the watermark has not passed their last click by 30 s. Counted again, at the watermark.',
    query: (of) =>
      `SELECT count(*)\nFROM (SELECT max(time) AS last FROM clicks\n  WHERE ${joined([...clicksOf(of), '"user" IS NOT NULL'])}\n  GROUP BY "user")\n` +
      `WHERE epoch_ms(last) > ${of.to - GAP_MS}`,
    format: int,
    figure: 'open_sessions',
  },
  session_users: {
    label: 'Users',
    definition: 'Different users with a click in the time shown.',
    query: ofClicks('count(DISTINCT "user")'),
    format: int,
    figure: 'users',
  },
  large_sessions: {
    label: 'High-bandwidth sessions',
    definition:
      'Sessions with a click in the time shown and more bytes than the threshold. All their bytes count, also those ' +
      'from up to 15 min before the time shown.',
    query: largeSessions,
    format: int,
    figure: 'large_sessions',
    of: ['threshold'],
  },
  errors_per_minute: {
    label: 'Errors per minute',
    definition: `Errors in the last 60 seconds of event time. ${ERROR}`,
    query: (of) => ofClicks(`count(*) * 60 / ${seconds(of)}`, 'status >= 400')(of),
    format: int,
    figure: 'errors_per_minute',
  },
  error_clicks: {
    label: 'Errors',
    definition: `Errors in the time shown: of clicks, not of entries of a table. ${ERROR}`,
    query: ofClicks('count(*)', 'status >= 400'),
    format: int,
    figure: 'error_clicks',
  },
  met: {
    label: 'Visitors who met one',
    definition: `Different visitors with an error in the time shown. ${VISITOR} ${ERROR}`,
    query: ofClicks('count(DISTINCT visitor)', 'status >= 400'),
    format: int,
    figure: 'met',
  },
  clicks: {
    label: 'Clicks',
    definition: 'Clicks of this time that fit the filters.',
    query: ofClicks('count(*)'),
    format: int,
    figure: 'clicks',
  },
  clicks_bytes: {
    label: 'Bytes',
    definition: 'Bytes that were sent for the clicks of this time that fit the filters.',
    query: ofClicks('sum(bytes)'),
    format: bytesText,
    figure: 'clicks_bytes',
  },
  values: {
    label: 'Values',
    definition: `Clicks in the time shown, by their value. ${OWN_FILTER}`,
    query: byValue('count(*)'),
    format: int,
    figure: 'values',
    of: ['dimension', 'rows'],
  },
  countries: {
    label: 'Countries',
    definition: `Different visitors in the time shown, by country; who clicked from two is in both. ${VISITOR} ${OWN_FILTER}`,
    query: byValue('count(DISTINCT visitor)', 'visitor IS NOT NULL'),
    format: int,
    figure: 'values',
    of: ['dimension', 'rows'],
  },
  error_values: {
    label: 'Errors by value',
    definition: `Errors in the time shown, by the value of their clicks. ${ERROR}`,
    query: byValue('count(*)', 'status >= 400'),
    format: int,
    figure: 'error_values',
    of: ['dimension', 'rows'],
  },
  alerts: {
    label: 'Alerts',
    definition:
      'Alerts that go on. Alerts are rows of the table errors_per_min_alert that touch each other: more than 5 of one ' +
      'status above 400 within a minute, looked at every 20 s, of all clicks: filters do not change them.',
    query: () => 'SELECT *\nFROM errors_per_min_alert',
    why: 'It is not from the history: the streaming tables compute it, and the page shows their topic as it is.',
  },
  tally: {
    label: 'Tally',
    definition: 'The newest tally: how many of these events the counter has ever counted.',
    query: () => 'SELECT *\nFROM "unique-event-topic"',
    why:
      'It is not from the history: the counter counts the whole topic. The section \u201cThe tally\u201d compares it with ' +
      'the offsets of the topic.',
  },
  event_rate: {
    label: 'Events per second',
    definition: `Events of this name per second: the mean of 10 s. ${FEW_S}`,
    query: (of) => ofEvents(() => `count(*) / ${seconds(of)}`)(of),
    format: rate,
    figure: 'event_rate',
    of: ['event'],
  },
  event_users: {
    label: 'Users with events',
    definition: `Different user ids with a product event. ${FEW_S}`,
    query: ofEvents(() => 'count(DISTINCT "user")'),
    format: int,
    figure: 'event_users',
  },
  funnel: {
    label: 'Funnel',
    definition:
      'How many users have done the steps in this order, the last one within the window after the first; each begins ' +
      'with any first step in the time shown, and the best attempt of a user counts. Events of the same second count ' +
      'as in order. In brackets: within which time half and 90 % of them came from the step before.',
    query: funnel,
    format: funnelText,
    figure: 'funnel',
    of: ['steps', 'window'],
  },
};

/** A number of NUMBERS; with `whole` as it is where it sums up a dragged time. */
export const numberOf = (key, whole) => (whole ? { ...NUMBERS[key], ...NUMBERS[key].whole } : NUMBERS[key]);

/**
 * What the dialog shows of a number.
 * @param {string} key in NUMBERS
 * @param {string} value as it stands on the page
 * @param {Of} of
 * @param {string} [title] its label, if it is another one there
 */
export function proofOf(key, value, of, title) {
  const number = numberOf(key, of.whole);
  return {
    title: title ?? number.label,
    value,
    definition: number.definition,
    query: number.query(of),
    format: number.format ?? String,
    name: of.name ?? String,
    figure: number.figure ?? null,
    why: number.why ?? '',
    from: of.from,
    to: of.to,
    filters: of.filters ?? null,
    params: Object.fromEntries((number.of ?? []).map((name) => [name, plain(of[name])])),
    facts: facts(of),
  };
}

const plain = (value) => (Array.isArray(value) ? JSON.stringify(value) : value);

function facts({ threshold, event, steps, window, dimension }) {
  return [
    ['Values of', dimension ?? null],
    ['Threshold', threshold == null ? null : bytesText(threshold)],
    ['Event', event ?? null],
    ['Steps', steps?.join(', ') ?? null],
    ['Window', window == null ? null : duration(window)],
  ].filter(([, value]) => value != null);
}

/** The definitions of these numbers, each with its name in front. */
export const definitionsOf = (...keys) => keys.map((key) => `${NUMBERS[key].label}: ${NUMBERS[key].definition}`).join(' ');
