// Errors: how many, of which status, since when, and where they come from.

import { h } from '../dom.js';
import { definitionsOf } from '../numbers.js';
import { moment } from '../time.js';
import { Codes } from './errors/codes.js';
import { ErrorFigures } from './errors/figures.js';
import { AlertLog } from './errors/log.js';
import { Slots } from './errors/slots.js';
import { Stack } from './errors/stack.js';
import { Where } from './errors/where.js';
import { Panel } from './panel.js';

export const meta = { filterable: true };

const MINUTE = 60000;

/** See Page for the interface. */
export function create(root, page) {
  const errors = new ErrorsPage(root, page);
  return {
    update: () => errors.update(),
    destroy: () => errors.destroy(),
    prove: () => errors.figures.prove('errors', errors.figures.rate, MINUTE),
  };
}

class ErrorsPage {
  constructor(root, page) {
    this.page = page;
    this.panel = new Panel(root, page, 'errors', (state, anew) => this.paint(state, anew));
    this.slots = new Slots();
    this.figures = new ErrorFigures(page);
    this.stack = new Stack({
      onZoom: (from, to) => page.setTime(from, to),
      onHover: () => this.codes.paintCursor(this.stack.hover),
    });
    this.codes = new Codes(page, this.slots);
    this.where = new Where(page);
    this.log = new AlertLog();
    const parts = [this.figures, this.stack, this.codes, this.where, this.log];
    root.append(...parts.map((part) => part.el), h('p.defs', {}, DEFINITIONS));
  }

  update() {
    this.panel.ask(this.page.params());
  }

  destroy() {
    this.figures.destroy();
    this.stack.destroy();
    this.codes.destroy();
  }

  paint(state, anew) {
    this.slots.assign(state.codes, state.series);
    this.figures.paint(state);
    this.stack.paint(state, this.slots, { anew, down: this.page.state.down, filtered: this.page.state.filters.length > 0 });
    this.codes.paint(state, this.stack.hover);
    this.where.paint(state, anew);
    this.log.paint(state);
    this.paintNotice(state);
  }

  paintNotice({ newest, clicks, hits, covered_from: covered, from }) {
    if (newest == null) {
      this.panel.notices.setup('No clicks yet', clicks);
    } else if (covered != null && covered > from) {
      this.panel.notices.line(`The history reaches back to ${moment(covered, this.page.now())}.`);
    } else if (!hits) {
      const words = this.page.state.filters.length ? 'No click fits these filters.' : 'No click in this time.';
      this.panel.notices.line(words);
    } else {
      this.panel.notices.show('');
    }
  }
}

const DEFINITIONS = `${definitionsOf('errors', 'errors_per_minute', 'met', 'error_clicks', 'alerts')} Peaks are of whole minutes.`;
