// Numbers as people read them: SI units, three figures, a narrow no-break space before the unit, a real minus sign.

export const THIN = '\u202f';
export const NONE = '\u2013';
const MINUS = '\u2212';

const N0 = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const N1 = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const N2 = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** '1,204'. Takes numbers and big integers that came as text, which stay exact. */
export function int(value) {
  if (typeof value === 'string') {
    return N0.format(BigInt(value));
  }
  return N0.format(Math.round(value)).replace('-', MINUS);
}

/** With one digit after the point. */
export const one = (value) => N1.format(value);

/** With two digits after the point. */
export const two = (value) => N2.format(value);

/** A rate: '0', '3.4', '1,204'; what is below 0.05 has two digits. */
export function rate(value) {
  if (value === 0) {
    return '0';
  }
  if (value < 0.05) {
    return two(value);
  }
  return value < 9.95 ? one(value) : int(value);
}

/** Three figures: '4.12', '41.2', '412'. */
export function figures(value) {
  if (value < 9.995) {
    return two(value);
  }
  return value < 99.95 ? one(value) : int(value);
}

/** Bytes as [number, unit], kB = 1000. */
export function bytes(value) {
  const n = Number(value);
  for (const [unit, size] of [['TB', 1e12], ['GB', 1e9], ['MB', 1e6], ['kB', 1e3]]) {
    if (n >= size * 0.9995) {
      return [figures(n / size), unit];
    }
  }
  return [int(n), 'B'];
}

/** Bytes as text: '4.12 kB'. */
export const bytesText = (value) => bytes(value).join(THIN);

/** A share of 0 to 1: '8.7 %', from 10 % on '19 %'. */
export function percent(share) {
  const value = share * 100;
  return (value < 9.95 ? one(value) : int(value)) + THIN + '%';
}

/** '+1.3 %' of a relative change (0.013), '–' of null. */
export function change(value) {
  return value == null || !Number.isFinite(value) ? NONE : signed(value * 100, '%');
}

/** '+0.82 pt' of a change in points, '–' of null. */
export function points(value) {
  return value == null || !Number.isFinite(value) ? NONE : withSign(value, two(Math.abs(value))) + THIN + 'pt';
}

function signed(value, unit) {
  const size = Math.abs(value);
  return withSign(value, size < 9.95 ? one(size) : int(size)) + THIN + unit;
}

// What is written as zero has no sign.
function withSign(value, words) {
  if (!/[1-9]/.test(words)) {
    return words;
  }
  return (value > 0 ? '+' : MINUS) + words;
}

const pad = (value) => String(value).padStart(2, '0');

/** A span of ms: '9 s', '4 min 46 s', '2 h 05 min', '3 d 4 h'; '–' of what is no number. */
export function duration(ms) {
  if (!Number.isFinite(ms)) {
    return NONE;
  }
  const seconds = Math.max(0, Math.round(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (seconds < 60) {
    return `${seconds}${THIN}s`;
  }
  if (minutes < 60) {
    return `${minutes}${THIN}min ${pad(seconds % 60)}${THIN}s`;
  }
  if (hours < 48) {
    return `${hours}${THIN}h ${pad(minutes % 60)}${THIN}min`;
  }
  return `${Math.floor(hours / 24)}${THIN}d ${hours % 24}${THIN}h`;
}

/** How long something is kept, in ms: '7 days' where they are whole, else a duration. */
export function kept(ms) {
  const days = ms / 86400000;
  return Number.isInteger(days) && days ? count(days, 'day', 'days') : duration(ms);
}

/** A range as people name it: '5 min', '6 h'. */
export function span(ms) {
  const minutes = Math.round(ms / 60000);
  if (ms < 60000) {
    return `${Math.round(ms / 1000)}${THIN}s`;
  }
  return minutes >= 120 && minutes % 60 === 0 ? `${minutes / 60}${THIN}h` : `${minutes}${THIN}min`;
}

/** How long ago: 'now', '23 s ago', '4 min ago'; '–' of what is no number. */
export function ago(ms) {
  if (!Number.isFinite(ms)) {
    return NONE;
  }
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  if (seconds < 1) {
    return 'now';
  }
  for (const [unit, size] of [['d', 86400], ['h', 3600], ['min', 60]]) {
    if (seconds >= size) {
      return `${Math.floor(seconds / size)}${THIN}${unit} ago`;
    }
  }
  return `${seconds}${THIN}s ago`;
}

/** One or many: count(1, 'click', 'clicks') is '1 click'. */
export const count = (n, single, plural) => `${int(n)} ${Number(n) === 1 ? single : plural}`;
