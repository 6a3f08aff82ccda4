// While the clock is dragged, what takes a search of its own waits until the clock rests.

const RESTS_MS = 250;

/** Acts for the moment that is shown. `destroy` it when the page goes. */
export class Resting {
  constructor() {
    this.timer = 0;
    this.shown = null;
  }

  /**
   * @param {number|null} to the past instant that is shown, null for now
   * @param {function()} act is called at once; after a step from one past instant to another, when no other follows
   */
  at(to, act) {
    const moves = this.shown != null && to != null && to !== this.shown;
    this.shown = to;
    clearTimeout(this.timer);
    if (moves) {
      this.timer = setTimeout(act, RESTS_MS);
    } else {
      act();
    }
  }

  destroy() {
    clearTimeout(this.timer);
  }
}
