// What charts over time have in common: of which stretches nothing, or not all, is known, where what is final ends, and
// what the values of buckets are, in lines and in readings alike.

// Of less of the youngest bucket a rate would say nothing.
const DRAWN_FROM = 0.25;

/**
 * From when on a time is not known: Kafka is away, or the history has not read so far yet. Infinity: all is known.
 * @param {Object} state of a panel
 * @param {Object|null} down see App.down
 */
export function knownUntil({ read_until: read }, down) {
  return Math.min(awaySince(down) ?? Infinity, read ?? Infinity);
}

const awaySince = (down) => (down?.alert ? down.since : null);

/**
 * The stretches that are not known, with the reason.
 * @param {Object} state of a panel
 * @param {number} from epoch ms, the left end of the chart
 * @param {number} to the right end
 * @param {Object|null} down
 * @returns {Array<[number, number, string]>}
 */
export function gapsOf(state, from, to, down) {
  const { covered_from: covered, read_until: read } = state;
  const gaps = [];
  if (covered != null && covered > from) {
    gaps.push([from, Math.min(covered, to), 'no data']);
  }
  const until = Math.max(from, knownUntil(state, down));
  if (until < to) {
    const away = awaySince(down);
    gaps.push([until, to, away != null && away <= (read ?? Infinity) ? 'no data: Kafka away' : 'not read yet']);
  }
  return gaps;
}

/**
 * Values of buckets where they are known, else null.
 * @param {Array<number|null>} values
 * @param {{times: number[], bucket: number, known: number}} time beginnings of the buckets, ms, and see knownUntil
 */
export function knownOf(values, { times, bucket, known }) {
  return values.map((value, index) => (times[index] + bucket > known ? null : value));
}

/**
 * The same as rates: the youngest bucket is divided by the time that has passed of it, and null before a quarter has.
 * @param {Array<number|null>} counts
 * @param {{times: number[], bucket: number, to: number, known: number}} time as above; `to`: where what is shown ends
 * @param {number} per ms that the rates are of
 */
export function ratesOf(counts, time, per) {
  const { times, bucket, to } = time;
  const last = times.length - 1;
  const passed = Math.min(1, (to - times[last]) / bucket);
  return knownOf(counts, time).map((count, index) => {
    const part = index === last ? passed : 1;
    return count == null || part < DRAWN_FROM ? null : (count * per) / bucket / part;
  });
}

/** The last value once more: where its step ends. */
export const toEnd = (values) => [...values, values.at(-1)];

/**
 * The index of the last bucket that is final; -1 if none is, the last of all if nothing says so.
 * @param {number[]} times beginnings of the buckets
 * @param {number} bucket ms
 * @param {number|null} openFrom what is younger is not final
 */
export function lastFinalOf(times, bucket, openFrom) {
  const first = openFrom == null ? -1 : times.findIndex((at) => at + bucket > openFrom);
  return first < 0 ? times.length - 1 : first - 1;
}
