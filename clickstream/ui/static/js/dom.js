// Elements, and what the drawings need to know of the page. Data goes in as text nodes and properties only: there is
// no markup from data and no style attribute anywhere, so the strict Content-Security-Policy holds.

const SVG = 'http://www.w3.org/2000/svg';

const ICONS = {
  x: 'M3 3l8 8M11 3l-8 8',
  pause: 'M4.5 3v8M9.5 3v8',
  play: 'M4 2.5v9l7.5-4.5z',
  search: 'M6 10.5a4.5 4.5 0 1 1 0-9 4.5 4.5 0 0 1 0 9zM9.5 9.5l3 3',
  copy: 'M5 5V2h7v7H9M2 5h7v7H2z',
  flag: 'M3.5 13V1.5M3.5 2h8l-2 3 2 3h-8',
  down: 'M7 2v9M3.5 7.5L7 11l3.5-3.5',
  sun:
    'M7 4.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5zM7 .8v1.4M7 11.8v1.4M.8 7h1.4M11.8 7h1.4' +
    'M2.6 2.6l1 1M10.4 10.4l1 1M2.6 11.4l1-1M10.4 3.6l1-1',
  moon: 'M11.8 8.6A5.2 5.2 0 0 1 5.4 2.2a5.2 5.2 0 1 0 6.4 6.4z',
  auto: 'M7 1.5v11M7 1.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM9 3.5l2 2M8 6l3.5 3.5M8 9l2 2',
  keys: 'M1 3.5h12v7H1zM3.5 6h.01M6 6h.01M8.5 6h.01M11 6h.01M4 8.5h6',
  step: 'M3.5 2.5l4.5 4.5-4.5 4.5M11 2.5v9',
  sliders: 'M1.5 4h4.5M9 4h3.5M1.5 10H4M7 10h5.5M7.5 2.2v3.6M5.5 8.2v3.6',
  lock: 'M3 6.5h8v6H3zM4.8 6.5V4.2a2.2 2.2 0 0 1 4.4 0v2.3',
  clock: 'M7 1.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM7 4v3.2l2.2 1.4',
  info: 'M7 1.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM7 6.4v3.4M7 4.2h.01',
};

/**
 * Makes an HTML element.
 * @param {string} spec tag and classes, as 'button.btn.main'
 * @param {Object<string, *>} [props] `onclick` and the like are listeners, `--name` is a CSS variable, `aria-*` and
 *   strings are attributes, other values are properties (`true` of no property: an empty attribute); null is left out
 * @param {...(Node|string|number|null|false|Array)} kids children; null and false are left out, arrays are flattened
 * @returns {HTMLElement}
 */
export function h(spec, props, ...kids) {
  const [tag, ...classes] = spec.split('.');
  const element = document.createElement(tag || 'div');
  if (classes.length) {
    element.className = classes.join(' ');
  }
  for (const [name, value] of Object.entries(props ?? {})) {
    setProp(element, name, value);
  }
  element.append(...children(kids));
  return element;
}

function setProp(element, name, value) {
  if (value == null) {
    return;
  }
  if (name.startsWith('aria-')) {
    element.setAttribute(name, String(value));
  } else if (value === false) {
    return;
  } else if (typeof value === 'function') {
    element.addEventListener(name.slice(2), value);
  } else if (name.startsWith('--')) {
    element.style.setProperty(name, value);
  } else if (name in element && typeof value !== 'string') {
    element[name] = value;
  } else {
    element.setAttribute(name, value === true ? '' : value);
  }
}

function children(kids) {
  return kids
    .flat(Infinity)
    .filter((kid) => kid != null && kid !== false)
    .map((kid) => (typeof kid === 'number' ? String(kid) : kid));
}

/**
 * Makes an SVG element; the same as `h`, but every value is an attribute or a listener.
 * @returns {SVGElement}
 */
export function s(tag, props, ...kids) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (typeof value === 'function') {
      element.addEventListener(name.slice(2), value);
    } else if (value != null) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children(kids));
  return element;
}

/** An icon of 14 px that a screen reader does not mention; see ICONS for the names. */
export function icon(name) {
  return s('svg', { class: 'i', viewBox: '0 0 14 14', 'aria-hidden': 'true' }, s('path', { d: ICONS[name] }));
}

/**
 * The sign beside a number that shows how it comes about.
 * @param {string} label of the number
 * @param {function()} onProve
 */
export function provesButton(label, onProve) {
  const props = { type: 'button', title: 'How this number comes about', 'aria-label': `How ${label} comes about` };
  return h('button.info', { ...props, onclick: onProve }, icon('info'));
}

/**
 * A number in a cell that shows, when clicked, how it comes about.
 * @param {HTMLElement} cell
 * @param {string} value
 * @param {string} label of the number
 * @param {function()} onProve the newest one is called
 */
export function provenNumber(cell, value, label, onProve) {
  const button = cell.firstElementChild ?? h('button.proves', { type: 'button', title: 'How this number comes about' });
  if (!button.isConnected) {
    cell.replaceChildren(button);
  }
  button.onclick = onProve;
  text(button, value);
  attr(button, 'aria-label', `${label}: ${value}`);
}

/** Sets an element's text, and touches the document only if it changed. */
export function text(element, value) {
  if (element.textContent !== value) {
    element.textContent = value;
  }
}

/** Sets an attribute, and touches the document only if it changed. */
export function attr(element, name, value) {
  if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, value);
  }
}

/** A shell command in a box, with a button that copies it. */
export function command(line) {
  const done = () => {
    button.replaceChildren('copied');
    setTimeout(() => button.replaceChildren(icon('copy')), 1500);
  };
  const button = h(
    'button',
    { type: 'button', title: 'Copy', 'aria-label': `Copy ${line}`, onclick: () => copy(line).then(done, () => {}) },
    icon('copy'),
  );
  return h('span.cmd', {}, h('code', {}, line), button);
}

/** Copies a text; rejects where the browser forbids it (a page that is neither https nor localhost). */
export async function copy(value) {
  if (!navigator.clipboard) {
    throw new Error('this browser lets no page at this address copy');
  }
  await navigator.clipboard.writeText(value);
}

/**
 * A row of choices of which one is pressed; the bold width is reserved, so that nothing moves.
 * @param {string} label for screen readers
 * @param {Array<[string, string]>} choices value and words
 * @param {function(string)} onPick
 * @returns {{el: HTMLElement, set: function(string|null), buttons: HTMLElement[]}}
 */
export function segments(label, choices, onPick) {
  const buttons = choices.map(([value, words]) =>
    h('button', { type: 'button', 'data-t': words, 'data-value': value, onclick: () => onPick(value) }, words),
  );
  const el = h('div.seg', { role: 'group', 'aria-label': label }, buttons);
  const set = (value) => {
    for (const button of buttons) {
      attr(button, 'aria-pressed', button.dataset.value === String(value));
    }
  };
  return { el, set, buttons };
}

const CAN_POINT = matchMedia('(hover: hover)');

/** Whether the pointer is in an element. Where nothing can point, :hover is only what was touched last. */
export const isPointedAt = (element) => CAN_POINT.matches && element.matches(':hover');

/** The element within another one that has the focus, or null. */
export const focusedIn = (element) => (element.contains(document.activeElement) ? document.activeElement : null);

let colours = {};

/** The present value of a CSS variable of the theme, as '--water'. */
export function css(name) {
  colours[name] ??= getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return colours[name];
}

/** After a change of the theme. */
export function forgetColours() {
  colours = {};
}

let remPx = 0;

/** The root font size in px: 16, and more on walls. */
export function rem() {
  remPx ||= parseFloat(getComputedStyle(document.documentElement).fontSize);
  return remPx;
}

addEventListener('resize', () => {
  remPx = 0;
});

const fits = new WeakMap();
const sizes = new ResizeObserver((entries) => {
  for (const entry of entries) {
    fits.get(entry.target)?.();
  }
});

/**
 * Calls `fit` when the element gets another size, and once when it is first laid out.
 * @returns {function()} stops it
 */
export function onResize(element, fit) {
  fits.set(element, fit);
  sizes.observe(element);
  return () => sizes.unobserve(element);
}

/**
 * Calls `shown` once, when the element comes into view.
 * @returns {function()} stops it
 */
export function onShown(element, shown) {
  const watch = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) {
      watch.disconnect();
      shown();
    }
  });
  watch.observe(element);
  return () => watch.disconnect();
}
