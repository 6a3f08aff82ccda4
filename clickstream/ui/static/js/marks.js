// What tells categories apart besides their colour: the texture of areas and the mark on lines, by the slot of the
// colour, and dashes. Paths are in a box of 8 by 8; charts draw them on canvas, and keys the same ones as SVG.

import { s } from './dom.js';

// They go on from one box to the next.
const RISING = 'M-2 2L2-2M-1 9L9-1M6 10L10 6';
const FALLING = 'M-2 6L2 10M-1-1L9 9M6-2L10 2';
const LEVEL = 'M0 2H8M0 6H8';
const UPRIGHT = 'M2 0V8M6 0V8';

/** The first has none; the last is of all others together. */
export const TEXTURES = ['', RISING, LEVEL, FALLING, UPRIGHT, RISING + FALLING];

/** Disc, square, two triangles, diamond, cross. */
export const MARKS = [
  'M4 .5A3.5 3.5 0 1 1 4 7.5A3.5 3.5 0 1 1 4 .5Z',
  'M1 1H7V7H1Z',
  'M4 .5L8 7.5H0Z',
  'M4 7.5L0 .5H8Z',
  'M4 0L8 4L4 8L0 4Z',
  'M3 0H5V3H8V5H5V8H3V5H0V3H3Z',
];

/** Of lines that have no open end: elsewhere a dash says that a number is not final. */
export const DASHES = [undefined, [6, 3], [2, 2], [8, 3, 2, 3], [1, 3]];

const sample = (kind, viewBox, ...shapes) => s('svg', { class: `sample ${kind}`, viewBox, 'aria-hidden': 'true' }, ...shapes);

/** The beginning of a key in the colour --k: a piece of an area with this texture. */
export const areaSample = (texture) =>
  sample('area', '0 0 8 8', s('rect', { width: 8, height: 8 }), s('path', { d: texture }));

/** The same of a line with this mark. */
export const markSample = (mark) => sample('mark', '0 0 8 8', s('path', { d: mark }));

/** The same of a dashed line. */
export const dashSample = (dash) => {
  const line = { x1: 0, y1: 2, x2: 26, y2: 2, 'stroke-dasharray': dash?.join(' ') };
  return sample('line', '0 0 26 4', s('line', line));
};
