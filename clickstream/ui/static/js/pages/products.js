// Products: what the counter has counted, with the proof; events over time, the funnel, and the best customers.

import { h } from '../dom.js';
import { rangeOf } from '../head.js';
import { definitionsOf } from '../numbers.js';
import { moment } from '../time.js';
import { Panel } from './panel.js';
import { Counts } from './products/counts.js';
import { Events } from './products/events.js';
import { Funnel } from './products/funnel.js';
import { ProductFigures } from './products/figures.js';
import { Vip } from './products/vip.js';

export const meta = { ranges: [5, 15, 30, 60], range: 60 };

/** See Page for the interface. */
export function create(root, page) {
  const products = new ProductsPage(root, page);
  return {
    update: () => products.update(),
    destroy: () => products.destroy(),
    prove: () => products.funnel.proveSteps(),
  };
}

class ProductsPage {
  constructor(root, page) {
    this.page = page;
    this.panel = new Panel(root, page, 'products', (state, anew) => this.paint(state, anew));
    this.figures = new ProductFigures(page);
    this.events = new Events(
      (from, to) => page.setTime(from, to),
      (...number) => page.prove(...number),
    );
    this.funnel = new Funnel(page);
    this.counts = new Counts();
    this.vip = new Vip(page);
    const parts = [this.figures, this.events, this.funnel, this.counts, this.vip];
    root.append(...parts.map((part) => part.el), h('p.defs', {}, DEFINITIONS));
  }

  update() {
    const { range, to } = this.page.params();
    const params = { range: this.page.state.from ? range : rangeOf(meta, range), to };
    this.panel.ask(params);
    this.funnel.update(params);
    this.vip.update();
  }

  destroy() {
    this.figures.destroy();
    this.events.destroy();
  }

  paint(state, anew) {
    this.figures.paint(state);
    this.events.paint(state, { anew, down: this.page.state.down });
    this.funnel.setNames(state.names);
    this.counts.paint(state, this.page.isPast ? state.counted_at : this.page.now());
    this.paintNotice(state);
  }

  paintNotice({ names, events, covered_from: covered, from, totals }) {
    const any = Object.values(totals).some((total) => total > 0);
    if (!names.length) {
      this.panel.notices.setup('No product events yet', events);
    } else if (covered != null && covered > from) {
      this.panel.notices.line(`The history of events reaches back to ${moment(covered, this.page.now())}.`);
    } else if (!any) {
      this.panel.notices.line('No product event in this time.');
    } else {
      this.panel.notices.show('');
    }
  }
}

const DEFINITIONS =
  'The large numbers are the newest tally of unique-event-topic, of all that was ever counted; rates are the mean of ' +
  '10 s of event time that ended 5 s ago. Users per minute are different user ids, by whole minutes. ' +
  definitionsOf('funnel');
