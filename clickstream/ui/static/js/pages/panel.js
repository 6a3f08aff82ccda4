// What pages about one panel of the server have in common: they ask it, keep its newest state, say what failed, and
// paint.

import { Notices } from './notices.js';

/** `notices` stand above the page. */
export class Panel {
  /**
   * @param {HTMLElement} root of the page
   * @param {Object} page see Page
   * @param {string} name of the panel at the server
   * @param {function(Object, boolean)} onPaint the newest state, and whether it is the first one of another question
   * @param {function()} [onFail] it failed: what is shown is of another question
   */
  constructor(root, page, name, onPaint, onFail = null) {
    this.root = root;
    this.page = page;
    this.name = name;
    this.onPaint = onPaint;
    this.onFail = onFail;
    /** The newest state; null before the first. */
    this.state = null;
    this.answered = '';
    this.notices = new Notices();
    root.append(this.notices.el);
    root.setAttribute('aria-busy', 'true');
  }

  /** Asks, after a change of what is asked for; what is known is painted meanwhile. */
  ask(params) {
    const asked = JSON.stringify(params);
    this.page.open(this.name, this.name, params, {
      state: (state) => this.take(state, asked),
      error: (words) => this.fail(words),
    });
    this.paint();
  }

  fail(words) {
    this.notices.error(words);
    this.root.setAttribute('aria-busy', 'false');
    if (this.onFail) {
      this.state = null;
      this.onFail();
    }
  }

  take(state, asked) {
    const anew = asked !== this.answered;
    this.answered = asked;
    this.state = state;
    this.root.setAttribute('aria-busy', 'false');
    this.paint(anew);
  }

  paint(anew = false) {
    if (this.state) {
      this.onPaint(this.state, anew);
    }
  }
}
