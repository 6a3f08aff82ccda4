// The keys, and the list that shows them.

import { h } from './dom.js';
import { stepRange } from './head.js';
import { PAGES } from './pages/index.js';
import { nextTheme } from './rail.js';
import { isUtc, setUtc } from './time.js';

const SHOWN = [
  ['1 to 9', 'a page'],
  ['p', 'pause, go on'],
  ['[ and ]', 'shorter, longer time range'],
  [', and .', 'a minute back, a minute on'],
  ['/', 'filter'],
  ['Alt click', 'leave a value out'],
  ['i', 'how the chosen number comes about; what measured ones are'],
  ['Esc', 'drop all filters, back to live'],
  ['t', 'theme'],
  ['u', 'UTC, or the browser\u2019s time zone'],
  ['?', 'this list'],
  ['\u2190 \u2192', 'in a chart: move the cursor; on the threshold: move it'],
  ['\u2191 \u2193 Enter', 'in lists and tables: go, open'],
  ['Ctrl Enter', 'run a query'],
];
const MINUTE = 60000;

/** The dialog with the list. */
export function keysDialog() {
  const rows = SHOWN.map(([keys, words]) => h('div', {}, h('dt', {}, keys), h('dd', {}, words)));
  const close = h('form', { method: 'dialog' }, h('button.btn', {}, 'Close'));
  return h('dialog.help', { 'aria-label': 'Keyboard' }, h('h2', {}, 'Keyboard'), h('dl', {}, rows), close);
}

/** Listens to the keys of the whole page; not while somebody types, and not in a dialog. */
export function listenToKeys(app) {
  const acts = {
    '?': () => app.help(),
    '/': () => focusFilter(),
    '[': () => stepRange(app.head, -1),
    ']': () => stepRange(app.head, 1),
    ',': () => app.rewind.step(-MINUTE),
    '.': () => app.rewind.step(MINUTE),
    t: nextTheme,
    u: () => setUtc(!isUtc()),
    p: () => app.head.pause.hidden || app.pause(!app.paused),
    // Measured numbers are not counted again: the foot of their page tells what they are.
    i: () => (app.shown?.prove ? app.shown.prove() : document.querySelector('.defs')?.focus()),
    Escape: () => app.go({ filters: [], from: null, to: null }),
  };
  addEventListener('keydown', (event) => {
    const types = event.target instanceof Element && event.target.matches('input:not([type=range]), textarea, select');
    if (types || event.metaKey || event.ctrlKey || event.altKey || document.querySelector('dialog[open]')) {
      return;
    }
    if (/^[1-9]$/.test(event.key)) {
      openPage(app, Number(event.key));
    } else if (acts[event.key]) {
      acts[event.key]();
      if (event.key === '/') {
        event.preventDefault();
      }
    }
  });
}

function openPage(app, number) {
  const entry = PAGES.filter(({ within }) => !within)[number - 1];
  if (entry) {
    location.hash = app.address(entry.id);
  }
}

function focusFilter() {
  document.querySelector('main input[type=search], main .barlist button')?.focus();
}
