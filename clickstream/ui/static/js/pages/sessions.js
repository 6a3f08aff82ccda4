// Sessions as they grow, merge and close: lanes, sizes with a threshold, a table, and users per minute.

import { h } from '../dom.js';
import { span } from '../format.js';
import { rangeOf } from '../head.js';
import { definitionsOf } from '../numbers.js';
import { moment } from '../time.js';
import { Panel } from './panel.js';
import { Lanes, laneCount } from './sessions/lanes.js';
import { SessionTable, readSort } from './sessions/table.js';
import { Threshold, nice } from './sessions/threshold.js';
import { Users } from './sessions/users.js';

export const meta = { filterable: true, ranges: [5, 10, 15, 30], range: 10 };

const THRESHOLD = 500000;

/** See Page for the interface. */
export function create(root, page) {
  const sessions = new SessionsPage(root, page);
  return {
    update: () => sessions.update(),
    destroy: () => sessions.destroy(),
    prove: () => sessions.prove('sessions', sessions.table.total),
  };
}

class SessionsPage {
  constructor(root, page) {
    this.page = page;
    this.panel = new Panel(root, page, 'sessions', (state, anew) => this.paint(state, anew));
    this.threshold = THRESHOLD;
    const prove = (...number) => this.prove(...number);
    this.lanes = new Lanes((user) => page.setFilter('user', user), prove);
    this.sizes = new Threshold((octets, done) => this.setThreshold(octets, done), THRESHOLD, prove);
    this.table = new SessionTable(page, prove);
    this.users = new Users(page, prove);
    const { el: lanes } = this.lanes;
    root.append(lanes, this.sizes.el, this.table.el, this.users.el, h('p.defs', {}, DEFINITIONS));
  }

  update() {
    this.threshold = nice(Number(this.page.get('threshold', THRESHOLD)) || THRESHOLD);
    this.panel.ask(this.params());
  }

  params() {
    const { range, to, filters } = this.page.params();
    const sort = readSort(this.page.get('sort'));
    return {
      range: this.page.state.from ? range : rangeOf(meta, range),
      to,
      filters,
      lanes: laneCount(),
      sort: sort.key,
      down: sort.down,
      over: this.page.get('only') === 'over' ? this.threshold : null,
    };
  }

  destroy() {
    this.lanes.destroy();
    this.sizes.destroy();
    this.users.destroy();
  }

  // While it is dragged only the page is painted; the address, and so the server, hears of the end.
  setThreshold(octets, done) {
    this.threshold = nice(octets);
    if (done) {
      this.page.set('threshold', this.threshold === THRESHOLD ? null : this.threshold);
    }
    this.panel.paint();
  }

  paint(state, anew) {
    if (anew) {
      this.table.orderAnew();
    }
    const { to, down } = this.page.state;
    const how = { threshold: this.threshold, live: to == null && !down, now: this.page.now() };
    const words = `the last ${span(state.to - state.from)}`;
    this.lanes.paint(state, how);
    this.sizes.paint(state, how, words);
    this.table.paint(state, how, words);
    this.users.paint(state, words);
    this.paintNotice(state);
  }

  // Of what is shown; or of one user, and of another time.
  prove(key, value, { user = null, title = null, ...time } = {}) {
    if (this.panel.state) {
      const { from, to } = this.panel.state;
      const threshold = key === 'large_sessions' ? { threshold: this.threshold } : {};
      const { filters: all } = this.page.state;
      const filters = user == null ? all : [...all.filter(([dimension]) => dimension !== 'user'), ['user', '=', user]];
      this.page.prove(key, value, { from, to, ...time, filters, ...threshold }, title);
    }
  }

  paintNotice({ newest, clicks, total, covered_from: covered, from }) {
    const { filters } = this.page.state;
    if (newest == null) {
      this.panel.notices.setup('No clicks yet', clicks);
    } else if (covered != null && covered > from) {
      this.panel.notices.line(`The history reaches back to ${moment(covered, this.page.now())}.`);
    } else if (!total) {
      this.panel.notices.line(filters.length ? 'No click of a known user fits these filters.' : 'No click of a known user in this time.');
    } else {
      this.panel.notices.show('');
    }
  }
}

const DEFINITIONS =
  `${definitionsOf('sessions', 'open_sessions', 'large_sessions', 'session_users')} Gaps that a late click has closed ` +
  'are hatched. Clicks and pages per minute are those of events_per_min and pages_per_min (addresses with html in ' +
  'them), by whole minutes; cities are those of the users.';
