// Flow: what runs as a graph, with live rates, how final its results are, and what holds them back.

import { h } from '../dom.js';
import { setupNotice } from '../notice.js';
import { definitionsFoot } from '../table.js';
import { hms } from '../time.js';
import { Holds, Lost, Statement } from './flow/beneath.js';
import { FlowGraph } from './flow/graph.js';
import { FlowList } from './flow/list.js';
import { Panel } from './panel.js';

export const meta = { timed: false, remembered: true, pausable: true };

/** See Page for the interface. */
export function create(root, page) {
  const flow = new Flow(root, page);
  return { update: () => flow.update(), destroy: () => flow.destroy() };
}

class Flow {
  constructor(root, page) {
    this.page = page;
    this.panel = new Panel(root, page, 'flow', (state) => this.paint(state), () => this.show(false));
    const onStatement = (file, id) => page.set('statement', `${id}@${file}`);
    const address = (id, arg) => page.address(id, arg);
    this.graph = new FlowGraph({ onStatement, address });
    this.list = new FlowList({ onStatement, address });
    this.statement = new Statement();
    this.lost = new Lost(address);
    this.holds = new Holds();
    this.body = [h('section.sec.plain', {}, this.graph.el, this.list.el), this.statement.el, this.lost.el, this.holds.el];
    root.append(...this.body, definitionsFoot(DEFINITIONS));
  }

  update() {
    this.panel.ask(this.page.instant());
    this.askStatement();
  }

  destroy() {
    this.graph.destroy();
  }

  askStatement() {
    const [statement, file] = split(this.page.get('statement', ''));
    if (!file) {
      this.page.close('statement');
      return;
    }
    this.page.open('statement', 'statement', { file, statement, ...this.page.instant() }, {
      state: (state) => this.statement.paint(state),
      error: (words) => this.statement.paint({ name: words, sql: '' }),
    });
  }

  paint(state) {
    const empty = !state.files.length;
    this.show(!empty);
    this.paintNotice(state, empty);
    if (!empty) {
      this.graph.paint(state);
      this.list.paint(state);
      this.lost.paint(state);
      this.holds.paint(state);
    }
  }

  show(on) {
    for (const one of this.body) {
      one.hidden = !on;
    }
  }

  paintNotice({ topic, at, problem }, empty) {
    if (empty && (topic.stage === 'live' || topic.stage === 'missing')) {
      this.panel.notices.show('empty', () => setupNotice('Nothing runs', STEPS));
    } else if (empty) {
      this.panel.notices.line(topic.words || `Reading ${topic.name}\u2026`);
    } else if (problem) {
      this.panel.notices.line(at ? `Rates are as of ${hms(at)}. ${problem}` : problem);
    } else {
      this.panel.notices.show('');
    }
  }
}

const DEFINITIONS =
  'Beside a topic stand the records that come into it, how many of them its reader has still to read by the offsets ' +
  'stored with its results, and how long the first of these has waited; final: how far the watermark of its table is ' +
  'behind the clock. Of a result: final until (event time) its rows do not change any more; next row in: until the next ' +
  'window ends; late: rows that came after all their windows had closed. Numbers are since the part was started; rates ' +
  'are of the last 5 s, or the mean of a minute where little comes.';

const STEPS = [
  { ok: false, words: 'No tables and no counter report. Run some:', command: 'bin/clickstream tables run clickstream' },
  { ok: false, words: 'or look at a file without running it:', command: 'bin/clickstream ui config/tables/clickstream.sql' },
];

// Ids of parts have any character, those of statements no @.
function split(words) {
  const at = words.indexOf('@');
  return at < 0 ? ['', ''] : [words.slice(0, at), words.slice(at + 1)];
}
