// The most frequent values of each dimension, and where visitors come from. A click shows only that, an alt-click
// leaves it out.

import { BarList, topWords } from '../../barlist.js';
import { countryName } from '../../countries.js';
import { h, provesButton, segments, text } from '../../dom.js';
import { count, int } from '../../format.js';
import { WorldMap } from '../../map.js';

const AGENTS = [['browser', 'Browser'], ['os', 'System'], ['device', 'Device']];
const NOTHING = { rows: [], more: 0, total: 0 };

/** `els` are its sections; `destroy` it when it goes. */
export class Lists {
  /**
   * @param {Object} page see Page
   */
  constructor(page) {
    this.page = page;
    this.state = null;
    this.names = {};
    this.page_ = this.list('page', 'page');
    this.referrer = this.list('referrer', 'referrer');
    this.agent = this.list('browser', 'browser', { onPick: (value, out) => this.pick(this.agentKey(), value, out) });
    this.status = this.list('status', 'status', {
      note: (value) => this.names[value],
      bad: (value) => Number(value) >= 400,
    });
    this.country = this.list('country', 'country', { unit: 'visitors', name: countryName });
    this.map = new WorldMap((code, out) => this.pick('country', code, out));
    this.mapNote = h('span.note', {});
    this.countryNote = h('span.note', {});
    this.choice = segments('What of the agents', AGENTS, (key) => page.set('agent', key === 'browser' ? null : key));
    const agents = () => this.prove(this.agentKey(), 'Agents', this.agent.length);
    this.els = [
      section('l-page', 'Pages', this.page_.el, () => this.prove('page', 'Pages', this.page_.length)),
      section('l-ref', 'Referrers', this.referrer.el, () => this.prove('referrer', 'Referrers', this.referrer.length)),
      section('l-agent', 'Agents', this.agent.el, agents, h('div.right', {}, this.choice.el)),
      section('l-status', 'Status', this.status.el, () => this.prove('status', 'Status', this.status.length)),
      section('l-map', 'Where from', this.map.el, () => this.prove('country', 'Where from'), this.mapNote),
      section(
        'l-country',
        'Countries',
        this.country.el,
        () => this.prove('country', 'Countries', this.country.length),
        this.countryNote,
      ),
    ];
  }

  // The list as a whole; of the map, all that it has.
  prove(dimension, title, rows) {
    const top = this.state?.tops[dimension];
    if (!top) {
      return;
    }
    const { from, to } = this.state;
    const filters = this.page.state.filters.filter(([name, sign]) => name !== dimension || sign !== '=');
    const isCountry = dimension === 'country';
    const of = { from, to, filters, dimension, rows: rows ?? top.rows.length, name: isCountry ? countryName : undefined };
    this.page.prove(isCountry ? 'countries' : 'values', topWords(top, isCountry ? 'visitors' : 'hits'), of, title);
  }

  list(dimension, head, options = {}) {
    return new BarList({ head, onPick: (value, out) => this.pick(dimension, value, out), ...options });
  }

  pick(dimension, value, exclude) {
    this.page.setFilter(dimension, value, exclude);
  }

  agentKey() {
    const key = this.page.get('agent');
    return AGENTS.some(([one]) => one === key) ? key : 'browser';
  }

  destroy() {
    this.map.destroy();
  }

  /**
   * @param {Object} state of the Overview
   * @param {boolean} anew another question: the order is set at once
   */
  paint(state, anew) {
    this.state = state;
    const agent = this.agentKey();
    this.names = state.names?.status ?? {};
    this.choice.set(agent);
    this.agent.rename(AGENTS.find(([key]) => key === agent)[1].toLowerCase());
    const tops = (key) => state.tops[key] ?? NOTHING;
    for (const [list, key] of [
      [this.page_, 'page'],
      [this.referrer, 'referrer'],
      [this.agent, agent],
      [this.status, 'status'],
      [this.country, 'country'],
    ]) {
      list.set(tops(key), this.page.picked(key), anew || list.shows !== key, state.setup ? 'Nothing yet' : 'None');
      list.shows = key;
    }
    this.paintPlaces(state, tops('country'));
  }

  paintPlaces({ places, setup }, { rows, more, total }) {
    this.map.set(rows.map(([code, number]) => [code, number]), this.page.picked('country'));
    const known = Boolean(places?.source);
    this.els[4].hidden = !known || Boolean(setup);
    text(this.countryNote, known || setup ? '' : 'no locations: start clickstream ui with --geo-db FILE.mmdb');
    const unknown = places?.unknown ? `; ${int(places.unknown)} unknown` : '';
    const origin = places?.source === 'made up' ? 'Made-up places; ' : '';
    const countries = count(rows.length + more, 'country', 'countries');
    text(this.mapNote, `${origin}${int(total)} visitors from ${countries}; area is visitors${unknown}`);
  }
}

function section(cls, title, body, onProve, extra = null) {
  return h(`section.sec.${cls}`, {}, h('header', {}, h('h2', {}, title), provesButton(title, onProve), extra), body);
}
