// The pages, in the order of the rail and of the keys 1 to 9. Each is loaded when it is opened.

/**
 * @typedef {Object} Entry
 * @property {string} id in the address: '#/overview'
 * @property {string} title
 * @property {boolean} [lead] with space above it in the rail
 * @property {string} [within] the id of the page in the rail that it belongs to: it has no place of its own there
 * @property {function(): Promise<{create: function, meta: Object}>} load
 * @property {string[]} styles its style sheets in css/pages/
 */

/** @type {Entry[]} */
export const PAGES = [
  { id: 'overview', title: 'Overview', load: () => import('./overview.js'), styles: ['overview.css'] },
  { id: 'sessions', title: 'Sessions', load: () => import('./sessions.js'), styles: ['errors.css', 'sessions.css'] },
  { id: 'errors', title: 'Errors', load: () => import('./errors.js'), styles: ['errors.css'] },
  { id: 'products', title: 'Products', load: () => import('./products.js'), styles: ['errors.css', 'products.css'] },
  {
    id: 'topics',
    title: 'Topics',
    lead: true,
    load: () => import('./topics.js'),
    styles: ['topics.css', 'records.css'],
  },
  {
    id: 'topic',
    title: 'Topics',
    within: 'topics',
    load: () => import('./topic.js'),
    styles: ['topics.css', 'topic.css', 'records.css'],
  },
  {
    id: 'dead',
    title: 'Dead letters',
    load: () => import('./dead.js'),
    styles: ['records.css', 'dead.css'],
  },
  { id: 'flow', title: 'Flow', load: () => import('./flow.js'), styles: ['flow.css'] },
  { id: 'sources', title: 'Sources', load: () => import('./sources.js'), styles: ['sources.css'] },
  { id: 'query', title: 'Query', lead: true, load: () => import('./query.js'), styles: ['records.css', 'query.css'] },
];

/** The entry of an address: '#/topics/NAME' is the page 'topic'; what is not known is the first page. */
export function entryOf({ page, arg }) {
  const within = arg ? PAGES.find((entry) => entry.within === page) : null;
  return within ?? PAGES.find((entry) => entry.id === page && !entry.within) ?? PAGES[0];
}
