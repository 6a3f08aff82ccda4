// What stands in a page's place, or above it, when there is nothing to see: each state has its own words.

import { command, h } from './dom.js';

/**
 * What is there, and what is missing, each with the command that makes it.
 * @param {string} title
 * @param {Array<{ok: boolean, words: string, command: string|null}>} steps
 */
export function setupNotice(title, steps) {
  return h(
    'section.empty',
    {},
    h('h2', {}, title),
    h('ol', {}, steps.map((step) => setupStep(step))),
    h('p.note', {}, 'This page fills by itself within a second of the first record. Nothing needs to be reloaded.'),
  );
}

function setupStep({ ok, words, command: line }) {
  return h(ok ? 'li.ok' : 'li', {}, h('span', {}, words), line ? command(line) : null);
}

/** One sentence, and perhaps a button that helps. */
export function lineNotice(words, action = null) {
  const button = action && h('button.btn', { type: 'button', onclick: action.act }, action.words);
  return h('section.empty.line', {}, h('p', {}, words), button);
}

/** A panel failed: what the server said of it. */
export function errorNotice(words) {
  return h('section.empty.failed', { role: 'alert' }, h('h2', {}, 'This page cannot be shown now'), h('p', {}, words));
}
