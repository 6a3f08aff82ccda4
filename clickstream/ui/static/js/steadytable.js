// A table whose numbers change every second and whose rows stand still: the order follows every 5 s at most, and not
// while the pointer is in it. The focus only puts it off for 5 s, as it stays where somebody clicked once.

import { isPointedAt } from './dom.js';
import { Table } from './table.js';

const ORDER_EVERY_MS = 5000;

/** As Table. */
export class SteadyTable extends Table {
  /** @param {Object} options as Table has them */
  constructor(options) {
    super(options);
    this.el.addEventListener('focusin', () => {
      this.orderedAt = performance.now();
    });
  }

  /** The next rows are of another question: they are put in order at once. */
  orderAnew() {
    this.asked = null;
  }

  sorted() {
    const asked = `${this.sort?.key} ${this.sort?.down} ${this.list.length}`;
    const due = performance.now() - this.orderedAt >= ORDER_EVERY_MS && !isPointedAt(this.el);
    if (asked !== this.asked || due) {
      this.asked = asked;
      this.orderedAt = performance.now();
      this.places = new Map(super.sorted().map((row, index) => [this.key(row), index]));
    }
    const place = (row) => this.places.get(this.key(row)) ?? this.places.size;
    return [...this.list].sort((a, b) => place(a) - place(b));
  }
}
