// A canvas that is as sharp as the screen, and the font of what is written on one.

import { rem } from './dom.js';

/**
 * Clears the canvas and fits it to its element.
 * @param {HTMLCanvasElement} canvas
 * @returns {{g: CanvasRenderingContext2D, width: number, height: number, unit: number}|null} in CSS px; `unit` is 1 at a
 *   root of 16 px; null while it has no size
 */
export function prepared(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) {
    return null;
  }
  const ratio = devicePixelRatio || 1;
  const [w, tall] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== tall) {
    canvas.width = w;
    canvas.height = tall;
  }
  const g = canvas.getContext('2d');
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  return { g, width, height, unit: rem() / 16 };
}

/** The font of `px` at a root of 16 px. */
export function canvasFont(px) {
  return `400 ${(px * rem()) / 16}px "Source Sans 3", system-ui, sans-serif`;
}
