// What the collector got of what sites sent: how much of it is missing, and what came of the last requests.

import { h, text } from '../../dom.js';
import { int, NONE, percent } from '../../format.js';
import { put } from '../../json.js';
import { Spark } from '../../spark.js';
import { Table } from '../../table.js';
import { moment } from '../../time.js';

/** `el` is its element, hidden as long as nothing was collected; call `destroy` when it goes. */
export class Collected {
  /** @param {() => number} now the server's clock */
  constructor(now) {
    this.now = now;
    this.sparks = new Map();
    this.table = new Table({ label: 'Collected from sites', columns: this.columns(), key: (row) => row.site });
    this.table.el.classList.add('sources', 'collected');
    this.note = h('span.note', {});
    this.el = h('section.sec.plain', { hidden: true }, h('header', {}, h('h2', {}, 'Collected'), this.note), this.table.el);
  }

  columns() {
    return [
      { key: 'site', title: 'site', sorts: false, paint: (cell, row) => put(cell, row.site) },
      { key: 'received', title: 'arrived', sorts: false, number: true, note: 'events that came', text: (row) => int(row.received) },
      { key: 'spark', title: 'by hour', sorts: false, cls: 'wide', paint: (cell, row) => this.paintSpark(cell, row) },
      { key: 'last', title: 'last one at', sorts: false, note: LAST, text: ({ last }) => (last == null ? NONE : moment(last, this.now())) },
      { key: 'missing', title: 'missing', sorts: false, number: true, note: MISSING, text: (row) => int(row.missing) },
      { key: 'share', title: 'of what was sent', sorts: false, number: true, note: 'the share of the missing', text: shareText },
      { key: 'doubled', title: 'came again', sorts: false, number: true, cls: 'dim', note: 'events that had come already', text: (row) => int(row.doubled) },
    ];
  }

  /** @param {{sites: Object[], more: number}} state as the panel `collected` has it */
  set({ sites, more }) {
    this.el.hidden = !sites.length;
    for (const [site, spark] of this.sparks) {
      if (!sites.some((row) => row.site === site)) {
        spark.destroy();
        this.sparks.delete(site);
      }
    }
    text(this.note, `the last 24 hours${more ? `; ${int(more)} other sites are not shown` : ''}`);
    this.table.set(sites);
  }

  destroy() {
    for (const spark of this.sparks.values()) {
      spark.destroy();
    }
  }

  paintSpark(cell, { site, hours }) {
    let spark = this.sparks.get(site);
    if (!spark) {
      spark = new Spark('.row');
      this.sparks.set(site, spark);
    }
    if (cell.firstChild !== spark.el) {
      cell.replaceChildren(spark.el);
    }
    if (spark.signature !== hours.join()) {
      spark.signature = hours.join();
      spark.set(hours, { step: true, color: '--water-line' });
    }
  }
}

const LAST = 'When the last event of the site\u2019s tag came: if that is long ago, look at its pages\u2019 Content Security Policy';

const MISSING = 'Numbers of a visitor\u2019s sequence that did not come though later ones did';

const shareText = ({ sent, missing }) => (sent ? percent(missing / sent) : '');
