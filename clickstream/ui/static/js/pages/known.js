// What charts over time have in common: of which stretches nothing, or not all, is known, and where what is final ends.

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
 * The index of the last bucket that is final; -1 if none is, the last of all if nothing says so.
 * @param {number[]} times beginnings of the buckets
 * @param {number} bucket ms
 * @param {number|null} openFrom what is younger is not final
 */
export function lastFinalOf(times, bucket, openFrom) {
  const first = openFrom == null ? -1 : times.findIndex((at) => at + bucket > openFrom);
  return first < 0 ? times.length - 1 : first - 1;
}
