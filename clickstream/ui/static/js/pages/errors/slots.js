// Which status has which colour: five have one of their own, the others share the last one. A status keeps its colour.

export const OTHER = 5;
const OWN = ['404', '407', '405', '406', '500'];

/** The CSS variable of a slot's colour. */
export const colourOf = (slot) => `--cat-${slot + 1}`;

/** Statuses by colour. */
export class Slots {
  constructor() {
    /** @type {Array<string|null>} */
    this.statuses = [null, null, null, null, null];
  }

  /**
   * Gives those that have none a colour, the most frequent first.
   * @param {Array<{status: string}>} codes errors first, the most frequent first
   * @param {Object<string, *>} series by the statuses that are errors
   */
  assign(codes, series) {
    const errors = codes.map(({ status }) => status).filter((status) => status in series);
    for (const status of errors) {
      const own = OWN.indexOf(status);
      if (own >= 0 && this.statuses[own] == null && !this.statuses.includes(status)) {
        this.statuses[own] = status;
      }
    }
    for (const status of errors) {
      const free = this.statuses.indexOf(null);
      if (!this.statuses.includes(status) && free >= 0) {
        this.statuses[free] = status;
      }
    }
  }

  /** The slot of a status that is an error. */
  slot(status) {
    const found = this.statuses.indexOf(status);
    return found < 0 ? OTHER : found;
  }
}
