// What the page shows is in its address, after the #: '#/overview?range=15&page=/cart.html&status!=404'. The page's own
// choices are there as well, so that an address can be sent. Only what differs from the default is written.

export const DIMENSIONS = [
  'page', 'referrer', 'browser', 'os', 'device', 'status', 'country', 'city', 'user', 'ip', 'bot',
];
const MINUTE = 60000;
const LATEST = 253402300799999; // the last of the year 9999: of a later instant the server knows nothing
/** The range of those who have chosen none, where nothing else is known. */
export const RANGE = 60 * MINUTE;
const FITTING = [5, 15, 30].map((minutes) => minutes * MINUTE);
const KNOWN = new Set(['range', 'from', 'to', ...DIMENSIONS, ...DIMENSIONS.map((name) => `${name}!`)]);

/**
 * @typedef {Object} Place
 * @property {string} page its name, as 'overview'
 * @property {string} arg what follows the name: the topic of '#/topics/clickstream'
 * @property {number|null} range ms; null: none is chosen
 * @property {number|null} to a past instant, epoch ms; null is now
 * @property {number|null} from only with a dragged time: its beginning
 * @property {Array<[string, string, string]>} filters [dimension, '=' or '!=', value]
 * @property {Object<string, string>} own the page's own choices
 */

/**
 * Reads an address. What cannot be read is ignored: an old or cut address still opens.
 * @param {string} hash '#/overview?range=15'
 * @returns {Place}
 */
export function read(hash) {
  const [path, search = ''] = split(hash.replace(/^#\/?/, ''), '?');
  const [page, arg = ''] = split(path, '/');
  const query = new URLSearchParams(search);
  const place = {
    page: page || 'overview',
    arg: decode(arg),
    range: positive(query.get('range')) * MINUTE || null,
    from: instant(query.get('from')),
    to: instant(query.get('to')),
    filters: [],
    own: {},
  };
  if (place.from && (!place.to || place.from >= place.to)) {
    place.from = null;
  }
  for (const [name, value] of query) {
    const dimension = name.replace(/!$/, '');
    if (DIMENSIONS.includes(dimension)) {
      place.filters.push([dimension, name === dimension ? '=' : '!=', value]);
    } else if (!KNOWN.has(name)) {
      place.own[name] = value;
    }
  }
  return place;
}

/** The smallest range (ms) that holds a history of so many ms; RANGE at most. */
export const fittingRange = (ms) => FITTING.find((range) => ms <= range) ?? RANGE;

/**
 * The address of a place.
 * @param {Place} place
 * @returns {string} '#/overview?range=15'
 */
export function write(place) {
  const parts = [];
  if (place.range) {
    parts.push(`range=${place.range / MINUTE}`);
  }
  if (place.from) {
    parts.push(`from=${Math.round(place.from)}`);
  }
  if (place.to) {
    parts.push(`to=${Math.round(place.to)}`);
  }
  for (const [dimension, sign, value] of place.filters) {
    parts.push(`${dimension}${sign}${encode(value)}`);
  }
  for (const [name, value] of Object.entries(place.own)) {
    parts.push(`${encodeURIComponent(name)}=${encode(value)}`);
  }
  const arg = place.arg ? `/${encode(place.arg)}` : '';
  return `#/${place.page}${arg}${parts.length ? `?${parts.join('&')}` : ''}`;
}

/**
 * The token of an address '#token=...', which must not stay where it is copied: it goes to sessionStorage.
 * @returns {string} the token of this tab, or ''
 */
export function takeToken() {
  const found = /[#&]token=([^&]*)/.exec(location.hash);
  if (found) {
    sessionStorage.setItem('token', decode(found[1]));
    const rest = location.hash.replace(found[0], found[0].startsWith('#') ? '#' : '');
    history.replaceState(null, '', location.pathname + location.search + (rest === '#' ? '' : rest.replace('#&', '#')));
  }
  return sessionStorage.getItem('token') ?? '';
}

function split(words, mark) {
  const at = words.indexOf(mark);
  return at < 0 ? [words] : [words.slice(0, at), words.slice(at + 1)];
}

function positive(value) {
  const number = Number(value);
  return Number.isFinite(number) && number > 0 ? number : 0;
}

function instant(value) {
  const at = Math.round(positive(value));
  return at > 0 && at <= LATEST ? at : null;
}

/** A part of an address, decoded; as it is, where that cannot be done. */
export function decode(value) {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

// Slashes and colons may stand as they are after the #, and are read more easily so.
function encode(value) {
  return encodeURIComponent(value).replaceAll('%2F', '/').replaceAll('%3A', ':');
}
