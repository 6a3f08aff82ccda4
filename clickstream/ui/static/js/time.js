// One time zone for the whole page: the browser's, or UTC. Everything else is epoch milliseconds.
// Labels come from Intl. Places of labels are found by epoch arithmetic with the offset of that very moment, so that
// they stay right over a change of the clock; uPlot's own zones are an hour off there (leeoniya/uPlot#1068).

import { NONE } from './format.js';

const FARTHEST = 8.64e15; // from 1970, in ms: of what is beyond there is no date

let utc = localStorage.getItem('zone') === 'utc';
let formats = {};

/** Whether the page shows UTC. */
export const isUtc = () => utc;

/** Switches the whole page to UTC or back to the browser's zone, remembers it, and tells it by the event 'zone'. */
export function setUtc(on) {
  utc = on;
  formats = {};
  localStorage.setItem('zone', on ? 'utc' : 'browser');
  dispatchEvent(new Event('zone'));
}

/** IANA name of the page's zone: 'Europe/Paris', 'UTC'. */
export const zone = () => (utc ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone);

/** The zone with its present offset: 'Asia/Kathmandu (UTC+5:45)', 'UTC'. */
export function zoneName(at = Date.now()) {
  if (utc || zone() === 'UTC') {
    return 'UTC';
  }
  const minutes = Math.abs(offset(at)) / 60000;
  const sign = offset(at) < 0 ? '\u2212' : '+';
  const rest = minutes % 60 ? `:${String(minutes % 60).padStart(2, '0')}` : '';
  return `${zone()} (UTC${sign}${Math.floor(minutes / 60)}${rest})`;
}

/** What is to be added to an epoch to get the clock of the zone, in ms. */
export function offset(at) {
  return utc ? 0 : -new Date(at).getTimezoneOffset() * 60000;
}

function format(kind, options) {
  formats[kind] ??= new Intl.DateTimeFormat('en-GB', { hourCycle: 'h23', timeZone: zone(), ...options });
  return formats[kind];
}

// What is unknown must not read as 1970 or as now, and a time from outside may be any number.
const told = (at, words) => (Number.isFinite(at) && Math.abs(at) <= FARTHEST ? words() : NONE);

const CLOCK = { hour: '2-digit', minute: '2-digit' };

/** '14:31' of epoch ms; this one and those below: '–' of what is no time. */
export const hm = (at) => told(at, () => format('hm', CLOCK).format(at));

/** '14:31:52' of epoch ms. */
export const hms = (at) => told(at, () => format('hms', { ...CLOCK, second: '2-digit' }).format(at));

/** '14:31:52.073' of epoch ms. */
export const hmsMs = (at) =>
  told(at, () => format('hmsm', { ...CLOCK, second: '2-digit', fractionalSecondDigits: 3 }).format(at));

/** '2026-03-29' of epoch ms. */
export const day = (at) =>
  told(at, () =>
    format('day', { year: 'numeric', month: '2-digit', day: '2-digit' })
      .formatToParts(at)
      .filter((part) => part.type !== 'literal')
      .map((part) => part.value)
      .reverse()
      .join('-'),
  );

/** '2026-03-29 14:31:52.073' of epoch ms: for records, which may be of any day. */
export const dayTime = (at) => told(at, () => `${day(at)} ${hmsMs(at)}`);

/** Time of day; with the day before it if that is not today's. */
export function moment(at, now) {
  return told(at, () => (day(at) === day(now) ? hms(at) : `${day(at)} ${hms(at)}`));
}

const WRITTEN = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(?:(Z)|([+-]\d\d):?(\d\d)?)?)?$/i;

/**
 * Epoch ms of a time as people write it: '2026-03-29', '2026-03-29 14:31:52.073', with a zone at its end if they like.
 * Without one it is in the zone of the page (where browsers take a date alone as UTC). NaN if it is none.
 */
export function parse(words) {
  const [, year, month, date, clock = '00:00', z, hours, minutes = '00'] = WRITTEN.exec(words) ?? [];
  if (!year || Number(date) > new Date(Date.UTC(year, month, 0)).getUTCDate()) {
    return NaN;
  }
  const own = z || (utc && !hours) ? 'Z' : hours ? `${hours}:${minutes}` : '';
  return Date.parse(`${year}-${month}-${date}T${clock}${own}`);
}

const SECOND = 1000;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600].map((n) => n * SECOND);

/** The shortest step (ms) that gives labels at least `apart` px of each other on an axis of `width` px. */
export function labelStep(from, to, width, apart) {
  return STEPS.find((step) => (width * step) / (to - from) >= apart) ?? STEPS.at(-1);
}

/**
 * The moments in [from, to) at which the zone's clock shows a multiple of `step`.
 * @param {number} from epoch ms
 * @param {number} to epoch ms
 * @param {number} step ms
 * @returns {number[]} epoch ms, ascending. Over a change of the clock an hour may come twice, or be missing.
 */
export function splits(from, to, step) {
  const found = [];
  let at = aligned(from, step);
  while (at < to) {
    found.push(at);
    at = aligned(at + 1, step);
  }
  return found;
}

// The next moment, not before `at`, at which the clock shows a multiple of the step.
function aligned(at, step) {
  let next = Math.ceil((at + offset(at)) / step) * step - offset(at);
  if (offset(next) !== offset(at)) {
    // The clock changed in between: look again from the change on, by the offset that holds there.
    const after = changeBetween(at, next);
    next = Math.ceil((after + offset(after)) / step) * step - offset(after);
  }
  return next;
}

function changeBetween(before, after) {
  let low = before;
  let high = after;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offset(middle) === offset(before)) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return high;
}

/**
 * The label of an axis at `at`, for labels that are `step` ms apart: '14:30', or '14:30:15' below a minute; '29 Mar'
 * where a day begins.
 */
export function axisLabel(at, step) {
  if (hms(at) === '00:00:00') {
    return format('date', { day: 'numeric', month: 'short' }).format(at);
  }
  return step < 60 * SECOND ? hms(at) : hm(at);
}
