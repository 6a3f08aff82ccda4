// Where to begin in a topic: newest, oldest, at an offset or at a time; and in which partition. Both are in the address.

import { h, segments } from '../../dom.js';
import { dayTime, parse } from '../../time.js';

const STARTS = [['newest', 'Newest'], ['oldest', 'Oldest'], ['offset', 'Offset'], ['time', 'Time']];

/** `els` are its controls, for a head. */
export class Where {
  /**
   * @param {Object} page see Page
   * @param {function(string, ?string)} set puts a choice into the address
   * @param {function(string)} refuse says why what was typed cannot be
   */
  constructor(page, set, refuse) {
    this.page = page;
    this.set = set;
    this.refuse = refuse;
    this.partitions = 0; // how many are known
    this.start = segments('Start at', STARTS, (value) => this.setStart(value));
    this.place = h('input.field.place', { type: 'text', spellcheck: 'false', onchange: () => this.setPlace() });
    const choose = () => this.set('part', this.partition.value === '' ? null : this.partition.value);
    this.partition = h('select.field', { 'aria-label': 'Partition', onchange: choose });
    this.els = [this.start.el, this.place, this.partition];
  }

  /** As it is in the address: newest, oldest, an offset or a time. */
  get at() {
    return this.page.get('at', 'newest');
  }

  /** Whether it is a time without a zone, as it may stand in an address. */
  get isLocal() {
    return /^\d+-/.test(this.at) && !/(z|[+-]\d\d:?\d\d)$/i.test(this.at);
  }

  /** Which partitions there are. */
  setPartitions(numbers) {
    const words = numbers.join();
    if (words !== this.numbers) {
      this.numbers = words;
      this.partitions = numbers.length;
      const options = numbers.map((one) => h('option', { value: String(one) }, `Partition ${one}`));
      this.partition.replaceChildren(h('option', { value: '' }, 'All partitions'), ...options);
      this.partition.value = this.page.get('part', '');
    }
  }

  paint() {
    const { at } = this;
    const known = STARTS.some(([value]) => value === at);
    if (!this.asks || !known) {
      this.start.set(known ? at : /^\d+$/.test(at) ? 'offset' : 'time');
      this.place.hidden = known;
      if (!known && document.activeElement !== this.place) {
        this.place.value = at;
      }
    }
    this.partition.value = this.page.get('part', '');
  }

  setStart(value) {
    const asks = value === 'offset' || value === 'time';
    this.place.hidden = !asks;
    this.asks = asks ? value : null;
    if (asks) {
      this.place.placeholder = value === 'offset' ? 'Offset' : timeExample();
      this.place.value = '';
      this.place.setAttribute('aria-label', value === 'offset' ? 'Offset' : 'Time, in the zone of this page');
      this.place.focus();
      this.start.set(value);
    } else {
      this.set('at', value === 'newest' ? null : value);
    }
  }

  setPlace() {
    const given = this.place.value.trim();
    if (this.asks === 'offset' || /^\d+$/.test(given)) {
      this.set('at', /^\d+$/.test(given) ? given : null);
      return;
    }
    const at = parse(given);
    if (Number.isNaN(at)) {
      this.refuse(`${given} is no time: ${timeExample()} is one.`);
      return;
    }
    this.set('at', new Date(at).toISOString());
  }
}

// In the zone of the page, as one that is typed is read.
const timeExample = () => dayTime(Date.now() - 3600000).slice(0, 19);
