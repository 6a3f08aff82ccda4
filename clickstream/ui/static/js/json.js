// Texts of records, drawn exactly: by a tokenizer over the text, never by parsing and writing it again. So digits, order
// and repeated members stay as they were written. What cannot be seen (controls, marks that turn the direction, what has
// no width) is drawn by its number, as U+202E.

import { h } from './dom.js';

// C0 but tab and line feed, DEL, C1, soft hyphen, directions, zero widths, separators, tags, halves of pairs.
const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|\p{Cs}/gu;

const STRING_RUN = /[^"\\]+|\\[^]?|"/y;
const SCALAR = /[^ \t\r\n{}[\],:"]+/y;
const SPACE = /[ \t\r\n]+/y;
const NUMBER_BEGINS = /[-0-9]/;
const INDENT = '  ';

const number = (character) => `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`;

/** Whether a text has characters that cannot be seen. */
export const hasUnseen = (words) => words.search(UNSEEN) >= 0;

/**
 * The nodes of a text: text nodes, and a mark for each character that cannot be seen.
 * @param {string} words
 * @returns {Node[]}
 */
export function nodes(words) {
  const found = [];
  let at = 0;
  for (const match of words.matchAll(UNSEEN)) {
    if (match.index > at) {
      found.push(document.createTextNode(words.slice(at, match.index)));
    }
    found.push(h('span.unseen', {}, number(match[0])));
    at = match.index + match[0].length;
  }
  if (at < words.length) {
    found.push(document.createTextNode(words.slice(at)));
  }
  return found;
}

/** Puts a text into an element, exactly; it is touched only if the text is another one. */
export function put(element, words) {
  if (element.dataset.exact !== words) {
    element.dataset.exact = words;
    element.replaceChildren(...nodes(words));
  }
}

/** Whether a text begins like an object or an array. */
export const looksLikeJson = (words) => /^[ \t\r\n]*[{[]/.test(words);

/**
 * Writes JSON text into an element, indented, piece by piece: a text may come in several pieces, cut anywhere.
 * Members' names have the class `k`, strings `s`, numbers `n`, null, true and false `z`.
 */
export class Printer {
  /**
   * @param {HTMLElement} element
   * @param {function(string, boolean)} [onField] called with the path of a member's name that was clicked
   */
  constructor(element, onField = null) {
    this.element = element;
    this.onField = onField;
    this.stack = []; // per open object or array: {object, path, index}
    this.string = null; // class of the string that is open
    this.escaped = false; // the piece before ended with a backslash
    this.name = ''; // of the member, with its quotes, as far as it was read
    this.expectsName = false;
    this.empty = false; // nothing stands in the innermost object or array yet
    this.pending = document.createDocumentFragment();
  }

  /** @param {string} words the next piece */
  write(words) {
    let at = 0;
    if (this.escaped && words) {
      this.inString(words[0]);
      this.escaped = false;
      at = 1;
    }
    while (at < words.length) {
      at = this.string ? this.readString(words, at) : this.readToken(words, at);
    }
    this.element.append(this.pending);
  }

  readString(words, at) {
    STRING_RUN.lastIndex = at;
    const [run] = STRING_RUN.exec(words);
    if (run === '"') {
      this.inString(run);
      this.endString();
    } else {
      this.inString(run);
      this.escaped = run === '\\';
    }
    return at + run.length;
  }

  inString(run) {
    if (this.string === 'k') {
      this.name += run;
    } else {
      this.emit(run, 's');
    }
  }

  endString() {
    if (this.string === 'k') {
      this.emitName();
      this.expectsName = false;
    }
    this.string = null;
  }

  readToken(words, at) {
    const character = words[at];
    SPACE.lastIndex = at;
    if (SPACE.test(words)) {
      return SPACE.lastIndex;
    }
    if (character === '"') {
      this.begin();
      this.string = this.expectsName ? 'k' : 's';
      this.name = '';
      this.inString('"');
      return at + 1;
    }
    if ('{}[],:'.includes(character)) {
      this.punctuation(character);
      return at + 1;
    }
    SCALAR.lastIndex = at;
    const [run] = SCALAR.exec(words);
    this.begin();
    this.emit(run, NUMBER_BEGINS.test(run[0]) ? 'n' : 'z');
    return at + run.length;
  }

  punctuation(character) {
    if (character === '{' || character === '[') {
      this.begin();
      this.emit(character);
      this.open(character === '{');
    } else if (character === '}' || character === ']') {
      this.close(character);
    } else if (character === ',') {
      this.emit(',');
      this.line();
      this.next();
    } else {
      this.emit(': ');
    }
  }

  open(object) {
    const above = this.stack.at(-1);
    this.stack.push({ object, path: above ? above.here : '', index: 0, here: '' });
    this.expectsName = object;
    this.empty = true;
    this.step();
  }

  close(character) {
    const wasEmpty = this.empty;
    this.stack.pop();
    this.empty = false;
    this.expectsName = false;
    if (!wasEmpty) {
      this.line();
    }
    this.emit(character);
  }

  // Before the first member the line is broken: an empty object stays in one line.
  begin() {
    if (this.empty) {
      this.empty = false;
      this.line();
    }
  }

  next() {
    const top = this.stack.at(-1);
    if (top) {
      top.index += 1;
      this.expectsName = top.object;
      this.step();
    }
  }

  // The path of what comes, for arrays; an object's is known with the member's name.
  step() {
    const top = this.stack.at(-1);
    if (top && !top.object) {
      top.here = joined(top.path, String(top.index));
    }
  }

  emitName() {
    const top = this.stack.at(-1);
    const name = unquoted(this.name);
    if (top) {
      top.here = joined(top.path, name);
    }
    if (!this.onField || !top) {
      this.emit(this.name, 'k');
      return;
    }
    const path = top.here;
    const props = { type: 'button', title: `Show ${path} as a column, or no longer`, onclick: () => this.onField(path) };
    this.pending.append(h('button.k', props, ...nodes(this.name)));
  }

  line() {
    this.pending.append(`\n${INDENT.repeat(this.stack.length)}`);
  }

  emit(words, cls = '') {
    const made = nodes(words);
    this.pending.append(...(cls ? [h(`span.${cls}`, {}, made)] : made));
  }
}

const joined = (path, name) => (path ? `${path}.${name}` : name);

/**
 * The text of a JSON string with its quotes; for one that was cut, or is none, what stands behind the first quote.
 * (A string is read exactly; numbers never go through here.)
 */
export function unquoted(token) {
  try {
    const found = JSON.parse(token);
    return typeof found === 'string' ? found : token;
  } catch {
    return token.replace(/^"/, '');
  }
}

/**
 * The members of a JSON object, as they are written, by their paths; nested ones as well. What is cut off is left out.
 * @param {string} words
 * @param {number} most at most so many
 * @returns {Map<string, string>} raw text by path
 */
export function members(words, most = 100) {
  const found = new Map();
  const stack = [];
  const token = /[ \t\r\n]*("(?:[^"\\]|\\[^])*"|[{}[\],:]|[^ \t\r\n{}[\],:"]+)/y;
  let name = null;
  let match = token.exec(words);
  while (match && found.size < most) {
    const [, one] = match;
    const top = stack.at(-1);
    if (one === '{' || one === '[') {
      stack.push({ object: one === '{', path: top?.here ?? '' });
      name = null;
    } else if (one === '}' || one === ']') {
      stack.pop();
      name = null;
    } else if (one === ',') {
      name = null;
    } else if (one !== ':' && top?.object) {
      if (name == null) {
        name = unquoted(one);
        top.here = joined(top.path, name);
      } else if (!stack.some((open) => !open.object)) {
        found.set(top.here, one);
      }
    }
    match = token.exec(words);
  }
  return found;
}
